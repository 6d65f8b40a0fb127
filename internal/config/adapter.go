package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"
)

// adapter reports what an adapter says about its Config: errors that begin with
// the name of a field, joined. section is the path of its fields, renamed holds
// the paths of those that stand elsewhere.
func (d *decoder) adapter(section string, err error, renamed map[string]string) {
	for _, problem := range parts(err) {
		field, reason, found := strings.Cut(problem.Error(), ": ")
		path, elsewhere := renamed[field]
		switch {
		case elsewhere:
		case found && isField(field):
			path = join(section, field)
		default:
			path, reason = section, problem.Error()
		}
		// What could not be read at all is not judged as well.
		if d.failed[path] {
			continue
		}
		if text, ok := d.secrets[path]; ok {
			reason = connectionReason(path, text, reason)
		}
		d.reportPath(path, "%s", d.scrub(path, reason))
	}
}

// isField reports whether s looks like the path of a field, not like words.
func isField(s string) bool {
	return s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz_.") == ""
}

// parts takes joined errors apart.
func parts(err error) []error {
	if err == nil {
		return nil
	}
	var joined interface{ Unwrap() []error }
	if errors.As(err, &joined) {
		return joined.Unwrap()
	}
	return []error{err}
}

// connectionReason is what may be said of a connection string: an adapter's
// reason repeats it, with the password removed where it found one. What is not
// a URL may be cut at any place, and then the password is where it is not looked for.
func connectionReason(path, text, reason string) string {
	if text == "" || path == "cache.redis" || strings.HasSuffix(path, ".mysql.dsn") {
		return reason // these adapters never say what it holds
	}
	fixed := "is not like postgres://user:password@host:5432/database, with anything but letters, digits and -._~ in user and password percent-encoded"
	if path == "nats.url" {
		fixed = "is not like nats://host:4222, or several such with commas between"
	}
	_, err := url.Parse(text)
	i := strings.LastIndex(reason, "`: ")
	if i < 0 || err != nil {
		return fixed
	}
	detail := reason[i+len("`: "):]
	for _, word := range words(text) {
		detail = strings.ReplaceAll(detail, word, "(hidden)")
	}
	return "is not a connection string that can be used: " + detail
}

// words returns what a connection string is made of, without the names of
// parameters and single characters, the longest first.
func words(text string) []string {
	var out []string
	for len(text) > 0 {
		end := strings.IndexAny(text, "=&?:/@,;'\"\\ \t\r\n")
		if end < 0 {
			end = len(text)
		}
		if end > 1 && !strings.HasPrefix(text[end:], "=") {
			out = append(out, text[:end])
		}
		text = text[min(end+1, len(text)):]
	}
	slices.SortFunc(out, func(a, b string) int { return len(b) - len(a) })
	return out
}
