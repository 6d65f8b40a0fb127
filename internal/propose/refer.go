package propose

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// reference is how rows of a table name an article or a place.
type reference struct {
	// expr is the expression for it, why what it rests on.
	expr, why string
	// score says how well it is founded; 0 is no reference at all.
	score int
	// column is the row's own column that it begins at.
	column string
	// code is the column of the last table that is looked into.
	code *column
	// through are the tables that it looks into, in the order of the hops.
	through []hop
}

// hop is a table that is looked into, and the expression of its row:
// "product[product_id]".
type hop struct {
	table *table
	row   string
}

// Scores of references. What is above strong is taken without a word of doubt.
const (
	scoreCode   = 12 // a code in the row itself
	scoreLookup = 11 // a code in the row that a foreign key leads to
	scoreNamed  = 10 // a column called like an article or a place
	scoreHops   = 9  // a code over several hops
	scoreID     = 5  // a number that only the database understands
	scoreSpot   = 3  // a bin, for want of a place
)

// itemTable reports whether rows of t are articles.
func itemTable(t *table) bool {
	return t.name.says(anItem, aSKU) && !t.View && len(t.Key) == 1 &&
		!t.name.says(isOther, aPurchase, aStock, aMove, aPlace, aSpot, aBasket, aReservation, aTransfer, isOld, aQuantity, aUnit, aKind, anAttribute, aParent) &&
		!t.name.has("order", "sale", "sales", "line", "lines", "auftrag", "commande", "pedido", "ordine", "customer", "kunden")
}

// placeTable reports whether rows of t are places, or places within places.
func placeTable(t *table) bool {
	stock := t.name.says(aStock) && !t.name.head(aPlace) && !t.name.head(aSpot)
	return t.name.says(aPlace, aSpot) && !t.View && len(t.Key) == 1 && !stock &&
		!t.name.says(isOther, aPurchase, anItem, aMove, aBasket, aReservation, aTransfer, isOld, aQuantity, aKind) &&
		!t.name.has("order", "sale", "sales", "line", "lines")
}

// target returns the table that a column refers to, declared as a foreign key or,
// where there is none, by its name. declared says which.
func (p *proposer) target(t *table, c *column) (to *table, declared bool) {
	if known, ok := p.targets[c]; ok {
		return known.to, known.declared
	}
	to, declared = p.findTarget(t, c)
	p.targets[c] = target{to, declared}
	return to, declared
}

type target struct {
	to       *table
	declared bool
}

func (p *proposer) findTarget(t *table, c *column) (to *table, declared bool) {
	for _, f := range t.Foreign {
		if len(f.Columns) == 1 && f.Columns[0] == c.Name {
			if to = p.byName[f.Table]; to != nil {
				return to, true
			}
		}
	}
	if t.refers(c) {
		return nil, false // a part of a composite key
	}
	schema := t.Table.Name.Schema
	named := slices.Concat(p.byKey[keyName{schema, stem(&c.name)}], p.byKey[keyName{schema, strings.ToLower(c.Name)}])
	for _, other := range named {
		if key := other.column(other.Key[0]); other != t && key != nil && key.Type == c.Type {
			return other, false
		}
	}
	return nil, false
}

// keyName is what columns are called that refer to a table of a schema: as its key
// is, or as the table itself is, in small letters with blanks between words.
type keyName struct{ schema, name string }

// indexKeys finds the tables that columns may refer to by their names.
func (p *proposer) indexKeys() {
	for _, t := range p.tables {
		if t.View || len(t.Key) != 1 {
			continue
		}
		schema, key := t.Table.Name.Schema, strings.ToLower(t.Key[0])
		refers := slices.ContainsFunc(t.Foreign, func(f survey.ForeignKey) bool { return slices.Contains(f.Columns, t.Key[0]) })
		if !refers && !slices.Contains([]string{"id", "name", "code", "nr", "no", "key"}, key) {
			p.byKey[keyName{schema, key}] = append(p.byKey[keyName{schema, key}], t)
		}
		if s := stem(&t.name); s != "" {
			p.byKey[keyName{schema, s}] = append(p.byKey[keyName{schema, s}], t)
		}
	}
}

