package backfill_test

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// This file checks the merge exhaustively: every interleaving of what a source,
// its adapter, the stream and the backfill do, for every sequence of three
// transactions on two rows. The source and the adapter are models; which rows of a
// chunk are placed is decided by Recorder and Window themselves.
//
// The source behaves as PostgreSQL does. A commit is logged, and may be streamed,
// before others see it. A transaction that touches a row, or empties the table,
// waits until whoever did so before is visible. Reading a chunk takes a lock that
// waits for a TRUNCATE to be visible and holds off the next. A row image may lack
// a column, which is then read from the source once the transaction is visible.

// state is where everything stands. It is a map key.
type state struct {
	logged  uint8 // how many transactions were committed to the source's log
	visible uint8 // which of them others see
	emitted uint8 // how many were delivered and are in our log
	// invisible is what the adapter holds for delivered and perhaps invisible.
	invisible uint8

	open   bool
	opened uint8 // how many had been delivered when the window opened
	mark   uint8
	read   bool
	view   uint8 // which transactions the chunk sees

	store table
	// ahead has the rows that were completed from a later moment of the source
	// than their place in the log; the log has what came in between still to tell.
	ahead  uint8
	placed bool // from here on the store must be right
}

// variant is the algorithm, or one that lacks something.
type variant struct {
	name      string
	keys      bool // chunks by keys, into a store that is wrong at first
	mayHold   bool // not a mistake after all
	noRetry   bool // a chunk need not see what was marked
	onlyInXip bool // it need not see what its snapshot does not list as running
	confirm   bool // confirmed, and so forgotten by a restart, before it is visible
	early     bool // placed before the stream reached the view
	markLate  bool // the transaction being emitted is not marked
	openLate  bool // the window opens, after the mark, when the chunk has been read
	sees      func(view backfill.View) backfill.View
	record    func(changes []cdc.NetChange) []cdc.NetChange
}

// prefix returns the set of the first n transactions.
func prefix(n uint8) uint8 { return 1<<n - 1 }

// checker explores one scenario.
type checker struct {
	*scenario
	variant
	seen    map[state]bool
	stack   []state
	merged  map[[3]uint8][]backfill.Placed
	wrong   int
	example string
	done    bool // the end was reached: everything delivered, and a chunk placed
}

func (c *checker) run() {
	begin := state{}
	if c.keys {
		begin.store = table{unknown, unknown}
	}
	c.push(begin)
	for len(c.stack) > 0 {
		s := c.stack[len(c.stack)-1]
		c.stack = c.stack[:len(c.stack)-1]
		if !c.right(&s) {
			continue
		}
		c.step(s)
	}
}

func (c *checker) push(s state) {
	// What is visible stays so: the adapter forgets it, and no mark waits for it.
	s.invisible &^= s.visible
	s.mark &^= s.visible
	if !c.seen[s] {
		c.seen[s] = true
		c.stack = append(c.stack, s)
	}
}

// right compares the store with the source's table at the same place of the log.
func (c *checker) right(s *state) bool {
	if !s.placed {
		return true
	}
	want := c.after[prefix(s.emitted)]
	for r := range want {
		if s.store[r] != want[r] && (s.ahead&(1<<r) == 0 || s.emitted == modelTxs) {
			c.wrong++
			if c.example == "" {
				c.example = fmt.Sprintf("%s: %s: row %s is %v, want %v: %+v", c.name, c.scenario, name(r), s.store[r], want[r], *s)
			}
			return false
		}
	}
	c.done = c.done || s.emitted == modelTxs
	return true
}

// step pushes what may happen next.
func (c *checker) step(s state) {
	if i := s.logged; i < modelTxs && c.conflicts[i]&^s.visible == 0 {
		next := s
		next.logged++
		c.push(next)
	}
	for i := range s.logged {
		if s.visible&(1<<i) == 0 {
			next := s
			next.visible |= 1 << i
			c.push(next)
		}
	}
	if i := s.emitted; i < s.logged && (c.partial&^s.visible)&(1<<i) == 0 {
		c.push(c.emit(s))
	}
	if !s.open {
		next := s
		next.open, next.opened, next.mark = true, s.emitted, s.invisible
		if c.markLate && s.emitted > 0 {
			next.mark &^= 1 << (s.emitted - 1)
		}
		c.push(next)
	}
	if s.open && !s.read && c.readable(&s) {
		next := s
		next.read, next.view = true, s.visible
		if c.openLate {
			next.opened = s.emitted
		}
		c.push(next)
	}
	if s.read && (c.early || view{seen: s.view}.Reached(resumeAt(int(s.emitted)))) {
		c.push(c.place(s))
	}
	c.crash(s)
}

