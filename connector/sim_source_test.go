package connector_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// memSource is a database with one mapped table: bin (id, sku, location, qty).
// Its log is kept for ever, but what was confirmed may be asked for no more.
type memSource struct {
	t     *testing.T
	chaos *chaos
	table *cdc.Table
	other *cdc.Table // captured by the source, and named by no mapping

	mu        sync.Mutex
	rows      map[int]simRow
	good      map[int]simRow // what counts of each row: the last image that could be mapped
	log       []memCommit    // log[i] ends at i+1
	confirmed int            // log up to here may be gone
	changed   chan struct{}
	nudged    bool
	odd       *cdc.Table         // what chunks say of their table, if not nil
	gate      chan struct{}      // what a chunk waits for, if not nil
	waiting   int                // chunks that have come to it
	begun     int                // chunks that began to be read
	slow      time.Duration      // how long that takes, on top
	held      bool               // commits are not emitted
	reads     []backfill.Request // in the order in which they were answered
	// worst returns the place from which a restart would have to read if
	// everything were lost now that may be lost. Nil if nothing is checked.
	worst func() int
}

type memCommit struct {
	cdc.Transaction
	partRows int
	progress bool // emitted as mere progress
}

type simRow struct {
	sku, location string
	qty           int
	bad           bool // its SKU is NULL
}

// Rows of ids from oddRows on may be bad; those from bulkRows on come in bulk.
const (
	plainRows = 8
	oddRows   = 100
	bulkRows  = 1_000
)

func newMemSource(t *testing.T, c *chaos) *memSource {
	return &memSource{
		t: t, chaos: c, rows: make(map[int]simRow), good: make(map[int]simRow), changed: make(chan struct{}),
		table: binTable(),
		other: &cdc.Table{
			Name:    cdc.TableName{Schema: "public", Name: "other"},
			Columns: []cdc.Column{{Name: "id", Type: cdc.TypeInteger}}, Key: []int{0},
		},
	}
}

func binTable() *cdc.Table {
	return &cdc.Table{
		Name: cdc.TableName{Schema: "public", Name: "bin"},
		Columns: []cdc.Column{
			{Name: "id", Type: cdc.TypeInteger},
			{Name: "sku", Type: cdc.TypeText},
			{Name: "location", Type: cdc.TypeText},
			{Name: "qty", Type: cdc.TypeInteger},
		},
		Key: []int{0},
	}
}

// binMapping maps rows whose quantity is not negative.
func binMapping(tb testing.TB) *mapping.Mapping {
	tb.Helper()
	r := mapping.Rule{
		When: mapping.Value{Text: "qty >= 0"}, SKU: mapping.Value{Text: "sku"}, Location: mapping.Value{Text: "location"},
	}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty"}
	m, err := mapping.Compile(binTable().Name, mapping.Spec{Contributes: []mapping.Rule{r}})
	if err != nil {
		tb.Fatal(err)
	}
	return m
}

func (r simRow) image(id int) cdc.Row {
	sku := cdc.Text(r.sku)
	if r.bad {
		sku = cdc.Null
	}
	return cdc.Row{cdc.Text(strconv.Itoa(id)), sku, cdc.Text(r.location), cdc.Text(strconv.Itoa(r.qty))}
}

func keyImage(id int) cdc.Row {
	return cdc.Row{cdc.Text(strconv.Itoa(id)), cdc.Unchanged, cdc.Unchanged, cdc.Unchanged}
}

func randomRow(rng *rand.Rand) simRow {
	return simRow{
		sku: "P" + strconv.Itoa(rng.IntN(4)), location: "L" + strconv.Itoa(rng.IntN(2)), qty: rng.IntN(20) - 5,
	}
}