// stem is what is left of a name without what only says that it is a reference:
// "product_id", "fk_entrepot", "LagerNr", and without its plural.
func stem(n *name) string {
	var out []string
	for _, w := range n.words {
		m := lookUp(w)
		if slices.Contains(m, anID) || slices.Contains(m, aCode) || slices.Contains(m, filler) || w == "llx" || w == "ps" {
			continue
		}
		out = append(out, strings.TrimRight(w, "s"))
	}
	return strings.Join(out, " ")
}

// code returns the column by which people know the rows of a table of articles or
// places, and why; nil if there is none but a number.
func (t *table) code(of meaning) (best *column, why string) {
	most := 0
	for _, c := range t.columns {
		if c.Type != cdc.TypeText && c.Type != cdc.TypeInteger || !quotable(c.Name) || t.refers(c) {
			continue
		}
		if score := t.codeScore(c, of); score > most {
			best, most = c, score
		}
	}
	if best == nil {
		return nil, ""
	}
	if why = "called like a code"; best.name.says(aName) {
		why = "called like a name"
	}
	if t.IsUnique(best.Name) {
		why += " and unique"
	}
	if !best.NotNull {
		why += "; it may be NULL"
	}
	return best, why
}

func (t *table) codeScore(c *column, of meaning) int {
	n := &c.name
	var score int
	switch {
	case n.says(aTime, aKind, aStatus, isOther, aTenant, isAside, aParent, isActive, isDeleted) && !n.says(aSKU):
		return 0
	case n.says(aSKU) && of == anItem:
		score = 12
	case n.says(of) && n.says(aCode):
		score = 10
	case n.says(aCode) && !n.says(anID) && len(n.words) <= 2:
		score = 8
	case n.has("value") && len(n.words) == 1, n.has("short"): // iDempiere's search key
		score = 7
	case n.says(of) && c.Type == cdc.TypeText && !n.says(aName, anID):
		score = 6
	case n.says(aBarcode) && of == anItem:
		score = 5
	case of == aPlace && n.has("name", "nom", "nombre", "nome", "title", "label", "bezeichnung", "libelle"), slices.Equal(t.Key, []string{c.Name}) && c.Type == cdc.TypeText && !n.says(anID):
		score = 4
	default:
		return 0
	}
	if c.Type == cdc.TypeInteger {
		score -= 3
	}
	if t.IsUnique(c.Name) {
		score++
	}
	return score
}

// items returns how rows of t name their article, the best first.
func (p *proposer) items(t *table) []reference {
	var out []reference
	for _, c := range t.columns {
		if r := p.item(t, c); r.score > 0 {
			out = append(out, r)
		}
	}
	slices.SortStableFunc(out, func(a, b reference) int { return b.score - a.score })
	return out
}

func (p *proposer) item(t *table, c *column) reference {
	if !quotable(c.Name) || !referable(c) {
		return reference{}
	}
	to, declared := p.target(t, c)
	if to != nil && to != t && itemTable(to) {
		return p.through(c, to, anItem, declared)
	}
	n := &c.name
	if to != nil || n.says(aKind, aTime, aStatus, aUnit, aParent, isOther, aName, isActive, isDeleted, isAside) || n.has("order", "group", "line") || t.quantity(c) {
		return reference{}
	}
	r := reference{expr: c.trimmed(), column: c.Name}
	switch {
	case n.says(aSKU), n.says(anItem) && n.says(aCode):
		r.score, r.why = scoreCode, "called like the number of an article"
	case n.says(anItem) && c.Type == cdc.TypeText && !n.says(anID) && !n.says(aStock, aQuantity):
		r.score, r.why = scoreNamed, "called like an article"
	case n.says(anItem) && n.says(anID):
		r.score, r.why = scoreID, "the article's id: no table of articles was found that it leads to"
	case n.says(aBarcode):
		r.score, r.why = scoreID-1, "a bar code, for want of the number of an article"
	case itemTable(t) && !t.refers(c):
		code, _ := t.code(anItem)
		if code == nil || code.Name != c.Name {
			return reference{}
		}
		r.score, r.why = scoreCode, "the article's own code"
	default:
		return reference{}
	}
	return r
}

