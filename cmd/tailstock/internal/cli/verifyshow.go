package cli

import (
	"context"
	"fmt"
	"strings"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/config"
	"tailstock/sinks/stockstore"
)

// maxShownDifferences is how many differences are shown of each store, and of levels.
const maxShownDifferences = 50

const maxRowKey = cdc.MaxRowKey

// verifiedSource is what verifying a source came to.
type verifiedSource struct {
	Source string `json:"source"`
	Job    string `json:"job"`
	connector.VerifySpec
	// Rows is how many rows were read, Stated how many were to be compared.
	Rows       int64           `json:"rows"`
	Stated     int64           `json:"stated"`
	ReadBack   int64           `json:"read_back"`
	Unreadable int64           `json:"unreadable"`
	Seconds    float64         `json:"seconds"`
	Stores     []verifiedStore `json:"stores"`
}

type verifiedStore struct {
	Store string `json:"store"`
	connector.ComparedRows
	// Complete says that everything that was to be compared was.
	Complete    bool         `json:"complete"`
	Differences []difference `json:"differences,omitempty"`
	ended       bool
}

// difference is a row that differs as it is shown.
type difference struct {
	Kind   connector.DriftKind `json:"kind"`
	Table  string              `json:"table"`
	Row    string              `json:"row"`
	Source stated              `json:"source"`
	Held   stated              `json:"store"`
}

type stated struct {
	Contributions []statedContribution `json:"contributions"`
	Problem       string               `json:"problem,omitempty"`
}

type statedContribution struct {
	Leg      string               `json:"leg"`
	SKU      inventory.SKU        `json:"sku"`
	Location inventory.LocationID `json:"location"`
	quantities
	validity
	all   inventory.Quantities
	valid inventory.Validity
}

func differenceOf(d *connector.Difference) difference {
	return difference{Kind: d.Kind, Table: d.Table, Row: string(d.Row), Source: statedOf(&d.Source), Held: statedOf(&d.Store)}
}

func statedOf(s *connector.Stated) stated {
	out := stated{Contributions: []statedContribution{}}
	for i := range s.Contributions {
		c := &s.Contributions[i]
		out.Contributions = append(out.Contributions, statedContribution{
			Leg: c.Leg, SKU: c.SKU, Location: c.Location, quantities: quantitiesOf(c.Quantities), all: c.Quantities,
			validity: validityOf(c.Valid), valid: c.Valid,
		})
	}
	if p := s.Problem; p != nil {
		out.Problem = strings.Trim(p.Rule+": "+p.Reason, ": ")
	}
	return out
}

// String shows one side of a difference to people.
func (s *stated) String() string {
	var parts []string
	for i := range s.Contributions {
		c := &s.Contributions[i]
		parts = append(parts, fmt.Sprintf("%s at %s: %s%s", c.SKU, c.Location, nonZero(c.all), validityText(c.valid)))
	}
	if s.Problem != "" {
		parts = append(parts, "cannot be mapped ("+s.Problem+")")
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// showVerified prints results for people.
func (a *app) showVerified(results []verifiedSource) error {
	var b strings.Builder
	for i := range results {
		r := &results[i]
		for j := range r.Stores {
			s := &r.Stores[j]
			fmt.Fprintf(&b, "%s, store %s: %s compared in %.1f s", r.Source, s.Store, count(s.Equal+s.Drift(), "row"), r.Seconds)
			if s.Drift() == 0 {
				b.WriteString(", nothing differs\n")
				continue
			}
			fmt.Fprintf(&b, ": %d different, %d missing, %d extra", s.Different, s.Missing, s.Extra)
			if r.Repair {
				b.WriteString("; repaired")
			}
			b.WriteString("\n")
			for k := range s.Differences {
				d := &s.Differences[k]
				fmt.Fprintf(&b, "  %s %s %s\n    source: %s\n    store:  %s\n", d.Kind, d.Table, d.Row, d.Source.String(), d.Held.String())
			}
			if more := s.Drift() - int64(len(s.Differences)); more > 0 {
				fmt.Fprintf(&b, "  and %d more\n", more)
			}
		}
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}

// verifiedLevels is what checking the levels of the store came to.
type verifiedLevels struct {
	Cells   int64 `json:"cells"`
	Drifted int64 `json:"drifted"`
	// Misjudged counts contributions of which the store is wrong about when they count.
	Misjudged int64       `json:"misjudged,omitempty"`
	Repaired  bool        `json:"repaired"`
	Drifts    []cellDrift `json:"drifts"`
}

// verifyLevels recomputes the levels of the store.
func (a *app) verifyLevels(ctx context.Context, sources []config.Source, o *verifyOptions) error {
	if len(o.tables) > 0 || o.sample != "" || o.throttle != 0 {
		return &usageError{fmt.Errorf("--levels is of all tables of a source: it takes neither --table nor --sample nor --throttle")}
	}
	out := verifiedLevels{Repaired: o.repair, Drifts: []cellDrift{}}
	err := a.withStore(ctx, func(ctx context.Context, s *stockstore.Store) error {
		for i := range sources {
			checked, err := s.CheckLevels(ctx, sources[i].Name, o.repair, out.add)
			if err != nil {
				return err
			}
			out.Cells += checked.Cells
			out.Drifted += checked.Drifted
			out.Misjudged += checked.Misjudged
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.show(out, func() error { return a.showLevels(&out) }); err != nil {
		return err
	}
	if out.Drifted > 0 || out.Misjudged > 0 {
		return errProblems
	}
	return nil
}

func (v *verifiedLevels) add(d stockstore.CellDrift) error {
	if len(v.Drifts) < maxShownDifferences {
		v.Drifts = append(v.Drifts, cellDrift{
			Source: d.Source, Table: d.Table, SKU: d.SKU, Location: d.Location, Counts: d.Counts,
			Held: quantitiesOf(d.Held.Quantities), Sum: quantitiesOf(d.Sum.Quantities),
			held: d.Held.Quantities, sum: d.Sum.Quantities,
		})
	}
	return nil
}

func (a *app) showLevels(v *verifiedLevels) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s recomputed", count(v.Cells, "cell"))
	switch {
	case v.Drifted == 0:
		b.WriteString(", all of them are the sums of their contributions\n")
	case v.Repaired:
		fmt.Fprintf(&b, ", %d were wrong and are repaired\n", v.Drifted)
	default:
		fmt.Fprintf(&b, ", %d are wrong\n", v.Drifted)
	}
	if v.Misjudged > 0 {
		fmt.Fprintf(&b, "  by this clock %s begin or end to count at other moments than the store has it", count(v.Misjudged, "contribution"))
		if v.Repaired {
			b.WriteString(", which is repaired")
		}
		b.WriteString(": was a clock wrong?\n")
	}
	for i := range v.Drifts {
		d := &v.Drifts[i]
		fmt.Fprintf(&b, "  %s at %s, from %s %s\n    cell: %s\n    sum:  %s\n", d.SKU, d.Location, d.Source, d.Table, nonZero(d.held), nonZero(d.sum))
	}
	if more := v.Drifted - int64(len(v.Drifts)); more > 0 {
		fmt.Fprintf(&b, "  and %d more\n", more)
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}
