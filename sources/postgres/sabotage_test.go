package postgres_test

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/sources/sourcetest"
)

// sabotageVariable names, in the environment of a test process, what its
// sources do wrong.
const sabotageVariable = "TAILSTOCK_TEST_SABOTAGE"

// TestConformanceCatches runs tests of the conformance suite against sources
// that do one thing wrong, each in a process of its own, and expects them to fail.
func TestConformanceCatches(t *testing.T) {
	t.Parallel()
	for sabotage, test := range map[string]string{
		"drop":      "CommitOrder",
		"repeat":    "CommitOrder",
		"reorder":   "CommitOrder",
		"split":     "SeveralTables",
		"backward":  "SeveralTables",
		"null":      "LargeValues",
		"lie":       "Complete",
		"eager":     "ResumeFromPart",
		"late":      "ResumeFromEveryToken",
		"confirm":   "Confirm",
		"curious":   "OnlyWanted",
		"stale":     "Workload",
		"unmarked":  "LoadInvisible",
		"mute":      "LoadIdle",
		"blind":     "Load",
		"hasty":     "Load",
		"short":     "Load",
		"round":     "ChunkValues",
		"keyless":   "ReadKeys",
		"loose":     "ReadReferring",
		"unrelated": "Load",
	} {
		t.Run(sabotage, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestConformance$/^"+test+"$", "-rapid.checks=20", "-rapid.nofailfile")
			cmd.Env = append(os.Environ(), sabotageVariable+"="+sabotage)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestConformance/"+test) {
				t.Errorf("the suite's %s passes a source that does %q wrong: %v\n%s", test, sabotage, err, out)
			}
		})
	}
}

// sabotaged returns s, or a source that does wrong what the environment says.
func sabotaged(s sourcetest.Source, open func(cdc.Wanted) sourcetest.Source, wanted cdc.Wanted) sourcetest.Source {
	kind := os.Getenv(sabotageVariable)
	switch kind {
	case "":
		return s
	case "curious":
		for name, columns := range wanted {
			if name.Name == "stock" && len(columns) == 1 {
				wanted[name] = append(columns, "secret")
			}
		}
		return open(wanted)
	}
	return &saboteur{Source: s, kind: kind}
}

// saboteur does one thing wrong.
type saboteur struct {
	sourcetest.Source
	kind string
	// held are transactions that come later than they should.
	held  []*cdc.Transaction
	count int
	// mark is the first one.
	mark backfill.Mark
}

func (s *saboteur) Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error {
	s.held = nil
	return s.Source.Tail(ctx, from, func(ctx context.Context, t *cdc.Transaction) error {
		if !t.Progress() {
			s.count++
		}
		if s.mark == nil {
			s.mark = s.Source.Mark()
		}
		return s.emit(ctx, t, emit)
	})
}

func (s *saboteur) emit(ctx context.Context, t *cdc.Transaction, emit cdc.EmitFunc) error {
	switch s.kind {
	case "drop":
		if s.count%5 == 4 && !t.Progress() {
			return nil
		}
	case "repeat":
		if s.count%5 == 4 && !t.Progress() {
			if err := emit(ctx, t); err != nil {
				return err
			}
		}
	case "backward":
		for i, j := 0, len(t.Changes)-1; i < j; i, j = i+1, j-1 {
			t.Changes[i], t.Changes[j] = t.Changes[j], t.Changes[i]
		}
	case "null":
		for _, c := range t.Changes {
			for i, v := range c.After {
				if v.IsUnchanged() {
					c.After[i] = cdc.Null
				}
			}
		}
	case "stale":
		if s.count%9 == 8 && len(t.Changes) > 1 && t.Changes[0].Op != cdc.OpTruncate {
			t.Changes = t.Changes[:len(t.Changes)-1]
		}
	case "confirm":
		s.Source.Confirm(t.Resume)
	case "reorder", "eager", "late":
		return s.hold(ctx, t, emit)
	case "split":
		return s.split(ctx, t, emit)
	}
	return emit(ctx, t)
}

