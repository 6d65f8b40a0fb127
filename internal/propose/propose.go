package propose

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// proposer works on one survey.
type proposer struct {
	o      Options
	tables []*table
	byName map[cdc.TableName]*table
	byKey  map[keyName][]*table
	// targets are the tables that columns were found to refer to.
	targets map[*column]target
	// lookups are the names of tables that may be looked into; taken are those names.
	lookups   map[cdc.TableName]string
	taken     map[string]bool
	constants []Constant
	findings  []cdc.Finding
	drafts    []*draft
}

func newProposer(d *survey.Database, o Options) *proposer {
	p := &proposer{
		o: o, byName: make(map[cdc.TableName]*table), byKey: make(map[keyName][]*table), targets: make(map[*column]target),
		lookups: make(map[cdc.TableName]string), taken: make(map[string]bool),
	}
	for i := range d.Tables {
		if !plain(d.Tables[i].Name.Schema) || !plain(d.Tables[i].Name.Name) {
			continue // no configuration can name it
		}
		t := newTable(&d.Tables[i])
		p.tables = append(p.tables, t)
		p.byName[t.Table.Name] = t
	}
	p.indexKeys()
	return p
}

// Propose returns a mapping of a database. It is never nil; nothing may be proposed
// in it.
func Propose(d *survey.Database, o Options) *Proposal {
	p := newProposer(d, o)
	out := &Proposal{Known: recognise(d, &o), Lookups: []Lookup{}, Constants: []Constant{}, Tables: []Table{}}
	if out.Known == nil || out.Known.Preset == "" {
		p.draw()
		p.decide()
		p.write(out)
		p.incomplete(out)
	}
	p.unseen(d)
	p.zones()
	p.known(out.Known)
	out.Findings = p.findings
	return out
}

// incomplete remarks that promises alone are proposed.
func (p *proposer) incomplete(out *Proposal) {
	if out.Active() && !out.Complete() {
		p.findings = append(p.findings, cdc.Finding{
			Requirement: "stock", State: cdc.FindingProblem, Detail: "no table that is proposed says what is on hand, so that levels would be promises alone",
			Fix: "see that the table that holds the stock is looked at and readable, or take one of the alternatives",
		})
	}
}

// known remarks what a preset must be told that the database does not say, and what
// it says twice.
func (p *proposer) known(k *Known) {
	if k == nil {
		return
	}
	remark := func(state cdc.FindingState, detail, fix string) {
		p.findings = append(p.findings, cdc.Finding{Requirement: k.Name, State: state, Detail: detail, Fix: fix})
	}
	if k.Preset == "" {
		remark(cdc.FindingWarning, "there is no preset for it: "+k.Why, "see that what is proposed from names alone is what its tables mean")
		return
	}
	for i := range k.Variables {
		v := &k.Variables[i]
		if v.Required && v.Value == "" {
			remark(cdc.FindingProblem, "preset "+k.Preset+" must be told "+v.Name+": "+v.About, "write it under variables")
		} else if v.Value != "" && len(v.Others) > 0 {
			remark(cdc.FindingWarning, fmt.Sprintf("variable %s is %s, and the database has %s, too", v.Name, v.Value, strings.Join(v.Others, ", ")), "see that it is the one whose stock is wanted")
		}
	}
}

// sampleRows is the most rows of a table that are read.
const sampleRows = 500

// maxQuestions is the most tables of which rows are read.
const maxQuestions = 80

// Questions returns the rows that a proposal needs beside the schema: of the tables
// that may matter, those columns whose values tell kinds of rows apart.
func Questions(d *survey.Database, o Options) []survey.Question {
	p := newProposer(d, o)
	p.draw()
	wanted := make(map[*table]bool)
	var order []*table
	want := func(t *table) {
		if !wanted[t] && !t.View && len(t.Problems) == 0 {
			wanted[t] = true
			order = append(order, t)
		}
	}
	if known := recognise(d, &o); known != nil && known.Preset != "" {
		return known.questions(d)
	}
	for _, dr := range p.drafts {
		want(dr.table)
	}
	for _, t := range p.tables {
		if t.name.says(anAttribute, aValue) {
			want(t)
		}
	}
	for _, dr := range p.drafts {
		for _, h := range dr.hops {
			want(h.table)
		}
		if header, ok := p.header(dr.table); ok {
			want(header.table)
		}
	}
	var out []survey.Question
	for _, t := range order[:min(len(order), maxQuestions)] {
		var columns []string
		for _, c := range t.columns {
			if t.telling(c) {
				columns = append(columns, c.Name)
			}
		}
		if len(columns) > 0 {
			out = append(out, survey.Question{Table: t.Table.Name, Columns: columns, Rows: sampleRows})
		}
	}
	return out
}

