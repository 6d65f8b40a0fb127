package mapping

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// canonical appends n in the only spelling that stands for it: every operator
// in parentheses, one kind of quotes, no white space that could be left out.
func (n *node) canonical(b []byte) []byte {
	switch n.op {
	case opColumn:
		return appendColumn(b, n.text)
	case opText:
		return appendTextLiteral(b, n.text)
	case opNumber:
		return n.number.Append(b)
	case opBool:
		return strconv.AppendBool(b, n.boolean)
	case opNull:
		return append(b, "null"...)
	case opNegate:
		return append(n.args[0].canonical(append(b, "(-"...)), ')')
	case opNot:
		return append(n.args[0].canonical(append(b, "(not "...)), ')')
	case opIf:
		b = n.args[0].canonical(append(b, '('))
		b = n.args[1].canonical(append(b, " ? "...))
		b = n.args[2].canonical(append(b, " : "...))
		return append(b, ')')
	case opIn:
		b = n.args[0].canonical(append(b, '('))
		b = appendList(append(b, " in ["...), n.args[1:])
		return append(b, "])"...)
	case opCoalesce:
		return append(appendList(append(b, "coalesce("...), n.args), ')')
	case opCall:
		b = append(append(b, n.text...), '(')
		return append(appendList(b, n.args), ')')
	case opMap:
		b = n.args[0].canonical(append(append(b, n.text...), '['))
		return append(b, ']')
	case opLookup:
		return appendMember(n.appendRow(b), n.column)
	case opExists:
		return append(n.appendRow(append(b, "exists("...)), ')')
	case opNearest, opWithin:
		b = n.appendRow(append(append(b, n.op.climbs()...), '('))
		b = n.inner.canonical(append(b, ", "...))
		if b = append(b, ')'); n.op == opNearest {
			b = appendMember(b, n.column)
		}
		return b
	default:
		b = n.args[0].canonical(append(b, '('))
		b = append(append(append(b, ' '), n.op.spelling()...), ' ')
		return append(n.args[1].canonical(b), ')')
	}
}

// appendRow appends the row of a lookup that n is about.
func (n *node) appendRow(b []byte) []byte {
	return append(appendList(append(append(b, n.text...), '['), n.args), ']')
}

func appendList(b []byte, list []*node) []byte {
	for i, n := range list {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = n.canonical(b)
	}
	return b
}

// reserved holds the words that are not columns unless they are quoted.
const reserved = " true false null nil TRUE FALSE NULL not in and or matches contains startsWith endsWith let "

func appendColumn(b []byte, name string) []byte {
	if plainIdentifier(name) && !strings.Contains(reserved, " "+name+" ") {
		return append(b, name...)
	}
	b = append(b, '`')
	b = append(b, strings.ReplaceAll(name, "`", "``")...)
	return append(b, '`')
}

// plainIdentifier reports whether s is ASCII letters, digits and underscores,
// not beginning with a digit: narrower than what the parser takes.
func plainIdentifier(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

// appendTextLiteral escapes no more than the parser needs and ASCII's control
// characters: what counts as printable beyond ASCII changes with Unicode, and
// with it the ids of mappings would.
func appendTextLiteral(b []byte, s string) []byte {
	b = append(b, '\'')
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\'' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ' || c == 0x7f:
			b = fmt.Appendf(b, `\x%02x`, c)
		default:
			b = append(b, c)
		}
	}
	return append(b, '\'')
}

// language counts the meanings that expressions have had. A change of what some
// expression gives for some row raises it, and so changes the id of every mapping.
const language = 1

// canonicalMapping is the canonical form of a Mapping: JSON, legs in the order
// of their names, every expression in its canonical spelling.
type canonicalMapping struct {
	Language    int               `json:"language"`
	Table       string            `json:"table"`
	Contributes []canonicalRule   `json:"contributes"`
	Lookups     []canonicalLookup `json:"lookups,omitempty"`
	Maps        []canonicalMap    `json:"maps,omitempty"`
	Partno      *canonicalPartno  `json:"partno,omitempty"`
	TimeZone    string            `json:"time_zone,omitempty"`
	Locations   []string          `json:"locations,omitempty"`
}

