package mapping

import (
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Program is a mapping compiled for one version of its table. It has no state
// and is safe for concurrent use, unless it was bound to Lookups.
type Program struct {
	rules []boundRule
}

// boundRule is one leg, compiled.
type boundRule struct {
	source   *rule
	table    *cdc.Table
	lookups  *Lookups
	nodes    map[*node]kind // for reasons
	when     boolFunc       // nil: always
	allowed  map[string]bool
	sku      textFunc
	location textFunc
	kinds    [inventory.Kinds]numberFunc // nil: zero
	from     momentFunc                  // nil: always did
	until    momentFunc                  // nil: always will
}

// Map appends what row contributes to out: one contribution for each rule that
// applies, in the order of the rules, also if all its quantities are zero. The
// texts are those of the row, not copies, where an expression is a plain column.
//
// If a rule that applies has no sound value, or the condition of any rule has
// none, the whole row is rejected, or unresolved if the reason is a row of a lookup
// that has not arrived: Map returns out as it was and the first problem. The row must be one of the table that the program was bound to, and complete.
func (p *Program) Map(row cdc.Row, out []inventory.Contribution) ([]inventory.Contribution, *inventory.Problem) {
	start := len(out)
	in := input{row: row}
	for i := range p.rules {
		r := &p.rules[i]
		applies, f := r.applies(in)
		if f != nil {
			return out[:start], r.problem(fieldWhen, r.source.when, row, f)
		}
		if !applies {
			continue
		}
		out = append(out, inventory.Contribution{Leg: r.source.leg})
		if problem := r.contribute(in, &out[len(out)-1]); problem != nil {
			return out[:start], problem
		}
	}
	return out, nil
}

// applies evaluates the condition. NULL does not apply, as in SQL's WHERE.
func (r *boundRule) applies(in input) (bool, *failure) {
	if r.when == nil {
		return true, nil
	}
	v, f := r.when(in)
	if f == null {
		return false, nil
	}
	return v, f
}

func (r *boundRule) contribute(in input, c *inventory.Contribution) *inventory.Problem {
	sku, f := r.name(in, r.sku)
	if f != nil {
		return r.problem(fieldSKU, r.source.sku, in.row, f)
	}
	location, f := r.name(in, r.location)
	if f != nil {
		return r.problem(fieldLocation, r.source.location, in.row, f)
	}
	if r.allowed != nil && !r.allowed[location] {
		return r.problem(fieldLocation, r.source.location, in.row, failed(shown(location)+" is none of the locations that the source lists"))
	}
	c.SKU, c.Location = inventory.SKU(sku), inventory.LocationID(location)
	for k, evaluate := range r.kinds {
		if evaluate == nil {
			continue
		}
		if c.Quantities[k], f = quantity(in, evaluate); f != nil {
			return r.problem(inventory.Kind(k).String(), r.source.kinds[k], in.row, f)
		}
	}
	if r.from != nil {
		if c.Valid.From, f = r.from(in); f != nil {
			return r.problem(fieldValidFrom, r.source.from, in.row, f)
		}
	}
	if r.until != nil {
		if c.Valid.Until, f = r.until(in); f != nil {
			return r.problem(fieldValidUntil, r.source.until, in.row, f)
		}
	}
	return nil
}

// name evaluates a SKU or location.
func (r *boundRule) name(in input, evaluate textFunc) (string, *failure) {
	s, f := evaluate(in)
	if f != nil {
		return "", f
	}
	if err := inventory.ValidName(s); err != nil {
		return "", failed(shown(s) + ": " + err.Error())
	}
	return s, nil
}

// quantity evaluates a kind.
func quantity(in input, evaluate numberFunc) (inventory.Quantity, *failure) {
	q, f := evaluate(in)
	switch {
	case f != nil:
		return 0, f
	case isBeyond(q):
		return 0, failed(inventory.ErrQuantityRange.Error())
	case !q.Valid():
		return 0, failed(q.String() + " is " + inventory.ErrQuantityRange.Error())
	}
	return q, nil
}

// problem explains f, with the columns that are to blame for a NULL.
func (r *boundRule) problem(field string, e *expression, row cdc.Row, f *failure) *inventory.Problem {
	reason, kind := f.reason, inventory.Rejected
	if f == null {
		reason = r.whyNull(e, row)
	}
	if f.unresolved {
		kind = inventory.Unresolved
	}
	return &inventory.Problem{Kind: kind, Rule: r.source.path + "." + field, Reason: reason}
}

func (r *boundRule) whyNull(e *expression, row cdc.Row) string {
	var missing []string
	for _, name := range e.root.columns(nil, make(map[string]bool)) {
		if i := r.table.Column(name); i >= 0 && i < len(row) && row[i].IsNull() {
			missing = append(missing, name)
		}
	}
	missing = append(missing, r.nullLookups(e, row)...)
	reason := "is NULL"
	if len(missing) > 0 && e.root.op != opColumn {
		reason += " because of " + strings.Join(missing, ", ")
	}
	if _, isKind := inventory.ParseKind(e.field); isKind {
		reason += "; say what a missing value means, as in " + e.example(missing) + " ?? 0"
	}
	return reason
}

func (e *expression) example(missing []string) string {
	if len(missing) == 0 {
		return "x"
	}
	if strings.ContainsAny(missing[0], "[(") {
		return missing[0] // a lookup, as it is spelled
	}
	return string(appendColumn(nil, missing[0]))
}

// nullLookups are the columns of lookups that e reads and that are NULL for row,
// though what refers to their rows is not.
func (r *boundRule) nullLookups(e *expression, row cdc.Row) []string {
	var missing []string
	e.root.walk(func(n *node) {
		if n.op != opLookup && n.op != opNearest {
			return
		}
		b := builder{table: r.table, lookups: r.lookups, kinds: r.nodes}
		in := input{row: row}
		if _, f := b.found(n)(in); f != null {
			return
		}
		if _, f := b.referred(n)(in); f == nil {
			missing = append(missing, n.spelled())
		}
	})
	return missing
}

func (b *builder) rule(r *rule) boundRule {
	out := boundRule{source: r, table: b.table, lookups: b.lookups, nodes: b.kinds, allowed: b.locations, sku: b.asText(r.sku.root), location: b.asText(r.location.root)}
	if r.when != nil {
		out.when = b.boolean(r.when.root)
	}
	for k, e := range r.kinds {
		if e != nil {
			out.kinds[k] = b.quantity(e.root)
		}
	}
	if r.from != nil {
		out.from = b.moment(r.from.root, negativeInfinity)
	}
	if r.until != nil {
		out.until = b.moment(r.until.root, infinity)
	}
	return out
}

// quantity compiles n as the value of a kind. A NULL that stands in a column
// and comes out as it is counts as zero, like a missing value in SQL's SUM. A
// NULL that comes out of arithmetic stays NULL, and is a problem: usually one
// of the operands was forgotten.
func (b *builder) quantity(n *node) numberFunc {
	switch n.op {
	case opColumn, opNull, opLookup, opNearest:
		return zeroIfNull(b.number(n))
	case opIf:
		return chosen(b.boolean(n.args[0]), b.quantity(n.args[1]), b.quantity(n.args[2]))
	case opCoalesce:
		last := len(n.args) - 1
		list := append(b.numbers(n.args[:last]), b.quantity(n.args[last]))
		return firstOf(list)
	default:
		return b.number(n)
	}
}

func zeroIfNull(x numberFunc) numberFunc {
	return func(in input) (inventory.Quantity, *failure) {
		q, f := x(in)
		if f == null {
			return 0, nil
		}
		return q, f
	}
}
