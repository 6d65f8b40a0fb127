package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// This file is the larger and looser sister of the exhaustive model: two tables,
// commits of several rows in several parts, several chunks under way, loads by
// range and by keys, overflowing windows, and crashes after which loads go on from
// their durable cursors, in random orders.

const simKeys = 8

var simTables = []*cdc.Table{simTable("x"), simTable("y")}

func simTable(name string) *cdc.Table {
	return &cdc.Table{
		Name: cdc.TableName{Schema: "public", Name: name}, Key: []int{0},
		Columns: []cdc.Column{{Name: "id", Type: cdc.TypeInteger}, {Name: "v", Type: cdc.TypeText}, {Name: "big", Type: cdc.TypeText}},
	}
}

// simRow is a row's two columns.
type simRow struct{ v, big string }

type simRows map[int]simRow

func (r simRows) row(key int) cdc.Row {
	return cdc.Row{cdc.Text(strconv.Itoa(key)), cdc.Text(r[key].v), cdc.Text(r[key].big)}
}

// simTx is a commit in the source's log.
type simTx struct {
	parts []*cdc.Transaction
	// write does to each table, in order of commits, what the transaction did.
	write   [2]func(simRows)
	touched [2]map[int]bool
	empties [2]bool
	partial bool
}

// simSource is a source with its adapter, and a backfill.Reader.
type simSource struct {
	log     []*simTx
	visible []bool
	// emitted counts the commits delivered, part the parts of the next one.
	emitted, part int
	// held are those that the adapter holds for perhaps invisible.
	held map[int]bool
}

// as returns a table as whoever sees the given commits sees it.
func (s *simSource) as(table int, sees func(i int) bool) simRows {
	rows := simRows{}
	for i, tx := range s.log {
		if sees(i) {
			tx.write[table](rows)
		}
	}
	return rows
}

func (s *simSource) now(table int) simRows {
	return s.as(table, func(i int) bool { return s.visible[i] })
}

// at returns a table as of the place of the log that the stream has come to.
func (s *simSource) at(table int) simRows {
	return s.as(table, func(i int) bool { return i < s.emitted })
}

func (s *simSource) Mark() backfill.Mark { return maps.Clone(s.held) }

var errWaits = errors.New("would wait")

func (s *simSource) Read(_ context.Context, mark backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	table := slices.IndexFunc(simTables, func(t *cdc.Table) bool { return t.Name == r.Table })
	for i := range mark.(map[int]bool) {
		if !s.visible[i] {
			return nil, errWaits
		}
	}
	for i, tx := range s.log {
		if tx.empties[table] && !s.visible[i] {
			return nil, errWaits // for the table's lock
		}
	}
	rows := s.now(table)
	c := &backfill.Chunk{Table: simTables[table], View: simView{slices.Clone(s.visible)}, ReadAt: time.Now()}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		text := backfill.Key{strconv.Itoa(key)}
		switch {
		case r.Keys != nil && !slices.ContainsFunc(r.Keys, func(k backfill.Key) bool { return k[0] == text[0] }),
			r.Keys == nil && len(c.Rows) == r.Limit,
			r.After != nil && key <= number10(r.After),
			r.Upto != nil && key > number10(r.Upto):
			continue
		}
		c.Rows = append(c.Rows, rows.row(key))
		c.Last = text
	}
	return c, nil
}

func (s *simSource) Nudge() {}

func (s *simSource) Estimate(context.Context, cdc.TableName) (int64, error) { return simKeys, nil }

func number10(k backfill.Key) int {
	n, err := strconv.Atoi(k[0])
	if err != nil {
		panic(err)
	}
	return n
}

type simView struct{ sees []bool }

func (v simView) Sees(t *cdc.Transaction) bool {
	i, err := strconv.Atoi(t.ID)
	if err != nil || t.Changes != nil || !t.Last || placeOf(t.Resume) != i+1 {
		panic(fmt.Sprintf("asked about %+v", t))
	}
	return i < len(v.sees) && v.sees[i]
}

func (v simView) Reached(r cdc.Resume) bool {
	return !slices.Contains(v.sees[min(placeOf(r), len(v.sees)):], true)
}

// simLoad is one load with the store's feed that it fills.
type simLoad struct {
	*loader
	table   int
	plan    backfill.Plan
	store   simRows
	ahead   map[int]bool
	covered map[int]bool // must be right
	placed  []*backfill.Step
}

