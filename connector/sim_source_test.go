package connector_test

import (
	"context"
	"maps"
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

// memSource is a database with two tables that may be mapped, bin and tray, both
// (id, sku, location, qty), and rows that were there before anybody followed it.
// Commits become visible some time after they are in its log, in another order,
// and keep the rows that they touched locked until then. Its log is kept for ever,
// but what was confirmed, or lies before the slot, may be asked for no more.
type memSource struct {
	t     *testing.T
	chaos *chaos
	other *cdc.Table // captured by the source, and named by no mapping
	// exact says that commits send whole rows, all of which can be mapped: then
	// stores must be exact at every moment. history has the rows after each commit.
	exact   bool
	history []simMoment

	mu        sync.Mutex
	tables    []*memTable
	refs      []*memRef
	log       []*memCommit // log[i] ends at i+1
	slot      bool
	dropped   int           // times that the slot was
	confirmed int           // log up to here may be gone
	hiding    time.Duration // how long commits may stay invisible
	broken    time.Time     // until when reads fail
	dawdles   bool          // reads take long at random
	slow      time.Duration // how long reads take, on top
	odd       *cdc.Table    // what chunks say of their table, if not nil
	gate      chan struct{} // what a chunk waits for, if not nil
	waiting   int           // chunks that have come to it
	begun     int           // chunks that began to be read
	held      bool          // commits are not emitted
	reads     []backfill.Request
	changed   chan struct{}
	// worst returns the place from which a restart would have to read if
	// everything were lost now that may be lost. Nil if nothing is checked.
	worst func() int
}

// simMoment are the rows of all tables after a commit.
type simMoment struct {
	rows map[string]map[int]simRow
	refs simRefs
}

// memTable is one table. rows are as of the last commit, visible as of those that
// are visible, and good is what counts of each row: the last image that could be
// mapped. locks has the commit that holds each row, and truncates the one that
// emptied the table, until they are visible.
type memTable struct {
	*cdc.Table
	rows, good, visible map[int]simRow
	locks               map[int]int
	truncates           int
}

type memCommit struct {
	cdc.Transaction
	partRows int
	progress bool // emitted as mere progress
	visible  bool
	effects  []func() // on what is visible
}

type simRow struct {
	sku, location string
	qty           int
	bad           bool // its SKU is NULL
}

// mostLeast is the largest of the quantities from which on mappings map rows.
const mostLeast = 10

// Rows of ids from oddRows on may be bad; those from bulkRows on come in bulk.
const (
	plainRows = 8
	oddRows   = 100
	bulkRows  = 1_000
)

func newMemSource(t *testing.T, c *chaos, rng *rand.Rand, exact bool) *memSource {
	s := &memSource{
		t: t, chaos: c, exact: exact, dawdles: true, changed: make(chan struct{}),
		other: &cdc.Table{
			Name:    cdc.TableName{Schema: "public", Name: "other"},
			Columns: []cdc.Column{{Name: "id", Type: cdc.TypeInteger}}, Key: []int{0},
		},
	}
	for _, name := range []string{"bin", "tray"} {
		def := binTable()
		def.Name.Name = name
		table := &memTable{
			Table: def, rows: make(map[int]simRow), good: make(map[int]simRow), visible: make(map[int]simRow), locks: make(map[int]int),
		}
		for id := range plainRows {
			table.put(nil, id, randomRow(rng))
		}
		if rng.IntN(4) == 0 {
			for id := range 300 + rng.IntN(900) {
				table.put(nil, bulkRows+id, randomRow(rng))
			}
		}
		table.visible = maps.Clone(table.rows)
		s.tables = append(s.tables, table)
	}
	s.refs = newRefs(rng)
	s.remember()
	return s
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
	return simMapping(tb, "bin", 0)
}

// simMapping maps rows of a quantity of at least least.
func simMapping(tb testing.TB, table string, least int) *mapping.Mapping {
	tb.Helper()
	r := mapping.Rule{
		When: mapping.Value{Text: "qty >= " + strconv.Itoa(least)}, SKU: mapping.Value{Text: "sku"}, Location: mapping.Value{Text: "location"},
	}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty"}
	m, err := mapping.Compile(cdc.TableName{Schema: "public", Name: table}, mapping.Spec{Contributes: []mapping.Rule{r}})
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
	c := s.begin()
	c.partRows = []int{1, 4, 1_500, 1 << 30}[rng.IntN(4)]
	table := s.tables[rng.IntN(len(s.tables))]
	switch rng.IntN(20) {
	case 0: // nothing of ours
		c.progress = true
	case 1:
		c.Changes = []cdc.Change{{Op: cdc.OpInsert, Table: s.other, After: cdc.Row{cdc.Text("1")}}}
	case 2:
		if !s.exact {
			s.oddChange(c, table, rng)
		}
	case 3:
		if !s.exact && rng.IntN(3) == 0 {
			table.bulk(c, rng)
		}
		c.partRows = max(c.partRows, 1_000)
	}
	if !c.progress && rng.IntN(3) == 0 {
		s.changeRefs(c, rng)
	}
	if !c.progress {
		for range 1 + rng.IntN(6) {
			if rng.IntN(4) == 0 {
				table = s.tables[rng.IntN(len(s.tables))]
			}
			s.change(c, table, rng)
		}
	}
	delay := time.Duration(0)
	if s.hiding > 0 && rng.IntN(2) == 0 {
		delay = time.Duration(rng.Int64N(int64(s.hiding)))
	}
	s.end(c, delay)
}

// begin begins a transaction. mu must be held.
func (s *memSource) begin() *memCommit {
	n := strconv.Itoa(len(s.log) + 1)
	return &memCommit{Transaction: cdc.Transaction{ID: n, At: n, CommittedAt: time.Now()}, partRows: 1 << 30}
}

// end commits c, which becomes visible after delay. mu must be held.
func (s *memSource) end(c *memCommit, delay time.Duration) {
	s.log = append(s.log, c)
	s.remember()
	if delay == 0 {
		s.show(c)
	} else {
		time.AfterFunc(delay, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.show(c)
		})
	}
	s.signal()
}