// readable says whether a chunk may be read now: nobody holds the table, and what
// was marked is visible.
func (c *checker) readable(s *state) bool {
	locked := c.truncates & prefix(s.logged) &^ s.visible
	wait := s.mark
	switch {
	case c.noRetry:
		wait = 0
	case c.onlyInXip:
		// A snapshot lists who is running only below the newest that has ended.
		wait &= prefix(uint8(bits.Len8(s.visible)))
	}
	return locked == 0 && wait == 0
}

func (c *checker) emit(s state) state {
	i := s.emitted
	s.emitted++
	s.invisible |= 1 << i
	now := c.after[s.visible]
	for _, n := range c.nets[i] {
		if n.Op == cdc.OpTruncate {
			s.store, s.ahead = table{}, 0
			continue
		}
		r := keyIndex(n.Key)
		s.store[r] = image{}
		if n.Op != cdc.OpDelete {
			s.store[r] = image{}
			switch {
			case n.After.Complete():
				s.store[r] = imageOf(n.After)
			case now[r].there:
				s.store[r] = imageOf(n.After)
				s.store[r].big = now[r].big
			}
		}
		s.ahead &^= 1 << r
		if c.partial&(1<<i) != 0 && s.store[r] != c.after[prefix(s.emitted)][r] {
			s.ahead |= 1 << r
		}
	}
	return s
}

func (c *checker) place(s state) state {
	for _, p := range c.merge(&s) {
		r := keyIndex(p.Key)
		s.store[r] = image{}
		if p.Row != nil {
			s.store[r] = imageOf(p.Row)
		}
		s.ahead &^= 1 << r
	}
	s.open, s.read, s.placed = false, false, true
	s.opened, s.view, s.mark = 0, 0, 0
	return s
}

// merge asks the code under test. What it is given depends on the key alone.
func (c *checker) merge(s *state) []backfill.Placed {
	at := [3]uint8{s.opened, s.emitted, s.view}
	if placed, ok := c.merged[at]; ok {
		return placed
	}
	recorder := backfill.NewRecorder(100)
	w := recorder.Open(modelTable.Name)
	for i := s.opened; i < s.emitted; i++ {
		changes := c.nets[i]
		if c.record != nil {
			changes = c.record(changes)
		}
		recorder.Record(c.txs[i], changes)
	}
	chunk := &backfill.Chunk{Table: modelTable, View: view{seen: s.view}}
	if c.sees != nil {
		chunk.View = c.sees(chunk.View)
	}
	for r, i := range c.after[s.view] {
		if i.there {
			chunk.Rows = append(chunk.Rows, rowOf(r, i))
		}
	}
	request := &backfill.Request{Table: modelTable.Name, Limit: modelRows + 1}
	if c.keys {
		request.Keys = []backfill.Key{{"a"}, {"b"}}
	}
	placed, err := w.Merge(request, chunk)
	if err != nil {
		panic(err)
	}
	c.merged[at] = placed
	return placed
}

// crash loses the window and the chunk. The source streams again from any place
// that may have been confirmed: the adapter takes what it skips for perhaps
// invisible, and emits what comes after our log's tail.
func (c *checker) crash(s state) {
	s.open, s.read, s.opened, s.view, s.mark = false, false, 0, 0, 0
	for confirmed := range s.emitted + 1 {
		if c.confirm || prefix(confirmed)&^s.visible == 0 {
			s.invisible = prefix(s.emitted) &^ prefix(confirmed)
			c.push(s)
		}
	}
}

func keyIndex(k cdc.RowKey) int { return int(k[2] - 'a') }

