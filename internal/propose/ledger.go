package propose

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// ledger drafts a table of movements, of which the stock is the sum.
func (p *proposer) ledger(t *table) *draft {
	q := t.quantities()
	d, item, ok := p.begin(t, roleLedger)
	if !ok {
		return nil
	}
	places, from, to := p.places(t)
	d.shape = "ledger: movements, which add up"
	amount := slices.Concat(q.plain, q.onHand)
	if len(q.balance) > 0 {
		d.note("%s is the balance after a movement: it is not added up, and left out", names(q.balance))
	}
	kinds, reset := p.moveKinds(d)
	add := func(leg string, place Field, expr, why string, more ...condition) {
		d.rules = append(d.rules, Rule{Leg: leg, Fields: append(d.where(more...), Field{sku, item.expr, item.why}, place, Field{onHand, expr, why})})
	}
	switch {
	case len(q.in) > 0 && len(q.out) > 0:
		add("", d.at(p, places), q.in[0].orZero()+" - "+q.out[0].orZero(), "what came in less what went out")
	case len(amount) == 0:
		return nil
	case from.score > 0 && to.score > 0:
		c := amount[0]
		done, _ := p.doneMoves(d)
		d.hops = append(append(d.hops, from.through...), to.through...)
		add("from", Field{location, from.expr, from.why}, "-"+c.orZero(), "a movement takes away where it begins", done...)
		add("to", Field{location, to.expr, to.why}, c.orZero(), "and adds where it ends", done...)
	case kinds != nil && !amount[0].tally.Negative():
		add("", d.at(p, places), kinds.sign(amount[0]), kinds.why)
	default:
		c := amount[0]
		add("", d.at(p, places), c.alone(), "movements in are positive, movements out negative")
		if !c.tally.Negative() && d.refused == "" {
			d.refused = fmt.Sprintf("no row that was seen has a negative %s, and no column says whether something came or went", c.Name)
		}
	}
	if reset != "" {
		d.refused = reset
	}
	p.units(d)
	return d
}

// direction is a column that says whether something came or went.
type direction struct {
	plus, minus []string
	s           sorted
	why         string
}

// sign writes a quantity with the sign that the direction gives it.
func (k *direction) sign(c *column) string {
	switch {
	case len(k.minus) == 0:
		return fmt.Sprintf("%s ? %s : 0", k.s.is(k.plus), c.alone())
	case len(k.s.by[stateUnknown])+len(k.s.by[stateNeither]) == 0:
		return fmt.Sprintf("%s ? %s : -%s", k.s.is(k.plus), c.orZero(), c.orZero())
	default:
		return fmt.Sprintf("%s ? %s : %s ? -%s : 0", k.s.is(k.plus), c.orZero(), k.s.is(k.minus), c.orZero())
	}
}

// moveKinds finds the column that tells movements in from movements out. reset is
// why the ledger cannot be added up, if one of its kinds sets a stock.
func (p *proposer) moveKinds(d *draft) (found *direction, reset string) {
	for _, c := range d.table.columns {
		if !quotable(c.Name) || !c.name.says(aKind, aStatus, aMove, isIn, isOut) && !c.name.has("reason", "grund", "motif", "direction", "richtung", "sens", "voucher", "code", "causale", "motivo") {
			continue
		}
		s, ok := sortValues(c, c.trimmed(), ofMove)
		if !ok {
			if values, _ := c.values(); c.number() && len(values) > 1 && c.name.says(aKind, aMove) {
				d.note("%s has the values %s: if they say whether something came or went, write the sign with them", c.Name, strings.Join(values, ", "))
			}
			continue
		}
		if values := s.by[stateReset]; len(values) > 0 {
			reset = fmt.Sprintf("rows with %s %s set the stock instead of adding to it, so that the rows do not add up", c.Name, strings.Join(values, ", "))
			p.remark(cdc.FindingWarning, d.table, "is a ledger with resets: "+reset,
				"map the table of balances that the application keeps beside it; if these rows hold differences after all, take the ledger out of its comment")
		}
		if found == nil && s.known(statePlus) {
			found = &direction{plus: s.by[statePlus], minus: s.by[stateMinus], s: s}
			found.why = fmt.Sprintf("%s of %s: %s", s.origin(), c.Name, s.say(statePlus, stateMinus, stateReset, stateUnknown))
			if s.known(stateUnknown) {
				d.note("what %s of %s means is unknown: it counts as nothing", strings.Join(s.by[stateUnknown], ", "), c.Name)
			}
		}
	}
	return found, reset
}

// doneMoves are the movements that have happened.
func (p *proposer) doneMoves(d *draft) ([]condition, bool) {
	for _, c := range d.table.columns {
		if !quotable(c.Name) || !c.name.says(aStatus) || c.name.says(aTime, aName) {
			continue
		}
		s, ok := sortValues(c, c.trimmed(), ofTransfer)
		if !ok || !s.known(stateDone) {
			continue
		}
		var done []string
		for _, v := range s.by[stateDone] {
			if words := tokens(v); !slices.ContainsFunc(words, func(w string) bool {
				return strings.HasPrefix(w, "cancel") || strings.HasPrefix(w, "annul") || strings.HasPrefix(w, "storn") || w == "draft" || w == "void" || w == "rejected"
			}) {
				done = append(done, v)
			}
		}
		if len(done) > 0 {
			return []condition{{s.is(done), fmt.Sprintf("%s of %s: movements with %s have happened", s.origin(), c.Name, strings.Join(done, ", "))}}, true
		}
	}
	return nil, false
}
