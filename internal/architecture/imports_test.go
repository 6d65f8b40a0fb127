package architecture_test

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
)

// anything stands for no restriction.
const anything = "..."

// graph says which packages of the tree a package may import. A name ending in "/..." means that directory and all below
// it. The first pattern that matches counts.
var graph = []struct {
	pkg     string
	imports []string
}{
	{"cmd/tailstock/internal/cli", []string{anything}},
	{"cmd/tailstock/internal/cases", []string{"cmd/tailstock/internal/cli", "connector/inventory"}},
	{"cmd/tailstock", []string{"cmd/tailstock/internal/cli"}},

	{"connector/cdc", nil},
	{"connector/inventory", []string{"connector/cdc"}},
	{"connector/lookup", []string{"connector/cdc"}},
	{"connector/survey", []string{"connector/cdc"}},
	{"connector/mapping", []string{"connector/cdc", "connector/inventory", "connector/lookup", "internal/spelling"}},
	{"connector/backfill", []string{"connector/cdc"}},
	{"connector/natslog", []string{"connector", "connector/cdc", "connector/inventory"}},
	{"connector", []string{"connector/cdc", "connector/inventory", "connector/mapping", "connector/lookup", "connector/backfill"}},

	// The conformance suites drive the ports that adapters implement.
	{"sources/sourcetest", []string{"connector", "connector/cdc", "connector/inventory", "connector/backfill", "internal/testenv", "internal/privateserver"}},
	{"sinks/sinktest", []string{"connector", "connector/cdc", "connector/inventory", "internal/testenv", "internal/privateserver"}},
	{"sources/tailing", []string{"connector/cdc"}},
	{"sources/...", []string{"connector/cdc", "connector/backfill", "connector/survey", "sources/tailing", "internal/spelling"}},
	{"sinks/...", []string{"connector", "connector/cdc", "connector/inventory"}},

	// The configuration holds the Config of each adapter.
	{"internal/config", []string{"connector", "connector/cdc", "connector/inventory", "connector/mapping", "connector/natslog", "sources/postgres", "sources/mysql", "sinks/stockstore", "sinks/cache", "internal/spelling", "configs"}},
	{"internal/propose", []string{"connector/cdc", "connector/survey"}},
	{"internal/privateserver", nil},
	{"internal/testenv", []string{"internal/privateserver"}},
	{"internal/bench", []string{"internal/privateserver"}},
	{"internal/demo", []string{"connector/inventory", "internal/privateserver", "testdata/erp", "testdata/wms"}},
	{"internal/failpoint", nil},
	{"internal/spelling", nil},
}

// vocabulary is what everybody speaks, so that it knows of nothing else.
var vocabulary = []string{"connector/cdc", "connector/inventory"}

// testOnly packages are imported by tests, by the suites and by each other.
var testOnly = []string{"internal/testenv", "sources/sourcetest", "sinks/sinktest", "internal/endtoend", "internal/architecture"}

// confined says where a third-party library may be used outside tests; the first
// pattern that matches the import counts. A library that is not listed may be used nowhere.
var confined = []struct {
	library string
	pkgs    []string
}{
	{"github.com/jackc/pgx/v5/...", []string{"sources/postgres", "sinks/stockstore", "internal/privateserver", "internal/bench", "internal/demo"}},
	{"github.com/jackc/pglogrepl", []string{"sources/postgres"}},
	{"github.com/go-mysql-org/go-mysql/replication", []string{"sources/mysql", "internal/bench"}},
	{"github.com/go-mysql-org/go-mysql/mysql", []string{"sources/mysql", "internal/bench"}},
	{"github.com/go-mysql-org/go-mysql/client", []string{"sources/mysql"}},
	{"github.com/go-sql-driver/mysql", []string{"sources/mysql", "sinks/stockstore", "internal/privateserver", "internal/bench", "internal/demo"}},
	{"github.com/klauspost/compress/zstd", []string{"sources/mysql"}},
	{"github.com/nats-io/...", []string{"connector/natslog"}},
	{"modernc.org/sqlite/...", []string{"sinks/stockstore"}},
	{"github.com/redis/...", []string{"sinks/cache"}},
	{"github.com/spf13/cobra", []string{"cmd/tailstock/internal/cli"}},
	{"github.com/goccy/go-yaml/...", []string{"internal/config"}},
	{"github.com/expr-lang/expr/...", []string{"connector/mapping"}},
	{"github.com/prometheus/...", []string{anything}},
	{"golang.org/x/sync/...", []string{anything}},
	{"golang.org/x/text/...", []string{"connector/mapping"}},
	// Assertions of the conformance suites.
	{"github.com/google/go-cmp/...", []string{"sources/sourcetest", "sinks/sinktest"}},
	{"pgregory.net/rapid", []string{"sources/sourcetest", "sinks/sinktest"}},
}

// matches reports whether name is what pattern says.
func matches(pattern, name string) bool {
	dir, below := strings.CutSuffix(pattern, "/...")
	return pattern == anything || name == dir || below && strings.HasPrefix(name, dir+"/")
}

func within(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return matches(p, name) })
}

// standard reports whether an import is of the standard library, whose paths have
// no dot in their first element.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}

