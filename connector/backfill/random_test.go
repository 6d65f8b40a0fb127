package backfill_test

import (
	"errors"
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
