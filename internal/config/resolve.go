package config

import (
	"fmt"
	"regexp"
	"strings"
)

// maxSecret is the largest file of a secret that is read, in bytes.
const maxSecret = 64 << 10

// fileScheme begins a reference to a file of a secret.
const fileScheme = "file:"

// variable is ${NAME}, or what escapes it, or what looks like it and is not.
var variable = regexp.MustCompile(`\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{[^}]*\}?`)

// resolve returns what the scalar n says with its variables replaced and, if it
// may be secret, with a reference to a file followed. shown is what an error may
// call it. It reports what could not be resolved.
func (d *decoder) resolve(n *node, path string, secret bool) (text, shown string, ok bool) {
	before := len(d.errs)
	text = variable.ReplaceAllStringFunc(n.text, func(found string) string { return d.replace(found, n, path) })
	if len(d.errs) > before {
		return "", "", false
	}
	// What the file itself says may be shown, unless it can hold a password.
	if shown = n.text; shown == "" {
		shown = `""`
	}
	if secret {
		shown = "the value"
		if name, isFile := strings.CutPrefix(text, fileScheme); isFile {
			text, ok = d.readSecret(name, n, path)
			return text, shown, ok
		}
	}
	return text, shown, true
}

// replace returns what stands for something that begins with ${ or $${.
func (d *decoder) replace(found string, n *node, path string) string {
	if found == "$${" {
		return "${"
	}
	name := variable.FindStringSubmatch(found)[1]
	if name == "" {
		d.report(n.place, path, "holds ${ that begins no variable: write ${NAME}, with letters, digits and underscores, or $${ for the characters themselves")
		return ""
	}
	value, ok := d.lookup(name)
	if !ok {
		d.report(n.place, path, "the environment variable %s is not set", name)
		return ""
	}
	d.hide(path, value)
	return value
}

func (d *decoder) readSecret(name string, n *node, path string) (string, bool) {
	if strings.TrimSpace(name) == "" {
		d.report(n.place, path, "file: is not followed by a path")
		return "", false
	}
	text, err := readBounded(d.absolute(name), maxSecret)
	if err != nil {
		// As the file has it: a variable of it may hold anything.
		d.report(n.place, path, "read %s: %v", strings.TrimPrefix(n.text, fileScheme), err)
		return "", false
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(text), "\n"), "\r")
	d.hide(path, value)
	if value == "" {
		d.report(n.place, path, "the file it names is empty")
	}
	return value, value != ""
}

// hide keeps value out of what is reported about path.
func (d *decoder) hide(path, value string) {
	if value != "" {
		d.hidden[path] = append(d.hidden[path], value)
	}
}

// scrub removes from reason what was hidden at path.
func (d *decoder) scrub(path, reason string) string {
	for _, value := range d.hidden[path] {
		quoted := strings.Trim(fmt.Sprintf("%q", value), `"`)
		reason = strings.ReplaceAll(reason, quoted, "(hidden)")
		reason = strings.ReplaceAll(reason, value, "(hidden)")
	}
	return reason
}