// show makes c visible. mu must be held.
func (s *memSource) show(c *memCommit) {
	c.visible = true
	for _, effect := range c.effects {
		effect()
	}
	s.signal()
}

func (s *memSource) signal() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// remember notes the rows after the last commit.
func (s *memSource) remember() {
	if !s.exact {
		return
	}
	now := make(map[string]map[int]simRow)
	for _, t := range s.tables {
		now[t.Name.String()] = maps.Clone(t.rows)
	}
	s.history = append(s.history, simMoment{now, s.refsNow()})
}

// free reports whether c may touch a row.
func (t *memTable) free(c *memCommit, id int) bool {
	return (t.locks[id] == 0 || t.locks[id] == c.number()) && (t.truncates == 0 || t.truncates == c.number())
}

func (c *memCommit) number() int {
	n, err := strconv.Atoi(c.ID)
	if err != nil {
		panic(err)
	}
	return n
}

func (s *memSource) change(c *memCommit, t *memTable, rng *rand.Rand) {
	id, fresh := rng.IntN(plainRows), randomRow(rng)
	old, exists := t.rows[id]
	add := func(change cdc.Change) {
		change.Table = t.Table
		c.Changes = append(c.Changes, change)
	}
	switch {
	case !t.free(c, id):
	case rng.IntN(60) == 0:
		t.truncate(c)
	case !exists:
		t.put(c, id, fresh)
		add(cdc.Change{Op: cdc.OpInsert, After: t.image(id, fresh)})
	case rng.IntN(5) == 0:
		t.remove(c, id)
		add(cdc.Change{Op: cdc.OpDelete, Before: t.keyImage(id)})
	case rng.IntN(4) == 0:
		if after := s.rekey(c, t, id, rng.IntN(plainRows), rng); after != nil {
			add(cdc.Change{Op: cdc.OpUpdate, Before: t.keyImage(id), After: after})
		}
	case rng.IntN(3) == 0 && !s.exact: // the texts stay as they are, and are not sent
		old.qty = fresh.qty
		t.put(c, id, old)
		after := t.image(id, old)
		after[1], after[2] = cdc.Unchanged, cdc.Unchanged
		add(cdc.Change{Op: cdc.OpUpdate, After: after})
	default:
		t.put(c, id, fresh)
		add(cdc.Change{Op: cdc.OpUpdate, After: t.image(id, fresh)})
	}
}