type sim struct {
	*rapid.T
	simSource
	net      cdc.Netter
	recorder *backfill.Recorder
	loads    []*simLoad
	buffer   []cdc.NetChange // of a commit delivered in part
	clock    time.Time
}

// commit logs a new transaction, after those whose rows it touches are visible.
func (s *sim) commit() {
	i := len(s.log)
	tx := &simTx{touched: [2]map[int]bool{{}, {}}}
	var writes [2][]func(simRows)
	var changes []cdc.Change
	all := [2]simRows{}
	for table := range simTables {
		all[table] = s.as(table, func(int) bool { return true })
	}
	for range rapid.IntRange(1, 5).Draw(s.T, "changes") {
		table := rapid.IntRange(0, 1).Draw(s.T, "table")
		c, write := s.change(tx, table, all[table], strconv.Itoa(i))
		write(all[table])
		writes[table] = append(writes[table], write)
		changes = append(changes, c)
	}
	for table := range simTables {
		tx.write[table] = func(r simRows) {
			for _, w := range writes[table] {
				w(r)
			}
		}
	}
	for j, earlier := range s.log {
		for table := range simTables {
			for key := range tx.touched[table] {
				s.visible[j] = s.visible[j] || earlier.touched[table][key]
			}
		}
	}
	for part := 0; len(changes) > 0; part++ {
		n := rapid.IntRange(1, len(changes)).Draw(s.T, "part")
		t := &cdc.Transaction{ID: strconv.Itoa(i), Part: part, Changes: changes[:n], Last: n == len(changes), Resume: resumeAt(i)}
		if t.Last {
			t.Resume = resumeAt(i + 1)
		}
		tx.parts = append(tx.parts, t)
		changes = changes[n:]
	}
	s.log = append(s.log, tx)
	s.visible = append(s.visible, false)
}

// change draws one change to a table that now has the given rows.
func (s *sim) change(tx *simTx, table int, rows simRows, id string) (cdc.Change, func(simRows)) {
	t := simTables[table]
	key := rapid.IntRange(0, simKeys-1).Draw(s.T, "key")
	to := rapid.IntRange(0, simKeys-1).Draw(s.T, "to")
	what := rapid.SampledFrom([]string{"write", "write", "delete", "move", "partial", "truncate"}).Draw(s.T, "what")
	old, there := rows[key]
	_, taken := rows[to]
	tx.touched[table][key] = true
	keyOnly := func(k int) cdc.Row { return cdc.Row{cdc.Text(strconv.Itoa(k)), cdc.Unchanged, cdc.Unchanged} }
	switch {
	case what == "truncate" && rapid.Bool().Draw(s.T, "really"):
		tx.empties[table] = true
		for k := range simKeys {
			tx.touched[table][k] = true
		}
		return cdc.Change{Op: cdc.OpTruncate, Table: t}, func(r simRows) { clear(r) }
	case what == "delete" && there:
		return cdc.Change{Op: cdc.OpDelete, Table: t, Before: keyOnly(key)}, func(r simRows) { delete(r, key) }
	case (what == "partial" || what == "move") && there:
		if what == "partial" || taken {
			to = key
		}
		tx.touched[table][to] = true
		tx.partial = true
		after := cdc.Row{cdc.Text(strconv.Itoa(to)), cdc.Text(id), cdc.Unchanged}
		c := cdc.Change{Op: cdc.OpUpdate, Table: t, After: after}
		if to != key {
			c.Before = keyOnly(key)
		}
		return c, func(r simRows) {
			big := r[key].big
			delete(r, key)
			r[to] = simRow{id, big}
		}
	}
	row := simRow{id, id + "*" + old.v}
	c := cdc.Change{Op: cdc.OpInsert, Table: t, After: simRows{key: row}.row(key)}
	if there {
		c.Op = cdc.OpUpdate
	}
	return c, func(r simRows) { r[key] = row }
}

