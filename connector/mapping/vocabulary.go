package mapping

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Vocabulary is what the expressions of a source's tables may name besides
// columns. It is plain data; Check finds what is wrong with it.
type Vocabulary struct {
	Lookups   []Lookup
	Maps      []Map
	Constants []Constant
	Partno    PartnoRules
	// Location is the location of rules that have none of their own.
	Location Value
	// Locations, if not empty, are the only ones that rules may contribute to.
	Locations []Value
	// TimeZone is the name of the zone of dates and times that have none, out of the
	// IANA database. Defaults to UTC.
	TimeZone Value
}

// Lookup is a reference table: its rows are found by their key, as in
// product[product_id].part_no, or are only asked for by other columns, as in
// exists(variant[product_id]).
type Lookup struct {
	// Name is what expressions call it.
	Name  string
	Place Place
	Table cdc.TableName
	// Key holds the columns by which rows are found, those of the table's key if it is
	// empty. By other columns rows are asked for with exists, and nothing of them is read.
	Key []string
	// Columns, if not empty, are those that expressions may name.
	Columns []string
	// Missing says what an expression gives for a row that is not there.
	Missing Missing
	Tree    Tree
}

// Missing says what becomes of a row that refers to a row which is not there.
type Missing uint8

// What becomes of a row that refers to a row which is not there.
const (
	// MissingWaits: it keeps what it contributed last, as a problem of kind
	// unresolved, until the other row arrives.
	MissingWaits Missing = iota
	// MissingRejects: it is rejected.
	MissingRejects
	// MissingIsNull: all columns of the other row are NULL.
	MissingIsNull
)

var missingNames = [...]string{"wait", "reject", "default"} //nolint:gochecknoglobals // a constant table

// String returns the name that configuration and canonical texts use.
func (m Missing) String() string { return missingNames[m] }

// ParseMissing reads what String returns.
func ParseMissing(s string) (Missing, bool) {
	i := slices.Index(missingNames[:], s)
	return Missing(max(i, 0)), i >= 0 //nolint:gosec // a place in a short table
}

// Tree says how the rows of a lookup stand below each other. One of Parent, Path
// and Left with Right is set, or none.
type Tree struct {
	// Parent are the columns with the key of the row above, one for each of the key.
	Parent []string
	// Path is the column with the keys of all rows above from the root on,
	// separated by Separator.
	Path, Separator string
	// Left and Right are the columns of a nested set's ranges.
	Left, Right string
}

// DefaultSeparator is that of paths that have no other.
const DefaultSeparator = "/"

// none reports whether there is no tree.
func (t *Tree) none() bool { return len(t.columns()) == 0 }

// columns are those that say how rows stand.
func (t *Tree) columns() []string {
	return slices.DeleteFunc(append(slices.Clone(t.Parent), t.Path, t.Left, t.Right), func(c string) bool { return c == "" })
}

// Map is a table of texts in the configuration, as in zone[bin_type].
type Map struct {
	Name    string
	Place   Place
	Entries []MapEntry
}

// MapEntry is one line of a Map. If every Text of a map is a number, the map
// gives numbers.
type MapEntry struct {
	Key, Text string
	Place     Place
}

// Constant is a value with a name, as in const.company.
type Constant struct {
	Name  string
	Place Place
	Text  string
	// Quoted says that Text is a text although it may look like a number.
	Quoted bool
}

// Limits of a vocabulary.
const (
	maxLookups   = 100
	maxMaps      = 100
	maxEntries   = 5_000
	maxEntryText = 200
	maxLocations = 5_000
	// maxKeyColumns is how many columns may make up the key of a lookup.
	maxKeyColumns = 16
)

// constants is what expressions put before the name of a constant.
const constants = "const"