// referable reports whether a column has a type by which rows are named.
func referable(c *column) bool {
	switch c.Type {
	case cdc.TypeText, cdc.TypeInteger, cdc.TypeUUID:
		return true
	case cdc.TypeDecimal: // Oracle's heirs have numeric(10,0) for ids
		return c.name.says(anID)
	default:
		return false
	}
}

// through follows a column into a table of articles or places, to their code.
func (p *proposer) through(c *column, to *table, of meaning, declared bool) reference {
	how := "refers to " + to.Table.Name.Name
	if !declared {
		how = "is called like table " + to.Table.Name.Name + ", without a foreign key that says so"
	}
	code, why := to.code(of)
	r := reference{expr: c.trimmed(), column: c.Name, score: scoreLookup}
	switch {
	case code == nil:
		r.score, r.why = scoreID, fmt.Sprintf("%s, which has no column called like a code", how)
	case slices.Equal(to.Key, []string{code.Name}) && (c.Type == cdc.TypeText || c.name.says(aCode)):
		r.score, r.why = scoreCode, how+", whose key is its code"
	case !p.canLook(c, to):
		r.score, r.why = scoreID, fmt.Sprintf("%s, whose %s would be the code; %s", how, code.Name, p.whyNoLook(c, to))
	default:
		row := fmt.Sprintf("%s[%s]", p.lookupName(to), c.expr())
		r.expr, r.code, r.through = code.in(row), code, []hop{{to, row}}
		r.why = fmt.Sprintf("%s %s; %s.%s is %s", c.Name, how, to.Table.Name.Name, code.Name, why)
	}
	return r
}

// canLook reports whether the rows of a table can be looked up by a column.
func (p *proposer) canLook(c *column, to *table) bool {
	key := to.column(to.Key[0])
	return p.o.Lookups && to.fit() && key != nil && key.Type == c.Type
}

func (p *proposer) whyNoLook(c *column, to *table) string {
	key := to.column(to.Key[0])
	switch {
	case !p.o.Lookups:
		return "this version does not look into tables of this kind of source"
	case key != nil && key.Type != c.Type:
		return fmt.Sprintf("its key has another type (%s)", key.SourceType)
	case len(to.Problems) > 0:
		return to.Problems[0].Requirement + ": " + to.Problems[0].Detail
	default:
		return "it cannot be looked into"
	}
}

// places returns how rows of t name their place, the best first, and those that
// name where something leaves from and where it goes.
func (p *proposer) places(t *table) (places []reference, from, to reference) {
	for _, c := range t.columns {
		r := p.place(t, c)
		switch {
		case r.score == 0:
		case c.name.says(isFrom) && !c.name.says(isTo) && r.score > from.score:
			from = r
		case c.name.says(isTo) && !c.name.says(isFrom) && r.score > to.score:
			to = r
		default:
			places = append(places, r)
		}
	}
	// A table may have location_id and location_dest_id.
	if to.score > 0 && from.score == 0 && len(places) > 0 {
		from, places = places[0], places[1:]
	}
	if from.score == 0 || to.score == 0 {
		for _, r := range []reference{from, to} {
			if r.score > 0 {
				places = append(places, r)
			}
		}
		from, to = reference{}, reference{}
	}
	slices.SortStableFunc(places, func(a, b reference) int { return b.score - a.score })
	return places, from, to
}