// hold keeps transactions back until their successors change them.
func (s *saboteur) hold(ctx context.Context, t *cdc.Transaction, emit cdc.EmitFunc) error {
	if t.Progress() {
		return emit(ctx, t)
	}
	s.held = append(s.held, t)
	// What waits for the table mark must not wait for ever.
	release := len(t.Changes) == 1 && t.Changes[0].Table.Name.Name == "mark"
	switch s.kind {
	case "reorder": // every two commits change places
		if len(s.held) == 2 && !release {
			s.held[0], s.held[1] = s.held[1], s.held[0]
			release = true
		}
	case "eager": // the parts of a commit have the token from after it
		if release = t.Last; release {
			for _, held := range s.held {
				held.Resume = t.Resume
			}
		}
	case "late": // a commit has the token from after its successor
		if len(s.held) == 2 {
			s.held[0].Resume = s.held[1].Resume
			release = true
		}
	}
	if !release {
		return nil
	}
	held := s.held
	s.held = nil
	for _, h := range held {
		if err := emit(ctx, h); err != nil {
			return err
		}
	}
	return nil
}

// Mark forgets, if that is the sabotage, what became invisible since the first mark.
func (s *saboteur) Mark() backfill.Mark {
	if s.kind != "unmarked" {
		return s.Source.Mark()
	}
	return s.mark
}

// Nudge does nothing, if that is the sabotage.
func (s *saboteur) Nudge() {
	if s.kind != "mute" {
		s.Source.Nudge()
	}
}

// Read reads something else than what is there, or tells another moment.
func (s *saboteur) Read(ctx context.Context, mark backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	c, err := s.Source.Read(ctx, mark, r)
	if err != nil {
		return nil, err
	}
	switch s.kind {
	case "blind", "hasty":
		c.View = dishonest{c.View, s.kind}
	case "short":
		if n := len(c.Rows); n == r.Limit {
			c.Rows[n-2] = c.Rows[n-1]
		}
	case "round":
		for _, row := range c.Rows {
			row[1] = cdc.Text(strings.TrimSuffix(row[1].Text(), "0"))
		}
	case "keyless":
		if len(c.Rows) > 0 && r.Keys != nil {
			c.Rows = c.Rows[1:]
		}
	case "loose": // as a collation does that ignores letter case
		if r.Referring != nil && len(c.Rows) > 0 && slices.Contains(r.Referring.Texts(0), "A") {
			c.Rows = append(c.Rows, c.Rows[len(c.Rows)-1])
		}
	case "unrelated":
		if r.Referring != nil && len(c.Rows) > 1 {
			c.Rows = c.Rows[1:]
		}
	}
	return c, nil
}

// dishonest is a view that says it saw everything, or is reached too early.
type dishonest struct {
	backfill.View
	kind string
}

func (d dishonest) Sees(t *cdc.Transaction) bool { return d.kind == "blind" || d.View.Sees(t) }

func (d dishonest) Reached(r cdc.Resume) bool { return d.kind == "hasty" || d.View.Reached(r) }

// split delivers each change as a commit of its own.
func (s *saboteur) split(ctx context.Context, t *cdc.Transaction, emit cdc.EmitFunc) error {
	if t.Progress() {
		return emit(ctx, t)
	}
	for i := range t.Changes {
		one := *t
		one.Changes = t.Changes[i : i+1]
		if err := emit(ctx, &one); err != nil {
			return err
		}
	}
	return nil
}

// Complete lies, if that is the sabotage: it takes every incomplete row for gone.
func (s *saboteur) Complete(ctx context.Context, t *cdc.Transaction, rows []*cdc.NetChange) error {
	if s.kind != "lie" {
		return s.Source.Complete(ctx, t, rows)
	}
	for _, row := range rows {
		row.After = nil
	}
	return nil
}