// verdict returns why a file in dir may not import a path, "" if it may.
func verdict(dir string, test bool, imported string) string {
	switch own, ours := strings.CutPrefix(imported, module+"/"); {
	case ours:
		return verdictOnOurs(dir, test, own)
	case standard(imported):
		if imported == "testing" && !test && !within(testOnly, dir) {
			return "only tests and their suites import testing"
		}
		return ""
	default:
		return verdictOnTheirs(dir, test, imported)
	}
}

func verdictOnOurs(dir string, test bool, own string) string {
	if own == dir { // a test outside its package
		return ""
	}
	// Tests start servers and call suites; what else they import of the tree is
	// judged as their package is.
	if within(testOnly, own) || test && own == "internal/privateserver" {
		if test || within(testOnly, dir) {
			return ""
		}
		return "only tests import " + own
	}
	if within([]string{"internal/endtoend", "internal/architecture"}, dir) {
		return ""
	}
	if own == "internal/failpoint" {
		if within(vocabulary, dir) || dir == "connector/mapping" || dir == "connector/lookup" {
			return "pure packages have no steps to stop at"
		}
		return ""
	}
	for _, g := range graph {
		if matches(g.pkg, dir) {
			if within(g.imports, own) {
				return ""
			}
			return fmt.Sprintf("%s may import of this tree: %s", g.pkg, strings.Join(append([]string{"nothing else"}, g.imports...), ", "))
		}
	}
	return "no rule covers the package " + dir + ": add it to the graph"
}

func verdictOnTheirs(dir string, test bool, imported string) string {
	if within(vocabulary, dir) && !test {
		return "the vocabulary imports the standard library only"
	}
	if test {
		return ""
	}
	for _, c := range confined {
		if matches(c.library, imported) {
			if within(c.pkgs, dir) {
				return ""
			}
			return fmt.Sprintf("%s is confined to %s", c.library, strings.Join(c.pkgs, ", "))
		}
	}
	return "no rule covers the library " + imported + ": the default answer to a dependency is no"
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for i, imported := range s.imports {
			if why := verdict(s.dir, s.test(), imported); why != "" {
				t.Errorf("%s imports %s: %s", s.position(s.syntax.Imports[i]), imported, why)
			}
		}
	}
}

// Every rule of the graph must be about something, lest it lose its object by a
// renaming and hold nothing any more.
func TestGraphNamesPackages(t *testing.T) {
	t.Parallel()
	dirs := make(map[string]bool)
	for _, s := range sources(t) {
		for d := s.dir; d != "."; d = path.Dir(d) {
			dirs[d] = true
		}
	}
	dirs["testdata/erp"], dirs["testdata/wms"] = true, true // hold SQL, and are no packages of the program
	for _, g := range graph {
		for _, name := range append([]string{g.pkg}, g.imports...) {
			if dir := strings.TrimSuffix(name, "/..."); dir != anything && !dirs[dir] {
				t.Errorf("the graph names %s, which does not exist", name)
			}
		}
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		dir      string
		test     bool
		imported string
		allowed  bool
	}{
		{"connector/cdc", false, "strings", true},
		{"connector/cdc", false, "tailstock/connector/inventory", false},
		{"connector/cdc", false, "github.com/prometheus/client_golang/prometheus", false},
		{"connector/cdc", true, "pgregory.net/rapid", true},
		{"connector/cdc", true, "tailstock/connector", false},
		{"connector/cdc", false, "tailstock/internal/failpoint", false},
		{"connector/inventory", false, "tailstock/connector/cdc", true},
		{"connector", false, "tailstock/connector/natslog", false},
		{"connector", false, "tailstock/connector/mapping", true},
		{"connector", false, "github.com/nats-io/nats.go", false},
		{"connector", false, "tailstock/internal/failpoint", true},
		{"connector/natslog", false, "github.com/nats-io/nats.go/jetstream", true},
		{"connector/natslog", false, "tailstock/connector", true},
		{"connector/mapping", false, "github.com/expr-lang/expr/vm", true},
		{"sources/postgres", false, "tailstock/connector", false},
		{"sources/postgres", false, "tailstock/connector/cdc", true},
		{"sources/postgres", true, "tailstock/sources/sourcetest", true},
		{"sources/postgres", false, "tailstock/internal/testenv", false},
		{"sinks/cache", false, "tailstock/connector", true},
		{"sinks/cache", false, "tailstock/sinks/stockstore", false},
		{"sinks/cache", false, "github.com/jackc/pgx/v5", false},
		{"sinks/stockstore", false, "github.com/jackc/pgx/v5/pgxpool", true},
		{"sinks/stockstore", false, "testing", false},
		{"internal/privateserver", false, "testing", false},
		{"cmd/tailstock", false, "tailstock/connector", false},
		{"cmd/tailstock", false, "tailstock/cmd/tailstock/internal/cli", true},
		{"cmd/tailstock/internal/cli", false, "tailstock/sinks/cache", true},
		{"cmd/tailstock/internal/cli", false, "tailstock/internal/testenv", false},
		{"internal/unheard", false, "tailstock/connector", false},
		{"connector", false, "github.com/unheard/of", false},
	} {
		if why := verdict(c.dir, c.test, c.imported); (why == "") != c.allowed {
			t.Errorf("%s (test %t) imports %s: allowed %t, want %t (%s)", c.dir, c.test, c.imported, why == "", c.allowed, why)
		}
	}
}
