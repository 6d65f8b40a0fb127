package config

import (
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"tailstock/connector/mapping"
)

// value is a scalar.
type value struct {
	what    string
	choices []string
	// secret lets it be a reference to a file, and keeps it out of errors.
	secret bool
	// set takes text and returns what is wrong with it. shown is what an error
	// may call it.
	set func(text, shown string) string
}

func (v *value) takes(k kind) bool { return k == kindScalar }

func (v *value) wants() string { return v.what }

func (v *value) decode(d *decoder, n *node, path string) {
	text, shown, ok := d.resolve(n, path, v.secret)
	if !ok {
		return
	}
	if v.secret {
		d.secrets[path] = text
	}
	if wrong := v.set(text, shown); wrong != "" {
		d.report(n.place, path, "%s", wrong)
	}
}

// text is any text.
func text(p *string) *value {
	return &value{what: "a text", set: func(s, _ string) string {
		*p = s
		return ""
	}}
}

// secret is a text that may hold a password.
func secret(p *string) *value {
	return &value{what: "a text, ${VARIABLE} or file:PATH", secret: true, set: func(s, _ string) string {
		if *p = s; s == "" {
			return "is empty"
		}
		return ""
	}}
}

// filePath is a path. One that is not absolute counts from the folder of the file.
func (d *decoder) filePath(p *string) *value {
	return &value{what: "a path", set: func(s, _ string) string {
		if s == "" {
			return "is empty where a path is wanted"
		}
		*p = d.absolute(s)
		return ""
	}}
}

func (d *decoder) absolute(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(d.dir, path)
}

// choice is one of a few words.
func choice[T ~string](p *T, words ...string) *value {
	return &value{what: "one of " + strings.Join(words, ", "), choices: words, set: func(s, shown string) string {
		if !slices.Contains(words, s) {
			return fmt.Sprintf("%s is none of %s", shown, strings.Join(words, ", "))
		}
		*p = T(s)
		return ""
	}}
}

// whole is a whole number between two.
func whole(p *int, least, most int) *value {
	return &value{what: "a whole number", set: func(s, shown string) string {
		n, ok := digits(s)
		switch {
		case !ok:
			return fmt.Sprintf("%s is not a whole number", shown)
		case n < int64(least) || n > int64(most):
			return fmt.Sprintf("%s is not between %d and %d", shown, least, most)
		}
		*p = int(n)
		return ""
	}}
}

// digits reads a number written in decimal digits alone.
func digits(s string) (int64, bool) {
	if strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// size is a number of bytes.
func size(p *int64) *value {
	return &value{what: "a size in bytes, like 512MiB or 20GiB", set: func(s, shown string) string {
		n, wrong := parseSize(s)
		if wrong != "" {
			return shown + " " + wrong
		}
		*p = n
		return ""
	}}
}

func parseSize(s string) (bytes int64, wrong string) {
	number := strings.TrimRightFunc(s, func(c rune) bool { return c < '0' || c > '9' })
	n, ok := digits(number)
	shift := map[string]int{"": 0, "B": 0, "KiB": 10, "MiB": 20, "GiB": 30, "TiB": 40}
	by, known := shift[s[len(number):]]
	switch {
	case !ok || !known:
		return 0, "is not a size; write a whole number and B, KiB, MiB, GiB or TiB, like 20GiB"
	case n == 0:
		return 0, "is no size; leave the key out for the default"
	case n > math.MaxInt64>>by:
		return 0, "is too large"
	}
	return n << by, ""
}

// duration is a length of time, never negative.
func duration(p *time.Duration) *value {
	return &value{what: "a duration, like 10s or 24h", set: func(s, shown string) string {
		d, wrong := parseDuration(s)
		if wrong != "" {
			return shown + " " + wrong
		}
		*p = d
		return ""
	}}
}

var durationPattern = regexp.MustCompile(`^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?(?:(\d+)ms)?$`)

func parseDuration(s string) (length time.Duration, wrong string) {
	found := durationPattern.FindStringSubmatch(s)
	if found == nil || s == "" {
		return 0, "is not a duration; write whole numbers with units d, h, m, s, ms, the largest first, like 24h or 1m30s"
	}
	for i, unit := range []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second, time.Millisecond} {
		if found[i+1] == "" {
			continue
		}
		n, ok := digits(found[i+1])
		if !ok || n > int64((math.MaxInt64-length)/unit) {
			return 0, "is too long"
		}
		length += time.Duration(n) * unit
	}
	return length, ""
}

// expression is one of a mapping's. Its text is taken as it stands: a mapping
// is the same on every machine, and what it says is kept where all can read it.
type expression struct {
	into *mapping.Value
	what string
}

const anExpression = "an expression"

// takes accepts everything: without a value the mapping would be called incomplete.
func (e *expression) takes(kind) bool { return true }

func (e *expression) wants() string { return e.what }

func (e *expression) decode(d *decoder, n *node, path string) {
	*e.into = mapping.Value{Text: n.text, Place: n.textPlace, Inline: n.inline}
	switch {
	case n.kind == kindNull:
		e.into.Place = n.place // the mapping says that it is empty
	case n.kind == kindUnknown:
		*e.into = sound(n.place)
	case n.kind != kindScalar:
		d.report(n.place, path, "is %s where %s is wanted", n.kind, e.what)
		*e.into = sound(n.place)
	case strings.Contains(n.text, "${"):
		d.report(n.place, path, "holds ${: variables are not replaced in mappings, which must be the same wherever the file is read")
		*e.into = sound(n.place)
	}
}

// sound stands for an expression that was reported already.
func sound(at place) mapping.Value { return mapping.Value{Text: "null", Place: at} }
