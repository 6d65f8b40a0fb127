package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// presetSource is the shape of a source: what its preset says is put beside what
// the file says before that is read, so that everything behind sees one mapping.
type presetSource struct {
	s *Source
	*object
}

func (p *presetSource) decode(d *decoder, n *node, path string) {
	p.object.decode(d, d.expand(p.s, n, path), path)
}

// presetKey is what expand has read before: only its kind is still looked at.
type presetKey struct{ what string }

func (k *presetKey) takes(kind kind) bool { return kind == kindScalar }

func (k *presetKey) wants() string { return k.what }

func (k *presetKey) decode(*decoder, *node, string) {}

func (k *presetKey) describe(keys []Key, _ string) []Key { return keys }

// presetValueShape is the value of a variable, which expand has read before.
type presetValueShape struct{ presetKey }

func (v *presetValueShape) takes(kind kind) bool { return kind == kindScalar || kind == kindList }

func presetVariables() shape {
	v := &presetValueShape{presetKey{"a number, true, false, a text or a list of such"}}
	return &dictionary{
		name: "<variable>", about: "The value of the variable; the preset says which there are and what they mean.", example: v,
		entry: func(string, place) (shape, string) { return v, "" },
	}
}

// get returns the first pair of n with a key.
func (n *node) get(key string) *pair {
	for i := range n.pairs {
		if n.pairs[i].key == key {
			return &n.pairs[i]
		}
	}
	return nil
}

// expand returns the source n with what its preset says.
func (d *decoder) expand(s *Source, n *node, path string) *node {
	named, given := n.get("preset"), n.get("variables")
	if named == nil {
		if given != nil {
			d.report(given.place, join(path, "variables"), "belong to a preset, and there is none; write preset: NAME@VERSION")
		}
		return n
	}
	if named.value.kind != kindScalar {
		d.unexpanded(path, named.place)
		return n
	}
	p, version, wrong := findPreset(named.value.text)
	if wrong != "" {
		d.report(named.value.place, join(path, "preset"), "%s", wrong)
		d.unexpanded(path, named.place)
		return n
	}
	d.fits(p, n, named.value, path)
	body, ledgers, use := d.fill(p, version, given, named.value.place, path)
	if body == nil {
		d.unexpanded(path, named.place)
		return n
	}
	s.Preset = use
	return use.beside(withLedgers(n, ledgers), body)
}

// withLedgers returns source with reset at those of its tables of which the preset
// says that their rows cannot be added up, unless source says itself what they are.
func withLedgers(source, ledgers *node) *node {
	tables := source.get("tables")
	if ledgers == nil || tables == nil || tables.value.kind != kindObject {
		return source
	}
	marked := *tables.value
	marked.pairs = slices.Clone(marked.pairs)
	for i := range marked.pairs {
		table := &marked.pairs[i]
		name, wrong := parseTable(table.key)
		at := slices.IndexFunc(ledgers.pairs, func(l pair) bool {
			ledger, _ := parseTable(l.key)
			return wrong == "" && ledger == name
		})
		if at < 0 || table.value.kind != kindObject || table.value.get("reset") != nil {
			continue
		}
		value := *table.value
		value.pairs = append(slices.Clone(value.pairs),
			pair{"reset", table.place, &node{kind: kindScalar, place: table.place, text: "true"}},
			pair{"derived", table.place, &node{kind: kindScalar, place: table.place, text: ledgers.pairs[at].value.text}})
		table.value = &value
	}
	out := *source
	out.pairs = slices.Clone(source.pairs)
	*out.get("tables") = pair{tables.key, tables.place, &marked}
	return &out
}

// unexpanded keeps quiet about tables that are missing because the preset is.
func (d *decoder) unexpanded(path string, at place) {
	d.places[join(path, "tables")] = at
	d.fail(join(path, "tables"))
}

// fits reports a preset that is for other databases than the source's.
func (d *decoder) fits(p *Preset, source, at *node, path string) {
	for _, kind := range []string{"postgres", "mysql"} {
		if source.get(kind) != nil && !slices.Contains(p.Databases, kind) {
			d.report(at.place, join(path, "preset"), "preset %s is for sources with %s, and this one has %s",
				p.Name, strings.Join(p.Databases, " or "), kind)
		}
	}
}