// telling reports whether the values of a column may say something that its name
// does not.
func (t *table) telling(c *column) bool {
	switch c.Type {
	case cdc.TypeText, cdc.TypeInteger, cdc.TypeDecimal, cdc.TypeFloat, cdc.TypeBool:
	default:
		return false
	}
	if c.name.says(aName) && !t.name.says(anAttribute, aValue) {
		return false
	}
	return t.quantity(c) || c.name.says(aStatus, aKind, isActive, isDeleted, isDamaged, aTenant, aUnit, anAttribute, aQuantity, aStock, aMove, isIn, isOut, aValue) ||
		c.name.has("reason", "grund", "motif", "direction", "richtung", "sens", "voucher", "causale", "motivo") ||
		t.name.says(anAttribute, aValue) && c.name.says(aCode, aName) || stateOf(ofOrder, c.Name) != stateUnknown
}

// draw drafts every table that may say something of stock.
func (p *proposer) draw() {
	for _, t := range p.tables {
		if d := p.drawTable(t); d != nil && len(d.rules) > 0 {
			p.drafts = append(p.drafts, d)
		}
	}
}

func (p *proposer) drawTable(t *table) *draft {
	n := &t.name
	q := t.quantities()
	_, from, to := p.places(t)
	fromTo := from.score > 0 && to.score > 0
	ledgerLike := n.says(aMove) || len(q.balance) > 0 || len(q.in) > 0 && len(q.out) > 0
	if d := p.attributes(t); d != nil {
		return d
	}
	switch {
	case n.says(isOther) || n.says(isOld) && !n.says(aMove):
		return p.old(t)
	case fromTo && !ledgerLike, fromTo && n.says(aTransfer):
		return p.transfer(t)
	case itemTable(t):
		if len(q.onHand) == 0 && len(q.available) == 0 {
			return p.settings(t)
		}
		return p.stock(t, roleMaster)
	case n.says(aStock) && !t.promises() && !ledgerLike && len(q.shipped) == 0:
		return cmp.Or(p.stock(t, roleStock), p.settings(t))
	case ledgerLike:
		return p.ledger(t)
	case n.says(aBasket):
		return p.promise(t, roleBasket)
	case n.says(aReservation):
		return p.promise(t, roleReservation)
	case n.says(aPurchase):
		return p.promise(t, rolePurchase)
	case n.says(anOrder) || len(q.shipped) > 0:
		return p.promise(t, roleDemand)
	default:
		return cmp.Or(p.stock(t, roleStock), p.settings(t))
	}
}

// old remarks a copy of stock, as history and staging tables are.
func (p *proposer) old(t *table) *draft {
	q := t.quantities()
	if t.name.says(isOld) && len(q.onHand) > 0 && len(p.items(t)) > 0 {
		p.remark(cdc.FindingOK, t, "is called like a copy, a history or a plan, and is left out", "")
	}
	return nil
}

// decide chooses which drafts are proposed: no stock and no promise twice.
func (p *proposer) decide() {
	slices.SortStableFunc(p.drafts, func(a, b *draft) int {
		return cmp.Or(cmp.Compare(a.role, b.role), cmp.Compare(b.score, a.score))
	})
	for _, d := range p.drafts {
		if d.refused != "" {
			p.refuse(d)
		}
	}
	stock := p.decideStock()
	p.decideOnce(stock, safetyStock, roleSettings)
	p.decidePromises(stock)
}

// refuse remarks why a table cannot be proposed as it is.
func (p *proposer) refuse(d *draft) {
	t := d.table
	if t.View {
		p.remark(cdc.FindingOK, t, "is a view, which has no changes of its own: what is behind it can be mapped", "")
		return
	}
	for i := range t.Problems {
		f := t.Problems[i]
		p.remark(cdc.FindingProblem, t, f.Detail, f.Fix)
	}
}