// emit delivers the next part of the next commit, if it may.
func (s *sim) emit() {
	if s.emitted == len(s.log) {
		return
	}
	tx := s.log[s.emitted]
	if tx.partial && !s.visible[s.emitted] {
		return // It waits to complete a row.
	}
	// Netting completes rows in place, and a commit may be sent again after a crash.
	t := *tx.parts[s.part]
	t.Changes = slices.Clone(t.Changes)
	for i := range t.Changes {
		t.Changes[i].After = slices.Clone(t.Changes[i].After)
	}
	changes, err := s.net.Net(&t)
	if err != nil {
		s.Fatal(err)
	}
	s.complete(changes)
	s.held[s.emitted] = true
	s.recorder.Record(&t, changes)
	s.buffer = append(s.buffer, changes...)
	s.part++
	if !t.Last {
		return
	}
	s.emitted++
	s.part = 0
	for _, l := range s.loads {
		l.apply(s, s.buffer)
	}
	s.buffer = nil
	s.boundary()
}

func (s *sim) complete(changes []cdc.NetChange) {
	for i := range changes {
		c := &changes[i]
		if c.After == nil || c.After.Complete() {
			continue
		}
		table := slices.Index(simTables, c.Table)
		now, there := s.now(table)[keyNumber(c.Key)]
		if !there {
			c.After = nil
			continue
		}
		c.After[2] = cdc.Text(now.big)
	}
}

func keyNumber(k cdc.RowKey) int {
	n, err := strconv.Atoi(string(k[1 : len(k)-1]))
	if err != nil {
		panic(err)
	}
	return n
}

// apply does to the store what the stream says of one commit.
func (l *simLoad) apply(s *sim, changes []cdc.NetChange) {
	want := s.at(l.table)
	for _, c := range changes {
		if c.Table != simTables[l.table] {
			continue
		}
		if c.Op == cdc.OpTruncate {
			clear(l.store)
			clear(l.ahead)
			continue
		}
		l.put(keyNumber(c.Key), c.After)
	}
	for _, c := range changes {
		if c.Table == simTables[l.table] && c.Op != cdc.OpTruncate {
			key := keyNumber(c.Key)
			l.ahead[key] = s.log[s.emitted-1].partial && l.store[key] != want[key]
		}
	}
}

func (l *simLoad) put(key int, row cdc.Row) {
	if row == nil {
		delete(l.store, key)
		return
	}
	l.store[key] = simRow{row[1].Text(), row[2].Text()}
}

func (s *sim) boundary() {
	if s.part > 0 {
		return
	}
	s.clock = s.clock.Add(100 * time.Millisecond)
	for _, l := range s.loads {
		if err := l.boundary(resumeAt(s.emitted), s.clock); err != nil {
			s.Fatal(err)
		}
	}
}

// load adds a load of random kind.
func (s *sim) load() *simLoad {
	l := &simLoad{table: rapid.IntRange(0, 1).Draw(s.T, "table"), store: simRows{}, ahead: map[int]bool{}, covered: map[int]bool{}}
	l.plan = backfill.Plan{
		Table: simTables[l.table].Name, Ahead: rapid.IntRange(1, 4).Draw(s.T, "ahead"),
		MinRows: rapid.IntRange(1, 3).Draw(s.T, "least"), MaxRows: 4,
		Throttle: backfill.NewThrottle(rapid.SampledFrom([]float64{0, 10}).Draw(s.T, "rate")),
	}
	switch rapid.IntRange(0, 2).Draw(s.T, "kind") {
	case 0:
		l.plan.After, l.plan.Upto = backfill.Key{"1"}, backfill.Key{"5"}
	case 1:
		l.plan.Keys = []backfill.Key{}
		for _, key := range rapid.Permutation([]int{0, 1, 2, 3, 4, 5, 6, 7}).Draw(s.T, "keys")[:5] {
			l.plan.Keys = append(l.plan.Keys, backfill.Key{strconv.Itoa(key)})
			l.store[key] = simRow{"wrong", "wrong"}
		}
	}
	s.begin(l)
	return l
}

// begin begins or goes on with a load from its durable cursor.
func (s *sim) begin(l *simLoad) {
	l.placed = nil
	l.loader = newLoader(s.recorder, s, l.plan)
	l.place = func(step *backfill.Step, rows []backfill.Placed) {
		want := s.at(l.table)
		for _, p := range rows {
			key := keyNumber(p.Key)
			l.put(key, p.Row)
			l.ahead[key] = false
			if l.store[key] != want[key] {
				s.Fatalf("placed row %d as %v, want %v", key, l.store[key], want[key])
			}
		}
		l.cover(step)
		l.placed = append(l.placed, step)
	}
}