// view sees a set of transactions, by number.
type view struct{ seen uint8 }

func (v view) Sees(t *cdc.Transaction) bool {
	if t.Changes != nil {
		panic("a transaction was kept with its changes")
	}
	i, err := strconv.Atoi(t.ID)
	return err == nil && v.seen&(1<<i) != 0
}

func (v view) Reached(r cdc.Resume) bool { return v.seen&^prefix(uint8(placeOf(r))) == 0 }

// resumeAt is the token of a source that has delivered n transactions.
func resumeAt(n int) cdc.Resume { return cdc.Resume(strconv.Itoa(n)) }

func placeOf(r cdc.Resume) int {
	n, err := strconv.Atoi(string(r))
	if err != nil {
		panic(err)
	}
	return n
}

// answer is a view that answers every question about a transaction alike.
type answer struct {
	backfill.View
	sees bool
}

func (a answer) Sees(*cdc.Transaction) bool { return a.sees }

// without returns what record does in a variant that overlooks some changes.
func without(overlooked func(c *cdc.NetChange) bool) func([]cdc.NetChange) []cdc.NetChange {
	return func(changes []cdc.NetChange) []cdc.NetChange {
		return slices.DeleteFunc(slices.Clone(changes), func(c cdc.NetChange) bool { return overlooked(&c) })
	}
}

func variants() []variant {
	return []variant{
		{name: "by range", mayHold: true},
		{name: "by keys", mayHold: true, keys: true},
		// Whatever the stream says after the window opened is complete and exact at its place.
		{name: "drop every touched row", mayHold: true, sees: func(v backfill.View) backfill.View { return answer{v, false} }},
		{name: "drop no touched row", sees: func(v backfill.View) backfill.View { return answer{v, true} }},
		{name: "no wait for marked transactions", noRetry: true},
		{name: "wait only for those that the snapshot lists", onlyInXip: true},
		{name: "confirmed without visibility", confirm: true},
		{name: "placed before reached", early: true},
		{name: "transaction being emitted not marked", markLate: true},
		{name: "window opened after the read", openLate: true},
		{name: "truncates overlooked", record: without(func(c *cdc.NetChange) bool { return c.Op == cdc.OpTruncate })},
		{name: "deletes and left keys overlooked", record: without(func(c *cdc.NetChange) bool { return c.Op == cdc.OpDelete })},
		{name: "created rows overlooked, by keys", keys: true, record: without(func(c *cdc.NetChange) bool { return c.Created })},
	}
}

func TestMergeInEveryOrder(t *testing.T) {
	t.Parallel()
	scenarios := allScenarios()
	for _, v := range variants() {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			states := 0
			seen := make(map[state]bool)
			for i, s := range scenarios {
				clear(seen)
				c := checker{scenario: s, variant: v, seen: seen, merged: make(map[[3]uint8][]backfill.Placed)}
				c.run()
				states += len(c.seen)
				switch {
				case v.mayHold && c.wrong > 0:
					t.Fatalf("%d wrong states, one: %s", c.wrong, c.example)
				case c.wrong > 0:
					t.Logf("caught in commit order %d, after %d states: %s", i+1, states, c.example)
					return
				case v.mayHold && !c.done:
					t.Fatalf("%s: never comes to rest", s)
				}
			}
			t.Logf("%d commit orders, %d states, none wrong", len(scenarios), states)
			if !v.mayHold {
				t.Error("the model cannot tell this mistake from the algorithm")
			}
		})
	}
}

// allScenarios returns every commit order, one of each pair that only has the
// names of the rows exchanged.
func allScenarios() []*scenario {
	old := image{there: true}
	var out []*scenario
	for _, first := range []table{{}, {old, {}}, {old, old}} {
		for i := range shapes {
			for j := range shapes {
				for k := range shapes {
					which := [modelTxs]int{i, j, k}
					exchanged := [modelTxs]int{mirrored[i], mirrored[j], mirrored[k]}
					if first[0] == first[1] && slices.Compare(exchanged[:], which[:]) < 0 {
						continue
					}
					if s := newScenario(first, which); s != nil {
						out = append(out, s)
					}
				}
			}
		}
	}
	return out
}
