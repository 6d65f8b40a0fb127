package mapping

import (
	"strconv"
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// TracedRule is what one rule made of a row.
type TracedRule struct {
	// Path is where the rule stands in the mapping, and Leg its name.
	Path, Leg string
	// Applies says that its condition is true, or that it has none. The parts of a rule
	// that does not apply are not looked at.
	Applies bool
	// Parts are its expressions as far as they were evaluated, the condition first.
	Parts []TracedPart
}

// TracedPart is what one expression of a rule came to.
type TracedPart struct {
	// Field is "when", "sku", "location" or a kind of quantity.
	Field string
	// Expression is the text as it was configured.
	Expression string
	// Looked is what it read in other tables, in the order of the expression, also where
	// that did not matter in the end.
	Looked []TracedLookup
	// Value is what it came to: a text as it is, a number, true or false. It is empty
	// where Null or Problem is set.
	Value string
	// Null says that it is NULL: a condition that does not hold.
	Null bool
	// Problem says why there is no value, nil if there is one.
	Problem *inventory.Problem
}

// TracedLookup is a column of a lookup's row.
type TracedLookup struct {
	// Spelled is how the expression names it, such as "product[product_id].code".
	Spelled string
	// Value, Null and Reason are as in TracedPart; Reason says why there is no value.
	Value  string
	Null   bool
	Reason string
}

// Trace evaluates the rules of p for row one by one, for people. Unlike Map it goes on
// behind a problem: what Map says of the row is what counts.
func (p *Program) Trace(row cdc.Row) []TracedRule {
	out := make([]TracedRule, 0, len(p.rules))
	in := input{row: row}
	for i := range p.rules {
		out = append(out, p.rules[i].trace(in))
	}
	return out
}

func (r *boundRule) trace(in input) TracedRule {
	out := TracedRule{Path: r.source.path, Leg: r.source.leg, Applies: true}
	if r.when != nil {
		v, f := r.when(in)
		out.Parts = append(out.Parts, r.traced(fieldWhen, r.source.when, in, strconv.FormatBool(v), f))
		if out.Applies = v && f == nil; !out.Applies {
			return out
		}
	}
	for _, n := range []struct {
		field    string
		e        *expression
		evaluate textFunc
	}{{fieldSKU, r.source.sku, r.sku}, {fieldLocation, r.source.location, r.location}} {
		v, f := r.name(in, n.evaluate)
		if n.field == fieldLocation && f == nil && r.allowed != nil && !r.allowed[v] {
			f = failed(shown(v) + " is none of the locations that the source lists")
		}
		out.Parts = append(out.Parts, r.traced(n.field, n.e, in, v, f))
	}
	for k, evaluate := range r.kinds {
		if evaluate != nil {
			v, f := quantity(in, evaluate)
			out.Parts = append(out.Parts, r.traced(inventory.Kind(k).String(), r.source.kinds[k], in, v.String(), f))
		}
	}
	for _, m := range []struct {
		field    string
		e        *expression
		evaluate momentFunc
	}{{fieldValidFrom, r.source.from, r.from}, {fieldValidUntil, r.source.until, r.until}} {
		if m.evaluate == nil {
			continue
		}
		v, f := m.evaluate(in)
		text := "always"
		if !v.IsZero() {
			text = v.Time().Format(time.RFC3339Nano)
		}
		out.Parts = append(out.Parts, r.traced(m.field, m.e, in, text, f))
	}
	return out
}

// traced is what an expression came to: value, if f is nil.
func (r *boundRule) traced(field string, e *expression, in input, value string, f *failure) TracedPart {
	out := TracedPart{Field: field, Expression: e.value.Text, Looked: r.looked(e, in)}
	switch {
	case f == nil:
		out.Value = value
	case f == null && field == fieldWhen:
		out.Null = true
	default:
		out.Problem = r.problem(field, e, in.row, f)
	}
	return out
}

// looked is what e reads in other tables for a row.
func (r *boundRule) looked(e *expression, in input) (out []TracedLookup) {
	seen := make(map[string]bool)
	e.root.walk(func(n *node) {
		if n.op != opLookup && n.op != opNearest && n.op != opWithin {
			return
		}
		l := TracedLookup{Spelled: n.spelled()}
		if seen[l.Spelled] {
			return
		}
		seen[l.Spelled] = true
		b := builder{table: r.table, lookups: r.lookups, kinds: r.nodes}
		var f *failure
		if n.op == opWithin {
			var v bool
			v, f = b.within(n)(in)
			l.Value = strconv.FormatBool(v)
		} else {
			var v cdc.Value
			if v, f = b.found(n)(in); f == nil {
				l.Value = v.Text()
			}
		}
		switch {
		case f == null:
			l.Value, l.Null = "", true
		case f != nil:
			l.Value, l.Reason = "", f.reason
		}
		out = append(out, l)
	})
	return out
}
