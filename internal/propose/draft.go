package propose

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// role is what a table is for.
type role int

// The roles of tables, in the order in which they are written down.
const (
	roleStock role = iota + 1
	roleMaster
	roleAttributes
	roleLedger
	roleSettings
	roleDemand
	roleBasket
	roleReservation
	rolePurchase
	roleTransfer
)

// draft is a table with rules, of which is not decided yet whether they are proposed.
type draft struct {
	table *table
	role  role
	shape string
	rules []Rule
	notes []string
	hops  []hop
	// conditions hold for all rules.
	conditions []condition
	// score says how well it is founded that the table is what it was taken for.
	score int
	// refused is why it cannot be proposed, empty if it can.
	refused string
}

func (d *draft) says(kind string) bool {
	t := Table{Rules: d.rules}
	return t.says(kind)
}

func (d *draft) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

// where returns the field "when" of the draft's conditions and more, nothing if
// there are none.
func (d *draft) where(more ...condition) []Field {
	all := slices.Concat(more, d.conditions)
	if len(all) == 0 {
		return nil
	}
	var exprs, whys []string
	for _, k := range all {
		expr := k.expr
		if len(all) > 1 && strings.Contains(expr, " or ") {
			expr = "(" + expr + ")"
		}
		exprs, whys = append(exprs, expr), append(whys, k.why)
	}
	return []Field{{when, strings.Join(exprs, " and "), strings.Join(whys, "; ")}}
}

// begin makes a draft with what all rules of a table have in common. ok is false if
// nothing in the table names an article.
func (p *proposer) begin(t *table, r role) (d *draft, item reference, ok bool) {
	items := p.items(t)
	if len(items) == 0 {
		return nil, reference{}, false
	}
	item = items[0]
	d = &draft{table: t, role: r, hops: slices.Clone(item.through)}
	for _, other := range items[1:] {
		if other.score > scoreID && other.column != item.column {
			d.note("the SKU may be %s instead: %s", other.expr, other.why)
		}
	}
	if item.score <= scoreID {
		d.note("the SKU is what only the database knows: %s", item.why)
	}
	switch {
	case t.View:
		d.refused = "it is a view, which has no rows of its own in the server's log: map the tables behind it"
	case len(t.Problems) > 0:
		d.refused = "it " + t.Problems[0].Detail
	}
	d.conditions = p.rowConditions(t)
	return d, item, true
}

// at returns the field "location", and keeps what it looks into. A table without a
// place, and without one above it, is at MAIN.
func (d *draft) at(p *proposer, places []reference) Field {
	if len(places) == 0 {
		if header, ok := p.header(d.table); ok {
			if r, ok := p.above(header); ok {
				d.hops = append(d.hops, r.through...)
				return Field{location, r.expr, r.why}
			}
		}
		d.note("nothing in the table says where: everything is at MAIN, which you may call otherwise")
		return Field{location, text("MAIN"), "no column names a place"}
	}
	d.hops = append(d.hops, places[0].through...)
	for _, other := range places[1:] {
		if other.score > scoreSpot && other.column != places[0].column {
			d.note("the location may be %s instead: %s", other.expr, other.why)
		}
	}
	return Field{location, places[0].expr, places[0].why}
}

// header returns the row of an order that a line belongs to.
func (p *proposer) header(t *table) (hop, bool) {
	if !p.o.Lookups {
		return hop{}, false
	}
	for _, c := range t.columns {
		to, _ := p.target(t, c)
		if to == nil || !quotable(c.Name) || itemTable(to) || placeTable(to) || !to.name.says(anOrder, aPurchase, aTransfer, aBasket, aReservation, aMove) || !p.canLook(c, to) {
			continue
		}
		return hop{to, fmt.Sprintf("%s[%s]", p.lookupName(to), c.expr())}, true
	}
	return hop{}, false
}

