package architecture_test

import (
	"bytes"
	"go/ast"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// longest is how many lines a Go file may have.
const longest = 800

func TestEveryPackageHasAComment(t *testing.T) {
	t.Parallel()
	commented := make(map[string]bool)
	for _, s := range sources(t) {
		if s.test() && !commented[s.dir] {
			continue
		}
		commented[s.dir] = commented[s.dir] || s.syntax.Doc != nil
	}
	for dir, ok := range commented {
		if !ok {
			t.Errorf("%s has no package comment", dir)
		}
	}
}

func TestNoFileIsTooLong(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if n := bytes.Count(s.text, []byte("\n")); n > longest {
			t.Errorf("%s has %d lines, more than %d", s.path, n, longest)
		}
	}
}

func TestTestsDoNotSleep(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		// In a bubble of synctest, time is fake and sleeping is how it passes.
		fake := slices.Contains(s.imports, "testing/synctest")
		if fake || !s.test() && !within(testOnly, s.dir) {
			continue
		}
		for _, call := range sleeps(s) {
			t.Errorf("%s sleeps: wait for an event, or for a condition with a deadline", s.position(call))
		}
	}
}

// sleeps finds the calls of time.Sleep.
func sleeps(s source) []ast.Node {
	var found []ast.Node
	ast.Inspect(s.syntax, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && sel.Sel.Name == "Sleep" {
			if pkg, ok := sel.X.(*ast.Ident); ok && pkg.Name == "time" {
				found = append(found, n)
			}
		}
		return true
	})
	return found
}

func TestSleepsAreFound(t *testing.T) {
	t.Parallel()
	s := parseText(t, "x_test.go", []byte("package x\n\nfunc f() { go time.Sleep(1); time.After(1) }\n"))
	if n := len(sleeps(s)); n != 1 {
		t.Errorf("found %d, want 1", n)
	}
}

// foreign is what a file of the tree must not hold: hosts of package registries,
// which differ from place to place, and directories of one machine.
var foreign = regexp.MustCompile(strings.Join([]string{
	`registry\.[a-z]+js\.org`, `proxy\.golang\.org`, `sum\.golang\.org`, `deb\.debian\.org`, `[a-z]+\.ubuntu\.com`,
	`docker\.io/`, `ghcr\.io`, `gcr\.io`, `quay\.io`, `index\.docker\.io`, `artifactory`,
	`/(root|home/[a-z]+)/`, `/work/[a-z]`,
}, "|"))

func TestNoForeignPlaces(t *testing.T) {
	t.Parallel()
	for _, name := range tracked(t) {
		if path.Dir(name) == "internal/architecture" { // names them to forbid them
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if bytes.IndexByte(text[:min(len(text), 8000)], 0) >= 0 {
			continue // not text
		}
		for _, at := range foreign.FindAllIndex(text, -1) {
			line := 1 + bytes.Count(text[:at[0]], []byte("\n"))
			t.Errorf("%s:%d names %q", name, line, text[at[0]:at[1]])
		}
	}
}

func TestForeignPlacesAreFound(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"https://registry." + "npmjs.org/x": true,
		"FROM " + "docker.io/postgres":      true,
		"cd /ro" + "ot/x":                   true,
		"/wo" + "rk/main":                   true,
		"FROM postgres:16":                  false,
		"/var/lib/tailstock":                false,
		"the root/leaf":                     false,
	} {
		if got := foreign.MatchString(text); got != want {
			t.Errorf("%q: %t, want %t", text, got, want)
		}
	}
}

// Every sample configuration is read by some test, so that none rots.
func TestConfigsAreTested(t *testing.T) {
	t.Parallel()
	var mentioned bytes.Buffer
	for _, s := range sources(t) {
		if s.test() {
			mentioned.Write(s.text)
		}
	}
	for _, name := range tracked(t) {
		if !strings.HasPrefix(name, "configs/") || path.Ext(name) == ".go" {
			continue
		}
		// A test may name the file, or walk the directory by a pattern.
		dir, ext := path.Base(path.Dir(name)), path.Ext(name)
		if !bytes.Contains(mentioned.Bytes(), []byte(path.Base(name))) &&
			!bytes.Contains(mentioned.Bytes(), []byte(dir+"/*"+ext)) {
			t.Errorf("no test names %s or %s/*%s", name, dir, ext)
		}
	}
}
