package config

import (
	"fmt"
	"strings"

	"tailstock/connector/mapping"
)

// vocabulary returns the sections of a source that say what its expressions may
// name besides columns.
func (d *decoder) vocabulary(v *mapping.Vocabulary) []member {
	return []member{
		{"lookups", "Tables whose rows expressions look up by their keys, as in product[product_id].part_no, by the names that expressions call them.", lookups(v)},
		{"maps", "Tables of texts or numbers that expressions look up, as in zone[bin_type], by their names.", maps(v)},
		{"constants", "Values that expressions name, as in const.company. A value in quotes is text.", constants(v)},
		{"partno", "How the function partno brings part numbers into the form by which they are compared.", partno(v)},
		{"location", "Expression for the location of rules that have none of their own.", &expression{&v.Location, anExpression}},
		{"locations", "The only locations that the source may contribute to; a row of another is rejected. Says that sources do not share locations. Defaults to any.", locations(v)},
		{"time_zone", "The time zone of dates and times that have none, for valid_from and valid_until: a name of the IANA database, as Europe/Amsterdam. Defaults to UTC.", &expression{&v.TimeZone, "a time zone"}},
	}
}

// locations is a list of texts that are taken as they stand.
func locations(v *mapping.Vocabulary) shape {
	return &list{item: func() shape {
		return &fixed{what: "a text", set: func(n *node) string {
			v.Locations = append(v.Locations, mapping.Value{Text: n.text, Place: n.place})
			return ""
		}}
	}}
}

func lookups(v *mapping.Vocabulary) shape {
	return &dictionary{
		name:    "<lookup>",
		example: aLookup(new(mapping.Vocabulary), &mapping.Lookup{}),
		entry: func(name string, at place) (shape, string) {
			return aLookup(v, &mapping.Lookup{Name: name, Place: at}), ""
		},
	}
}

func aLookup(v *mapping.Vocabulary, l *mapping.Lookup) shape {
	table := &fixed{what: "a text", set: func(n *node) string {
		name, wrong := parseTable(n.text)
		if wrong != "" {
			return wrong
		}
		l.Table = name
		return ""
	}}
	missing := choice(new(string), "wait", "reject", "default")
	choose := missing.set
	missing.set = func(s, shown string) string {
		l.Missing, _ = mapping.ParseMissing(s)
		return choose(s, shown)
	}
	var nested []string
	return &object{
		end: func(d *decoder, path string, at place) {
			switch {
			case len(nested) == 2:
				l.Tree.Left, l.Tree.Right = nested[0], nested[1]
			case d.has(path + ".nested_set"):
				d.report(at, path+".nested_set", "names two columns, as in [lft, rgt]")
			}
			if l.Table.Name == "" && d.below[path+".table"] {
				l.Table.Name = "reported"
			}
			v.Lookups = append(v.Lookups, *l)
		},
		members: []member{
			{"table", "The table, with its schema. Required.", table},
			{"key", "The column by which rows are found, or several. Defaults to the table's key. By other columns one can ask with exists whether there is a row, and read nothing of it.", oneOrMore(&l.Key)},
			{"columns", "The columns that expressions may name. Defaults to all; only those that they do name are read.", texts(&l.Columns)},
			{"missing", "What a row becomes that refers to one which is not there: with wait it keeps what it contributed last until the other arrives, with reject it is rejected, with default all columns of the other are NULL. Defaults to wait.", missing},
			{"parent", "The column with the key of the row above, or as many as the key has, for nearest and within.", oneOrMore(&l.Tree.Parent)},
			{"path", "The column with the keys of all rows above, from the root on, for nearest and within.", fixedText(&l.Tree.Path)},
			{"separator", "What stands between the keys of path. Defaults to /.", fixedText(&l.Tree.Separator)},
			{"nested_set", "The two columns of a nested set, for nearest and within.", texts(&nested)},
		},
	}
}

// names is a text, or a list of several.
type names struct{ into *[]string }

func oneOrMore(into *[]string) *names { return &names{into} }

func (s *names) takes(k kind) bool { return k == kindScalar || k == kindList }

func (s *names) wants() string { return "a text or a list of texts" }

func (s *names) describe(keys []Key, _ string) []Key { return keys }

func (s *names) decode(d *decoder, n *node, path string) {
	if n.kind == kindScalar {
		one := new(string)
		fixedText(one).decode(d, n, path)
		*s.into = []string{*one}
		return
	}
	if len(n.items) == 0 {
		d.report(n.place, path, "is an empty list")
	}
	texts(s.into).decode(d, n, path)
}

// texts is a list of texts.
func texts(into *[]string) shape {
	return &list{item: func() shape {
		return &fixed{what: "a text", set: func(n *node) string {
			*into = append(*into, n.text)
			return ""
		}}
	}}
}

