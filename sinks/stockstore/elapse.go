package stockstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/internal/failpoint"
)

// elapseRows bounds the contributions that one Elapse looks at. What begins or ends at
// one moment changes the levels together, up to so many.
const elapseRows = 10_000

// elapsedTransaction stands for the commit that changed a level, when none did.
const elapsedTransaction = "validity"

// Elapse implements connector.Store. Most calls read an entry of an index for each
// feed, and write nothing.
func (s *Store) Elapse(ctx context.Context, source string) (connector.Elapsed, error) {
	now := inventory.MomentOf(s.now())
	next, err := s.nextDue(ctx, source)
	if err != nil || next.IsZero() || next.Compare(now) > 0 {
		return connector.Elapsed{Next: next}, err
	}
	w, err := s.commitElapsed(ctx, source, now)
	if err != nil && s.isDataError(err) && s.loads.forget(source) {
		// Something else wrote what was taken for new.
		w, err = s.commitElapsed(ctx, source, now)
	}
	if err != nil {
		return connector.Elapsed{}, fmt.Errorf("change what counts of source %s: %w", source, err)
	}
	failpoint.Hit("elapse.committed")
	s.metrics.elapsed(source, w.elapsed)
	s.backlog.noteFresh(source, w.listed)
	if w.elapsed.Cells > 0 {
		s.signal()
	}
	return w.elapsed, nil
}

// nextDue returns the earliest due moment of a source, zero if there is none.
func (s *Store) nextDue(ctx context.Context, source string) (next inventory.Moment, err error) {
	err = s.db.read(ctx, func(r reader) error {
		next, err = readNextDue(ctx, r, source)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read what is due next of source %s: %w", source, err)
	}
	return next, nil
}

func readNextDue(ctx context.Context, r reader, source string) (next inventory.Moment, err error) {
	err = r.query(ctx, func(scan scanFunc) error {
		var due inventory.Moment
		err := scan((*momentColumn)(&due))
		if !due.IsZero() && (next.IsZero() || due.Compare(next) < 0) {
			next = due
		}
		return err
	}, `select (select c.due from contribution c where c.feed = f.id and c.due is not null order by c.due limit 1)
		from feed f where f.source = $1 and f.state <> 'dropped'`, source)
	return next, err
}

// elapseWriter changes what counts.
type elapseWriter struct {
	batchWriter
	elapsed connector.Elapsed
}

func (s *Store) commitElapsed(ctx context.Context, source string, now inventory.Moment) (w *elapseWriter, err error) {
	err = s.db.write(ctx, durable, func(tx transaction) error {
		w = &elapseWriter{batchWriter: batchWriter{tx: tx, now: now}}
		locked, err := tx.lockSource(ctx, source, nil)
		if err != nil {
			return err
		}
		failpoint.Hit("elapse.locked")
		if locked.schema > schemaVersion {
			return &SchemaError{Store: locked.schema, Known: schemaVersion}
		}
		w.book = &feedBook{
			tx: tx, store: s.id, source: source, feeds: locked.feeds,
			memory: s.loads.get(source, locked.logID, locked.position),
		}
		if err := w.elapse(ctx); err != nil {
			return err
		}
		failpoint.Hit("elapse.written")
		return nil
	})
	return w, err
}

// dueLeg is a stored contribution that is due.
type dueLeg struct {
	rowRef
	storedLeg
}

func (w *elapseWriter) elapse(ctx context.Context) error {
	legs, err := w.due(ctx)
	if err != nil {
		return err
	}
	deltas := newDeltas(len(legs))
	var causes []cause
	writes := make([]contributionWrite, len(legs))
	for i := range legs {
		l := &legs[i]
		if i == 0 || l.due != legs[i-1].due {
			causes = append(causes, cause{commit: &inventory.Commit{Transaction: elapsedTransaction, CommittedAt: l.due.Time()}})
		}
		by := int32(len(causes) - 1) //nolint:gosec // at most elapseRows
		counts, due := l.Valid.At(w.now)
		writes[i] = contributionWrite{rowRef: l.rowRef, Contribution: &l.Contribution, due: due}
		var err error
		switch counted := l.counts(); {
		case counts && !counted:
			err = deltas.add(l.feed, &l.Contribution, l.Quantities, 1, by)
		case counted && !counts:
			err = deltas.add(l.feed, &l.Contribution, inventory.Quantities{}.Minus(l.Quantities), -1, by)
		}
		if err != nil {
			return err
		}
	}
	for rest := writes; len(rest) > 0; rest = rest[min(len(rest), sliceRows):] {
		if err := w.tx.setDue(ctx, rest[:min(len(rest), sliceRows)]); err != nil {
			return fmt.Errorf("write what is due next: %w", err)
		}
	}
	if err := w.addCells(ctx, deltas.changed(), causes); err != nil {
		return err
	}
	w.elapsed.Contributions, w.elapsed.Cells = len(legs), w.applied.Cells
	w.elapsed.Next, err = readNextDue(ctx, w.tx, w.book.source)
	return err
}

// due reads the contributions of the source that are due, the earliest first.
func (w *elapseWriter) due(ctx context.Context) ([]dueLeg, error) {
	var legs []dueLeg
	for _, f := range w.book.feeds {
		err := w.tx.query(ctx, func(scan scanFunc) error {
			l := dueLeg{rowRef: rowRef{feed: f.id}}
			q := &l.Quantities
			err := scan((*string)(&l.row), &l.Leg, (*string)(&l.SKU), (*string)(&l.Location),
				(*int64)(&q[0]), (*int64)(&q[1]), (*int64)(&q[2]), (*int64)(&q[3]), (*int64)(&q[4]),
				(*momentColumn)(&l.Valid.From), (*momentColumn)(&l.Valid.Until), (*momentColumn)(&l.storedLeg.due))
			legs = append(legs, l)
			return err
		}, selectDue, f.id, w.now.Milliseconds(), elapseRows)
		if err != nil {
			return nil, fmt.Errorf("read what is due of table %s: %w", f.Table, err)
		}
	}
	// Each feed gave its earliest: so the earliest of all are among them.
	slices.SortStableFunc(legs, func(a, b dueLeg) int {
		if c := a.due.Compare(b.due); c != 0 {
			return c
		}
		return strings.Compare(string(a.SKU), string(b.SKU))
	})
	return legs[:min(len(legs), elapseRows)], nil
}

// selectDue reads up to $3 contributions of feed $1 that are due at $2.
const selectDue = `select row_key, leg, sku, location, on_hand, committed, unavailable, safety_stock, incoming, valid_from, valid_until, due
	from contribution where feed = $1 and due <= $2 order by due limit $3`
