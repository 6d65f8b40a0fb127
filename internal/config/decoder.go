package config

import (
	"fmt"
	"path/filepath"
	"strings"
)

// maxVisits bounds the values decoded: aliases can make many of few.
const maxVisits = 200_000

// decoder fills a Config from the nodes of a file.
type decoder struct {
	file string
	// dir is the folder of file, from which relative paths count.
	dir    string
	lookup Lookup
	errs   Errors
	// places holds that of every path that was met; failed those where something was wrong.
	places map[string]place
	failed map[string]bool
	// below holds every path above one of failed, and those themselves.
	below map[string]bool
	// secrets holds the connection strings by their paths.
	secrets map[string]string
	// hidden holds the values of variables and files of secrets by the path that they stand at.
	hidden map[string][]string
	visits int
}

func newDecoder(file string, lookup Lookup) *decoder {
	return &decoder{
		file: file, dir: filepath.Dir(file), lookup: lookup,
		places: make(map[string]place), failed: make(map[string]bool), below: make(map[string]bool),
		secrets: make(map[string]string), hidden: make(map[string][]string),
	}
}

// report records what is wrong with the value at path.
func (d *decoder) report(at place, path, format string, args ...any) {
	d.fail(path)
	file := d.file
	if at.File != "" {
		file = at.File
	}
	d.errs = append(d.errs, &Error{
		File: file, Line: at.Line, Column: at.Column, Path: printable(path), Reason: printable(fmt.Sprintf(format, args...)),
	})
}

// fail records that the value at path is not what it should be.
func (d *decoder) fail(path string) {
	d.failed[path] = true
	for p := path; p != ""; p = above(p) {
		d.below[p] = true
	}
}

// reportPath records what is wrong with the value at path, whose place is that
// of the nearest value above it that the file has.
func (d *decoder) reportPath(path, format string, args ...any) {
	d.report(d.placeOf(path), path, format, args...)
}

func (d *decoder) placeOf(path string) place {
	for p := path; p != ""; p = above(p) {
		if at, ok := d.places[p]; ok {
			return at
		}
	}
	return start()
}

// has reports whether the file has a value at path.
func (d *decoder) has(path string) bool {
	_, ok := d.places[path]
	return ok
}

// decode gives n, whose key stands at a place, to s.
func (d *decoder) decode(s shape, n *node, path string, key place) {
	at := key
	if n.kind == kindScalar {
		at = n.place
	}
	d.places[path] = at
	if d.visits++; d.visits >= maxVisits {
		if d.visits == maxVisits {
			d.report(at, path, "is the file's value number %d, counting those of aliases at each use; that is too many", maxVisits)
		}
		return
	}
	switch {
	case s.takes(n.kind):
		s.decode(d, n, path)
	case n.kind == kindUnknown:
		d.fail(path)
	case n.kind == kindNull:
		d.report(at, path, "has no value; write one or remove the key")
	default:
		d.report(n.place, path, "is %s where %s is wanted", n.kind, s.wants())
	}
}

// join returns the path of key below path.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// above returns path without its last part.
func above(path string) string { return path[:max(strings.LastIndexByte(path, '.'), 0)] }
