package natslog

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"tailstock/connector"
)

// names are those of streams, subjects and buckets in one namespace. Namespaces
// hold no underscore and sources no hyphen, so no two of them share a name.
type names struct{ namespace string }

func (n names) stream(name string) string {
	if n.namespace == "" {
		return name
	}
	return strings.ToUpper(n.namespace) + "_" + name
}

func (n names) subject(name string) string {
	if n.namespace == "" {
		return name
	}
	return n.namespace + "." + name
}

func (n names) bucket() string  { return n.stream("INVENTORY_STATE") }
func (n names) levels() string  { return n.stream("INVENTORY_LEVELS") }
func (n names) rejects() string { return n.stream("INVENTORY_REJECTS") }

func (n names) logPrefix() string        { return n.stream("INVENTORY_LOG_") }
func (n names) log(source string) string { return n.logPrefix() + strings.ToUpper(source) }
func (n names) levelPrefix() string      { return n.subject("inventory.level") }
func (n names) rejectPrefix() string     { return n.subject("inventory.reject") }
func (n names) reportPrefix() string     { return n.subject("inventory.report") }
func (n names) logSubjectPrefix() string { return n.subject("inventory.log") }
func (n names) logSubject(source, id string) string {
	return n.logSubjectPrefix() + "." + source + "." + id
}

func (n names) reportSubject(source, store string) string {
	return n.reportPrefix() + "." + source + "." + store
}

// rejectSubject names one row under one mapping, so that the stream keeps the
// newest reject of each: a row key can be anything, its hash is a token.
func (n names) rejectSubject(source string, r *connector.RejectRef) string {
	h := sha256.New()
	for _, part := range []string{r.Table, string(r.Mapping), string(r.Row)} {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	return n.rejectPrefix() + "." + source + "." + hex.EncodeToString(h.Sum(nil)[:16])
}

// rejectsOf matches the subjects of all rejects about a source, or about any if it is empty.
func (n names) rejectsOf(source string) string {
	return n.rejectPrefix() + "." + cmp.Or(source, "*") + ".*"
}

// newID returns a random identity of 16 hexadecimal digits.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return hex.EncodeToString(b[:])
}
