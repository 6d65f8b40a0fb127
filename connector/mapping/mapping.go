package mapping

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"time"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Names of the parts of a rule, as configuration and problems spell them. The
// kinds of quantity have their own.
const (
	fieldLeg        = "leg"
	fieldWhen       = "when"
	fieldSKU        = "sku"
	fieldLocation   = "location"
	fieldValidFrom  = "valid_from"
	fieldValidUntil = "valid_until"
)

// DefaultLeg is the name of a rule that has none.
const DefaultLeg = "stock"

// maxRules bounds the rules of one table.
const maxRules = 100

// Mapping is the mapping of one table, checked as far as it can be without the
// table's columns. It is immutable and safe for concurrent use.
type Mapping struct {
	table   cdc.TableName
	file    string
	rules   []rule
	columns []string
	// used is what the rules name of the vocabulary.
	used       Vocabulary
	usesPartno bool
	// zone is the time zone of dates and times without one, if a rule has any.
	zone *time.Location
	// locations are those that the rules may contribute to, nil if nothing checks it.
	locations  map[string]bool
	references []Reference
	canonical  []byte
	id         inventory.MappingID
}

// rule is one leg as it was parsed.
type rule struct {
	path     string
	leg      string
	when     *expression // nil: always
	sku      *expression
	location *expression
	kinds    [inventory.Kinds]*expression // nil: zero
	from     *expression                  // nil: always did
	until    *expression                  // nil: always will
	// locations are those that the rule can contribute to, nil if any may be one of them.
	locations []string
}

// expression is one expression with the place that it came from.
type expression struct {
	field string
	value Value
	root  *node
}

// Compile checks spec as the mapping of table. The error is Errors and holds
// every problem that can be found without knowing the table's columns.
func Compile(table cdc.TableName, spec Spec) (*Mapping, error) {
	return compile(table, spec, MaxExpression)
}

