package cases_test

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"tailstock/connector/inventory"
)

// script is what happens in a case, and what must be seen.
type script struct {
	path string
	// runs are the servers that the case runs on, each as source to server; the source
	// of a case that has one is "erp".
	runs []map[string]string
	// store is "sqlite" or "postgres".
	store string
	// steps begin with what holds before the first commit, which has no title.
	steps []step
}

// step is one commit.
type step struct {
	line   int
	title  string
	source string
	sql    string
	// start says that a new daemon starts after this commit.
	start bool
	want  expectation
}

// expectation is what must be there after a commit.
type expectation struct {
	levels stock
	// passing are levels that may be seen on the way there.
	passing map[inventory.Cell][]inventory.Quantities
	// problems are "KIND TABLE ROW", in order.
	problems []string
	// silent says that nothing may be published.
	silent bool
	// oracle says that the levels are what the oracle gives.
	oracle bool
}

const (
	theSource       = "erp"
	expectationMark = "--> "
)

var (
	setting = regexp.MustCompile(`^-- (on|store): (.+)$`)
	// mistyped is what looks like a line of ours and is none.
	mistyped = regexp.MustCompile(`^--\s*(commit( in \S+)?:|commit$|start$|on:|store:)`)
	heading  = regexp.MustCompile(`^-- commit(?: in ([a-z][a-z0-9_]*))?: (.+)$`)
)

// readScript reads a script. Errors name the file and the line.
func readScript(path string) (*script, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseScript(path, string(text))
}

func parseScript(path, text string) (*script, error) {
	s := &script{path: path, store: "sqlite", steps: []step{{}}}
	p := scriptParser{script: s}
	for i, line := range strings.Split(text, "\n") {
		if err := p.line(i+1, strings.TrimRight(line, " \t\r")); err != nil {
			return nil, fmt.Errorf("%s:%d: %w", path, i+1, err)
		}
	}
	if err := p.endStep(); err != nil {
		return nil, fmt.Errorf("%s:%d: %w", path, p.now().line, err)
	}
	switch {
	case len(s.runs) == 0:
		return nil, fmt.Errorf("%s:1: no line says where the case runs: -- on: postgres", path)
	case len(s.steps) == 1:
		return nil, fmt.Errorf("%s:1: there is no commit", path)
	}
	return s, nil
}

type scriptParser struct {
	script *script
	// expecting says that the step has expectations, behind which no statement may stand.
	expecting bool
}

func (p *scriptParser) now() *step { return &p.script.steps[len(p.script.steps)-1] }

func (p *scriptParser) line(n int, line string) error {
	if text, ok := strings.CutPrefix(line, expectationMark); ok {
		if p.now().line == 0 && p.now().title == "" {
			p.now().line = n
		}
		p.expecting = true
		return p.expect(text)
	}
	if m := heading.FindStringSubmatch(line); m != nil {
		if err := p.endStep(); err != nil {
			return fmt.Errorf("the commit before, of line %d: %w", p.now().line, err)
		}
		p.expecting = false
		p.script.steps = append(p.script.steps, step{line: n, source: m[1], title: m[2]})
		return nil
	}
	if m := setting.FindStringSubmatch(line); m != nil {
		return p.set(m[1], m[2])
	}
	switch {
	case line == "-- start":
		if !p.expecting || p.now().title == "" {
			return errors.New("a daemon starts behind what is expected after a commit")
		}
		p.now().start = true
		return nil
	case strings.HasPrefix(line, "-->"), mistyped.MatchString(line):
		return fmt.Errorf("%q is not understood", line)
	case line == "" || strings.HasPrefix(line, "--"):
		p.now().sql += line + "\n"
		return nil
	case len(p.script.steps) == 1:
		return errors.New("a statement stands before the first commit; what is there before stands in schema.sql")
	case p.expecting:
		return errors.New("a statement stands behind what is expected; begin another commit: -- commit: TITLE")
	}
	p.now().sql += line + "\n"
	return nil
}

func (p *scriptParser) set(name, value string) error {
	if len(p.script.steps) > 1 {
		return fmt.Errorf("-- %s: stands before the first commit", name)
	}
	if name == "store" {
		if value != "sqlite" && value != "postgres" {
			return fmt.Errorf("no store %q; there are sqlite and postgres", value)
		}
		p.script.store = value
		return nil
	}
	// One source on several servers in turn, or several sources: erp=postgres wms=mariadb.
	several := make(map[string]string)
	for part := range strings.FieldsFuncSeq(value, func(r rune) bool { return r == ' ' || r == ',' }) {
		source, server, named := strings.Cut(part, "=")
		if !named {
			source, server = theSource, part
		}
		if server != serverPostgres && server != serverMariaDB && server != serverMySQL {
			return fmt.Errorf("no server %q; there are %s, %s and %s", server, serverPostgres, serverMariaDB, serverMySQL)
		}
		if named {
			several[source] = server
			continue
		}
		p.script.runs = append(p.script.runs, map[string]string{source: server})
	}
	if len(several) > 0 {
		p.script.runs = append(p.script.runs, several)
	}
	return nil
}

func (p *scriptParser) expect(text string) error {
	w := &p.now().want
	if w.levels == nil {
		w.levels = make(stock)
	}
	switch {
	case text == "nothing":
		return nil
	case text == "as before", text == "silence":
		if len(p.script.steps) == 1 {
			return errors.New("there is no commit before")
		}
		before := p.script.steps[len(p.script.steps)-2].want
		w.levels, w.problems, w.oracle = before.levels, before.problems, before.oracle
		w.silent = text == "silence"
		return nil
	case text == "as the oracle says":
		w.oracle = true
		return nil
	case strings.HasPrefix(text, "problem: "):
		w.problems = append(w.problems, strings.TrimPrefix(text, "problem: "))
		slices.Sort(w.problems)
		return nil
	case strings.HasPrefix(text, "passing "):
		cell, q, err := parseLevel(strings.TrimPrefix(text, "passing "))
		if w.passing == nil {
			w.passing = make(map[inventory.Cell][]inventory.Quantities)
		}
		w.passing[cell] = append(w.passing[cell], q)
		return err
	}
	cell, q, err := parseLevel(text)
	if err != nil {
		return err
	}
	if _, ok := w.levels[cell]; ok {
		return fmt.Errorf("%s stands here twice", cellText(cell))
	}
	if q.IsZero() {
		return fmt.Errorf("%s: levels that are not listed are zero", cellText(cell))
	}
	w.levels[cell] = q
	return nil
}

// endStep checks a step that is complete.
func (p *scriptParser) endStep() error {
	s := p.now()
	if s.title == "" {
		if s.want.levels == nil {
			s.want.levels = make(stock)
		}
		return nil
	}
	if !p.expecting {
		return errors.New("nothing says what is expected; if no level is there: --> nothing")
	}
	if strings.TrimSpace(regexp.MustCompile(`(?m)^--.*$`).ReplaceAllString(s.sql, "")) == "" {
		return errors.New("there is no statement")
	}
	return nil
}
