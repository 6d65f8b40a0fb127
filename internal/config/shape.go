package config

import (
	"fmt"
	"strings"

	"tailstock/internal/spelling"
)

// shape is what a value of the file may be. It decodes into what it was made for.
type shape interface {
	// takes reports whether a value of a kind fits.
	takes(k kind) bool
	// wants says what fits, for errors.
	wants() string
	// decode takes n, which fits.
	decode(d *decoder, n *node, path string)
	// describe adds the keys below path to list.
	describe(list []Key, path string) []Key
}

// member is a key that an object may have.
type member struct {
	name string
	// about says in a sentence what it means, with unit and default.
	about string
	shape shape
}

// object is a set of fixed keys.
type object struct {
	// begin is called before the members are decoded, end after.
	begin, end func(d *decoder, path string, at place)
	members    []member
	// refused holds keys that are known not to be supported, with what to tell.
	refused map[string]string
}

func (o *object) takes(k kind) bool { return k == kindObject }

func (o *object) wants() string { return "a set of keys" }

func (o *object) find(name string) *member {
	for i := range o.members {
		if o.members[i].name == name {
			return &o.members[i]
		}
	}
	return nil
}

func (o *object) decode(d *decoder, n *node, path string) {
	if o.begin != nil {
		o.begin(d, path, n.place)
	}
	seen := make(map[string]place)
	for i := range n.pairs {
		p := &n.pairs[i]
		if repeated(d, p, path, seen) {
			continue
		}
		if m := o.find(p.key); m != nil {
			d.decode(m.shape, p.value, join(path, p.key), p.place)
		}
	}
	for i := range n.pairs {
		if p := &n.pairs[i]; o.find(p.key) == nil {
			o.unknown(d, p, path, seen)
		}
	}
	if o.end != nil {
		o.end(d, path, n.place)
	}
}

// repeated reports a key that the object or dictionary has already.
func repeated(d *decoder, p *pair, path string, seen map[string]place) bool {
	if first, ok := seen[p.key]; ok {
		d.report(p.place, join(path, p.key), "is a duplicate: the key stands at %s already", first)
		return true
	}
	seen[p.key] = p.place
	return false
}

// unknown reports a key that there is not. The value of what looks like a
// misspelling is decoded as what was meant, so that its own errors show, and
// none about the key being missing.
func (o *object) unknown(d *decoder, p *pair, path string, seen map[string]place) {
	if p.place != seen[p.key] {
		return // a duplicate, reported as such
	}
	if reason, ok := o.refused[p.key]; ok {
		d.report(p.place, join(path, p.key), "%s", reason)
		return
	}
	names := make([]string, len(o.members))
	for i := range o.members {
		names[i] = o.members[i].name
	}
	meant := nearest(p.key, names)
	if meant == "" && p.value.kind == kindNull {
		d.report(p.place, join(path, p.key), "is an unknown key without a value; if it belongs to the value before, that stands in quotes: inside braces a comma ends a value")
		return
	}
	if meant == "" {
		d.report(p.place, join(path, p.key), "is an unknown key; there are %s", strings.Join(names, ", "))
		return
	}
	d.report(p.place, join(path, p.key), "is an unknown key; did you mean %s?", meant)
	if _, ok := seen[meant]; !ok {
		seen[meant] = p.place
		d.decode(o.find(meant).shape, p.value, join(path, meant), p.place)
	}
}

// dictionary is a set of keys that the operator chooses.
type dictionary struct {
	// name stands for a key in documentation: "<source>".
	name string
	// entry returns the shape of the value of key, or what is wrong with key.
	entry func(key string, at place) (shape, string)
	// example is the shape of any value, and about says what it means if it has no keys
	// of its own, for documentation.
	example shape
	about   string
}

func (m *dictionary) takes(k kind) bool { return k == kindObject }

func (m *dictionary) wants() string { return "a set of keys" }

func (m *dictionary) decode(d *decoder, n *node, path string) {
	seen := make(map[string]place)
	for i := range n.pairs {
		p := &n.pairs[i]
		if repeated(d, p, path, seen) {
			continue
		}
		s, wrong := m.entry(p.key, p.place)
		if wrong != "" {
			d.report(p.place, join(path, p.key), "%s", wrong)
		}
		if s != nil {
			d.decode(s, p.value, join(path, p.key), p.place)
		}
	}
}

// list is a list of values of one shape.
type list struct {
	// item returns the shape of the next value.
	item func() shape
}

func (l *list) takes(k kind) bool { return k == kindList }

func (l *list) wants() string { return "a list" }

func (l *list) decode(d *decoder, n *node, path string) {
	for i, item := range n.items {
		d.decode(l.item(), item, fmt.Sprintf("%s[%d]", path, i), item.place)
	}
}

// maxName bounds the keys that are compared.
const maxName = 64

// nearest returns the name that name may be a misspelling of, or "".
func nearest(name string, names []string) string {
	if len(name) > maxName {
		return ""
	}
	best, like := len(name)/3+2, ""
	for _, n := range names {
		if d := spelling.Distance(strings.ToLower(name), n, best-1); d < best {
			best, like = d, n
		}
	}
	return like
}
