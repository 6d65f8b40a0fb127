package config

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"tailstock/configs"
)

// Preset is the mapping of a known ERP, which sources name as NAME@VERSION. Its
// file, configs/presets/NAME.yaml, is part of the program.
type Preset struct {
	Name string `json:"name"`
	// About says in a few sentences what it maps.
	About string `json:"about"`
	// Versions holds the versions of the ERP, the oldest first.
	Versions []string `json:"versions"`
	// Databases holds the kinds of source that it is for, as their sections are called.
	Databases []string `json:"databases"`
	// Variables is what it is told of an installation.
	Variables []PresetVariable `json:"variables"`

	file string
	// parts holds, for each version, the texts that stand for names in the body.
	parts map[string]map[string]*node
	// body holds what a source may have, with variables.
	body *node
	// ledgers holds, with variables, tables whose rows cannot be added up, each with the
	// one in which the ERP keeps what they come to; nil if there is none.
	ledgers *node
}

// PresetVariable is something that a preset is told of an installation.
type PresetVariable struct {
	Name string `json:"name"`
	// Type is one of text, name, prefix, number, truth, texts and numbers, or empty for
	// one of Choices.
	Type string `json:"type,omitempty"`
	// About says what the variable means.
	About string `json:"about"`
	// Choices holds the values that it may have, if they are few and fixed.
	Choices []string `json:"choices,omitempty"`
	// Default is its value where it is not given, as files spell it.
	Default string `json:"default,omitempty"`
	// Required says that it must be given.
	Required bool `json:"required,omitempty"`

	byDefault *node
	// choices holds the expression that each choice stands for.
	choices map[string]*node
	// use is what stands for the variable where it has a value, with ${value} in it;
	// otherwise is what stands for it where it has none.
	use, otherwise *node
}

// PresetUse is a preset as a source uses it.
type PresetUse struct {
	Name, Version string
	// Variables holds the value of each variable that has one, in the order of the preset.
	Variables []PresetValue
	// Overrides names what the source says itself in place of the preset:
	// "table public.stock_move".
	Overrides []string
}

// PresetValue is the value of a variable as files spell it.
type PresetValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	// Given says that it is not the default.
	Given bool `json:"given,omitempty"`
}

// String returns the preset as files name it, "odoo@17".
func (u *PresetUse) String() string { return u.Name + "@" + u.Version }

// Presets returns every preset, in the order of names. They must not be modified.
func Presets() []Preset { return presets() }

// presets reads the files once: they are part of the program.
var presets = sync.OnceValue(func() []Preset { //nolint:gochecknoglobals // what it holds never changes
	files, err := fs.Glob(configs.Presets, "presets/*.yaml")
	if err != nil {
		panic(err) // the pattern is sound
	}
	out := make([]Preset, 0, len(files))
	for _, file := range files {
		p, err := readPreset(strings.TrimSuffix(path.Base(file), ".yaml"))
		if err != nil {
			panic(err) // the files are part of the program, and tested
		}
		out = append(out, *p)
	}
	return out
})

// PresetFile returns the file of the preset called name, with its comments.
func PresetFile(name string) ([]byte, error) {
	text, err := configs.Presets.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no preset %s; there are %s", name, strings.Join(presetNames(), ", "))
	}
	return text, nil
}

// presetNames returns everything that a source may name, in order.
func presetNames() []string {
	var out []string
	for _, p := range Presets() {
		out = append(out, p.references()...)
	}
	return out
}

// references returns p as sources may name it.
func (p *Preset) references() []string {
	out := make([]string, len(p.Versions))
	for i, v := range p.Versions {
		out[i] = p.Name + "@" + v
	}
	return out
}

// readPreset reads the preset called name. The error is Errors.
func readPreset(name string) (*Preset, error) {
	text, err := configs.Presets.ReadFile("presets/" + name + ".yaml")
	if err != nil {
		return nil, err
	}
	return parsePreset(name, "configs/presets/"+name+".yaml", text)
}

// parsePreset is readPreset for text from a file.
func parsePreset(name, file string, text []byte) (*Preset, error) {
	root, errs := readTree(file, file, text)
	if root == nil {
		return nil, errs
	}
	d := newDecoder(file, nil)
	d.errs = errs
	p := &Preset{Name: name, file: file, parts: make(map[string]map[string]*node), body: &node{kind: kindObject, place: root.place}}
	d.decode(p.shape(), root, "", root.place)
	if len(d.errs) == 0 {
		p.check(d)
	}
	if len(d.errs) > 0 {
		d.errs.sort(file)
		return nil, d.errs
	}
	return p, nil
}

// presetSections are those of a source that a preset may have.
var presetSections = []string{"tables", "lookups", "maps", "constants", "partno", "location"} //nolint:gochecknoglobals // a constant table