// fill returns what p says with the values that were given, and its ledgers; or nil
// if that is not to be had.
func (d *decoder) fill(p *Preset, version string, given *pair, at place, path string) (body, ledgers *node, use *PresetUse) {
	before := len(d.errs)
	f := &filling{Preset: p, version: version, values: make(map[string]string)}
	use = &PresetUse{Name: p.Name, Version: version}
	nodes := d.givenValues(p, given, path)
	for i := range p.Variables {
		v := &p.Variables[i]
		n, mine := nodes[v.Name]
		switch {
		case !mine && v.Required:
			d.report(at, join(join(path, "variables"), v.Name), "is missing: preset %s needs it: %s", use, v.About)
			continue
		case !mine && v.byDefault == nil:
			continue
		case !mine:
			n = v.byDefault
		}
		literal, wrong := v.literal(n)
		if wrong != "" {
			d.report(n.place, join(join(path, "variables"), v.Name), "%s; it means %s", wrong, v.About)
			continue
		}
		f.values[v.Name] = literal
		use.Variables = append(use.Variables, PresetValue{v.Name, spelled(n), mine})
	}
	if len(d.errs) > before || given != nil && d.failed[join(path, "variables")] {
		return nil, nil, nil
	}
	body = f.node(p.body)
	if p.ledgers != nil {
		ledgers = f.node(p.ledgers)
	}
	if f.wrong != "" {
		d.report(p.body.place, path, "preset %s: %s", use, f.wrong)
		return nil, nil, nil
	}
	return body, ledgers, use
}

// givenValues returns the values of variables, and reports those that there are not.
func (d *decoder) givenValues(p *Preset, given *pair, path string) map[string]*node {
	out := make(map[string]*node)
	if given == nil {
		return out
	}
	at := join(path, "variables")
	if given.value.kind != kindObject {
		d.failed[at] = true
		return out
	}
	names := make([]string, len(p.Variables))
	for i := range p.Variables {
		names[i] = p.Variables[i].Name
	}
	for _, v := range given.value.pairs {
		switch kind := v.value.kind; {
		case p.find(v.key) == nil:
			d.report(v.place, join(at, v.key), "is no variable of preset %s; %s", p.Name, otherNames(v.key, names))
		case kind != kindScalar && kind != kindList:
			d.failed[at] = true // it is reported when the value is decoded
		case out[v.key] == nil:
			out[v.key] = v.value
		}
	}
	return out
}

func otherNames(name string, names []string) string {
	if meant := nearest(name, names); meant != "" {
		return "did you mean " + meant + "?"
	}
	return "there are " + strings.Join(names, ", ")
}

// beside returns source with the sections of body, each entry of which the source
// may replace by its own.
func (u *PresetUse) beside(source, body *node) *node {
	out := *source
	out.pairs = slices.Clone(source.pairs)
	for _, section := range body.pairs {
		own := out.get(section.key)
		switch {
		case own == nil:
			out.pairs = append(out.pairs, section)
		case own.value.kind == kindObject && section.value.kind == kindObject && section.key != "partno":
			*own = pair{own.key, own.place, u.join(section.key, own.value, section.value)}
		default:
			u.Overrides = append(u.Overrides, section.key)
		}
	}
	return &out
}

// join returns the entries of a preset's section that own does not have, and own's.
func (u *PresetUse) join(section string, own, preset *node) *node {
	out := *own
	out.pairs = nil
	called := func(key string) string {
		if section != "tables" {
			return key
		}
		name, _ := parseTable(key)
		return name.String()
	}
	for _, p := range preset.pairs {
		if slices.ContainsFunc(own.pairs, func(o pair) bool { return called(o.key) == called(p.key) }) {
			u.Overrides = append(u.Overrides, strings.TrimSuffix(section, "s")+" "+p.key)
			continue
		}
		out.pairs = append(out.pairs, p)
	}
	out.pairs = append(out.pairs, own.pairs...)
	return &out
}

// ExpandPreset returns what a source that names a preset has under tables,
// lookups and so on, as YAML. set holds the values of variables; those of a list
// are separated by commas. The error is Errors, without a file.
func ExpandPreset(reference string, set []PresetValue) (string, *PresetUse, error) {
	d := newDecoder("", nil)
	p, version, wrong := findPreset(reference)
	if wrong != "" {
		return "", nil, errors.New(wrong)
	}
	given := &pair{key: "variables", value: &node{kind: kindObject}}
	for _, v := range set {
		if given.value.get(v.Name) != nil {
			return "", nil, fmt.Errorf("variable %s is given twice", v.Name)
		}
		given.value.pairs = append(given.value.pairs, pair{key: v.Name, value: p.typed(v)})
	}
	body, _, use := d.fill(p, version, given, place{}, "")
	if body == nil {
		return "", nil, d.errs
	}
	return render(body), use, nil
}

// typed returns a value that stands in one text: a list where the variable is one.
func (p *Preset) typed(v PresetValue) *node {
	scalar := func(s string) *node { return &node{kind: kindScalar, text: s} }
	variable := p.find(v.Name)
	if variable == nil || !valueTypes[variable.Type].list {
		return scalar(v.Value)
	}
	out := &node{kind: kindList}
	for item := range strings.SplitSeq(v.Value, ",") {
		out.items = append(out.items, scalar(strings.TrimSpace(item)))
	}
	return out
}
