package mapping

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// What a mapping uses of a vocabulary is part of its canonical form, each in the
// order of its names, and nothing else of it is.

type canonicalLookup struct {
	Name  string `json:"name"`
	Table string `json:"table"`
	Key   string `json:"key,omitempty"`
	// Keys and Parents stand for Key and Parent where those have several columns.
	Keys      []string `json:"keys,omitempty"`
	Missing   string   `json:"missing,omitempty"`
	Parent    string   `json:"parent,omitempty"`
	Parents   []string `json:"parents,omitempty"`
	Path      string   `json:"path,omitempty"`
	Separator string   `json:"separator,omitempty"`
	Left      string   `json:"left,omitempty"`
	Right     string   `json:"right,omitempty"`
}

type canonicalMap struct {
	Name    string      `json:"name"`
	Entries [][2]string `json:"entries"`
}

type canonicalPartno struct {
	Version    int         `json:"version"`
	Collisions string      `json:"collisions,omitempty"`
	Strip      string      `json:"strip"`
	Brands     [][2]string `json:"brands,omitempty"`
}

// rejectCollisions is how RejectCollisions is written.
const rejectCollisions = "reject"

// use notes what the rules name of v. It fails if v has no sound time zone and a rule needs one.
func (m *Mapping) use(v *Vocabulary) (err error) {
	if v == nil {
		v = new(Vocabulary)
	}
	if slices.ContainsFunc(m.rules, func(r rule) bool { return r.from != nil || r.until != nil }) {
		if v.TimeZone.Text != utc {
			m.used.TimeZone.Text = v.TimeZone.Text
		}
		if m.zone, err = loadZone(v.TimeZone.Text); err != nil {
			return err
		}
	}
	m.useLocations(v)
	lookups, maps := make(map[*Lookup]bool), make(map[*Map]bool)
	var visit func(n *node)
	visit = func(n *node) {
		n.walk(func(n *node) {
			m.usesPartno = m.usesPartno || n.vocabulary != nil
			if n.lookup != nil && !lookups[n.lookup] {
				lookups[n.lookup] = true
				m.used.Lookups = append(m.used.Lookups, *n.lookup)
			}
			if n.staticMap != nil && !maps[n.staticMap] {
				maps[n.staticMap] = true
				m.used.Maps = append(m.used.Maps, *n.staticMap)
			}
			if n.inner != nil {
				visit(n.inner)
			}
		})
	}
	for i := range m.rules {
		for _, e := range m.rules[i].expressions() {
			visit(e.root)
		}
	}
	m.used.Partno = v.Partno
	slices.SortFunc(m.used.Lookups, func(a, b Lookup) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(m.used.Maps, func(a, b Map) int { return strings.Compare(a.Name, b.Name) })
	return nil
}

// marshalUsed adds what m uses of its vocabulary to out.
func (m *Mapping) marshalUsed(out *canonicalMapping) {
	out.TimeZone = m.used.TimeZone.Text
	for _, l := range m.used.Locations {
		out.Locations = append(out.Locations, l.Text)
	}
	for i := range m.used.Lookups {
		l := &m.used.Lookups[i]
		c := canonicalLookup{
			Name: l.Name, Table: l.Table.String(),
			Path: l.Tree.Path, Left: l.Tree.Left, Right: l.Tree.Right,
		}
		c.Key, c.Keys = oneOrMore(l.Key)
		c.Parent, c.Parents = oneOrMore(l.Tree.Parent)
		if l.Missing != MissingWaits {
			c.Missing = l.Missing.String()
		}
		if l.Tree.Path != "" {
			c.Separator = l.Tree.separator()
		}
		out.Lookups = append(out.Lookups, c)
	}
	for i := range m.used.Maps {
		c := canonicalMap{Name: m.used.Maps[i].Name}
		for _, e := range m.used.Maps[i].Entries {
			c.Entries = append(c.Entries, [2]string{e.Key, e.Text})
		}
		sortPairs(c.Entries)
		out.Maps = append(out.Maps, c)
	}
	if !m.usesPartno {
		return
	}
	rules := m.used.Partno.compiled()
	out.Partno = &canonicalPartno{Version: partnoVersion, Strip: sortedText(rules.strip)}
	if m.used.Partno.RejectCollisions {
		out.Partno.Collisions = rejectCollisions
	}
	for brand, strip := range rules.brands {
		out.Partno.Brands = append(out.Partno.Brands, [2]string{brand, sortedText(strip)})
	}
	sortPairs(out.Partno.Brands)
}

// oneOrMore is a list as it is written: one name by itself.
func oneOrMore(names []string) (one string, more []string) {
	if len(names) == 1 {
		return names[0], nil
	}
	return "", names
}

// listOf is what oneOrMore made of a list.
func listOf(one string, more []string) []string {
	if one != "" {
		return append([]string{one}, more...)
	}
	return more
}

func sortPairs(pairs [][2]string) {
	slices.SortFunc(pairs, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
}

// sortedText is a set of characters in its only spelling.
func sortedText(s string) string {
	b := []byte(s)
	slices.Sort(b)
	return string(slices.Compact(b))
}

// vocabulary is what c says of one.
func (c *canonicalMapping) vocabulary() (*Vocabulary, error) {
	v := &Vocabulary{TimeZone: Value{Text: c.TimeZone}}
	for _, l := range c.Locations {
		v.Locations = append(v.Locations, Value{Text: l})
	}
	for _, l := range c.Lookups {
		missing := MissingWaits
		if l.Missing != "" {
			var ok bool
			if missing, ok = ParseMissing(l.Missing); !ok {
				return nil, fmt.Errorf("lookup %s: there is no way %q to miss a row", l.Name, l.Missing)
			}
		}
		v.Lookups = append(v.Lookups, Lookup{
			Name: l.Name, Table: cdc.ParseTableName(l.Table), Key: listOf(l.Key, l.Keys), Missing: missing,
			Tree: Tree{Parent: listOf(l.Parent, l.Parents), Path: l.Path, Separator: l.Separator, Left: l.Left, Right: l.Right},
		})
	}
	for _, m := range c.Maps {
		entries := make([]MapEntry, len(m.Entries))
		for i, e := range m.Entries {
			entries[i] = MapEntry{Key: e[0], Text: e[1]}
		}
		v.Maps = append(v.Maps, Map{Name: m.Name, Entries: entries})
	}
	if p := c.Partno; p != nil {
		if p.Version != partnoVersion {
			return nil, fmt.Errorf("it uses version %d of partno, and this version knows %d", p.Version, partnoVersion)
		}
		if p.Collisions != "" && p.Collisions != rejectCollisions {
			return nil, fmt.Errorf("there is no way %q to treat part numbers that become one", p.Collisions)
		}
		v.Partno.Strip, v.Partno.RejectCollisions = &p.Strip, p.Collisions != ""
		for _, b := range p.Brands {
			v.Partno.Brands = append(v.Partno.Brands, PartnoBrand{Brand: b[0], Strip: b[1]})
		}
	}
	if errs := v.Check(""); len(errs) > 0 {
		return nil, errs
	}
	return v, nil
}
