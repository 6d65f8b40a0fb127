package config

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
)

// render returns n as YAML that reads as n again.
func render(n *node) string {
	var b strings.Builder
	renderBlock(&b, n, "")
	return b.String()
}

func renderBlock(b *strings.Builder, n *node, indent string) {
	switch n.kind {
	case kindObject:
		for _, p := range n.pairs {
			b.WriteString(indent + scalarText(p.key, false) + ":")
			renderBelow(b, p.value, indent)
		}
	case kindList:
		for _, item := range n.items {
			if item.kind == kindScalar {
				b.WriteString(indent + "- " + scalarText(item.text, quoted(item)) + "\n")
				continue
			}
			var inner strings.Builder
			renderBlock(&inner, item, indent+"  ")
			b.WriteString(indent + "- " + strings.TrimPrefix(inner.String(), indent+"  "))
		}
	default:
	}
}

// renderBelow writes the value of a key.
func renderBelow(b *strings.Builder, n *node, indent string) {
	if n.kind == kindScalar {
		b.WriteString(" " + scalarText(n.text, quoted(n)) + "\n")
		return
	}
	b.WriteByte('\n')
	renderBlock(b, n, indent+"  ")
}

// quoted reports whether n stands in quotes in its file.
func quoted(n *node) bool { return n.textPlace != n.place }

// plainScalar is what needs no quotes in YAML, wherever it stands.
var plainScalar = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.@()+*/<>=-]*( [A-Za-z0-9_.()+*/<>=?'"\[\]-]+)*$`)

// scalarText returns s as a value of YAML.
func scalarText(s string, quote bool) string {
	if !quote && s != "null" && plainScalar.MatchString(s) {
		return s
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		panic(err) // texts can be encoded
	}
	return strings.TrimSpace(b.String())
}
