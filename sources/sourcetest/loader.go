package sourcetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// loader stands in for the engine: it follows a source and loads its tables
// beside that, chunk by chunk, one chunk of each table in flight. All of it
// happens within emit.
//
// It follows from before the first row, so that the fold of the stream alone is
// the truth at every boundary between commits, and compares each placed chunk
// with it there: all that a consumer which knew nothing when the load began would
// have of the rows up to the chunk's end.
type loader struct {
	t      testing.TB
	source Source
	limit  int
	// patience is how long follow waits.
	patience time.Duration
	// inexact says that rows are completed by what is there later, so that nothing can
	// be compared before it is quiet.
	inexact bool

	recorder *backfill.Recorder
	stream   *fold
	loaded   *fold
	loads    []*load
}

// load is the state of the load of one table.
type load struct {
	table cdc.TableName
	// passes is how many times the table is still to be loaded.
	passes int
	// running says that a pass has begun.
	running bool
	after   backfill.Key

	request backfill.Request
	window  *backfill.Window
	results chan result
	cancel  context.CancelFunc
	result  *result

	// column, if not empty, has only rows read by what that column refers to: those
	// that have one of the values that are there. What is read goes nowhere; it is
	// compared.
	column  string
	touched map[cdc.RowKey]bool

	// chunks, dropped and again count chunks placed, rows dropped from them, and
	// chunks that had to be read again.
	chunks, dropped, again int
}

type result struct {
	chunk *backfill.Chunk
	err   error
}

func newLoader(t testing.TB, s Source, limit int, tables ...cdc.TableName) *loader {
	l := &loader{t: t, source: s, limit: limit, patience: patience, stream: newFold(), loaded: newFold()}
	for _, table := range tables {
		l.loads = append(l.loads, &load{table: table})
	}
	l.restart()
	return l
}

// restart forgets what does not outlive a Tail: windows and the chunks of them.
func (l *loader) restart() {
	l.stop()
	l.recorder = backfill.NewRecorder(windowKeys)
	l.stream.restart()
	l.loaded.restart()
}

// stop ends the reads that run.
func (l *loader) stop() {
	for _, d := range l.loads {
		if d.results != nil {
			d.cancel()
			<-d.results
		}
		d.window, d.results, d.result = nil, nil, nil
	}
}

// begin loads every table as often, and reads half as often by what rows refer to.
func (l *loader) begin(passes int) {
	for _, d := range l.loads {
		if d.passes = passes; d.column != "" {
			d.passes = passes / 2
		}
	}
}

// done reports whether all loads are.
func (l *loader) done() bool {
	return !slices.ContainsFunc(l.loads, func(d *load) bool { return d.passes > 0 })
}

// emit is the hook of tail.
func (l *loader) emit(ctx context.Context, t *cdc.Transaction) error {
	net, err := netOf(t)
	if err != nil {
		return err
	}
	l.recorder.Record(t, net)
	for _, d := range l.loads {
		d.touch(net)
	}
	if err := l.stream.add(ctx, l.source, t); err != nil {
		return err
	}
	if err := l.loaded.add(ctx, l.source, t); err != nil {
		return err
	}
	if !t.Last {
		return nil
	}
	for _, d := range l.loads {
		if err := l.step(ctx, d, t.Resume); err != nil {
			return fmt.Errorf("load table %s: %w", d.table, err)
		}
	}
	return nil
}

// step does what can be done for a load at a boundary.
func (l *loader) step(ctx context.Context, d *load, at cdc.Resume) error {
	if d.results != nil {
		select {
		case r := <-d.results:
			d.result, d.results = &r, nil
		default:
		}
	}
	if d.result != nil {
		if d.result.err != nil {
			return d.result.err
		}
		if !d.result.chunk.View.Reached(at) {
			time.AfterFunc(time.Millisecond, l.source.Nudge)
			return nil
		}
		if err := l.place(d); err != nil {
			return err
		}
	}
	if d.window == nil && d.passes > 0 {
		l.open(ctx, d)
	}
	return nil
}

