package propose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// stock drafts a table whose rows say how much of an article is somewhere: one row
// for each, or several that add up.
func (p *proposer) stock(t *table, r role) *draft {
	d, item, ok := p.begin(t, r)
	if !ok {
		return nil
	}
	places, _, _ := p.places(t)
	q := t.quantities()
	c, deducted, others, whyOnHand := q.there()
	if c == nil {
		return nil
	}
	if d.refused == "" && r == roleStock && t.deeds() {
		d.refused = "it is called like receipts, issues, counts or corrections, whose sum is not what is there"
	}
	if d.shape = p.stockShape(t, item, places); r == roleMaster {
		d.shape = "list of articles, in which the stock stands as well"
	}
	place := d.at(p, places)
	barred, gone := p.stockStates(d, d.hops)
	rule := Rule{Fields: d.where(gone...)}
	rule.Fields = append(rule.Fields, Field{sku, item.expr, item.why}, place, Field{onHand, sum(slices.Concat([]*column{c}, deducted)), whyOnHand})
	rule.Fields = append(rule.Fields, p.promised(d, c, &q)...)
	if len(q.damaged) > 0 && len(deducted) == 0 {
		d.note("%s must be part of %s, because available is on_hand - committed - unavailable - safety_stock; if it is beside it, add it to on_hand", names(q.damaged), c.Name)
	}
	rule.Fields = append(rule.Fields, unsellable(c, &q, barred)...)
	if len(q.safety) > 0 {
		rule.Fields = append(rule.Fields, Field{safetyStock, q.safety[0].alone(), "called like the least that is to stay"})
	}
	if len(q.arrives) > 0 {
		rule.Fields = append(rule.Fields, Field{incoming, sum(q.arrives), "called like what is on its way"})
	}
	d.rules = []Rule{rule}
	if len(others) > 0 {
		d.note("also called like a quantity, and left out: %s", names(others))
	}
	if len(q.reorder) > 0 {
		d.note("%s says when to order, not what to keep; as the stock to keep it would be safety_stock: %s", names(q.reorder), q.reorder[0].alone())
	}
	p.units(d)
	d.score = stockScore(t, &q, item, places)
	return d
}

// deeds reports whether the table is called like what happens to a stock, of which the
// stock is at most a part: "stock_in", "inventory_count".
func (t *table) deeds() bool {
	return t.name.head(isIn) || t.name.head(isOut) || t.name.has("receipt", "receipts", "receiving", "issue", "shipment", "shipments",
		"delivery", "deliveries", "adjustment", "adjustments", "correction", "corrections", "count", "counts", "stocktake", "inventur", "consumption")
}

// stockScore says how surely the table is one of stock.
func stockScore(t *table, q *quantities, item reference, places []reference) int {
	score := 0
	if len(q.onHand) > 0 {
		score += 4
	}
	if t.name.says(aStock, aSpot, isOnHand, aQuantity) {
		score += 3
	}
	if len(places) > 0 {
		score += 2
		if t.IsUnique(item.column, places[0].column) {
			score += 3
		}
	}
	if len(q.reserved) > 0 {
		score++
	}
	if t.Rows == 0 {
		score--
	}
	return score
}

// surelyStock is the score from which a table is proposed without another reason.
const surelyStock = 3

// stockShape says whether a cell has one row or several.
func (p *proposer) stockShape(t *table, item reference, places []reference) string {
	columns := []string{item.column}
	for _, r := range places {
		if r.score > scoreSpot {
			columns = append(columns, r.column)
			break
		}
	}
	if t.IsUnique(columns...) {
		return "absolute: one row for each article and place"
	}
	return "bins: several rows for an article and place, which add up"
}

// promised returns the field "committed" of a row of stock.
func (p *proposer) promised(d *draft, column *column, q *quantities) []Field {
	switch {
	case len(q.reserved) > 0:
		if len(q.reserved) > 1 {
			d.note("several columns are called like promises (%s): if one holds the others, take that alone", names(q.reserved))
		}
		if len(q.available) > 0 {
			d.note("%s is calculated, and left out: available is on_hand - committed - unavailable - safety_stock", names(q.available))
		}
		return []Field{{committed, sum(q.reserved), "called like what is promised"}}
	case len(q.available) > 0 && len(q.damaged) == 0:
		return []Field{{
			committed, column.orZero() + " - " + q.available[0].orZero(),
			"what is there and not available, " + q.available[0].Name + ", is promised",
		}}
	default:
		return nil
	}
}

