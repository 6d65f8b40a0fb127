package backfill_test

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
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

const (
	modelRows = 2
	modelTxs  = 3
)

// image is a row: which transaction wrote v and which wrote big, 0 for the rows
// that were there at first. The zero image is no row.
type image struct {
	there  bool
	v, big uint8
}

// unknown is what a store holds that does not know better.
var unknown = image{there: true, v: 99, big: 99}

type table [modelRows]image

// shape is what a transaction does, as a list of steps such as "wa" or "mab".
//
//	w: write a row whole      p: update it without sending big
//	d: delete it              t: truncate
//	m: move it to another key n: the same without sending big
type shape []string

var shapes = []shape{
	{"wa"},
	{"wb"},
	{"pa"},
	{"pb"},
	{"da"},
	{"db"},
	{"mab"},
	{"mba"},
	{"nab"},
	{"nba"},
	{"wa", "wb"},
	{"da", "db"},
	{"wa", "db"},
	{"da", "wb"},
	{"da", "wa"},
	{"db", "wb"},
	{"t"},
	{"t", "wa"},
	{"t", "wb"},
}

// mirrored maps each shape to the one with the two rows exchanged.
var mirrored = func() []int {
	exchange := strings.NewReplacer("a", "b", "b", "a")
	index := make(map[string]int)
	for i, s := range shapes {
		index[sorted(s, strings.NewReplacer())] = i
	}
	out := make([]int, len(shapes))
	for i, s := range shapes {
		out[i] = index[sorted(s, exchange)]
	}
	return out
}()

func sorted(s shape, exchange *strings.Replacer) string {
	steps := make([]string, len(s))
	for i := range s {
		steps[i] = exchange.Replace(s[i])
	}
	slices.Sort(steps)
	return strings.Join(steps, " ")
}

// scenario is a commit order.
type scenario struct {
	first  table
	shapes [modelTxs]shape
	// conflicts holds, for each transaction, the earlier ones that it waits for.
	conflicts [modelTxs]uint8
	truncates uint8
	partial   uint8
	// after[s] is the table as whoever sees the transactions in s sees it.
	after [1 << modelTxs]table
	txs   [modelTxs]*cdc.Transaction
	nets  [modelTxs][]cdc.NetChange
}

var modelTable = &cdc.Table{
	Name: cdc.TableName{Schema: "public", Name: "part"}, Key: []int{0},
	Columns: []cdc.Column{{Name: "id", Type: cdc.TypeText}, {Name: "v", Type: cdc.TypeInteger}, {Name: "big", Type: cdc.TypeInteger}},
}

func name(row int) string { return string(rune('a' + row)) }

func number(n uint8) cdc.Value { return cdc.Text(strconv.Itoa(int(n))) }

func rowOf(key int, i image) cdc.Row {
	return cdc.Row{cdc.Text(name(key)), number(i.v), number(i.big)}
}

func imageOf(row cdc.Row) image {
	v, _ := strconv.Atoi(row[1].Text())
	big, _ := strconv.Atoi(row[2].Text())
	return image{true, uint8(v), uint8(big)}
}

// newScenario returns nil if a shape makes no sense where it stands.
func newScenario(first table, which [modelTxs]int) *scenario {
	s := &scenario{first: first}
	var rows [modelTxs]uint8 // touched
	at := first
	for i, w := range which {
		s.shapes[i] = shapes[w]
		tx := &cdc.Transaction{ID: strconv.Itoa(i), Last: true, Resume: resumeAt(i + 1), At: "for people"}
		for _, step := range s.shapes[i] {
			c, ok := s.apply(&at, step, uint8(i+1))
			if !ok {
				return nil
			}
			tx.Changes = append(tx.Changes, c)
			for _, r := range step[1:] {
				rows[i] |= 1 << (r - 'a')
			}
			if step[0] == 't' {
				rows[i] = 1<<modelRows - 1
				s.truncates |= 1 << i
			}
			if step[0] == 'p' || step[0] == 'n' {
				s.partial |= 1 << i
			}
		}
		for j := range i {
			if rows[i]&rows[j] != 0 {
				s.conflicts[i] |= 1 << j
			}
		}
		var n cdc.Netter
		changes, err := n.Net(tx)
		if err != nil {
			panic(err)
		}
		s.txs[i], s.nets[i] = tx, changes
	}
	for seen := range s.after {
		s.after[seen] = s.as(uint8(seen))
	}
	return s
}

// apply does one step to at and returns how the source logs it.
func (s *scenario) apply(at *table, step string, tx uint8) (cdc.Change, bool) {
	if step == "t" {
		*at = table{}
		return cdc.Change{Op: cdc.OpTruncate, Table: modelTable}, true
	}
	r := int(step[1] - 'a')
	old := at[r]
	switch step[0] {
	case 'w':
		at[r] = image{true, tx, tx}
		if !old.there {
			return cdc.Change{Op: cdc.OpInsert, Table: modelTable, After: rowOf(r, at[r])}, true
		}
		return cdc.Change{Op: cdc.OpUpdate, Table: modelTable, After: rowOf(r, at[r])}, true
	case 'p':
		at[r] = image{old.there, tx, old.big}
		after := rowOf(r, at[r])
		after[2] = cdc.Unchanged
		return cdc.Change{Op: cdc.OpUpdate, Table: modelTable, After: after}, old.there
	case 'd':
		at[r] = image{}
		return cdc.Change{Op: cdc.OpDelete, Table: modelTable, Before: keyRow(r)}, old.there
	}
	to := int(step[2] - 'a')
	free := !at[to].there
	moved := image{old.there, tx, tx}
	if step[0] == 'n' {
		moved.big = old.big
	}
	at[r], at[to] = image{}, moved
	after := rowOf(to, moved)
	if step[0] == 'n' {
		after[2] = cdc.Unchanged
	}
	return cdc.Change{Op: cdc.OpUpdate, Table: modelTable, Before: keyRow(r), After: after}, old.there && free
}

func keyRow(r int) cdc.Row { return cdc.Row{cdc.Text(name(r)), cdc.Unchanged, cdc.Unchanged} }

// as returns the table as seen by whoever sees the given transactions.
func (s *scenario) as(seen uint8) table {
	at := s.first
	for i := range modelTxs {
		if seen&(1<<i) == 0 {
			continue
		}
		for _, step := range s.shapes[i] {
			s.apply(&at, step, uint8(i+1))
		}
	}
	return at
}

func (s *scenario) String() string {
	var b strings.Builder
	for r, i := range s.first {
		if i.there {
			b.WriteString(name(r))
		}
	}
	for _, sh := range s.shapes {
		fmt.Fprintf(&b, " | %s", strings.Join(sh, " "))
	}
	return b.String()
}

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
