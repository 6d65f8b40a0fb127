package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// maxPresetText is the longest text that a variable may have, in bytes.
const maxPresetText = 200

// valueTypes says what the values of variables may be, by their types.
var valueTypes = map[string]struct { //nolint:gochecknoglobals // a constant table
	what    string
	pattern *regexp.Regexp
	list    bool
}{
	"text":    {what: "a text"},
	"texts":   {what: "a list of texts", list: true},
	"name":    {what: "a name of letters, digits, - and _", pattern: regexp.MustCompile(`^[A-Za-z0-9_$-]+$`)},
	"prefix":  {what: "the beginning of a name: letters, digits, - and _", pattern: regexp.MustCompile(`^[A-Za-z0-9_$-]*$`)},
	"number":  {what: "a whole number", pattern: regexp.MustCompile(`^-?[0-9]{1,12}$`)},
	"numbers": {what: "a list of whole numbers", pattern: regexp.MustCompile(`^-?[0-9]{1,12}$`), list: true},
	"truth":   {what: "true or false", pattern: regexp.MustCompile(`^(true|false)$`)},
}

// What describes the values that v may have.
func (v *PresetVariable) What() string {
	if len(v.Choices) > 0 {
		return "one of " + strings.Join(v.Choices, ", ")
	}
	return valueTypes[v.Type].what
}

// Absent says what v is where it is not given.
func (v *PresetVariable) Absent() string {
	switch {
	case v.Required:
		return "required"
	case v.byDefault != nil:
		return "default " + v.Default
	}
	return "optional"
}

// literal returns n as it stands in an expression, or what is wrong with it. A
// single value is a list of one where a list is wanted.
func (v *PresetVariable) literal(n *node) (text, wrong string) {
	if len(v.Choices) > 0 {
		if n.kind != kindScalar || !slices.Contains(v.Choices, n.text) {
			return "", fmt.Sprintf("%s is none of %s", shownValue(n), strings.Join(v.Choices, ", "))
		}
		return n.text, ""
	}
	t := valueTypes[v.Type]
	items := []*node{n}
	if t.list && n.kind == kindList {
		items = n.items
	}
	if len(items) == 0 {
		return "", "is an empty list"
	}
	literals := make([]string, len(items))
	for i, item := range items {
		if item.kind != kindScalar || t.pattern != nil && !t.pattern.MatchString(item.text) {
			return "", fmt.Sprintf("%s is not %s", shownValue(n), t.what)
		}
		if wrong := badText(item.text); wrong != "" {
			return "", wrong
		}
		literals[i] = item.text
		if strings.HasPrefix(v.Type, "text") {
			literals[i] = quoteText(item.text)
		}
	}
	if t.list {
		return "[" + strings.Join(literals, ", ") + "]", ""
	}
	return literals[0], ""
}

func badText(s string) string {
	switch {
	case len(s) > maxPresetText:
		return fmt.Sprintf("is longer than %d bytes", maxPresetText)
	case strings.ContainsFunc(s, unicode.IsControl):
		return "holds a control character"
	case strings.Contains(s, "${"):
		return "holds ${: variables are not replaced in mappings, which must be the same wherever the file is read"
	}
	return ""
}

// shownValue is what an error calls n.
func shownValue(n *node) string {
	switch {
	case n.kind == kindList:
		return "[" + spelled(n) + "]"
	case n.kind != kindScalar:
		return n.kind.String()
	case n.text == "":
		return `""`
	}
	return n.text
}

// quoteText returns s as a text of the expression language.
func quoteText(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

// hole is a place of a preset's body that a variable, or a part of a version, fills.
var hole = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// maxFilling bounds how deep parts stand in parts.
const maxFilling = 10

// filling puts values into a preset's body.
type filling struct {
	*Preset
	version string
	// values holds those of variables that have one, as literals.
	values map[string]string
	// wrong is what could not be filled: a mistake in the preset.
	wrong string
}

// text fills what s has to be filled.
func (f *filling) text(s string, depth int) string {
	return hole.ReplaceAllStringFunc(s, func(found string) string {
		name := found[2 : len(found)-1]
		if depth > maxFilling {
			f.wrong = found + " stands in itself"
			return ""
		}
		if part := f.parts[f.version][name]; part != nil {
			return f.text(part.text, depth+1)
		}
		return f.variable(name, depth)
	})
}

func (f *filling) variable(name string, depth int) string {
	v := f.find(name)
	if v == nil {
		f.wrong = "there is no variable or part " + name
		return ""
	}
	value, given := f.values[name]
	switch {
	case !given && v.otherwise == nil:
		f.wrong = "variable " + name + " has no value" // a required one was reported
		return ""
	case !given:
		return f.text(v.otherwise.text, depth+1)
	case len(v.Choices) > 0:
		return f.text(v.choices[value].text, depth+1)
	case v.use != nil:
		return strings.ReplaceAll(f.text(strings.ReplaceAll(v.use.text, "${value}", "\x00"), depth+1), "\x00", value)
	}
	return value
}

// node returns n filled, or nil if what it depends on is not there, or nothing is
// left of what it holds.
func (f *filling) node(n *node) *node {
	out := *n
	switch n.kind {
	case kindScalar:
		if out.text = f.text(n.text, 0); out.text != n.text {
			out.inline = false
		}
	case kindList:
		out.items = nil
		for _, item := range n.items {
			if filled := f.node(item); filled != nil {
				out.items = append(out.items, filled)
			}
		}
		if len(out.items) == 0 {
			return nil
		}
	case kindObject:
		out.pairs = nil
		for _, p := range n.pairs {
			if p.key == "if" {
				if !f.holds(p.value.text) {
					return nil
				}
				continue
			}
			// A text of which nothing is left is as if the key were not there.
			filled := f.node(p.value)
			if filled != nil && (filled.kind != kindScalar || filled.text != "" || p.value.text == "") {
				out.pairs = append(out.pairs, pair{f.text(p.key, 0), p.place, filled})
			}
		}
		if len(out.pairs) == 0 {
			return nil
		}
	default:
	}
	return &out
}

// holds reports whether a variable has a value other than false.
func (f *filling) holds(name string) bool {
	value, ok := f.values[name]
	if f.find(name) == nil {
		f.wrong = "if: there is no variable " + name
	}
	return ok && value != "false"
}
