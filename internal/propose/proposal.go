package propose

import (
	"tailstock/connector/cdc"
)

// Options say what a proposal may use.
type Options struct {
	// Lookups says that mappings of the source may look into other tables.
	Lookups bool
	// Kind is the kind of source, as configurations call its section: "postgres" or "mysql".
	Kind string
	// Presets are the mappings of known software that a configuration may name.
	Presets []Preset
}

// Proposal is a mapping of a database with what it rests on.
type Proposal struct {
	// Known is the software whose database this is, nil if it is not one that is known.
	// If it has a preset, that is the proposal, and there are no tables.
	Known *Known `json:"recognised,omitempty"`
	// Lookups are the tables that rules look into, by the names that they use.
	Lookups []Lookup `json:"lookups"`
	// Constants are the values that rules name.
	Constants []Constant `json:"constants"`
	// Tables are the proposed ones, then the alternatives.
	Tables []Table `json:"tables"`
	// Findings are what somebody who maps the database should know.
	Findings []cdc.Finding `json:"-"`
}

// Complete reports whether some table is proposed that says what is on hand. A
// mapping without one is of no use to a storefront.
func (p *Proposal) Complete() bool {
	for i := range p.Tables {
		if p.Tables[i].Active && p.Tables[i].says(onHand) {
			return true
		}
	}
	return false
}

// Active reports whether some table is proposed.
func (p *Proposal) Active() bool {
	for i := range p.Tables {
		if p.Tables[i].Active {
			return true
		}
	}
	return false
}

// Lookup is a table that rules look into.
type Lookup struct {
	Name  string `json:"name"`
	Table string `json:"table"`
	// Active says that a proposed table uses it, and not an alternative alone.
	Active bool `json:"active"`
}

// Constant is a value that rules name.
type Constant struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Text says that the value is a text, also if it looks like a number.
	Text bool   `json:"text"`
	Why  string `json:"why"`
	// Active says that a proposed table uses it, and not an alternative alone.
	Active bool `json:"active"`
}

// Table is a table with rules for its rows.
type Table struct {
	Name string `json:"name"`
	// Rows is about how many rows it has, negative if nobody knows.
	Rows int64 `json:"rows"`
	// Shape says what its rows are: "absolute", "bins", "ledger", "order lines".
	Shape string `json:"shape"`
	// Active says that the table is proposed; otherwise it is an alternative, and
	// Because says why it is no more than that.
	Active  bool   `json:"active"`
	Because string `json:"because,omitempty"`
	// Notes are what somebody who reads the rules should know.
	Notes []string `json:"notes,omitempty"`
	Rules []Rule   `json:"rules"`
}

// says reports whether some rule has a quantity of a kind.
func (t *Table) says(kind string) bool {
	for i := range t.Rules {
		for _, f := range t.Rules[i].Fields {
			if f.Name == kind {
				return true
			}
		}
	}
	return false
}

// Rule is what rows contribute to one cell.
type Rule struct {
	Leg    string  `json:"leg,omitempty"`
	Fields []Field `json:"fields"`
}

// Field is a line of a rule: "when", "sku", "location" or a kind of quantity.
type Field struct {
	Name string `json:"name"`
	Expr string `json:"expression"`
	Why  string `json:"why"`
}

// The fields of a rule, as configurations call them.
const (
	when        = "when"
	sku         = "sku"
	location    = "location"
	onHand      = "on_hand"
	committed   = "committed"
	unavailable = "unavailable"
	safetyStock = "safety_stock"
	incoming    = "incoming"
)