// rekey gives a row another key, and returns what is sent of it.
func (s *memSource) rekey(c *memCommit, t *memTable, id, to int, rng *rand.Rand) cdc.Row {
	old := t.rows[id]
	if _, taken := t.rows[to]; taken || !t.free(c, to) {
		return nil
	}
	t.remove(c, id)
	t.put(c, to, old)
	after := t.image(to, old)
	if !s.exact && rng.IntN(2) == 0 {
		after[1] = cdc.Unchanged
	}
	return after
}

// alter adds a column to a table that nobody holds, or drops it.
func (s *memSource) alter(rng *rand.Rand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tables[rng.IntN(len(s.tables))]
	if len(t.locks) > 0 || t.truncates > 0 {
		return
	}
	def := binTable()
	def.Name = t.Name
	if len(t.Columns) == len(def.Columns) {
		def.Columns = append(def.Columns, cdc.Column{Name: "note", Type: cdc.TypeText})
	}
	t.Table = def
}

// image is a row of t as its columns are now.
func (t *memTable) image(id int, r simRow) cdc.Row {
	return append(r.image(id), make(cdc.Row, len(t.Columns)-4)...)
}

func (t *memTable) keyImage(id int) cdc.Row {
	return append(keyImage(id), slices.Repeat(cdc.Row{cdc.Unchanged}, len(t.Columns)-4)...)
}

// truncate empties t, if nobody holds any of its rows.
func (t *memTable) truncate(c *memCommit) {
	for id := range t.locks {
		if !t.free(c, id) {
			return
		}
	}
	clear(t.rows)
	clear(t.good)
	t.truncates = c.number()
	c.effects = append(c.effects, func() { clear(t.visible); t.truncates = 0 })
	c.Changes = append(c.Changes, cdc.Change{Op: cdc.OpTruncate, Table: t.Table})
}

// oddChange writes a row that may be beyond mapping. It comes once in a commit
// and whole, so that what was good last does not depend on how commits are cut.
func (s *memSource) oddChange(c *memCommit, t *memTable, rng *rand.Rand) {
	row := randomRow(rng)
	if row.bad = rng.IntN(2) == 0; row.bad {
		row.qty = mostLeast + rng.IntN(10) // every mapping would map it
	}
	s.write(c, t, oddRows+rng.IntN(3), row)
}

// write writes a row that comes whole, if nobody holds it.
func (s *memSource) write(c *memCommit, t *memTable, id int, row simRow) {
	if !t.free(c, id) {
		return
	}
	op := cdc.OpInsert
	if _, exists := t.rows[id]; exists {
		op = cdc.OpUpdate
	}
	t.put(c, id, row)
	c.Changes = append(c.Changes, cdc.Change{Op: op, Table: t.Table, After: t.image(id, row)})
}