// unsellable returns the field "unavailable" of a row of stock.
func unsellable(column *column, q *quantities, barred []condition) []Field {
	var exprs, whys []string
	if len(q.damaged) > 0 {
		exprs, whys = append(exprs, sum(q.damaged)), append(whys, "called like what is there and not for sale")
	}
	if len(barred) > 0 {
		k := anyOf(barred)
		expr := fmt.Sprintf("%s ? %s : 0", k.expr, column.alone())
		if len(exprs) > 0 {
			expr = "(" + fmt.Sprintf("%s ? %s : 0", k.expr, column.orZero()) + ")"
		}
		exprs, whys = append(exprs, expr), append(whys, k.why)
	}
	if len(exprs) == 0 {
		return nil
	}
	if len(exprs) > 1 { // a sum is calculated, so that nothing may be missing
		rest := exprs[1]
		exprs = nil
		for _, c := range q.damaged {
			exprs = append(exprs, c.orZero())
		}
		exprs = append(exprs, rest)
	}
	return []Field{{unavailable, strings.Join(exprs, " + "), strings.Join(whys, "; ")}}
}

// units notes quantities in several units of measure.
func (p *proposer) units(d *draft) {
	for _, c := range d.table.columns {
		values, _ := c.values()
		if c.name.says(aUnit) && !c.name.says(aQuantity) && !c.number() && len(values) > 1 {
			d.note("quantities are in several units (%s: %s): convert them to one, as in %s * pack[%s] with a map pack",
				c.Name, strings.Join(values, ", "), "qty", c.expr())
		}
	}
}

// settings drafts a table that says how much is to stay of an article at a place.
func (p *proposer) settings(t *table) *draft {
	q := t.quantities()
	if len(q.safety) == 0 {
		return nil
	}
	d, item, ok := p.begin(t, roleSettings)
	if !ok {
		return nil
	}
	places, _, _ := p.places(t)
	d.shape, d.score = "settings: what is to stay of an article", len(places)
	place := d.at(p, places)
	fields := append(d.where(), Field{sku, item.expr, item.why}, place,
		Field{safetyStock, q.safety[0].alone(), "called like the least that is to stay"})
	d.rules = []Rule{{Fields: fields}}
	return d
}

// ordered returns the quantity of a line that is not delivered, and why.
func ordered(q *quantities) (expr, why string, ok bool) {
	if len(q.open) > 0 {
		return q.open[0].alone(), "called like what is open", true
	}
	all := slices.Concat(q.plain, q.onHand, q.reserved)
	if len(all) == 0 {
		return "", "", false
	}
	if len(q.shipped) == 0 {
		return all[0].alone(), "the quantity of the line", true
	}
	terms := []string{all[0].orZero()}
	for _, c := range q.shipped {
		terms = append(terms, c.orZero())
	}
	return strings.Join(terms, " - "), "what is ordered and not yet " + names(q.shipped), true
}

// promise drafts a table of lines, each of which promises something to a customer
// or expects something from a supplier.
func (p *proposer) promise(t *table, r role) *draft {
	q := t.quantities()
	expr, why, ok := ordered(&q)
	if !ok {
		return nil
	}
	d, item, ok := p.begin(t, r)
	if !ok {
		return nil
	}
	if d.refused == "" && t.name.says(isElse) {
		d.refused = "it is called like offers, returns or production, and nothing says whether its lines take stock away or bring it"
	}
	kind := committed
	if r == rolePurchase {
		kind = incoming
	}
	d.shape = map[role]string{
		roleDemand: "order lines", roleBasket: "baskets", roleReservation: "reservations", rolePurchase: "purchase order lines",
	}[r]
	lines := ofOrder
	if r == roleReservation {
		lines = ofReservation
	}
	conditions, decided := p.openLines(d, lines)
	places, from, to := p.places(t)
	if r == rolePurchase && to.score > 0 {
		places = append([]reference{to}, places...)
	} else if from.score > 0 {
		places = append([]reference{from}, places...)
	}
	place := d.at(p, places)
	d.rules = []Rule{{Fields: append(d.where(conditions...), Field{sku, item.expr, item.why}, place, Field{kind, expr, why})}}
	settled := len(q.shipped) > 0 || len(q.open) > 0
	switch {
	case decided || d.refused != "":
	case settled:
		d.note("nothing says which lines are cancelled: what was ordered and never delivered counts for ever")
	case r == roleDemand || r == rolePurchase:
		d.refused = "nothing says which lines are open, and all lines that there ever were would count"
	}
	p.units(d)
	return d
}