// open opens the window of the next chunk and lets it be read.
func (l *loader) open(ctx context.Context, d *load) {
	if !d.running {
		d.running, d.after = true, nil
		if d.column == "" {
			l.loaded.rows[d.table] = make(map[cdc.RowKey]string)
		}
	}
	request := backfill.Request{Table: d.table, Range: backfill.Range{After: d.after}, Limit: l.limit}
	if d.column != "" {
		request.Referring = backfill.ByColumn(d.column, l.referred(d)...)
		d.touched = make(map[cdc.RowKey]bool)
	}
	d.window, d.request = l.recorder.Open(d.table), request
	results, mark := make(chan result, 1), l.source.Mark()
	ctx, cancel := context.WithCancel(ctx)
	d.results, d.cancel = results, cancel
	go func() {
		defer cancel()
		chunk, err := l.source.Read(ctx, mark, request)
		results <- result{chunk, err}
		l.source.Nudge()
	}()
}

// place merges and places the chunk that was read, and compares.
func (l *loader) place(d *load) error {
	chunk := d.result.chunk
	placed, err := d.window.Merge(&d.request, chunk)
	d.window.Close()
	d.window, d.result = nil, nil
	if errors.Is(err, backfill.ErrReread) {
		d.again++
		return nil
	}
	if err != nil {
		return err
	}
	rows := l.loaded.rows[d.table]
	switch {
	case d.column != "":
		rows = make(map[cdc.RowKey]string)
	case rows == nil:
		return fmt.Errorf("a chunk without a pass")
	}
	for _, p := range placed {
		rows[p.Key] = abridge(renderRow(chunk.Table, p.Row))
	}
	d.chunks++
	d.dropped += len(chunk.Rows) - len(placed)
	last := chunk.Read() < l.limit
	switch {
	case l.inexact:
	case d.column != "":
		err = l.compareReferring(d, rows, chunk.Last, last)
	default:
		err = l.compare(d, chunk.Last, last)
	}
	if err != nil {
		return err
	}
	if chunk.Last != nil {
		d.after = chunk.Last
	}
	if last {
		d.running = false
		d.passes--
	}
	return nil
}

// compare compares what was loaded with what is there, up to a key or, of the
// last chunk, altogether.
func (l *loader) compare(d *load, upto backfill.Key, all bool) error {
	within := func(rows map[cdc.RowKey]string) map[cdc.RowKey]string {
		some := make(map[cdc.RowKey]string)
		for key, row := range rows {
			if all || compareKeys(key, upto) <= 0 {
				some[key] = row
			}
		}
		return some
	}
	if diff := cmp.Diff(within(l.stream.rows[d.table]), within(l.loaded.rows[d.table])); diff != "" {
		return fmt.Errorf("%w: after chunk %d, up to %q (-source +loaded):\n%.2000s", errWrong, d.chunks, upto, diff)
	}
	return nil
}

// windowKeys is how many rows a window remembers: more than there are.
const windowKeys = 10_000

// errWrong is returned when a load made a consumer wrong.
var errWrong = errors.New("the load is wrong")

// compareKeys compares a row's key with the texts of another, where numbers are
// integers and everything else is ASCII.
func compareKeys(key cdc.RowKey, texts backfill.Key) int {
	var values []any
	d := json.NewDecoder(strings.NewReader(string(key)))
	d.UseNumber()
	if err := d.Decode(&values); err != nil {
		panic(fmt.Sprintf("sourcetest: key %s: %v", key, err))
	}
	for i, v := range values {
		c := 0
		switch v := v.(type) {
		case json.Number:
			n, _ := v.Int64()
			m, _ := json.Number(texts[i]).Int64()
			c = int(n - m)
		case string:
			c = strings.Compare(v, texts[i])
		}
		if c != 0 {
			return c
		}
	}
	return 0
}