// shape is the layout of a preset's file.
func (p *Preset) shape() shape {
	o := &object{members: []member{
		{"about", "What the preset maps.", fixedText(&p.About)},
		{"databases", "The kinds of source that it is for.", texts(&p.Databases)},
		{"versions", "The versions of the ERP, and what stands for names in the body under each.", &dictionary{
			name: "<version>",
			entry: func(version string, _ place) (shape, string) {
				p.Versions = append(p.Versions, version)
				p.parts[version] = make(map[string]*node)
				return &dictionary{name: "<part>", entry: func(name string, _ place) (shape, string) {
					return &raw{func(n *node) { p.parts[version][name] = n }}, ""
				}}, ""
			},
		}},
		{"variables", "What it is told of an installation.", &dictionary{
			name:  "<variable>",
			entry: func(name string, _ place) (shape, string) { return p.variable(name), "" },
		}},
	}}
	o.members = append(o.members, member{"ledgers", "Tables of the ERP whose rows cannot be added up, each with the table to map instead.", &raw{func(n *node) {
		p.ledgers = n
	}}})
	for _, section := range presetSections {
		o.members = append(o.members, member{section, "As in a source.", &raw{func(n *node) {
			p.body.pairs = append(p.body.pairs, pair{section, n.place, n})
		}}})
	}
	return o
}

func (p *Preset) variable(name string) shape {
	v := &PresetVariable{Name: name, choices: make(map[string]*node)}
	return &object{
		end: func(*decoder, string, place) {
			v.Required = v.byDefault == nil && v.otherwise == nil
			if v.byDefault != nil {
				v.Default = spelled(v.byDefault)
			}
			p.Variables = append(p.Variables, *v)
		},
		members: []member{
			{"type", "What values it may have.", fixedText(&v.Type)},
			{"about", "What it means.", fixedText(&v.About)},
			{"default", "Its value where it is not given.", &raw{func(n *node) { v.byDefault = n }}},
			{"choices", "The values that it may have, and what stands for each.", &dictionary{
				name: "<choice>",
				entry: func(choice string, _ place) (shape, string) {
					v.Choices = append(v.Choices, choice)
					return &raw{func(n *node) { v.choices[choice] = n }}, ""
				},
			}},
			{"use", "What stands for it where it has a value.", &raw{func(n *node) { v.use = n }}},
			{"otherwise", "What stands for it where it has none.", &raw{func(n *node) { v.otherwise = n }}},
		},
	}
}

// find returns the variable called name, or nil.
func (p *Preset) find(name string) *PresetVariable {
	for i := range p.Variables {
		if p.Variables[i].Name == name {
			return &p.Variables[i]
		}
	}
	return nil
}

// check looks at what the layout does not say.
func (p *Preset) check(d *decoder) {
	if p.About == "" || len(p.Databases) == 0 || len(p.Versions) == 0 {
		d.report(p.body.place, "", "lacks about, databases or versions")
	}
	for i := range p.Variables {
		v := &p.Variables[i]
		at := join("variables", v.Name)
		if _, known := valueTypes[v.Type]; known == (len(v.Choices) > 0) || v.About == "" {
			d.reportPath(at, "has an about, and either a known type or choices")
			continue
		}
		if v.byDefault == nil {
			continue
		}
		if _, wrong := v.literal(v.byDefault); wrong != "" {
			d.reportPath(at+".default", "%s", wrong)
		}
	}
}

// raw is a value that is kept as it stands.
type raw struct{ keep func(n *node) }

func (r *raw) takes(k kind) bool { return k != kindUnknown && k != kindNull }

func (r *raw) wants() string { return "a value" }

func (r *raw) describe(keys []Key, _ string) []Key { return keys }

func (r *raw) decode(_ *decoder, n *node, _ string) { r.keep(n) }

// spelled is a value of a variable as files spell it.
func spelled(n *node) string {
	if n.kind != kindList {
		return n.text
	}
	items := make([]string, len(n.items))
	for i := range n.items {
		items[i] = n.items[i].text
	}
	return strings.Join(items, ", ")
}

// unknownPreset says what there is instead of what was named.
func unknownPreset(reference string) string {
	name, version, versioned := strings.Cut(reference, "@")
	all := Presets()
	for i := range all {
		if all[i].Name != name {
			continue
		}
		if !versioned {
			return fmt.Sprintf("preset %s comes in versions; write one of %s", name, strings.Join(all[i].references(), ", "))
		}
		return fmt.Sprintf("preset %s has no version %s; there are %s", name, printable(version), strings.Join(all[i].references(), ", "))
	}
	return fmt.Sprintf("there is no preset %s; there are %s", printable(reference), strings.Join(presetNames(), ", "))
}

// findPreset returns the preset and version that a reference names, or what is
// wrong with it.
func findPreset(reference string) (p *Preset, version, wrong string) {
	name, version, _ := strings.Cut(reference, "@")
	all := Presets()
	i := slices.IndexFunc(all, func(p Preset) bool { return p.Name == name })
	if i < 0 || !slices.Contains(all[i].Versions, version) {
		return nil, "", unknownPreset(reference)
	}
	return &all[i], version, ""
}