// commit runs one random transaction.
func (s *memSource) commit(rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.log) + 1
	c := memCommit{
		Transaction: cdc.Transaction{ID: strconv.Itoa(n), At: strconv.Itoa(n), CommittedAt: time.Now()},
		partRows:    []int{1, 4, 1_500, 1 << 30}[rng.IntN(4)],
	}
	switch rng.IntN(20) {
	case 0: // nothing of ours
		c.progress = true
	case 1:
		c.Changes = []cdc.Change{{Op: cdc.OpInsert, Table: s.other, After: cdc.Row{cdc.Text("1")}}}
	case 2:
		c.Changes = s.oddChange(rng)
	case 3:
		if rng.IntN(3) == 0 {
			c.Changes = s.bulk(rng)
		}
		c.partRows = max(c.partRows, 1_000)
	}
	if !c.progress {
		for range 1 + rng.IntN(6) {
			c.Changes = append(c.Changes, s.change(rng)...)
		}
	}
	s.log = append(s.log, c)
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *memSource) change(rng *rand.Rand) []cdc.Change {
	id, fresh := rng.IntN(plainRows), randomRow(rng)
	old, exists := s.rows[id]
	switch {
	case rng.IntN(60) == 0:
		clear(s.rows)
		clear(s.good)
		return []cdc.Change{{Op: cdc.OpTruncate, Table: s.table}}
	case !exists:
		s.put(id, fresh)
		return []cdc.Change{{Op: cdc.OpInsert, Table: s.table, After: fresh.image(id)}}
	case rng.IntN(4) == 0:
		s.remove(id)
		return []cdc.Change{{Op: cdc.OpDelete, Table: s.table, Before: keyImage(id)}}
	case rng.IntN(4) == 0:
		return s.rekey(id, rng.IntN(plainRows), old, rng)
	case rng.IntN(3) == 0: // the texts stay as they are, and are not sent
		old.qty = fresh.qty
		s.put(id, old)
		after := old.image(id)
		after[1], after[2] = cdc.Unchanged, cdc.Unchanged
		return []cdc.Change{{Op: cdc.OpUpdate, Table: s.table, After: after}}
	default:
		s.put(id, fresh)
		return []cdc.Change{{Op: cdc.OpUpdate, Table: s.table, After: fresh.image(id)}}
	}
}

// rekey gives a row another key.
func (s *memSource) rekey(id, to int, old simRow, rng *rand.Rand) []cdc.Change {
	if _, taken := s.rows[to]; taken {
		return nil
	}
	s.remove(id)
	s.put(to, old)
	after := old.image(to)
	if rng.IntN(2) == 0 {
		after[1] = cdc.Unchanged
	}
	return []cdc.Change{{Op: cdc.OpUpdate, Table: s.table, Before: keyImage(id), After: after}}
}

// oddChange writes a row that may be beyond mapping. It comes once in a commit
// and whole, so that what was good last does not depend on how commits are cut.
func (s *memSource) oddChange(rng *rand.Rand) []cdc.Change {
	id, row := oddRows+rng.IntN(3), randomRow(rng)
	row.bad, row.qty = rng.IntN(2) == 0, rng.IntN(20)
	op := cdc.OpInsert
	if _, exists := s.rows[id]; exists {
		op = cdc.OpUpdate
	}
	s.put(id, row)
	return []cdc.Change{{Op: op, Table: s.table, After: row.image(id)}}
}

// bulk writes more rows than a message holds.
func (s *memSource) bulk(rng *rand.Rand) []cdc.Change {
	var out []cdc.Change
	for i := range 2_000 + rng.IntN(3_000) {
		id, row := bulkRows+i, randomRow(rng)
		op := cdc.OpInsert
		if _, exists := s.rows[id]; exists {
			op = cdc.OpUpdate
		}
		s.put(id, row)
		out = append(out, cdc.Change{Op: op, Table: s.table, After: row.image(id)})
	}
	return out
}

func (s *memSource) put(id int, r simRow) {
	s.rows[id] = r
	if !r.bad {
		s.good[id] = r
	}
}

func (s *memSource) remove(id int) {
	delete(s.rows, id)
	delete(s.good, id)
}

