package cases_test

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"tailstock/connector/inventory"
)

// stock is the levels that are not zero.
type stock map[inventory.Cell]inventory.Quantities

// String lists levels as a script does, one a line, in order.
func (s stock) String() string {
	cells := slices.SortedFunc(maps.Keys(s), func(a, b inventory.Cell) int {
		return strings.Compare(string(a.SKU)+"\x00"+string(a.Location), string(b.SKU)+"\x00"+string(b.Location))
	})
	var b strings.Builder
	for _, c := range cells {
		fmt.Fprintf(&b, "%s: %s\n", cellText(c), quantitiesText(s[c]))
	}
	if len(cells) == 0 {
		return "nothing\n"
	}
	return b.String()
}

// add adds quantities to a cell, which goes when it comes to nothing.
func (s stock) add(c inventory.Cell, q inventory.Quantities) {
	sum := s[c]
	for k := range sum {
		sum[k] += q[k]
	}
	if sum.IsZero() {
		delete(s, c)
		return
	}
	s[c] = sum
}

func cellText(c inventory.Cell) string { return fmt.Sprintf("%s at %s", c.SKU, c.Location) }

func quantitiesText(q inventory.Quantities) string {
	var parts []string
	for k, n := range q {
		if n != 0 {
			parts = append(parts, fmt.Sprintf("%s %s", inventory.Kind(k), n))
		}
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

var levelLine = regexp.MustCompile(`^(.+) at (.+): (.+)$`)

// parseLevel reads a line like "BRK-1 at DC1: on_hand 5, committed 2".
func parseLevel(text string) (inventory.Cell, inventory.Quantities, error) {
	var q inventory.Quantities
	m := levelLine.FindStringSubmatch(text)
	if m == nil {
		return inventory.Cell{}, q, fmt.Errorf("%q is not SKU at LOCATION: KIND QUANTITY, …", text)
	}
	cell := inventory.Cell{SKU: inventory.SKU(m[1]), Location: inventory.LocationID(m[2])}
	if m[3] == "nothing" {
		return cell, q, nil
	}
	for part := range strings.SplitSeq(m[3], ", ") {
		name, number, _ := strings.Cut(part, " ")
		kind, ok := inventory.ParseKind(name)
		if !ok {
			return cell, q, fmt.Errorf("%q is no kind of quantity", name)
		}
		n, err := inventory.ParseQuantity(number)
		if err != nil {
			return cell, q, fmt.Errorf("%s of %s: %w", name, cellText(cell), err)
		}
		q[kind] = n
	}
	return cell, q, nil
}
