package backfill_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

var noon = time.Date(2026, 8, 1, 12, 0, 0, 0, time.UTC)

// desk is a planner with a table of bins 1 to size beside it.
type desk struct {
	*testing.T
	*backfill.Planner
	recorder *backfill.Recorder
	size     int
}

func newDesk(t *testing.T, size int, plan backfill.Plan) *desk {
	t.Helper()
	plan.Table = stock.Name
	return &desk{T: t, Planner: backfill.NewPlanner(plan), recorder: backfill.NewRecorder(5), size: size}
}

func (d *desk) open() *backfill.Step {
	d.Helper()
	s := d.Open(d.recorder, noon)
	if s == nil {
		d.Fatal("nothing to read")
	}
	return s
}

func (d *desk) idle(why string) {
	d.Helper()
	if s := d.Open(d.recorder, noon); s != nil {
		d.Fatalf("%s: opened %+v", why, s.Request)
	}
}

// arrive has s read as of transaction seen.
func (d *desk) arrive(s *backfill.Step, seen uint8, took time.Duration) {
	d.Helper()
	from := 0
	if s.Request.After != nil {
		from, _ = strconv.Atoi(s.Request.After[1])
	}
	var bins []int
	for n := from + 1; n <= d.size && len(bins) < s.Request.Limit; n++ {
		bins = append(bins, n)
	}
	if err := d.Arrive(s, chunkOf(seen, bins...), took); err != nil {
		d.Fatal(err)
	}
}

// place returns the number of rows placed, -1 if there is nothing to place.
func (d *desk) place(r cdc.Resume) (*backfill.Step, int) {
	d.Helper()
	s, rows, err := d.Place(r)
	if err != nil {
		d.Fatal(err)
	}
	if s == nil {
		return nil, -1
	}
	return s, len(rows)
}

// forgotten expects that no window is open any more.
func (d *desk) forgotten() {
	d.Helper()
	d.recorder.Record(tx(0), wrote(stock, 1))
	if n := d.recorder.Keys(); n != 0 {
		d.Errorf("windows hold %d rows, want none open", n)
	}
}

func (d *desk) at(want backfill.Cursor) {
	d.Helper()
	if diff := cmp.Diff(want, d.Cursor()); diff != "" {
		d.Errorf("durable cursor (-want +got):\n%s", diff)
	}
}

func TestPlanTable(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 5, backfill.Plan{MinRows: 2, MaxRows: 2})
	one := d.open()
	want := backfill.Request{Table: stock.Name, Limit: 2}
	if diff := cmp.Diff(want, one.Request); diff != "" {
		t.Errorf("first request (-want +got):\n%s", diff)
	}
	d.idle("a chunk is being read")
	if d.Waiting() {
		t.Error("waits for the stream before anything was read")
	}
	if s, _ := d.place("0"); s != nil {
		t.Error("placed a chunk that was not read")
	}
	d.arrive(one, 1, 0)
	two := d.open()
	want.After = backfill.Key{"DC1", "2"}
	if diff := cmp.Diff(want, two.Request); diff != "" {
		t.Errorf("second request (-want +got):\n%s", diff)
	}
	d.arrive(two, 0, 0)
	if s, _ := d.place("0"); s != nil {
		t.Error("placed a chunk that the stream has not reached, or one before its predecessor")
	}
	if s, n := d.place("1"); s != one || n != 2 {
		t.Errorf("placed %d rows of %v, want 2 of the first chunk", n, s)
	}
	if !d.Waiting() {
		t.Error("does not wait for the stream to reach the second chunk")
	}
	if s, n := d.place("1"); s != two || n != 2 {
		t.Errorf("placed %d rows of %v, want 2 of the second chunk", n, s)
	}
	if d.Waiting() {
		t.Error("still waits after both chunks were placed")
	}
	d.at(backfill.Cursor{})
	d.Durable(one)
	d.at(backfill.Cursor{After: backfill.Key{"DC1", "2"}, Rows: 2})
	last := d.open()
	d.arrive(last, 0, 0)
	d.idle("the end was read")
	d.place("1")
	d.Durable(two)
	d.Durable(last)
	d.at(backfill.Cursor{After: backfill.Key{"DC1", "5"}, Rows: 5, Done: true})
	d.forgotten()
}

