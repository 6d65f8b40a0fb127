package propose

import (
	"cmp"
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
	moved := p.happened(d, from.score > 0 && to.score > 0, kinds)
	add := func(leg string, place Field, expr, why string, more ...condition) {
		d.rules = append(d.rules, Rule{Leg: leg, Fields: append(d.where(more...), Field{sku, item.expr, item.why}, place, Field{onHand, expr, why})})
	}
	switch {
	case len(q.in) > 0 && len(q.out) > 0:
		add("", d.at(p, places), q.in[0].orZero()+" - "+q.out[0].orZero(), "what came in less what went out", moved.arrived...)
	case len(amount) == 0:
		return nil
	case from.score > 0 && to.score > 0:
		c := amount[0]
		d.hops = append(append(d.hops, from.through...), to.through...)
		add("from", Field{location, from.expr, from.why}, "-"+c.orZero(), "a movement takes away where it begins", moved.left...)
		add("to", Field{location, to.expr, to.why}, c.orZero(), "and adds where it ends", moved.arrived...)
	case kinds != nil && !amount[0].tally.Negative():
		add("", d.at(p, places), kinds.sign(amount[0]), kinds.why, moved.arrived...)
		d.refused = cmp.Or(d.refused, kinds.doubt())
	default:
		c := amount[0]
		add("", d.at(p, places), c.alone(), "movements in are positive, movements out negative", moved.arrived...)
		if !c.tally.Negative() && d.refused == "" {
			d.refused = fmt.Sprintf("no row that was seen has a negative %s, and no column says whether something came or went", c.Name)
		}
	}
	d.refused = cmp.Or(reset, d.refused, moved.doubt)
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

// doubt is why the sign of some movements is not known, empty if that of all is.
func (k *direction) doubt() string {
	switch unknown := k.s.by[stateUnknown]; {
	case len(unknown) > 0:
		return fmt.Sprintf("nothing says whether rows with %s %s came or went", k.s.column.Name, strings.Join(unknown, ", "))
	case len(k.minus) == 0:
		return fmt.Sprintf("no value of %s that is known says that something went, so that the stock would only grow", k.s.column.Name)
	default:
		return ""
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
		}
	}
	return found, reset
}

// happened are the movements of a ledger that are no plans any more.
type happened struct {
	// left have left the place where they begin, arrived are where they go. Without a
	// condition all of them are.
	left, arrived []condition
	// doubt is why nobody knows which those are, though a column seems to say it.
	doubt string
}

// happened finds the column that tells movements that have happened from others, which
// is not the one that says whether something came or went.
func (p *proposer) happened(d *draft, fromTo bool, kinds *direction) happened {
	for _, c := range d.table.columns {
		if !quotable(c.Name) || !c.name.says(aStatus) || c.name.says(aTime, aName) || !fromTo && kinds != nil && kinds.s.column == c {
			continue
		}
		s, ok := sortValues(c, c.trimmed(), ofTransfer)
		if len(s.values) == 1 && len(s.by[stateDone]) == 0 {
			continue // it tells nothing apart
		}
		var left, arrived, unclear []string
		for _, v := range s.values {
			switch of := stateOf(ofTransfer, v); {
			case !ok || of == stateUnknown || of == stateAway && !fromTo:
				unclear = append(unclear, v)
			case of == stateAway:
				left = append(left, v)
			case of == stateDone && !undone(v):
				left, arrived = append(left, v), append(arrived, v)
			}
		}
		why := func(values []string) string {
			return fmt.Sprintf("%s of %s: movements with %s have happened", s.origin(), c.Name, strings.Join(values, ", "))
		}
		var out happened
		switch {
		case len(unclear) > 0:
			out.doubt = fmt.Sprintf("nothing says whether rows with %s %s have happened", c.Name, strings.Join(unclear, ", "))
		case len(arrived) == 0:
			out.doubt = fmt.Sprintf("%s seems to say which movements have happened, and nothing says by which values", c.Name)
		}
		if len(arrived) > 0 {
			out.left, out.arrived = []condition{{s.is(left), why(left)}}, []condition{{s.is(arrived), why(arrived)}}
		}
		return out
	}
	return happened{}
}

// undone reports whether a movement that is over did not come about.
func undone(value string) bool {
	return slices.ContainsFunc(tokens(value), func(w string) bool {
		return strings.HasPrefix(w, "cancel") || strings.HasPrefix(w, "annul") || strings.HasPrefix(w, "storn") ||
			slices.Contains([]string{"draft", "entwurf", "brouillon", "void", "rejected"}, w)
	})
}
