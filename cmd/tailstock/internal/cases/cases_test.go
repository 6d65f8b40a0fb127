package cases_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
)

const casesDir = "../../../../testdata/cases"

// TestCases runs every case on every server that it names.
func TestCases(t *testing.T) {
	t.Parallel()
	dirs, err := filepath.Glob(filepath.Join(casesDir, "*", "script*.sql"))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, path := range dirs {
		s, err := readScript(path)
		if err != nil {
			t.Error(err)
			continue
		}
		for i, servers := range s.runs {
			t.Run(filepath.Base(filepath.Dir(path))+"/"+serversText(servers), func(t *testing.T) {
				t.Parallel()
				if i > 0 && testing.Short() {
					t.Skipf("short: the case runs on %s alone", serversText(s.runs[0]))
				}
				runCase(t, s, servers, filepath.Dir(path))
			})
		}
	}
}

func serversText(servers map[string]string) string {
	var out []string
	for _, server := range servers {
		out = append(out, server)
	}
	slices.Sort(out)
	return strings.Join(out, "+")
}

// moment bounds the wait for an oracle whose answer changes with the time.
const moment = 5 * time.Second

// play is a case that is being run.
type play struct {
	script  *script
	sources []*source
	daemons []*daemon
	// marks are those that the sources' markers were given last.
	marks map[string]int
}

// runCase runs a case whose files are in dir: daemons that are started before the
// first commit, in the middle and after the last must say the same.
func runCase(t *testing.T, s *script, servers map[string]string, dir string) {
	t.Helper()
	p := &play{script: s, marks: make(map[string]int)}
	for name, server := range servers {
		at := dir
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			at = filepath.Join(dir, name)
		}
		p.sources = append(p.sources, newSource(t, name, server, at))
		p.marks[name] = 0
	}
	p.start(t, 0)
	p.compare(t, 0)
	for i := 1; i < len(s.steps); i++ {
		p.commit(t, i)
		p.compare(t, i)
		if i == (len(s.steps)-1)/2 || i == len(s.steps)-1 || s.steps[i].start {
			p.start(t, i)
			p.compare(t, i)
		}
	}
	// What anybody still does after the last commit must not be seen either.
	for _, src := range p.sources {
		p.mark(t, src)
	}
	p.compare(t, len(s.steps)-1)
}

// where is the place of a step in the script.
func (p *play) where(step int) string {
	s := &p.script.steps[step]
	if s.title == "" {
		return fmt.Sprintf("%s:%d: before the first commit", p.script.path, max(1, s.line))
	}
	return fmt.Sprintf("%s:%d: commit %q", p.script.path, s.line, s.title)
}

func (p *play) start(t *testing.T, step int) {
	t.Helper()
	name := "the one from the start"
	if step > 0 {
		name = fmt.Sprintf("the one started after %q", p.script.steps[step].title)
	}
	d := startDaemon(t, name, p.script.store, p.sources)
	p.daemons = append(p.daemons, d)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log of the daemon, %s:\n%s", name, d.log)
		}
	})
}

// commit runs the transaction of a step, and marks it.
func (p *play) commit(t *testing.T, step int) {
	t.Helper()
	s := &p.script.steps[step]
	at := 0
	if s.source != "" {
		at = slices.IndexFunc(p.sources, func(src *source) bool { return src.name == s.source })
		if at < 0 {
			t.Fatalf("%s: there is no source %q", p.where(step), s.source)
		}
	} else if len(p.sources) > 1 {
		t.Fatalf("%s: which source: -- commit in SOURCE: TITLE", p.where(step))
	}
	src := p.sources[at]
	if err := src.run(t.Context(), s.sql); err != nil {
		t.Fatalf("%s%v", p.script.path, located(err, s.sql, s.line+1))
	}
	p.mark(t, src)
}

func (p *play) mark(t *testing.T, src *source) {
	t.Helper()
	p.marks[src.name]++
	if err := src.mark(t.Context(), p.marks[src.name]); err != nil {
		t.Fatal(err)
	}
}

