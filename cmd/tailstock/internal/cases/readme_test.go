package cases_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const readme = "../../../../README.md"

// readmeExample is a section of the README's chapter on mappings: a mapping, and
// statements with the levels that they lead to.
type readmeExample struct {
	title     string
	yaml, sql string
	// line is that of the README before the statements.
	line int
}

// readmeExamples reads the sections of the chapter.
func readmeExamples(t *testing.T) []readmeExample {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	var out []readmeExample
	chapter, into := false, (*string)(nil)
	for i, line := range strings.Split(string(text), "\n") {
		switch {
		case strings.HasPrefix(line, "## "):
			chapter = line == "## Map your ERP"
		case !chapter:
		case strings.HasPrefix(line, "### "):
			out = append(out, readmeExample{title: strings.TrimPrefix(line, "### ")})
		case line == "```yaml":
			into = &out[len(out)-1].yaml
		case line == "```sql":
			into, out[len(out)-1].line = &out[len(out)-1].sql, i+1
		case line == "```":
			into = nil
		case into != nil:
			*into += line + "\n"
		}
	}
	return out
}

// Each example of the README is a case: what stands before its first commit is the
// schema.
func TestReadmeExamples(t *testing.T) {
	t.Parallel()
	examples := readmeExamples(t)
	if len(examples) != 4 {
		t.Errorf("%d examples in the README, want one of each shape: absolute, bins, ledger, reservations", len(examples))
	}
	for _, e := range examples {
		name, _, _ := strings.Cut(e.title, ":")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			schema, script, ok := strings.Cut(e.sql, "\n-- commit")
			if !ok || e.yaml == "" {
				t.Fatalf("example %q has no mapping or no commit", e.title)
			}
			dir := t.TempDir()
			for file, text := range map[string]string{"schema.sql": schema, "tailstock.yaml": e.yaml} {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			// So many empty lines that errors name the lines of the README.
			before := strings.Repeat("\n", e.line+strings.Count(schema, "\n"))
			s, err := parseScript(readme, fmt.Sprintf("-- on: %s%s\n-- commit%s", serverPostgres, before, script))
			if err != nil {
				t.Fatal(err)
			}
			runCase(t, s, s.runs[0], dir)
		})
	}
}