func (l *simLoad) cover(step *backfill.Step) {
	for _, k := range step.Request.Keys {
		l.covered[number10(k)] = true
	}
	if l.plan.Keys != nil {
		return
	}
	from, to := -1, simKeys
	if step.Request.After != nil {
		from = number10(step.Request.After)
	}
	if at := step.Cursor(); !at.Done {
		to = number10(at.After)
	} else if l.plan.Upto != nil {
		to = number10(l.plan.Upto)
	}
	for key := from + 1; key <= to; key++ {
		l.covered[key] = true
	}
}

// read lets the reading goroutine of a load do its work, if it would not wait.
func (l *simLoad) tryRead(s *sim) {
	select {
	case a := <-l.asked:
		if _, err := s.Read(s.Context(), a.mark, a.step.Request); errors.Is(err, errWaits) && rapid.Bool().Draw(s.T, "keeps waiting") {
			l.asked <- a
			return
		}
		l.read(s.Context(), a)
	default:
	}
}

// durable tells a load that its oldest markers are durable.
func (l *simLoad) durable(n int) {
	for range min(n, len(l.placed)) {
		l.planner.Durable(l.placed[0])
		l.placed = l.placed[1:]
	}
}

// crash begins anew: the source streams again from a place that was confirmed.
func (s *sim) crash() {
	confirmed := 0
	for confirmed < s.emitted && s.visible[confirmed] && rapid.Bool().Draw(s.T, "confirmed") {
		confirmed++
	}
	s.held = map[int]bool{}
	for i := confirmed; i < s.emitted; i++ {
		s.held[i] = true
	}
	s.part, s.buffer = 0, nil
	s.recorder = backfill.NewRecorder(rapid.IntRange(1, 20).Draw(s.T, "window"))
	for _, l := range s.loads {
		l.plan.From = l.planner.Cursor()
		s.begin(l)
	}
}

func (s *sim) check() {
	if s.part > 0 {
		return
	}
	for _, l := range s.loads {
		want := s.at(l.table)
		for key := range l.covered {
			if l.store[key] != want[key] && !l.ahead[key] {
				s.Fatalf("after %d commits, table %d, row %d is %v, want %v", s.emitted, l.table, key, l.store[key], want[key])
			}
		}
	}
}

// rest lets everything happen that was begun, and compares at last.
func (s *sim) rest() {
	for i := range s.visible {
		s.visible[i] = true
	}
	for s.emitted < len(s.log) {
		s.emit()
		s.check()
	}
	for _, l := range s.loads {
		for round := 0; !l.planner.Cursor().Done; round++ {
			if round > 200 {
				s.Fatalf("load never ends: %+v", l.planner.Cursor())
			}
			s.boundary()
			l.tryRead(s)
			l.durable(1)
		}
	}
	s.check()
	for _, l := range s.loads {
		for key, ahead := range l.ahead {
			if want := s.at(l.table)[key]; ahead && l.store[key] != want {
				s.Fatalf("at rest, table %d, row %d is %v, want %v", l.table, key, l.store[key], want)
			}
		}
	}
}

func TestLoadsAtRandom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &sim{T: t, clock: time.Unix(1, 0), recorder: backfill.NewRecorder(10)}
		s.held = map[int]bool{}
		for range rapid.IntRange(0, 4).Draw(t, "history") {
			s.commit()
		}
		for i := range s.visible {
			s.visible[i] = true
		}
		s.emitted = len(s.log)
		for range rapid.IntRange(1, 3).Draw(t, "loads") {
			s.loads = append(s.loads, s.load())
		}
		one := func() *simLoad { return rapid.SampledFrom(s.loads).Draw(t, "load") }
		t.Repeat(map[string]func(*rapid.T){
			"":         func(*rapid.T) { s.check() },
			"commit":   func(*rapid.T) { s.commit() },
			"emit":     func(*rapid.T) { s.emit() },
			"boundary": func(*rapid.T) { s.boundary() },
			"read":     func(*rapid.T) { one().tryRead(s) },
			"durable":  func(*rapid.T) { one().durable(2) },
			"crash":    func(*rapid.T) { s.crash() },
			"appear": func(t *rapid.T) {
				if len(s.visible) > 0 {
					s.visible[rapid.IntRange(0, len(s.visible)-1).Draw(t, "which")] = true
				}
			},
		})
		s.rest()
	})
}