// Check finds what is wrong with v, as far as that does not depend on the tables.
func (v *Vocabulary) Check(file string) Errors {
	c := vocabularyCheck{compiler: compiler{file: file}, names: make(map[string]string)}
	if len(v.Lookups) > maxLookups {
		c.report(v.Lookups[maxLookups].Place, "lookups", "has more than %d entries", maxLookups)
	}
	for i := range v.Lookups {
		c.lookup(&v.Lookups[i])
	}
	if len(v.Maps) > maxMaps {
		c.report(v.Maps[maxMaps].Place, "maps", "has more than %d entries", maxMaps)
	}
	for i := range v.Maps {
		c.staticMap(&v.Maps[i])
	}
	for i := range v.Constants {
		k := &v.Constants[i]
		if c.name(k.Name, k.Place, "constants."+k.Name, true); len(k.Text) > maxEntryText {
			c.report(k.Place, "constants."+k.Name, "is longer than %d bytes", maxEntryText)
		}
	}
	c.partno(&v.Partno)
	c.locations(v.Locations)
	if _, err := loadZone(v.TimeZone.Text); err != nil {
		c.report(v.TimeZone.Place, "time_zone", "%v", err)
	}
	return c.errs
}

type vocabularyCheck struct {
	compiler
	// names holds what the vocabulary names, by how it is called in expressions.
	names map[string]string
}

// name checks a name. Constants have a space of their own.
func (c *vocabularyCheck) name(name string, place Place, path string, constant bool) {
	called := name
	if constant {
		called = constants + "." + name
	}
	taken := c.names[called]
	switch {
	case !plainIdentifier(name):
		c.report(place, path, "is no name: letters, digits and underscores, not beginning with a digit")
	case strings.Contains(reserved, " "+name+" ") || name == constants && !constant:
		c.report(place, path, "is a word of the language; choose another name")
	case taken != "":
		c.report(place, path, "has the name of %s", taken)
	}
	c.names[called] = path
}

func (c *vocabularyCheck) lookup(l *Lookup) {
	path := "lookups." + l.Name
	c.name(l.Name, l.Place, path, false)
	if l.Table.Name == "" {
		c.report(l.Place, path+".table", "is missing: name the table with its schema")
	}
	t := &l.Tree
	forms := 0
	for _, given := range []bool{len(t.Parent) > 0, t.Path != "", t.Left != "" || t.Right != ""} {
		if given {
			forms++
		}
	}
	for what, columns := range map[string][]string{"key": l.Key, "parent": t.Parent} {
		if len(columns) > maxKeyColumns {
			c.report(l.Place, path+"."+what, "names more than %d columns", maxKeyColumns)
		}
		if twice := repeated(columns); twice != "" {
			c.report(l.Place, path+"."+what, "names %s twice", twice)
		}
	}
	switch {
	case forms > 1:
		c.report(l.Place, path, "has more than one of parent, path and nested_set")
	case len(l.Key) > 0 && len(t.Parent) > 0 && len(l.Key) != len(t.Parent):
		c.report(l.Place, path+".parent", "names %d columns, and the key has %d", len(t.Parent), len(l.Key))
	case len(l.Key) > 1 && (t.Path != "" || t.Left != ""):
		c.report(l.Place, path, "has a key of several columns, of which neither a path nor a nested set says what stands above a row; use parent")
	case (t.Left == "") != (t.Right == ""):
		c.report(l.Place, path+".nested_set", "names two columns, as in [lft, rgt]")
	case t.Separator != "" && t.Path == "":
		c.report(l.Place, path+".separator", "belongs to path, which is not given")
	}
}

// repeated is a name that is there twice.
func repeated(names []string) string {
	for i, name := range names {
		if slices.Contains(names[:i], name) {
			return name
		}
	}
	return ""
}

func (c *vocabularyCheck) staticMap(m *Map) {
	path := "maps." + m.Name
	c.name(m.Name, m.Place, path, false)
	if n := len(m.Entries); n == 0 || n > maxEntries {
		c.report(m.Place, path, "has %d entries, and may have 1 to %d", n, maxEntries)
	}
	seen := make(map[string]bool)
	for i := range m.Entries {
		e := &m.Entries[i]
		if len(e.Key) > maxEntryText || len(e.Text) > maxEntryText {
			c.report(e.Place, path, "has an entry of more than %d bytes", maxEntryText)
		}
		if seen[e.Key] {
			c.report(e.Place, path, "has %s twice", shown(e.Key))
		}
		seen[e.Key] = true
	}
}