// compare waits until every daemon has applied the commit of a step, and says what
// is expected; then it judges what was published on the way.
func (p *play) compare(t *testing.T, step int) {
	t.Helper()
	want := p.script.steps[step].want
	var err error
	testenv.Eventually(t, moment, func() bool {
		err = p.consult(t.Context(), &want)
		return err == nil
	}, func() string { return fmt.Sprintf("%s: %v", p.where(step), err) })
	for _, d := range p.daemons {
		p.await(t, d, step, &want)
		for _, complaint := range judge(d.levels.next(), d.before, &want) {
			t.Errorf("%s, %s: %s", p.where(step), d.name, complaint)
		}
		d.before = &want
	}
}

// await waits until a daemon has applied all commits and says what is wanted.
func (p *play) await(t *testing.T, d *daemon, step int, want *expectation) {
	t.Helper()
	var diff string
	testenv.Eventually(t, patience, func() bool {
		var err error
		diff, err = d.differs(t.Context(), want, p.marks)
		if err != nil {
			t.Fatalf("%s, %s: %v", p.where(step), d.name, err)
		}
		return diff == ""
	}, func() string { return fmt.Sprintf("%s, %s: %s", p.where(step), d.name, diff) })
}

// consult asks the oracles of the sources, if there are some, and holds them to what
// the script expects.
func (p *play) consult(ctx context.Context, want *expectation) error {
	said, asked := make(stock), 0
	for _, src := range p.sources {
		if src.oracle == "" {
			continue
		}
		asked++
		if err := src.ask(ctx, said); err != nil {
			return fmt.Errorf("oracle of %s: %w", src.name, err)
		}
	}
	switch {
	case want.oracle && asked == 0:
		return errors.New("there is no oracle.sql")
	case want.oracle:
		want.levels = said
	case asked > 0 && said.String() != want.levels.String():
		return fmt.Errorf("the oracle says\n%sthe script expects\n%s", said, want.levels)
	}
	return nil
}

// differs says what is not yet as expected, nothing if all is.
func (d *daemon) differs(ctx context.Context, want *expectation, marks map[string]int) (string, error) {
	reached, err := d.levels.reached(marks)
	if err != nil {
		return "", err
	}
	if !reached {
		return fmt.Sprintf("the commit is not published yet; published is\n%s", d.levels.published()), nil
	}
	stored, err := d.stored(ctx)
	if err != nil {
		return "", err
	}
	if got := stored.String(); got != want.levels.String() {
		return fmt.Sprintf("the store says\n%swanted is\n%s", got, want.levels), nil
	}
	if got := d.levels.published().String(); got != want.levels.String() {
		return fmt.Sprintf("published is\n%swanted is\n%s", got, want.levels), nil
	}
	problems, err := d.problems(ctx)
	if err != nil {
		return "", err
	}
	if got := strings.Join(problems, "\n"); got != strings.Join(want.problems, "\n") {
		return fmt.Sprintf("problems are\n%s\nwanted are\n%s", got, strings.Join(want.problems, "\n")), nil
	}
	return "", nil
}

// judge returns what was published between two commits and must not have been. A
// level goes from what it was, if anything, over those that may be seen in passing,
// to what it becomes.
func judge(published []inventory.LevelMessage, before, after *expectation) []string {
	last := make(stock)
	if before != nil {
		maps.Copy(last, before.levels)
	}
	var complaints []string
	for i := range published {
		l := &published[i]
		was, is := last[l.Cell], after.levels[l.Cell]
		wrong := l.Quantities != is && (before == nil || l.Quantities != was) && !slices.Contains(after.passing[l.Cell], l.Quantities)
		// A walk, which has no commit as its cause, publishes what is as it was.
		if wrong || after.silent && before != nil && l.Source != "" {
			complaints = append(complaints, fmt.Sprintf("%s: published was %s, between %s and %s",
				cellText(l.Cell), quantitiesText(l.Quantities), quantitiesText(was), quantitiesText(is)))
		}
		last[l.Cell] = l.Quantities
	}
	return complaints
}
