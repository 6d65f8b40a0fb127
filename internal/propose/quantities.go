package propose

import (
	"slices"
	"strings"
)

// quantities are the columns of a table that are quantities, by what they say.
type quantities struct {
	// onHand are called like a stock, plain like a quantity of something.
	onHand, plain                               []*column
	reserved, damaged, safety, reorder, arrives []*column
	available, shipped, open                    []*column
	in, out, balance                            []*column
}

// quantities sorts the columns of a table.
func (t *table) quantities() quantities {
	var q quantities
	for _, c := range t.columns {
		if !quotable(c.Name) || !t.quantity(c) {
			continue
		}
		if to := q.of(t, &c.name); to != nil {
			*to = append(*to, c)
		}
	}
	return q
}

// of returns where a column with the name belongs, nil for nowhere.
func (q *quantities) of(t *table, n *name) *[]*column {
	order := t.promises() || t.name.says(anOrder, aPurchase, aBasket, aReservation, aTransfer) && !t.name.says(aStock)
	for _, k := range []struct {
		to *[]*column
		is bool
	}{
		{nil, n.says(isMaximum)},
		{&q.reorder, n.says(isReorder)},
		{&q.safety, n.says(isSafety)},
		{&q.balance, n.says(aBalance)},
		{&q.open, order && n.says(isOpen)},
		{&q.shipped, order && n.says(isShipped)},
		{&q.plain, order && n.says(aQuantity) && !n.says(isIncoming, isAvailable, isDamaged)},
		{&q.available, n.says(isAvailable)},
		{&q.reserved, n.says(isReserved)},
		{&q.damaged, n.says(isDamaged)},
		{&q.arrives, n.says(isIncoming) || !order && n.says(isOrdered)},
		{&q.shipped, n.says(isShipped)},
		{&q.open, n.says(isOpen)},
		{&q.onHand, n.says(isOnHand, aStock) && !n.says(isIn, isOut)},
		{&q.in, n.says(isIn) && !n.says(isOut)},
		{&q.out, n.says(isOut) && !n.says(isIn)},
		{&q.plain, n.says(aQuantity)},
	} {
		if k.is {
			return k.to
		}
	}
	return nil
}

// promises reports whether rows are reservations or baskets, also if their name says
// of what: "stock_reservation".
func (t *table) promises() bool { return t.name.head(aReservation) || t.name.head(aBasket) }

// stock returns the column that says how much is there, and the others that may.
func (q *quantities) stock() (best *column, others []*column) {
	all := slices.Concat(q.onHand, q.plain)
	if len(all) == 0 {
		return nil, nil
	}
	most := -1
	for _, c := range all {
		score := 0
		if c.name.says(isOnHand) {
			score += 4
		}
		if c.name.says(aStock) {
			score += 2
		}
		if c.name.says(aQuantity) {
			score++
		}
		if score > most {
			best, most = c, score
		}
	}
	return best, slices.DeleteFunc(all, func(c *column) bool { return c == best })
}

// there returns the column that says how much is there, nil for none, those that were
// deducted from it, others that are called like it, and what it rests on. What is
// available stands for what is there if nothing else says that.
func (q *quantities) there() (c *column, deducted, others []*column, why string) {
	c, others = q.stock()
	switch {
	case c != nil && len(q.onHand) > 0:
		return c, nil, others, "called like a stock"
	case c != nil:
		return c, nil, others, "the quantity of a row of stock"
	case len(q.available) == 0:
		return nil, nil, nil, ""
	}
	c, q.available = q.available[0], q.available[1:]
	if deducted = slices.Concat(q.reserved, q.damaged); len(deducted) == 0 {
		return c, nil, nil, "what is available, for want of what is there: promises are deducted from it already"
	}
	return c, deducted, nil, "what is available, for want of what is there, and what was deducted from it: " + names(deducted)
}

// sum adds columns up. A single one may be NULL, which counts as zero.
func sum(columns []*column) string {
	if len(columns) == 1 {
		return columns[0].alone()
	}
	var terms []string
	for _, c := range columns {
		terms = append(terms, c.orZero())
	}
	return strings.Join(terms, " + ")
}

// names lists columns for people.
func names(columns []*column) string {
	var out []string
	for _, c := range columns {
		out = append(out, c.Name)
	}
	return strings.Join(out, ", ")
}