// A table whose rows fill its last chunk needs one more look, an empty table one.
func TestPlanEndsWithAnEmptyChunk(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 4} {
		d := newDesk(t, size, backfill.Plan{MinRows: 2, MaxRows: 2})
		want := backfill.Cursor{Rows: int64(size), Done: true}
		for range size / 2 {
			s := d.open()
			d.arrive(s, 0, 0)
			d.place("0")
			if s.Cursor().Done {
				t.Errorf("done with a full chunk at %v", s.Cursor())
			}
			want.After = s.Cursor().After
		}
		s := d.open()
		d.arrive(s, 0, 0)
		if placed, n := d.place("0"); placed != s || n != 0 {
			t.Errorf("placed %d rows of %v, want the empty chunk", n, placed)
		}
		d.Durable(s)
		d.at(want)
	}
}

func TestPlanRangeAndResume(t *testing.T) {
	t.Parallel()
	stretch := backfill.Range{After: backfill.Key{"DC1", "3"}, Upto: backfill.Key{"DC1", "9"}}
	d := newDesk(t, 9, backfill.Plan{Range: stretch})
	if got := d.open().Request.Range; cmp.Diff(stretch, got) != "" {
		t.Errorf("first range %v, want %v", got, stretch)
	}
	d = newDesk(t, 9, backfill.Plan{Range: stretch, From: backfill.Cursor{After: backfill.Key{"DC1", "7"}, Rows: 40}})
	s := d.open()
	if want := (backfill.Range{After: backfill.Key{"DC1", "7"}, Upto: stretch.Upto}); cmp.Diff(want, s.Request.Range) != "" {
		t.Errorf("goes on with range %v, want %v", s.Request.Range, want)
	}
	d.arrive(s, 0, 0)
	if want := (backfill.Cursor{After: backfill.Key{"DC1", "9"}, Rows: 42, Done: true}); cmp.Diff(want, s.Cursor()) != "" {
		t.Errorf("cursor %v, want %v", s.Cursor(), want)
	}
	newDesk(t, 9, backfill.Plan{From: backfill.Cursor{Done: true}}).idle("the plan was done before")
}

func TestPlanKeys(t *testing.T) {
	t.Parallel()
	list := keys(5, 3, 9, 1, 7)
	d := newDesk(t, 0, backfill.Plan{Keys: list, MinRows: 2, MaxRows: 2})
	one := d.open()
	if want := (backfill.Request{Table: stock.Name, Keys: list[:2]}); cmp.Diff(want, one.Request) != "" {
		t.Errorf("first request %v, want %v", one.Request, want)
	}
	if err := d.Arrive(one, chunkOf(0, 3), 0); err != nil {
		t.Fatal(err)
	}
	if s, n := d.place("0"); s != one || n != 2 {
		t.Errorf("placed %d rows, want a row and a delete", n)
	}
	d.Durable(one)
	d.at(backfill.Cursor{Listed: 2, Rows: 1})

	d = newDesk(t, 0, backfill.Plan{Keys: list, MinRows: 2, MaxRows: 2, From: d.Cursor()})
	for _, want := range [][]backfill.Key{list[2:4], list[4:]} {
		s := d.open()
		if diff := cmp.Diff(want, s.Request.Keys); diff != "" {
			t.Errorf("keys (-want +got):\n%s", diff)
		}
		if err := d.Arrive(s, chunkOf(0), 0); err != nil {
			t.Fatal(err)
		}
		d.place("0")
		d.Durable(s)
	}
	d.idle("all keys were read")
	d.at(backfill.Cursor{Listed: 5, Rows: 1, Done: true})

	none := newDesk(t, 0, backfill.Plan{Keys: []backfill.Key{}})
	none.idle("no keys")
	none.at(backfill.Cursor{Done: true})
}

func TestPlanAhead(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 100, backfill.Plan{MinRows: 2, MaxRows: 2, Ahead: 2})
	for range 2 {
		d.arrive(d.open(), 1, 0)
	}
	d.idle("two chunks wait")
	d.place("1")
	d.open()
}

// What fails is read again, and so is everything that was read behind it.
func TestGivingUp(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 100, backfill.Plan{MinRows: 2, MaxRows: 2})
	one := d.open()
	d.arrive(one, 0, 0)
	two := d.open()
	d.arrive(two, 0, 0)
	three := d.open()
	d.recorder.Record(tx(0), wrote(altered(func(t *cdc.Table) { t.Columns[2].Type = cdc.TypeText }), 50))
	if _, _, err := d.Place("1"); !errors.Is(err, backfill.ErrReread) || errors.Is(err, backfill.ErrOverflow) {
		t.Fatalf("place: %v", err)
	}
	d.forgotten()
	d.idle("the third chunk is still being read")
	d.arrive(three, 0, 0)
	if s, _ := d.place("1"); s != nil {
		t.Errorf("placed %+v, which was given up", s.Request)
	}
	again := d.open()
	if diff := cmp.Diff(one.Request, again.Request); diff != "" {
		t.Errorf("asks again for (-want +got):\n%s", diff)
	}
	d.Fail(again)
	again = d.open()
	if diff := cmp.Diff(one.Request, again.Request); diff != "" {
		t.Errorf("after a failure asks again for (-want +got):\n%s", diff)
	}
	d.arrive(again, 0, 0)
	if s, n := d.place("1"); s != again || n != 2 {
		t.Errorf("placed %d rows of %v", n, s)
	}
	d.Durable(again)
	d.at(backfill.Cursor{After: backfill.Key{"DC1", "2"}, Rows: 2})
}

func TestFailureOfAGivenUpRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 100, backfill.Plan{MinRows: 2, MaxRows: 2})
	one := d.open()
	d.arrive(one, 0, 0)
	two := d.open()
	d.recorder.Record(tx(0), wrote(altered(func(t *cdc.Table) { t.Key = []int{0} }), 50))
	if _, _, err := d.Place("1"); !errors.Is(err, backfill.ErrReread) {
		t.Fatalf("place: %v", err)
	}
	d.Fail(two)
	if again := d.open(); cmp.Diff(one.Request, again.Request) != "" {
		t.Errorf("asks for %+v, want the first chunk", again.Request)
	}
}

func TestOverflowHalvesTheChunk(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 1000, backfill.Plan{MinRows: 10, MaxRows: 100, Target: time.Second})
	grow := func(want int) {
		t.Helper()
		s := d.open()
		if s.Request.Limit != want {
			t.Fatalf("asks for %d rows, want %d", s.Request.Limit, want)
		}
		d.arrive(s, 0, time.Duration(want)*time.Second/100)
		d.place("9")
	}
	grow(10)
	grow(20)
	grow(40)
	for _, want := range []int{80, 40, 20, 10, 10} {
		s := d.open()
		if s.Request.Limit != want {
			t.Errorf("asks for %d rows, want %d", s.Request.Limit, want)
		}
		d.recorder.Record(tx(8), wrote(stock, 901, 902, 903, 904, 905, 906))
		d.arrive(s, 0, 0) // It was fast, which alone would double the next.
		if _, _, err := d.Place("9"); !errors.Is(err, backfill.ErrOverflow) {
			t.Fatalf("place: %v", err)
		}
	}
}

func TestPlanGivesUpNothingOnAnError(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 10, backfill.Plan{})
	s := d.open()
	c := chunkOf(0, 1)
	c.Rows[0][0] = cdc.Null
	if err := d.Arrive(s, c, 0); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, _, err := d.Place("0"); !errors.Is(err, cdc.ErrKey) {
			t.Errorf("place: %v, want %v", err, cdc.ErrKey)
		}
	}
}

func TestReaderThatDoesNotLeadOn(t *testing.T) {
	t.Parallel()
	start := backfill.Key{"DC1", "2"}
	for name, c := range map[string]*backfill.Chunk{"no last key": chunkOf(0, 3), "the same key": chunkOf(0, 2)} {
		plan := backfill.Plan{MinRows: 1, MaxRows: 1}
		if name == "no last key" {
			c.Last = nil
		} else {
			plan.From.After = start
		}
		d := newDesk(t, 10, plan)
		if err := d.Arrive(d.open(), c, 0); err == nil || !strings.Contains(err.Error(), "where it began") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestClosePlanner(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 100, backfill.Plan{MinRows: 2, MaxRows: 2})
	one := d.open()
	d.arrive(one, 0, 0)
	d.place("0")
	d.arrive(d.open(), 0, 0)
	three := d.open()
	d.Close()
	d.Close()
	d.forgotten()
	d.arrive(three, 0, 0)
	if s, _ := d.place("9"); s != nil {
		t.Errorf("placed %+v after Close", s.Request)
	}
	d.idle("closed")
	d.Durable(one) // was placed before
	d.at(backfill.Cursor{After: backfill.Key{"DC1", "2"}, Rows: 2})
}

func TestStepThatWasNotBeingRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 100, backfill.Plan{})
	s := d.open()
	d.arrive(s, 0, 0)
	defer func() {
		if recover() == nil {
			t.Error("a chunk may arrive twice")
		}
	}()
	d.Fail(s)
}