// above returns the place that an order's own row names.
func (p *proposer) above(header hop) (reference, bool) {
	places, _, to := p.places(header.table)
	if to.score > 0 {
		places = append(places, to)
	}
	if len(places) == 0 || len(places[0].through) > 1 {
		return reference{}, false
	}
	r := places[0]
	row := header.row + member(r.column)
	out := reference{
		expr: header.table.column(r.column).in(header.row), score: r.score, column: r.column, through: []hop{header},
		why: fmt.Sprintf("%s, in the row of %s that this one belongs to", r.why, header.table.Table.Name.Name),
	}
	if len(r.through) == 1 {
		next := hop{r.through[0].table, fmt.Sprintf("%s[%s]", p.lookupName(r.through[0].table), row)}
		out.expr, out.through = r.code.in(next.row), append(out.through, next)
	}
	return out, true
}

// barred are the rows of stock that are there and not for sale, as conditions, and
// gone those that are not there any more.
func (p *proposer) stockStates(d *draft, hops []hop) (barred, gone []condition) {
	look := func(t *table, x func(*column) string, lookedUp bool) {
		for _, c := range t.columns {
			if !quotable(c.Name) || t.refers(c) || t.quantity(c) {
				continue
			}
			if f, ok := c.flag(); ok && c.name.says(isDamaged) && !lookedUp {
				barred = append(barred, condition{f.yes, c.Name + " marks what is not for sale"})
				continue
			}
			if !c.name.says(aStatus, aKind) || c.name.says(aName, aTime) {
				continue
			}
			s, ok := sortValues(c, x(c), ofStock)
			if !ok {
				p.codes(d, c, x(c))
				continue
			}
			if !s.known(stateBarred, stateGone) {
				if len(s.values) > 1 {
					d.note("%s has the values %s: all of them count as for sale", x(c), strings.Join(s.values, ", "))
				}
				continue
			}
			why := fmt.Sprintf("%s of %s: %s", s.origin(), c.Name, s.say(stateGood, stateBarred, stateGone, stateUnknown))
			if values := s.by[stateGone]; len(values) > 0 {
				gone = append(gone, condition{s.isNot(values, lookedUp), why})
			}
			if values := s.by[stateBarred]; len(values) > 0 {
				barred = append(barred, condition{s.is(values), why})
			}
			if values := s.by[stateUnknown]; len(values) > 0 {
				d.note("what %s of %s means is unknown: it counts as for sale", strings.Join(values, ", "), c.Name)
			}
		}
	}
	look(d.table, func(c *column) string { return c.trimmed() }, false)
	for _, h := range hops {
		if placeTable(h.table) {
			look(h.table, func(c *column) string { return c.in(h.row) }, true)
		}
	}
	return barred, gone
}

// codes notes a column of codes whose meaning only people know.
func (p *proposer) codes(d *draft, c *column, x string) {
	values, _ := c.values()
	if len(values) < 2 {
		return
	}
	d.note("%s has the values %s: if some of them are not for sale, add to unavailable, as in %s == %s ? … : 0",
		x, strings.Join(values, ", "), x, values[0])
}

// anyOf joins conditions of which one is enough.
func anyOf(conditions []condition) condition {
	var exprs, whys []string
	for _, k := range conditions {
		exprs = append(exprs, k.expr)
		if !slices.Contains(whys, k.why) {
			whys = append(whys, k.why)
		}
	}
	return condition{strings.Join(exprs, " or "), strings.Join(whys, "; ")}
}

// remark records a finding about a table, once.
func (p *proposer) remark(state cdc.FindingState, t *table, detail, fix string) {
	f := cdc.Finding{Requirement: "table " + t.Table.Name.String(), State: state, Detail: detail, Fix: fix}
	if !slices.Contains(p.findings, f) {
		p.findings = append(p.findings, f)
	}
}

// constant names a value of a column, the most frequent.
func (p *proposer) constant(name string, c *column) string {
	for i := range p.constants {
		if p.constants[i].Name == name {
			return p.constants[i].Value
		}
	}
	value := c.tally.Values[0].Value
	why := "the only value of " + c.Name + " that was seen"
	if len(c.tally.Values) > 1 {
		why = "the most frequent value of " + c.Name
	}
	p.constants = append(p.constants, Constant{Name: name, Value: value, Text: c.Type == cdc.TypeText, Why: why})
	return value
}
