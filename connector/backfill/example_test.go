package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// loader drives one plan, as an engine does. Its method boundary belongs to the
// goroutine that takes the stream, its method read to one that reads.
type loader struct {
	recorder *backfill.Recorder
	reader   backfill.Reader
	planner  *backfill.Planner
	// place appends rows and then the marker of s to the log. When that is durable,
	// boundary's goroutine calls planner.Durable(s) and keeps planner.Cursor().
	place func(s *backfill.Step, rows []backfill.Placed)

	asked    chan asked    // to read; as there is one read at a time, holding 1 never blocks
	answered chan answered // from it, the same
}

type asked struct {
	step *backfill.Step
	mark backfill.Mark
}

type answered struct {
	step  *backfill.Step
	chunk *backfill.Chunk
	took  time.Duration
	err   error
}

func newLoader(recorder *backfill.Recorder, reader backfill.Reader, plan backfill.Plan) *loader {
	return &loader{
		recorder: recorder, reader: reader, planner: backfill.NewPlanner(plan),
		asked: make(chan asked, 1), answered: make(chan answered, 1),
	}
}

// boundary is called from within emit, after each whole transaction was recorded
// and appended, and after each progress: the stream has delivered all up to r.
func (l *loader) boundary(r cdc.Resume, now time.Time) error {
	select {
	case a := <-l.answered:
		if a.err != nil {
			l.planner.Fail(a.step) // and is asked for again: an engine waits a while
		} else if err := l.planner.Arrive(a.step, a.chunk, a.took); err != nil {
			return err
		}
	default:
	}
	for {
		s, rows, err := l.planner.Place(r)
		if err != nil && !errors.Is(err, backfill.ErrReread) {
			return err
		}
		if s == nil {
			break
		}
		l.place(s, rows)
	}
	if s := l.planner.Open(l.recorder, now); s != nil {
		l.asked <- asked{s, l.reader.Mark()}
	}
	return nil
}

// read answers one request.
func (l *loader) read(ctx context.Context, a asked) {
	c, err := l.reader.Read(ctx, a.mark, a.step.Request)
	var took time.Duration
	if err == nil {
		took = time.Since(c.ReadAt)
		err = c.Prepare() // here, so that the stream need not wait for it
	}
	l.answered <- answered{a.step, c, took, err}
	l.reader.Nudge() // An idle source reaches the chunk as well.
}

// Example loads a table of five rows, two at a time, while the stream changes them.
func Example() {
	source := newToySource()
	recorder := backfill.NewRecorder(10_000)
	l := newLoader(recorder, source, backfill.Plan{Table: toys.Name, MinRows: 2, MaxRows: 2})
	l.place = func(s *backfill.Step, rows []backfill.Placed) {
		for _, p := range rows {
			fmt.Println("read  ", p.Key, p.Row[1])
		}
		fmt.Println("marker", s.Cursor().After, "done:", s.Cursor().Done)
		l.planner.Durable(s)
	}

	done := make(chan struct{})
	go func() {
		defer close(done)
		for a := range l.asked {
			l.read(context.Background(), a)
		}
	}()
	err := source.tail(func(t *cdc.Transaction) error {
		var net cdc.Netter
		changes, err := net.Net(t)
		if err != nil {
			return err
		}
		recorder.Record(t, changes)
		for _, c := range changes {
			fmt.Println("stream", c.Key, c.After[1])
		}
		if err := l.boundary(t.Resume, time.Now()); err != nil {
			return err
		}
		if l.planner.Cursor().Done {
			return errLoaded
		}
		return nil
	})
	close(l.asked)
	<-done
	fmt.Println(err)
	// Output:
	// stream ["b"] 1
	// read   ["a"] 0
	// marker [b] done: false
	// read   ["c"] 0
	// read   ["d"] 0
	// marker [d] done: false
	// read   ["e"] 0
	// marker [e] done: true
	// loaded
}

var errLoaded = errors.New("loaded")

var toys = &cdc.Table{
	Name: cdc.TableName{Schema: "public", Name: "toy"}, Key: []int{0},
	Columns: []cdc.Column{{Name: "id", Type: cdc.TypeText}, {Name: "version", Type: cdc.TypeInteger}},
}

// toySource has the rows a to e. When the first chunk has been read it changes row b.
type toySource struct{ nudged chan struct{} }

func newToySource() *toySource { return &toySource{make(chan struct{}, 1)} }

// tail emits progress first and at every nudge.
func (s *toySource) tail(emit func(*cdc.Transaction) error) error {
	next := &cdc.Transaction{Resume: "0"}
	for {
		if err := emit(next); err != nil {
			return err
		}
		<-s.nudged
		if next.Resume == "0" {
			next = &cdc.Transaction{ID: "1", Resume: "1", Last: true, Changes: []cdc.Change{
				{Op: cdc.OpUpdate, Table: toys, After: cdc.Row{cdc.Text("b"), cdc.Text("1")}},
			}}
		} else {
			next = &cdc.Transaction{Resume: "1"}
		}
	}
}

func (s *toySource) Mark() backfill.Mark { return nil }

func (s *toySource) Read(_ context.Context, _ backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	c := &backfill.Chunk{Table: toys, View: toyView{}, ReadAt: time.Now()}
	for _, id := range []string{"a", "b", "c", "d", "e"} {
		if len(c.Rows) < r.Limit && (r.After == nil || id > r.After[0]) {
			c.Rows = append(c.Rows, cdc.Row{cdc.Text(id), cdc.Text("0")})
			c.Last = backfill.Key{id}
		}
	}
	return c, nil
}

func (s *toySource) Nudge() { s.nudged <- struct{}{} }

func (s *toySource) Estimate(context.Context, cdc.TableName) (int64, error) { return 5, nil }

// toyView is from before the change.
type toyView struct{}

func (toyView) Sees(*cdc.Transaction) bool { return false }

func (toyView) Reached(cdc.Resume) bool { return true }