func TestChunkSize(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 1_000_000, backfill.Plan{MinRows: 100, MaxRows: 1000, Target: 100 * time.Millisecond})
	var got []int
	for _, took := range []time.Duration{
		0, 10 * time.Millisecond, 50 * time.Millisecond, // at most twice as many at a time
		100 * time.Millisecond, // just right
		125 * time.Millisecond, // a fifth less
		time.Hour, time.Hour, time.Hour, time.Hour,
	} {
		s := d.open()
		got = append(got, s.Request.Limit)
		d.arrive(s, 0, took)
		d.place("0")
	}
	got = append(got, d.open().Request.Limit)
	if want := []int{100, 200, 400, 800, 800, 640, 320, 160, 100, 100}; !slices.Equal(got, want) {
		t.Errorf("chunks of %v rows, want %v", got, want)
	}
}

func TestPlanDefaults(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 10_000_000, backfill.Plan{})
	most := 0
	for i := range 10 {
		s := d.open()
		if i == 0 && s.Request.Limit != 250 {
			t.Errorf("the first chunk has %d rows, want 250", s.Request.Limit)
		}
		most = s.Request.Limit
		d.arrive(s, 0, time.Millisecond)
		d.place("0")
	}
	if most != 20_000 {
		t.Errorf("chunks grow to %d rows, want 20000", most)
	}
	for range 3 {
		d.arrive(d.open(), 1, 200*time.Millisecond)
	}
	d.idle("three chunks wait")
}

func TestThrottle(t *testing.T) {
	t.Parallel()
	throttle := backfill.NewThrottle(1000)
	now, read := noon, 0
	planners := []*backfill.Planner{
		backfill.NewPlanner(backfill.Plan{Table: stock.Name, Throttle: throttle}),
		backfill.NewPlanner(backfill.Plan{Table: stock.Name, Throttle: throttle}),
	}
	recorder := backfill.NewRecorder(1)
	for now.Sub(noon) < time.Minute {
		for _, p := range planners {
			s := p.Open(recorder, now)
			if s == nil {
				continue
			}
			if s.Request.Limit > 1000 {
				t.Fatalf("a chunk of %d rows is more than a second's worth", s.Request.Limit)
			}
			read += s.Request.Limit
			c := chunkOf(0, make([]int, s.Request.Limit)...)
			c.Last = backfill.Key{"DC1", strconv.Itoa(read)}
			if err := p.Arrive(s, c, time.Millisecond); err != nil {
				t.Fatal(err)
			}
			if _, _, err := p.Place("0"); err != nil {
				t.Fatal(err)
			}
		}
		now = now.Add(10 * time.Millisecond)
	}
	// Besides a minute's worth: what was saved before, and one chunk of each on debt.
	if read < 60_000 || read > 63_000 {
		t.Errorf("read %d rows in a minute at 1000 a second", read)
	}
}

func TestThrottleEdges(t *testing.T) {
	t.Parallel()
	none := backfill.NewThrottle(0)
	none.Spend(noon, 1_000_000)
	if none != nil || none.Wait(noon) != 0 {
		t.Error("a rate of 0 holds something back")
	}
	slow := backfill.NewThrottle(0.5)
	s := newDesk(t, 10, backfill.Plan{Throttle: slow}).open()
	if s.Request.Limit != 1 {
		t.Errorf("at half a row a second a chunk has %d rows, want 1", s.Request.Limit)
	}
	// One second was saved, one row costs two.
	if got := slow.Wait(noon); got != time.Second {
		t.Errorf("waits %s, want 1s", got)
	}
	if got := slow.Wait(noon.Add(time.Hour)); got != 0 {
		t.Errorf("waits %s after an hour", got)
	}
	// A clock that is set back waits longer, and no more than it was set back.
	if got := slow.Wait(noon.Add(-time.Second)); got != 2*time.Second {
		t.Errorf("waits %s, want 2s", got)
	}
	// An hour's rest saves no more than a second.
	slow.Spend(noon.Add(time.Hour), 2)
	if got := slow.Wait(noon.Add(time.Hour)); got != 3*time.Second {
		t.Errorf("waits %s, want 3s", got)
	}
}

// A bound holds for the chunks that are opened under it.
func TestBound(t *testing.T) {
	t.Parallel()
	d := newDesk(t, 1_000, backfill.Plan{MinRows: 100, MaxRows: 100, Ahead: 5})
	for i, bound := range []int{0, 7, 200, 0} {
		d.Bound(bound)
		want := 100
		if bound > 0 {
			want = min(bound, 100)
		}
		s := d.open()
		if s.Request.Limit != want {
			t.Errorf("chunk %d asks for %d rows under a bound of %d, want %d", i, s.Request.Limit, bound, want)
		}
		d.arrive(s, 0, 200*time.Millisecond)
	}
}