// openLines finds which lines are open, in the row or in that of the order that it
// belongs to. decided says that something does.
func (p *proposer) openLines(d *draft, s subject) (conditions []condition, decided bool) {
	if k, ok := p.openRow(d, d.table, func(c *column) string { return c.trimmed() }, s, false); ok {
		return k, true
	}
	header, ok := p.header(d.table)
	if !ok {
		return nil, false
	}
	k, ok := p.openRow(d, header.table, func(c *column) string { return c.in(header.row) }, s, true)
	if ok {
		d.hops = append(d.hops, header)
	}
	return k, ok
}

func (p *proposer) openRow(d *draft, t *table, x func(*column) string, s subject, lookedUp bool) ([]condition, bool) {
	for _, c := range t.columns {
		if !quotable(c.Name) || !c.name.says(aStatus) || c.name.says(aTime, aName) {
			continue
		}
		sorted, ok := sortValues(c, x(c), s)
		if !ok {
			p.openCodes(d, c, x(c))
			continue
		}
		why := fmt.Sprintf("%s of %s: %s", sorted.origin(), c.Name, sorted.say(stateOpen, stateAway, stateDone, stateUnknown))
		switch {
		case !sorted.known(stateOpen, stateDone):
			p.openCodes(d, c, x(c))
		case sorted.known(stateUnknown) && sorted.known(stateDone):
			return []condition{{sorted.isNot(sorted.by[stateDone], lookedUp), why + "; what is unknown counts as open"}}, true
		case !sorted.known(stateOpen):
			return []condition{{sorted.isNot(sorted.by[stateDone], lookedUp), why}}, true
		case sorted.known(stateUnknown) || sorted.seen && !sorted.known(stateDone):
			d.note("no value of %s that was seen says that a line is done", c.Name)
			return []condition{{sorted.is(sorted.by[stateOpen]), why}}, true
		default:
			return []condition{{sorted.is(sorted.by[stateOpen]), why}}, true
		}
	}
	if lookedUp {
		return nil, false
	}
	return doneFlags(t)
}

// openCodes notes a state in numbers or unknown words.
func (p *proposer) openCodes(d *draft, c *column, x string) {
	values, _ := c.values()
	if len(values) == 0 {
		d.note("%s seems to say which lines are open, and no row says which values it has", x)
		return
	}
	d.note("%s has the values %s: find out which mean open lines, and add them to when, as in %s == %s", x, strings.Join(values, ", "), x, literal(c, values[0]))
}

// literal writes a value of a column in an expression.
func literal(c *column, value string) string {
	if c.number() {
		return value
	}
	return text(value)
}

// doneFlags are columns that say yes when a line is done.
func doneFlags(t *table) ([]condition, bool) {
	var out []condition
	for _, c := range t.columns {
		f, ok := c.flag()
		if !ok || c.name.says(aQuantity) || !quotable(c.Name) {
			continue
		}
		switch stateOf(ofOrder, c.Name) {
		case stateDone:
			out = append(out, condition{f.no, c.Name + " marks lines that are done"})
		case stateOpen:
			out = append(out, condition{f.yes, c.Name + " marks lines that are open"})
		default:
		}
	}
	return out, len(out) > 0
}