func (p *proposer) place(t *table, c *column) reference {
	if !quotable(c.Name) || !referable(c) || t.quantity(c) {
		return reference{}
	}
	to, declared := p.target(t, c)
	switch {
	case to != nil && to != t && placeTable(to):
		return p.placeThrough(c, to, declared)
	case to != nil:
		return reference{}
	}
	n := &c.name
	if n.says(aKind, aTime, aStatus, aUnit, aParent, isOther, aName, isActive, isDeleted, isAside, anItem, aStock) && !n.has("from", "to") || n.has("order") {
		return reference{}
	}
	r := reference{expr: c.trimmed(), column: c.Name}
	switch {
	case n.says(aPlace) && c.Type == cdc.TypeText && !n.says(anID):
		r.score, r.why = scoreNamed, "called like a place"
	case n.says(aPlace) && n.says(aCode):
		r.score, r.why = scoreNamed, "called like the number of a place"
	case n.says(aPlace) && n.says(anID), n.says(aPlace) && c.Type == cdc.TypeInteger:
		r.score, r.why = scoreID, "the place's id: no table of places was found that it leads to"
	case n.says(aSpot) && !n.says(aKind):
		r.score, r.why = scoreSpot, "a place within a place: nothing in the row says in which"
	}
	return r
}

// placeThrough follows a column to a place, and from a bin further to the warehouse
// that the bin is in.
func (p *proposer) placeThrough(c *column, to *table, declared bool) reference {
	r := p.through(c, to, aPlace, declared)
	if p.canLook(c, to) {
		first := hop{to, fmt.Sprintf("%s[%s]", p.lookupName(to), c.expr())}
		for _, above := range to.columns {
			if further, ok := p.placeAbove(c, first, above); ok {
				return further
			}
		}
	}
	if to.name.says(aSpot) && !to.name.says(aPlace) {
		r.score = min(r.score, scoreSpot)
	}
	return r
}

// placeAbove follows a column of a bin's row to the place that the bin is in.
func (p *proposer) placeAbove(c *column, bin hop, above *column) (reference, bool) {
	next, sure := p.target(bin.table, above)
	if next == nil || next == bin.table || !placeTable(next) || next.name.says(aSpot) || above.name.says(aParent) {
		return reference{}, false
	}
	r := reference{score: scoreHops, column: c.Name, through: []hop{bin}}
	code, why := next.code(aPlace)
	switch {
	case code == nil:
		return reference{}, false
	case slices.Equal(next.Key, []string{code.Name}) && above.Type == cdc.TypeText:
		r.expr, r.code = above.in(bin.row), above
		r.why = fmt.Sprintf("%s leads to %s, which is in the place that its column %s names", c.Name, bin.table.Table.Name.Name, above.Name)
		return r, true
	case !p.canLook(above, next):
		return reference{}, false
	}
	row := fmt.Sprintf("%s[%s%s]", p.lookupName(next), bin.row, member(above.Name))
	how := "refers"
	if !sure {
		how = "seems to refer"
	}
	r.expr, r.code, r.through = code.in(row), code, append(r.through, hop{next, row})
	r.why = fmt.Sprintf("%s leads to %s, whose %s %s to %s; %s.%s is %s",
		c.Name, bin.table.Table.Name.Name, above.Name, how, next.Table.Name.Name, next.Table.Name.Name, code.Name, why)
	return r, true
}

// lookupName returns what expressions call a table, which is the same in all of
// them. That the table is looked into at all shows in the rules that are written.
func (p *proposer) lookupName(t *table) string {
	if name, ok := p.lookups[t.Table.Name]; ok {
		return name
	}
	var b strings.Builder
	for _, token := range tokens(t.Table.Name.Name) {
		if b.Len() > 0 {
			b.WriteByte('_')
		}
		for _, r := range token {
			if r >= 'a' && r <= 'z' {
				b.WriteRune(r)
			}
		}
	}
	base := strings.Trim(b.String(), "_")
	if base == "" || strings.Contains(reserved, " "+base+" ") {
		base = "row_" + base
	}
	name := base
	for n := 2; p.taken[name]; n++ {
		name = fmt.Sprintf("%s_%d", base, n)
	}
	p.taken[name], p.lookups[t.Table.Name] = true, name
	return name
}
