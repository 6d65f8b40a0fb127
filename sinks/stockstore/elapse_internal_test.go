package stockstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// errCut stands for a crash.
var errCut = errors.New("cut")

// cutDatabase ends a writing transaction at a step, as a crash would: before one of its
// statements, before its commit, or behind it, when nobody is told of it any more.
type cutDatabase struct {
	database
	// left is how many steps happen.
	left int
}

func (d *cutDatabase) step() error {
	if d.left--; d.left < 0 {
		return errCut
	}
	return nil
}

func (d *cutDatabase) write(ctx context.Context, how durability, f func(transaction) error) error {
	err := d.database.write(ctx, how, func(tx transaction) error {
		if err := f(&cutTx{tx, d}); err != nil {
			return err
		}
		return d.step()
	})
	if err != nil {
		return err
	}
	return d.step()
}

// cutTx counts what Elapse does.
type cutTx struct {
	transaction
	d *cutDatabase
}

func (t *cutTx) lockSource(ctx context.Context, source string, ahead *readAhead) (lockedSource, error) {
	if err := t.d.step(); err != nil {
		return lockedSource{}, err
	}
	return t.transaction.lockSource(ctx, source, ahead)
}

func (t *cutTx) query(ctx context.Context, each func(scanFunc) error, sql string, args ...any) error {
	if err := t.d.step(); err != nil {
		return err
	}
	return t.transaction.query(ctx, each, sql, args...)
}

func (t *cutTx) setDue(ctx context.Context, writes []contributionWrite) error {
	if err := t.d.step(); err != nil {
		return err
	}
	return t.transaction.setDue(ctx, writes)
}

func (t *cutTx) addToCells(ctx context.Context, deltas []cellDelta, causes []cause, now int64) error {
	if err := t.d.step(); err != nil {
		return err
	}
	return t.transaction.addToCells(ctx, deltas, causes, now)
}

func (t *cutTx) listCells(ctx context.Context, cells []inventory.Cell, made func(int64)) error {
	if err := t.d.step(); err != nil {
		return err
	}
	return t.transaction.listCells(ctx, cells, made)
}

// TestElapseCutShort cuts an Elapse between any two of its steps, and then lets another
// process do it: every contribution has its effect once, and its cell is listed.
func TestElapseCutShort(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	cfg := Config{Now: func() time.Time { return now }}
	begins := now.Add(time.Minute)
	finished := false
	for steps := 0; !finished; steps++ {
		cfg.SQLite = filepath.Join(t.TempDir(), fmt.Sprintf("stock %d.db", steps))
		s := openTimed(t, cfg, begins)
		later := cfg
		later.Now = func() time.Time { return begins }
		cut, err := Open(t.Context(), later, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		// A store of its own, since that of cut is in use by what runs beside it.
		broken := &Store{
			db: &cutDatabase{database: cut.db, left: steps}, log: cut.log, id: cut.id, metrics: cut.metrics, now: cut.now,
			wake: make(chan struct{}, 1), notify: make(chan struct{}, 1),
		}
		_, err = broken.Elapse(t.Context(), "wms")
		if finished = err == nil; !finished && !errors.Is(err, errCut) {
			t.Fatalf("cut after %d steps: %v", steps, err)
		}
		wantTimed(t, cut, fmt.Sprintf("cut after %d steps", steps))
		for _, open := range []*Store{s, cut} {
			if err := open.Close(); err != nil {
				t.Error(err)
			}
		}
		if steps > 100 {
			t.Fatal("it never ends")
		}
	}
}

// openTimed opens a store in which something begins and something ends at a moment.
func openTimed(t *testing.T, cfg Config, at time.Time) *Store {
	t.Helper()
	s, err := Open(t.Context(), cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	name := inventory.FeedName{Table: "public.bin", Mapping: "9f2c51d07a3b8e64"}
	started, completed := inventory.Position{Run: 1}, inventory.Position{Run: 1, Number: 1}
	rows := inventory.Position{Run: 1, Number: 2}
	event := func(row, sku string, v inventory.Validity) inventory.Event {
		return inventory.Event{Op: cdc.OpInsert, Table: name.Table, Mapping: name.Mapping, Row: cdc.RowKey(row), Contributions: []inventory.Contribution{
			{Leg: "stock", SKU: inventory.SKU(sku), Location: "L", Quantities: inventory.Quantities{5 * inventory.One}, Valid: v},
		}}
	}
	moment := inventory.MomentOf(at)
	_, err = s.Apply(t.Context(), connector.Batch{Source: "wms", LogID: "log", Position: rows, Messages: []connector.LogMessage{
		{Message: inventory.Message{Position: started, LoadStarted: &inventory.LoadStarted{Feeds: []inventory.FeedName{name}, Stores: []string{s.ID()}}}},
		{Message: inventory.Message{Position: completed, LoadCompleted: &inventory.LoadCompleted{Load: started}}},
		{Message: inventory.Message{Position: rows, Commits: []inventory.Commit{{
			Transaction: "1", CommittedAt: cfg.Now(), Last: true, Events: []inventory.Event{
				event("[1]", "BEGINS", inventory.Validity{From: moment}), event("[2]", "ENDS", inventory.Validity{Until: moment}),
			},
		}}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.db.(*sqliteDB).writer.exec(t.Context(), `delete from outbox`); err != nil { // published
		t.Fatal(err)
	}
	return s
}

// wantTimed lets time pass in s and compares it with what it must come to.
func wantTimed(t *testing.T, s *Store, what string) {
	t.Helper()
	for range 3 { // a repeat changes nothing
		e, err := s.Elapse(t.Context(), "wms")
		if err != nil || !e.Next.IsZero() {
			t.Fatalf("%s: %+v, %v; want nothing left to do", what, e, err)
		}
	}
	for sku, want := range map[inventory.SKU]inventory.Quantity{"BEGINS": 5 * inventory.One, "ENDS": 0} {
		levels, err := s.Levels(t.Context(), sku)
		if err != nil || len(levels) != 1 || levels[0].Quantities[inventory.OnHand] != want || levels[0].Gone != (want == 0) {
			t.Errorf("%s: %s has %+v, %v; want %s", what, sku, levels, err, want)
		}
	}
	stats, err := s.Stats(t.Context())
	if err != nil || stats.OutboxCells != 2 {
		t.Errorf("%s: %d cells are listed, %v; want each once", what, stats.OutboxCells, err)
	}
	drifts := 0
	_, err = s.CheckLevels(t.Context(), "wms", false, func(CellDrift) error { drifts++; return nil })
	if err != nil || drifts > 0 {
		t.Errorf("%s: %d cells are not the sum of what counts, %v", what, drifts, err)
	}
}