// decideStock chooses the table that says what is on hand. All others hold the same
// stock, as far as anybody can tell from outside.
func (p *proposer) decideStock() *draft {
	var chosen *draft
	for _, d := range p.drafts {
		if d.refused != "" || !d.says(onHand) || d.role == roleLedger || d.role == roleStock && d.score < surelyStock {
			continue
		}
		if chosen == nil || d.role == chosen.role && d.score > chosen.score {
			chosen = d
		}
	}
	if chosen == nil {
		for _, d := range p.drafts {
			if d.refused == "" && d.role == roleLedger {
				chosen = d
				break
			}
		}
	}
	for _, d := range p.drafts {
		// Of a ledger beside the stock it matters most that it is one.
		beside := d.role == roleLedger && chosen != nil && d != chosen && len(d.table.Problems) == 0
		if beside && d.refused != "" {
			d.note("%s", d.refused)
			d.refused = ""
		}
		switch {
		case d == chosen || !d.says(onHand) || d.refused != "":
		case chosen == nil:
			d.refused = "nothing but an article and a quantity says that this is stock"
		case d.role == roleLedger:
			d.refused = fmt.Sprintf("it has the movements of the stock that %s holds: with both, it would count twice", chosen.table.Table.Name)
		case d.role == roleMaster:
			d.refused = fmt.Sprintf("it has a total of what %s holds in parts: with both, it would count twice", chosen.table.Table.Name)
			p.remark(cdc.FindingWarning, d.table, fmt.Sprintf("keeps a total of stock that table %s has in parts", chosen.table.Table.Name), "map one of the two")
		default:
			d.refused = fmt.Sprintf("it seems to hold the same stock as %s: take it out of the comment only if it is other stock", chosen.table.Table.Name)
		}
	}
	return chosen
}

// decideOnce keeps the first draft of a role, and none where the stock says it already.
func (p *proposer) decideOnce(stock *draft, kind string, r role) {
	var first *draft
	for _, d := range p.drafts {
		switch {
		case d.role != r || d.refused != "":
		case stock != nil && stock.says(kind):
			d.refused = fmt.Sprintf("%s has %s already", stock.table.Table.Name, kind)
		case first != nil:
			d.refused = fmt.Sprintf("%s says the same", first.table.Table.Name)
		default:
			first = d
		}
	}
}

// decidePromises keeps the drafts of promises and of what is expected, unless the
// stock itself has both.
func (p *proposer) decidePromises(stock *draft) {
	deducted := stock != nil && (stock.says(committed) || slices.ContainsFunc(stock.rules[0].Fields, func(f Field) bool {
		return f.Name == onHand && strings.HasPrefix(f.Why, "what is available")
	}))
	expected := stock != nil && stock.says(incoming)
	proposed := func(r role) bool {
		return slices.ContainsFunc(p.drafts, func(d *draft) bool { return d.role == r && d.refused == "" })
	}
	demand, reserved := proposed(roleDemand), proposed(roleReservation)
	for _, d := range p.drafts {
		if d.refused != "" {
			continue
		}
		switch {
		case deducted && (d.role == roleDemand || d.role == roleBasket || d.role == roleReservation):
			d.refused = fmt.Sprintf("%s deducts promises already: with both, they would be deducted twice", stock.table.Table.Name)
		case d.role == roleReservation && demand:
			d.refused = "reservations are mostly made for order lines, which are mapped: with both, a promise would be deducted twice"
		case d.role == roleBasket && reserved && !demand:
			d.refused = "reservations are mostly made for what is in baskets, and are mapped: with both, a promise would be deducted twice"
		case expected && d.role == rolePurchase:
			d.refused = fmt.Sprintf("%s has what is expected already", stock.table.Table.Name)
		case (deducted || expected) && d.role == roleTransfer:
			d.refused = fmt.Sprintf("%s has promises or what is expected already, mostly with transfers", stock.table.Table.Name)
		}
	}
	p.twice(roleDemand)
	p.twice(rolePurchase)
}