func (c *vocabularyCheck) locations(list []Value) {
	if len(list) > maxLocations {
		c.report(list[maxLocations].Place, "locations", "has more than %d entries", maxLocations)
	}
	seen := make(map[string]bool)
	for i := range list {
		l, path := &list[i], fmt.Sprintf("locations[%d]", i)
		if err := inventory.ValidName(l.Text); err != nil {
			c.report(l.Place, path, "%s: %v", shown(l.Text), err)
		} else if seen[l.Text] {
			c.report(l.Place, path, "%s is listed already", shown(l.Text))
		}
		seen[l.Text] = true
	}
}

// lookup, staticMap and constant find what expressions name.
func (v *Vocabulary) lookup(name string) *Lookup {
	return find(v, name, func(v *Vocabulary) []Lookup { return v.Lookups }, func(l *Lookup) string { return l.Name })
}

func (v *Vocabulary) staticMap(name string) *Map {
	return find(v, name, func(v *Vocabulary) []Map { return v.Maps }, func(m *Map) string { return m.Name })
}

func (v *Vocabulary) constant(name string) *Constant {
	return find(v, name, func(v *Vocabulary) []Constant { return v.Constants }, func(c *Constant) string { return c.Name })
}

func find[T any](v *Vocabulary, name string, list func(*Vocabulary) []T, called func(*T) string) *T {
	if v == nil {
		return nil
	}
	for i, l := 0, list(v); i < len(l); i++ {
		if called(&l[i]) == name {
			return &l[i]
		}
	}
	return nil
}

// names lists what may stand before a bracket, for errors.
func (v *Vocabulary) names() []string {
	var out []string
	if v != nil {
		for i := range v.Lookups {
			out = append(out, v.Lookups[i].Name)
		}
		for i := range v.Maps {
			out = append(out, v.Maps[i].Name)
		}
	}
	return out
}

// constantNames lists the constants, for errors.
func (v *Vocabulary) constantNames() []string {
	var out []string
	if v != nil {
		for i := range v.Constants {
			out = append(out, constants+"."+v.Constants[i].Name)
		}
	}
	return out
}

// separator is that of the tree's path.
func (t *Tree) separator() string { return cmp.Or(t.Separator, DefaultSeparator) }

// numbers returns the values of m if all of them are numbers.
func (m *Map) numbers() (map[string]inventory.Quantity, bool) {
	out := make(map[string]inventory.Quantity, len(m.Entries))
	for i := range m.Entries {
		q, f := parseLiteral(strings.TrimPrefix(m.Entries[i].Text, "-"), 0)
		if f != nil || m.Entries[i].Text == "" {
			return nil, false
		}
		if strings.HasPrefix(m.Entries[i].Text, "-") {
			q = -q
		}
		out[m.Entries[i].Key] = q
	}
	return out, true
}

func (m *Map) texts() map[string]string {
	out := make(map[string]string, len(m.Entries))
	for i := range m.Entries {
		out[m.Entries[i].Key] = m.Entries[i].Text
	}
	return out
}

// literal returns the node that a constant stands for.
func (k *Constant) literal(at int) *node {
	if !k.Quoted {
		switch k.Text {
		case "true", "false":
			return &node{op: opBool, at: at, boolean: k.Text == "true"}
		}
		negative := strings.HasPrefix(k.Text, "-")
		if q, f := parseLiteral(strings.TrimPrefix(k.Text, "-"), 0); f == nil && k.Text != "" {
			if negative {
				q = -q
			}
			return &node{op: opNumber, at: at, number: q}
		}
	}
	return &node{op: opText, at: at, text: k.Text}
}

// unnamed explains a name before a bracket that the vocabulary does not have.
func (v *Vocabulary) unnamed(at int, name, spelled string) *fault {
	names := v.names()
	if len(names) == 0 {
		return faultAt(at, "no lookups are configured: %s reads a row of another table, which the source names under lookups", spelled)
	}
	return faultAt(at, "there is no lookup or map %s; there are %s", name, listNames(name, names))
}

func (t *Tree) String() string {
	switch {
	case len(t.Parent) > 0:
		return "parent " + strings.Join(t.Parent, ", ")
	case t.Path != "":
		return fmt.Sprintf("path %s by %q", t.Path, t.separator())
	case t.Left != "":
		return "nested set " + t.Left + ", " + t.Right
	}
	return ""
}