// compile is Compile with expressions of up to limit bytes.
func compile(table cdc.TableName, spec Spec, limit int) (*Mapping, error) {
	c := compiler{table: table, file: spec.File, limit: limit, vocabulary: spec.Vocabulary}
	m := &Mapping{table: table, file: spec.File, rules: c.rules(&spec)}
	if len(c.errs) == 0 {
		c.bound(spec.Place, m.rules)
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	seen := make(map[string]bool)
	for i := range m.rules {
		for _, e := range m.rules[i].expressions() {
			m.columns = e.root.columns(m.columns, seen)
		}
	}
	if err := m.use(spec.Vocabulary); err != nil {
		c.report(spec.Place, "time_zone", "%v", err)
		return nil, c.errs
	}
	m.references = m.findReferences()
	m.canonical = m.marshal()
	sum := sha256.Sum256(m.canonical)
	m.id = inventory.MappingID(hex.EncodeToString(sum[:8]))
	return m, nil
}

// Table returns the table whose rows m maps.
func (m *Mapping) Table() cdc.TableName { return m.table }

// ID returns the first 16 hexadecimal digits of the SHA-256 of Canonical.
func (m *Mapping) ID() inventory.MappingID { return m.id }

// Canonical returns the text that stands for m, as Parse reads it. It depends
// on what m does and not on how it was written: two mappings with the same
// canonical text give every row the same contributions. It must not be modified.
func (m *Mapping) Canonical() []byte { return m.canonical }

// Columns returns the names of the columns that the rules name, each once. It
// must not be modified.
func (m *Mapping) Columns() []string { return m.columns }

// expressions returns those that the rule has, in the order of evaluation.
func (r *rule) expressions() []*expression {
	var out []*expression
	list := append([]*expression{r.when, r.sku, r.location}, r.kinds[:]...)
	for _, e := range append(list, r.from, r.until) {
		if e != nil {
			out = append(out, e)
		}
	}
	return out
}

// compiler gathers the problems of one Spec.
type compiler struct {
	table      cdc.TableName
	file       string
	limit      int
	vocabulary *Vocabulary
	errs       Errors
}

func (c *compiler) report(place Place, path, format string, args ...any) {
	c.errs = append(c.errs, &Error{File: c.file, Place: place, Table: c.table, Path: path, Reason: fmt.Sprintf(format, args...)})
}

// bound reports rules that are too much work for a row all together.
func (c *compiler) bound(place Place, rules []rule) {
	size, steps := 0, 0
	for i := range rules {
		for _, e := range rules[i].expressions() {
			size += len(e.canonical())
			steps += e.root.allSteps()
		}
	}
	if size > maxMapping {
		c.report(place, "contributes", "is too long: its expressions have %d bytes together, more than %d", size, maxMapping)
	}
	if steps > maxAllSteps {
		c.report(place, "contributes", "has too many regular expressions: they take %d steps together for each character, more than %d "+
			"(those inside nearest and within count %d times)", steps, maxAllSteps, climbs)
	}
}

func (c *compiler) rules(spec *Spec) []rule {
	switch n := len(spec.Contributes); {
	case n == 0:
		c.report(spec.Place, "contributes", "has no rules; a table that contributes nothing is left out")
	case n > maxRules:
		c.report(spec.Place, "contributes", "has %d rules, more than %d", n, maxRules)
		return nil
	}
	rules := make([]rule, len(spec.Contributes))
	legs := make(map[string]string)
	for i := range spec.Contributes {
		r := &spec.Contributes[i]
		rules[i] = rule{path: fmt.Sprintf("contributes[%d]", i)}
		c.leg(r, &rules[i], legs)
		c.rule(r, &rules[i])
	}
	return rules
}

// leg names the rule. A name must not depend on the other rules: it is part of
// what identifies a contribution in the store.
func (c *compiler) leg(r *Rule, out *rule, legs map[string]string) {
	place, path := r.Leg.Place, out.path+"."+fieldLeg
	out.leg = r.Leg.Text
	unnamed := r.Leg.absent()
	if unnamed {
		out.leg, place = DefaultLeg, r.Place
	}
	if err := inventory.ValidName(out.leg); err != nil {
		c.report(place, path, "%s: %v", shown(out.leg), err)
		return
	}
	first, taken := legs[out.leg]
	switch {
	case taken && unnamed:
		c.report(place, path, "is missing: %s is the leg %s already; give every other rule a leg of its own", first, out.leg)
	case taken:
		c.report(place, path, "%s is the leg of %s already", out.leg, first)
	default:
		legs[out.leg] = out.path
	}
}

func (c *compiler) rule(r *Rule, out *rule) {
	out.when = c.expression(out, fieldWhen, &r.When)
	if r.SKU.absent() {
		c.report(r.Place, out.path+"."+fieldSKU, "is missing: say which column holds the SKU")
	}
	out.sku = c.expression(out, fieldSKU, &r.SKU)
	if location := &r.Location; location.absent() && c.vocabulary != nil {
		*location = c.vocabulary.Location
	}
	if r.Location.absent() {
		c.report(r.Place, out.path+"."+fieldLocation,
			"is missing: name a column, or write a text in quotes inside the value, as in location: \"'DC1'\"")
	}
	out.location = c.expression(out, fieldLocation, &r.Location)
	c.among(out, &r.Location)
	contributes := false
	for k := range out.kinds {
		contributes = contributes || !r.Quantities[k].absent()
		out.kinds[k] = c.expression(out, inventory.Kind(k).String(), &r.Quantities[k])
	}
	out.from = c.expression(out, fieldValidFrom, &r.ValidFrom)
	out.until = c.expression(out, fieldValidUntil, &r.ValidUntil)
	if !contributes {
		c.report(r.Place, out.path, "contributes nothing: give it on_hand, committed, unavailable, safety_stock or incoming")
	}
}

// expression parses v and checks what does not depend on columns.
func (c *compiler) expression(r *rule, field string, v *Value) *expression {
	if v.absent() {
		return nil
	}
	root, f := parse(v.Text, c.limit, c.vocabulary)
	e := &expression{field: field, value: *v, root: root}
	if f == nil && c.vocabulary != nil && len(e.canonical()) > canonicalGrowth*MaxExpression {
		f = faultAt(0, "is too long with the values of its constants")
	}
	if f == nil {
		f = e.check(&checker{kinds: make(map[*node]kind)})
	}
	if f != nil {
		place, reason := f.in(v)
		c.report(place, r.path+"."+field, "%s", reason)
		return nil
	}
	return e
}

// check finds the kinds of e's nodes and whether e has the one that its field needs.
func (e *expression) check(c *checker) *fault {
	switch e.field {
	case fieldWhen:
		return c.want(e.root, kindBool)
	case fieldSKU, fieldLocation:
		k, f := c.kindOf(e.root)
		switch {
		case f == nil && k == kindBool:
			return faultAt(e.root.at, "is true or false where text is wanted")
		case f == nil && e.root.op == opNumber:
			return faultAt(e.root.at, "is a number where text is wanted%s", c.conversion(e.root, k, kindText))
		}
		return f
	case fieldValidFrom, fieldValidUntil:
		return c.wantMoment(e.root)
	default:
		return c.want(e.root, kindNumber)
	}
}

// Bind compiles m for the columns of t and for the lookups that it names, which may
// be nil if it names none. The error is Errors: columns that t or a lookup lacks,
// and expressions that do not fit the types of the columns. The program belongs to
// the goroutine that the lookups belong to.
func (m *Mapping) Bind(t *cdc.Table, lookups *Lookups) (*Program, error) {
	c := compiler{table: m.table, file: m.file}
	p := &Program{rules: make([]boundRule, len(m.rules))}
	for i := range m.rules {
		r := &m.rules[i]
		b := builder{table: t, lookups: lookups, kinds: make(map[*node]kind), zone: m.zone, locations: m.locations}
		sound := true
		for _, e := range r.expressions() {
			if f := e.check(&checker{table: t, lookups: lookups, kinds: b.kinds}); f != nil {
				place, reason := f.in(&e.value)
				c.report(place, r.path+"."+e.field, "%s", reason)
				sound = false
			}
		}
		if sound {
			p.rules[i] = b.rule(r)
		}
	}
	if len(c.errs) > 0 {
		return nil, c.errs
	}
	return p, nil
}
