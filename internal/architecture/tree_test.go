package architecture_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is the module's path, which all import paths of the tree begin with.
const module = "tailstock"

// root is the tree's directory, seen from this package.
const root = "../.."

// source is a Go file of the tree.
type source struct {
	// path and dir are relative to the tree, with slashes.
	path, dir string
	text      []byte
	syntax    *ast.File
	fset      *token.FileSet
	imports   []string
}

func (s source) test() bool { return strings.HasSuffix(s.path, "_test.go") }

// position returns where a node stands, for messages.
func (s source) position(n ast.Node) string {
	return s.path + ":" + strconv.Itoa(s.fset.Position(n.Pos()).Line)
}

// tracked lists the files that belong to the tree: tracked, or new and not ignored.
// Files that are deleted but still tracked are left out.
func tracked(t *testing.T) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("list the tree's files: %v", err)
	}
	var files []string
	for name := range strings.SplitSeq(string(bytes.TrimRight(out, "\x00")), "\x00") {
		if _, err := os.Stat(filepath.Join(root, name)); err == nil {
			files = append(files, name)
		}
	}
	if len(files) < 10 {
		t.Fatalf("the tree has only %d files", len(files))
	}
	return files
}

var parsed struct {
	once    sync.Once
	sources []source
}

// sources parses every Go file of the tree.
func sources(t *testing.T) []source {
	t.Helper()
	parsed.once.Do(func() {
		for _, name := range tracked(t) {
			if path.Ext(name) == ".go" && !strings.Contains("/"+name, "/testdata/") {
				parsed.sources = append(parsed.sources, parse(t, name))
			}
		}
	})
	if len(parsed.sources) == 0 {
		t.Fatal("the tree has no Go files, or one does not parse")
	}
	return parsed.sources
}

func parse(t *testing.T, name string) source {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return parseText(t, name, text)
}

func parseText(t *testing.T, name string, text []byte) source {
	t.Helper()
	s := source{path: name, dir: path.Dir(name), text: text, fset: token.NewFileSet()}
	var err error
	if s.syntax, err = parser.ParseFile(s.fset, name, text, parser.ParseComments); err != nil {
		t.Fatal(err)
	}
	for _, spec := range s.syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		s.imports = append(s.imports, imported)
	}
	return s
}