// mend writes good rows in the place of all bad ones.
func (s *memSource) mend(rng *rand.Rand) {
	s.hide(0)
	if err := s.await(s.t.Context(), func() bool { return s.visible(len(s.log)) }); err != nil {
		s.t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.begin()
	for _, t := range s.tables {
		for _, id := range slices.Sorted(maps.Keys(t.rows)) {
			if t.rows[id].bad {
				s.write(c, t, id, randomRow(rng))
			}
		}
	}
	s.end(c, 0)
}

// bulk writes more rows than a message holds, if nobody holds one of them.
func (t *memTable) bulk(c *memCommit, rng *rand.Rand) {
	n := 2_000 + rng.IntN(3_000)
	for i := range n {
		if !t.free(c, bulkRows+i) {
			return
		}
	}
	for i := range n {
		id, row := bulkRows+i, randomRow(rng)
		op := cdc.OpInsert
		if _, exists := t.rows[id]; exists {
			op = cdc.OpUpdate
		}
		t.put(c, id, row)
		c.Changes = append(c.Changes, cdc.Change{Op: op, Table: t.Table, After: t.image(id, row)})
	}
}

func (t *memTable) put(c *memCommit, id int, r simRow) {
	t.rows[id] = r
	if !r.bad {
		t.good[id] = r
	}
	t.touch(c, id, func() { t.visible[id] = r })
}

func (t *memTable) remove(c *memCommit, id int) {
	delete(t.rows, id)
	delete(t.good, id)
	t.touch(c, id, func() { delete(t.visible, id) })
}

// touch locks a row until c is visible, which has the effect.
func (t *memTable) touch(c *memCommit, id int, effect func()) {
	if c == nil {
		return
	}
	t.locks[id] = c.number()
	c.effects = append(c.effects, func() { effect(); delete(t.locks, id) })
}

// want is what each row of a table contributes by its good images: the oracle.
func (s *memSource) want(table string, m simMeaning) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tables {
		if t.Name.String() == table {
			return counts(t.good, m, s.refsNow())
		}
	}
	return nil
}

// beyond lists the rows that cannot be mapped now.
func (s *memSource) beyond(table string) map[string]bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]bool)
	for _, t := range s.tables {
		for id, r := range t.rows {
			if r.bad && t.Name.String() == table {
				out["["+strconv.Itoa(id)+"]"] = true
			}
		}
	}
	return out
}

// wantAt is what each row of a table contributed at a place of the log.
func (s *memSource) wantAt(place int, table string, m simMeaning) map[string]string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return counts(s.history[place].rows[table], m, s.history[place].refs)
}

func counts(rows map[int]simRow, m simMeaning, refs simRefs) map[string]string {
	out := make(map[string]string)
	var look *simRefs
	if m.looks {
		look = &refs
	}
	for id, r := range rows {
		if text := counted(id, r, m.least, look); text != "" {
			out["["+strconv.Itoa(id)+"]"] = text
		}
	}
	return out
}

// counted is what a row contributes, by what its part is called if refs is not nil.
func counted(_ int, r simRow, least int, refs *simRefs) string {
	if r.qty < least || r.qty == 0 {
		return ""
	}
	sku := r.sku
	if refs != nil {
		sku, _ = refs.sku(r)
	}
	return sku + " " + r.location + " " + strconv.Itoa(r.qty)
}

// breakReads has reads fail for a while.
func (s *memSource) breakReads(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = time.Now().Add(d)
}

// hide has commits stay invisible for up to d, as while a synchronous standby hangs.
func (s *memSource) hide(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hiding = d
}

// hold has commits not emitted, or emitted again.
func (s *memSource) hold(held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	s.signal()
}

// set writes a row of bin behind the stream's back. mu must be held.
func (s *memSource) set(id int, r simRow) {
	s.tables[0].put(nil, id, r)
	s.tables[0].visible[id] = r
}

// commitAt commits a write of row 7 of bin that changes nothing, at a time of one's own.
func (s *memSource) commitAt(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.begin()
	c.CommittedAt = at
	s.write(c, s.tables[0], 7, s.tables[0].rows[7])
	s.end(c, 0)
}

// dropSlot forgets from where the log is kept.
func (s *memSource) dropSlot() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.slot = false
	s.dropped++
}

// await waits until done, which is called with mu held, says so.
func (s *memSource) await(ctx context.Context, done func() bool) error {
	for {
		s.mu.Lock()
		ok, changed := done(), s.changed
		s.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// visible reports whether the first n commits are. mu must be held.
func (s *memSource) visible(n int) bool {
	return !slices.ContainsFunc(s.log[:n], func(c *memCommit) bool { return !c.visible })
}