// transfer drafts a table of what goes from one place to another: promised where it
// leaves, until it has left; expected where it arrives, until it has arrived.
func (p *proposer) transfer(t *table) *draft {
	_, from, to := p.places(t)
	q := t.quantities()
	expr, why, ok := ordered(&q)
	if !ok || from.score == 0 || to.score == 0 {
		return nil
	}
	d, item, ok := p.begin(t, roleTransfer)
	if !ok {
		return nil
	}
	d.shape = "transfers: from one place to another"
	d.hops = append(append(d.hops, from.through...), to.through...)
	leg := func(name string, place reference, kind string, k condition) Rule {
		return Rule{Leg: name, Fields: append(d.where(k),
			Field{sku, item.expr, item.why}, Field{location, place.expr, place.why}, Field{kind, expr, why})}
	}
	for _, c := range t.columns {
		if !quotable(c.Name) || !c.name.says(aStatus) || c.name.says(aTime, aName) {
			continue
		}
		s, ok := sortValues(c, c.trimmed(), ofTransfer)
		if !ok || !s.known(stateOpen, stateAway) {
			p.openCodes(d, c, c.trimmed())
			continue
		}
		why := fmt.Sprintf("%s of %s: %s", s.origin(), c.Name, s.say(stateOpen, stateAway, stateDone, stateUnknown))
		if values := s.by[stateOpen]; len(values) > 0 {
			d.rules = append(d.rules, leg("from", from, committed, condition{s.is(values), why}))
		}
		away := s.by[stateAway]
		if len(away) == 0 {
			away = s.by[stateOpen]
			d.note("no value of %s says that something is on its way: it is expected from the beginning", c.Name)
		}
		d.rules = append(d.rules, leg("to", to, incoming, condition{s.is(away), why}))
		break
	}
	if len(d.rules) == 0 && d.refused == "" {
		d.refused = "nothing says which transfers are on their way"
	}
	if len(d.rules) == 0 {
		d.rules = []Rule{leg("to", to, incoming, condition{"false", "replace it by what says that something is on its way"})}
	}
	return d
}

// attributes drafts a table in which each row holds one property of an article.
func (p *proposer) attributes(t *table) *draft {
	key, value := t.property()
	if key == nil || value == nil || !t.name.says(anAttribute, aValue) && !key.name.says(anAttribute) {
		return nil
	}
	properties := t.quantityProperties(key)
	if len(properties) == 0 {
		return nil
	}
	d, item, ok := p.begin(t, roleAttributes)
	if !ok {
		p.remark(cdc.FindingWarning, t, fmt.Sprintf("keeps one property in a row (%s, %s), and no column leads to the article's code", key.Name, value.Name),
			"map the table that applications make of it, with one row for each article")
		return nil
	}
	d.shape = "attributes: one property of an article in a row"
	places, _, _ := p.places(t)
	place := d.at(p, places)
	seen := make(map[string]bool)
	for i, f := range properties {
		if seen[f.Name] {
			d.note("%s is called like a quantity, too, and is left out", f.Expr)
			continue
		}
		seen[f.Name] = true
		expr := value.alone()
		if value.number() {
			expr = value.expr()
		}
		r := Rule{Fields: append(d.where(condition{key.trimmed() + " == " + text(f.Expr), "rows with this property alone are quantities"}),
			Field{sku, item.expr, item.why}, place, Field{f.Name, expr, "what " + value.Name + " holds for " + f.Expr})}
		if i > 0 {
			r.Leg = f.Name
		}
		d.rules = append(d.rules, r)
	}
	return d
}

// property returns the columns that hold which property a row is of, and its value.
func (t *table) property() (key, value *column) {
	for _, c := range t.columns {
		n := &c.name
		switch {
		case !quotable(c.Name) || t.refers(c):
		case (n.says(anAttribute) || n.says(aCode, aName)) && !n.says(aValue, anItem, anID) && c.Type == cdc.TypeText && key == nil:
			key = c
		case n.says(aValue) && !n.says(aCode, aName, aTime):
			value = c
		}
	}
	return key, value
}

// quantityProperties are the values of key that are called like quantities, with the
// kind that each is, on_hand first.
func (t *table) quantityProperties(key *column) []Field {
	var out []Field
	for _, v := range key.tally.Values {
		n := read(v.Value)
		q := quantities{}
		to := q.of(t, &n)
		if to == nil || !plain(v.Value) || len(v.Value) > maxValue || n.says(anID, aUnit, aStatus, aTime, isAside) {
			continue
		}
		switch to {
		case &q.onHand, &q.plain:
			out = append(out, Field{Name: onHand, Expr: v.Value})
		case &q.reserved:
			out = append(out, Field{Name: committed, Expr: v.Value})
		}
	}
	slices.SortFunc(out, func(a, b Field) int {
		return cmp.Or(strings.Compare(b.Name, a.Name), strings.Compare(a.Expr, b.Expr))
	})
	return out
}