// twice remarks that several tables of a role are proposed, whose lines may be the same.
func (p *proposer) twice(r role) {
	var first *draft
	for _, d := range p.drafts {
		switch {
		case d.role != r || d.refused != "":
		case first == nil:
			first = d
		default:
			p.remark(cdc.FindingWarning, d.table, fmt.Sprintf("has %s, as table %s has", d.shape, first.table.Table.Name),
				"see that no line stands in both, which would count it twice")
		}
	}
}

// maxAlternatives is the most tables that are shown without being proposed.
const maxAlternatives = 40

// write takes over what was decided.
func (p *proposer) write(out *Proposal) {
	used := make(map[cdc.TableName]bool) // true for tables that a proposed one looks into
	alternatives := 0
	for _, active := range []bool{true, false} {
		for _, d := range p.drafts {
			if (d.refused == "") != active || d.table.View {
				continue
			}
			if !active {
				alternatives++
			}
			if alternatives > maxAlternatives {
				continue
			}
			for _, h := range d.hops {
				used[h.table.Table.Name] = used[h.table.Table.Name] || active
			}
			for i := range p.constants {
				name := "const." + p.constants[i].Name
				if slices.ContainsFunc(d.conditions, func(k condition) bool { return strings.HasSuffix(k.expr, name) }) {
					p.constants[i].Active = p.constants[i].Active || active
				}
			}
			out.Tables = append(out.Tables, Table{
				Name: d.table.Table.Name.String(), Rows: d.table.rows(), Shape: d.shape, Active: active, Because: d.refused, Notes: d.notes, Rules: d.rules,
			})
		}
	}
	if alternatives > maxAlternatives {
		p.findings = append(p.findings, cdc.Finding{
			Requirement: "tables", State: cdc.FindingWarning, Detail: fmt.Sprintf("%d more look as if they held stock or promises, and are not shown", alternatives-maxAlternatives),
			Fix: "name the tables that matter with --table",
		})
	}
	for name, active := range used {
		out.Lookups = append(out.Lookups, Lookup{Name: p.lookups[name], Table: name.String(), Active: active})
	}
	slices.SortFunc(out.Lookups, func(a, b Lookup) int { return cmp.Compare(a.Name, b.Name) })
	out.Constants = append(out.Constants, p.constants...)
}

// rows is about how many rows the table has: exactly if all were read.
func (t *table) rows() int64 {
	if t.Sample != nil && t.Sample.Whole {
		return int64(len(t.Sample.Rows))
	}
	return t.Rows
}

// unseen remarks what could not be looked at.
func (p *proposer) unseen(d *survey.Database) {
	for _, t := range p.tables {
		if t.Sample != nil && t.Sample.Problem != "" {
			p.remark(cdc.FindingWarning, t, "its rows could not be read, so that only names and types speak: "+t.Sample.Problem, "")
		}
		if len(t.Hidden) > 0 && len(t.quantities().onHand)+len(t.quantities().plain) > 0 {
			p.remark(cdc.FindingWarning, t, "has columns that the role may not read: "+strings.Join(t.Hidden, ", "), "")
		}
	}
	if d.Left > 0 {
		p.findings = append(p.findings, cdc.Finding{
			Requirement: "tables", State: cdc.FindingWarning, Detail: fmt.Sprintf("%d tables were not looked at, because there are so many", d.Left),
			Fix: "name the schemas or tables that matter with --schema or --table",
		})
	}
	if d.Blind != "" {
		p.findings = append(p.findings, cdc.Finding{
			Requirement: "tables", State: cdc.FindingOK, Detail: fmt.Sprintf("%s are hidden from %s by the server, and were not looked at", d.Blind, d.Role),
		})
	}
}

// zones remarks times without a time zone in tables that are proposed.
func (p *proposer) zones() {
	for _, d := range p.drafts {
		if d.refused != "" {
			continue
		}
		var naive []*column
		for _, c := range d.table.columns {
			if c.Type == cdc.TypeTimestamp && c.name.says(aTime, isDeleted) {
				naive = append(naive, c)
			}
		}
		if len(naive) > 0 {
			p.remark(cdc.FindingOK, d.table, "has times without a time zone ("+names(naive)+"): before a rule compares them, find out in which they are", "")
		}
	}
}