func resumeAt(n int) cdc.Resume { return cdc.Resume("at " + strconv.Itoa(n)) }

func placeOf(r cdc.Resume) int {
	if r == "" {
		return 0
	}
	n, err := strconv.Atoi(string(r[len("at "):]))
	if err != nil {
		panic(err)
	}
	return n
}

func (s *memSource) Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error {
	place := placeOf(from)
	if from == "" {
		if err := emit(ctx, &cdc.Transaction{Resume: resumeAt(0)}); err != nil {
			return err
		}
	}
	s.mu.Lock()
	confirmed := s.confirmed
	s.mu.Unlock()
	if place < confirmed {
		return &cdc.GapError{Reason: cdc.GapSlotAdvanced, Detail: fmt.Sprintf("confirmed %d, asked for %d", confirmed, place)}
	}
	for {
		s.mu.Lock()
		var c *memCommit
		if place < len(s.log) && !s.held {
			copied := s.log[place]
			c = &copied
		}
		changed := s.changed
		s.mu.Unlock()
		if s.chaos.strike() {
			return errInjected
		}
		if c == nil && s.takeNudge() {
			if err := emit(ctx, &cdc.Transaction{Resume: resumeAt(place)}); err != nil {
				return err
			}
			continue
		}
		if c == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := s.emit(ctx, c, place, emit); err != nil {
			return err
		}
		place++
	}
}

// emit emits c in parts of partRows changes, as a large transaction comes.
func (s *memSource) emit(ctx context.Context, c *memCommit, place int, emit cdc.EmitFunc) error {
	if c.progress {
		return emit(ctx, &cdc.Transaction{Resume: resumeAt(place + 1)})
	}
	rest := c.Changes
	for part := 0; ; part++ {
		n := min(len(rest), c.partRows)
		p := c.Transaction
		p.Part, p.Last, p.Changes, p.Resume = part, n == len(rest), copyChanges(rest[:n]), resumeAt(place)
		if p.Last {
			p.Resume = resumeAt(place + 1)
		}
		if err := emit(ctx, &p); err != nil {
			return err
		}
		if s.chaos.strike() {
			return errInjected
		}
		if rest = rest[n:]; p.Last {
			return nil
		}
	}
}

// copyChanges copies changes, whose rows the callee may write to.
func copyChanges(in []cdc.Change) []cdc.Change {
	out := slices.Clone(in)
	for i := range out {
		out[i].Before = slices.Clone(out[i].Before)
		out[i].After = slices.Clone(out[i].After)
	}
	return out
}

// Confirm checks the promise that nothing is confirmed before it is durable: a
// restart after the worst loss must not need what may be gone now.
func (s *memSource) Confirm(r cdc.Resume) {
	if s.worst != nil {
		if place := s.worst(); place < placeOf(r) {
			s.t.Errorf("confirmed %d, and a power cut now would leave a log that ends at %d", placeOf(r), place)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = max(s.confirmed, placeOf(r))
}

func (s *memSource) Complete(_ context.Context, _ *cdc.Transaction, rows []*cdc.NetChange) error {
	if s.chaos.strike() {
		return errInjected
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range rows {
		id, err := strconv.Atoi(c.After[0].Text())
		if err != nil {
			return err
		}
		now, exists := s.rows[id]
		if !exists {
			c.After = nil
			continue
		}
		for i, v := range now.image(id) {
			if c.After[i].IsUnchanged() {
				c.After[i] = v
			}
		}
	}
	return nil
}

// want is the mapping applied to the rows: the oracle.
func (s *memSource) want() map[inventory.Cell]inventory.Quantity {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[inventory.Cell]inventory.Quantity)
	for _, r := range s.good {
		if r.qty > 0 { // negative ones are not mapped, zeros count nothing
			cell := inventory.Cell{SKU: inventory.SKU(r.sku), Location: inventory.LocationID(r.location)}
			out[cell] += inventory.Quantity(r.qty) * inventory.One
		}
	}
	return out
}