func maps(v *mapping.Vocabulary) shape {
	entries := func(m *mapping.Map) shape {
		return &dictionary{
			name:    "<text>",
			about:   "What the map has for a text. A map of which every value is a number gives numbers.",
			example: &fixed{what: anyScalar},
			entry: func(key string, at place) (shape, string) {
				return &fixed{what: anyScalar, set: func(n *node) string {
					m.Entries = append(m.Entries, mapping.MapEntry{Key: key, Text: n.text, Place: at})
					return ""
				}}, ""
			},
		}
	}
	return &dictionary{
		name:    "<map>",
		about:   "What the map has for each text. A text that it does not have gives NULL.",
		example: entries(&mapping.Map{}),
		entry: func(name string, at place) (shape, string) {
			v.Maps = append(v.Maps, mapping.Map{Name: name, Place: at})
			i := len(v.Maps) - 1
			return &deferred{func() shape { return entries(&v.Maps[i]) }}, ""
		},
	}
}

// deferred is a shape that is made when its value is decoded.
type deferred struct{ shape func() shape }

func (s *deferred) takes(k kind) bool                       { return s.shape().takes(k) }
func (s *deferred) wants() string                           { return s.shape().wants() }
func (s *deferred) decode(d *decoder, n *node, path string) { s.shape().decode(d, n, path) }
func (s *deferred) describe(keys []Key, path string) []Key  { return s.shape().describe(keys, path) }

// anyScalar is what a value may be that says by itself what it is.
const anyScalar = "a number, true, false or a text"

func constants(v *mapping.Vocabulary) shape {
	return &dictionary{
		name:    "<constant>",
		about:   "The value of the constant.",
		example: &fixed{what: anyScalar},
		entry: func(name string, _ place) (shape, string) {
			return &fixed{what: anyScalar, set: func(n *node) string {
				v.Constants = append(v.Constants, mapping.Constant{
					Name: name, Place: n.place, Text: n.text, Quoted: n.textPlace != n.place,
				})
				return ""
			}}, ""
		},
	}
}

// fixed is a scalar that is taken as it stands, as expressions are: what mappings
// are made of is the same on every machine.
type fixed struct {
	what string
	set  func(n *node) string
}

func fixedText(into *string) *fixed {
	return &fixed{what: "a text", set: func(n *node) string {
		*into = n.text
		return ""
	}}
}

func (f *fixed) takes(k kind) bool { return k == kindScalar }

func (f *fixed) wants() string { return f.what }

func (f *fixed) describe(keys []Key, _ string) []Key { return keys }

func (f *fixed) decode(d *decoder, n *node, path string) {
	if strings.Contains(n.text, "${") {
		d.report(n.place, path, "holds ${: variables are not replaced in mappings, which must be the same wherever the file is read")
		return
	}
	if wrong := f.set(n); wrong != "" {
		d.report(n.place, path, "%s", wrong)
	}
}

func partno(v *mapping.Vocabulary) shape {
	strip := &fixed{what: "a text", set: func(n *node) string {
		v.Partno.Strip = &n.text
		return ""
	}}
	collisions := choice(new(string), "report", "reject")
	choose := collisions.set
	collisions.set = func(s, shown string) string {
		v.Partno.RejectCollisions = s == "reject"
		return choose(s, shown)
	}
	return &object{
		begin: func(_ *decoder, _ string, at place) { v.Partno.Place = at },
		members: []member{
			{"collisions", "What becomes of a row whose part number becomes one with another that has its separators at other places: with report that is counted and logged, with reject the row is rejected as well. Defaults to report.", collisions},
			{"strip", fmt.Sprintf("The characters that do not count. Defaults to %q.", mapping.DefaultStrip), strip},
			{"brands", "The characters that do not count in the part numbers of single brands.", &dictionary{
				name:    "<brand>",
				about:   "The characters that do not count in the brand's part numbers.",
				example: &fixed{what: "a text"},
				entry: func(brand string, at place) (shape, string) {
					return &fixed{what: "a text", set: func(n *node) string {
						v.Partno.Brands = append(v.Partno.Brands, mapping.PartnoBrand{Brand: brand, Place: at, Strip: n.text})
						return ""
					}}, ""
				},
			}},
		},
	}
}

// checkVocabulary reports what is wrong with a source's vocabulary, and whether
// mappings can be compiled with it.
func (d *decoder) checkVocabulary(v *mapping.Vocabulary, path string) bool {
	errs := v.Check(d.file)
	for _, e := range errs {
		d.report(e.Place, join(path, e.Path), "%s", e.Reason)
	}
	for _, section := range []string{"lookups", "maps", "constants", "partno"} {
		if d.below[join(path, section)] {
			return false
		}
	}
	return true
}