type canonicalRule struct {
	Leg         string `json:"leg"`
	When        string `json:"when,omitempty"`
	SKU         string `json:"sku"`
	Location    string `json:"location"`
	OnHand      string `json:"on_hand,omitempty"`
	Committed   string `json:"committed,omitempty"`
	Unavailable string `json:"unavailable,omitempty"`
	SafetyStock string `json:"safety_stock,omitempty"`
	Incoming    string `json:"incoming,omitempty"`
	ValidFrom   string `json:"valid_from,omitempty"`
	ValidUntil  string `json:"valid_until,omitempty"`
}

// kinds returns the quantities in the order of their kinds.
func (r *canonicalRule) kinds() [inventory.Kinds]*string {
	return [...]*string{&r.OnHand, &r.Committed, &r.Unavailable, &r.SafetyStock, &r.Incoming}
}

func (m *Mapping) marshal() []byte {
	out := canonicalMapping{Language: language, Table: m.table.String()}
	for i := range m.rules {
		r := &m.rules[i]
		c := canonicalRule{
			Leg: r.leg, When: r.when.canonical(), SKU: r.sku.canonical(), Location: r.location.canonical(),
			ValidFrom: r.from.canonical(), ValidUntil: r.until.canonical(),
		}
		for k, text := range c.kinds() {
			*text = r.kinds[k].canonical()
		}
		out.Contributes = append(out.Contributes, c)
	}
	slices.SortFunc(out.Contributes, func(a, b canonicalRule) int { return strings.Compare(a.Leg, b.Leg) })
	m.marshalUsed(&out)
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(out); err != nil {
		panic("mapping: strings do not encode: " + err.Error()) // strings and ints always do
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

func (e *expression) canonical() string {
	if e == nil {
		return ""
	}
	return string(e.root.canonical(nil))
}

// canonicalGrowth is how much longer than an expression its canonical spelling
// can be: a! becomes "(not )", ?? becomes "coalesce(, )".
const canonicalGrowth = 6

// Parse reads the canonical text of a mapping, to apply one that is no longer
// configured: the Mapping's Canonical and ID are those of the text. It fails for
// a text in a language other than this version's, and for any that is not the
// canonical one of its mapping, so that a damaged text is never applied.
func Parse(canonical []byte) (*Mapping, error) {
	var in canonicalMapping
	d := json.NewDecoder(bytes.NewReader(canonical))
	d.DisallowUnknownFields()
	if err := d.Decode(&in); err != nil {
		return nil, fmt.Errorf("decode canonical mapping: %w", err)
	}
	if in.Language != language {
		return nil, fmt.Errorf("decode canonical mapping of table %s: it is in language %d, and this version knows %d",
			in.Table, in.Language, language)
	}
	vocabulary, err := in.vocabulary()
	if err != nil {
		return nil, fmt.Errorf("canonical mapping of table %s: %w", in.Table, err)
	}
	spec := Spec{Contributes: make([]Rule, len(in.Contributes)), Vocabulary: vocabulary}
	for i := range in.Contributes {
		r := &in.Contributes[i]
		rule := Rule{
			Leg: Value{Text: r.Leg}, When: Value{Text: r.When},
			SKU: Value{Text: r.SKU}, Location: Value{Text: r.Location},
			ValidFrom: Value{Text: r.ValidFrom}, ValidUntil: Value{Text: r.ValidUntil},
		}
		for k, text := range r.kinds() {
			rule.Quantities[k].Text = *text
		}
		spec.Contributes[i] = rule
	}
	m, err := compile(cdc.ParseTableName(in.Table), spec, canonicalGrowth*MaxExpression)
	if err != nil {
		return nil, fmt.Errorf("canonical mapping: %w", err)
	}
	if !bytes.Equal(m.canonical, canonical) {
		return nil, fmt.Errorf("canonical mapping of table %s: it is not spelled as this version spells it", in.Table)
	}
	return m, nil
}
