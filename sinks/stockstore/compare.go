package stockstore

import (
	"context"
	"fmt"
	"slices"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// comparison holds rows that were read from the source and wait to be compared
// with what the store holds of them. Its memory is in proportion to the batch.
type comparison struct {
	rows []comparedRow
	// index finds the results of a table.
	index map[comparedTable]int
}

type comparedTable struct{ verification, table string }

// comparedRow is a row to compare, and how it stands in the log.
type comparedRow struct {
	rowRef
	feed  *feed
	event *inventory.Event
	at    inventory.Position
	from  *inventory.Commit
}

// gather takes the rows of a commit, to be compared with the feeds that count.
func (w *batchWriter) gather(at inventory.Position, c *inventory.Commit) {
	for i := range c.Events {
		e := &c.Events[i]
		f := w.book.held(e.Table)
		if f == nil || f.Mapping != e.Mapping {
			w.result(c, e).Unchecked++
			continue
		}
		w.compared.rows = append(w.compared.rows, comparedRow{rowRef{f.id, e.Row}, f, e, at, c})
	}
}

// result returns where the row of e counts.
func (w *batchWriter) result(c *inventory.Commit, e *inventory.Event) *connector.Comparison {
	key := comparedTable{c.Compare, e.Table}
	i, ok := w.compared.index[key]
	if !ok {
		if w.compared.index == nil {
			w.compared.index = make(map[comparedTable]int)
		}
		i = len(w.applied.Compared)
		w.compared.index[key] = i
		w.applied.Compared = append(w.applied.Compared, connector.Comparison{Verification: c.Compare, Table: e.Table})
	}
	return &w.applied.Compared[i]
}

// compare compares the rows that wait. Those that differ and are to be repaired
// are taken like those of any other commit.
func (w *batchWriter) compare(ctx context.Context) error {
	if len(w.compared.rows) == 0 {
		return nil
	}
	if err := w.compareRows(ctx, w.compared.rows); err != nil {
		return fmt.Errorf("compare rows: %w", err)
	}
	clear(w.compared.rows)
	w.compared.rows = w.compared.rows[:0]
	return nil
}

// heldRow is what the store has of a row.
type heldRow struct {
	// legs counts its contributions, equal those that the event states just so.
	legs, equal int
	problem     bool
}

func (w *batchWriter) compareRows(ctx context.Context, rows []comparedRow) error {
	held, err := w.readHeld(ctx, rows)
	if err != nil {
		return err
	}
	w.censuses.note(rows, held)
	var described []rowChange
	var describes []*connector.Difference
	for i := range rows {
		r := &rows[i]
		result := w.result(r.from, r.event)
		drift := judge(r.event, held[i])
		switch {
		case drift == "" && r.event.Op == cdc.OpDelete:
			result.Absent++
			continue
		case drift == "":
			result.Equal++
			continue
		}
		count(&result.ComparedRows, drift)
		if len(result.Differences) < connector.MaxDifferences {
			// Never grown: what describes points into it.
			result.Differences = slices.Grow(result.Differences, connector.MaxDifferences-len(result.Differences))
			result.Differences = append(result.Differences, difference(drift, r.event))
			described = append(described, rowChange{rowRef: r.rowRef})
			describes = append(describes, &result.Differences[len(result.Differences)-1])
		}
		if r.from.Repair {
			w.repair(r)
		}
	}
	return w.describe(ctx, described, describes)
}

// readHeld reads what the store has of rows.
func (w *batchWriter) readHeld(ctx context.Context, rows []comparedRow) ([]heldRow, error) {
	held := make([]heldRow, len(rows))
	asked := make([]rowChange, len(rows))
	problems := false
	for i := range rows {
		asked[i].rowRef = rows[i].rowRef
		problems = problems || rows[i].feed.problems
	}
	err := w.tx.contributions(ctx, asked, func(i int, s *storedLeg) error {
		held[i].legs++
		if slices.Contains(rows[i].event.Contributions, s.Contribution) {
			held[i].equal++
		}
		return nil
	})
	if err != nil || !problems {
		return held, err
	}
	err = w.tx.problems(ctx, asked, func(i int, _ inventory.Problem) error {
		held[i].problem = true
		return nil
	})
	return held, err
}

// judge says in what a row differs, empty if in nothing.
func judge(e *inventory.Event, h heldRow) connector.DriftKind {
	unknown := h.legs == 0 && !h.problem
	switch {
	case e.Op == cdc.OpDelete && !unknown:
		return connector.DriftExtra
	case e.Op == cdc.OpDelete, e.Problem != nil && (h.problem || unknown):
		return ""
	case e.Problem != nil:
		return connector.DriftDifferent
	case unknown && len(e.Contributions) > 0:
		return connector.DriftMissing
	case h.problem, h.legs != h.equal, h.legs != len(e.Contributions):
		return connector.DriftDifferent
	}
	return ""
}

func count(r *connector.ComparedRows, drift connector.DriftKind) {
	switch drift {
	case connector.DriftMissing:
		r.Missing++
	case connector.DriftExtra:
		r.Extra++
	default:
		r.Different++
	}
}

func difference(drift connector.DriftKind, e *inventory.Event) connector.Difference {
	return connector.Difference{
		Kind: drift, Table: e.Table, Mapping: e.Mapping, Row: e.Row,
		Source: connector.Stated{Contributions: e.Contributions, Problem: e.Problem},
	}
}

// repair has the event of a row taken as one of its own commit.
func (w *batchWriter) repair(r *comparedRow) {
	if n := len(w.fold.causes); n == 0 || w.fold.causes[n-1].commit != r.from {
		w.fold.begin(r.at, r.from)
	}
	w.fold.events++
	w.fold.add(r.feed.id, r.event)
	r.feed.problems = r.feed.problems || r.event.Problem != nil
}

// describe adds to differences what the store holds of their rows.
func (w *batchWriter) describe(ctx context.Context, rows []rowChange, differences []*connector.Difference) error {
	if len(rows) == 0 {
		return nil
	}
	err := w.tx.contributions(ctx, rows, func(i int, s *storedLeg) error {
		differences[i].Store.Contributions = append(differences[i].Store.Contributions, s.Contribution)
		return nil
	})
	if err != nil {
		return err
	}
	return w.tx.problems(ctx, rows, func(i int, p inventory.Problem) error {
		differences[i].Store.Problem = &p
		return nil
	})
}
