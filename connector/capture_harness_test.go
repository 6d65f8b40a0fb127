package connector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector"
	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// captureTest is a capture with a source that emits what the test says, and a
// log that acknowledges when the test says. It lives in a bubble of synctest.
type captureTest struct {
	t      *testing.T
	cfg    connector.CaptureConfig
	reg    *prometheus.Registry
	source *scriptSource
	log    *scriptLog
	// capture is the one that runs.
	capture *connector.Capture
	cancel  context.CancelFunc
	result  chan error
}

// captured runs f in a bubble with a capture that is set up by edit, and has
// appended the message that opens its run.
func captured(t *testing.T, edit func(*captureTest), f func(*captureTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &captureTest{
			t: t, reg: prometheus.NewRegistry(), result: make(chan error, 1),
			source: &scriptSource{emits: make(chan emitted), nudged: make(chan struct{}, 1), table: binTable()},
			log: &scriptLog{told: make(chan struct{}, 1), start: connector.RunStart{
				Run: 7, LogID: "log", Tail: inventory.Position{Run: 3, Number: 4}, Resume: "before",
			}},
		}
		c.cfg = connector.CaptureConfig{
			Source: "erp", Adapter: c.source, Log: c.log, Lease: freeLease{}, Mappings: []*mapping.Mapping{binMapping(t)},
			Metrics: connector.NewMetrics(c.reg), Logger: slog.New(slog.DiscardHandler),
		}
		if edit != nil {
			edit(c)
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.cancel = cancel
		c.capture = connector.NewCapture(c.cfg)
		go func() { c.result <- c.capture.Run(ctx, connector.Progress{}) }()
		synctest.Wait()
		f(c)
		cancel()
		c.log.ackAll()
		c.end()
	})
}

// later lets fake time pass, and waits until everything is at rest.
func later(d time.Duration) {
	time.Sleep(d) // fake time
	synctest.Wait()
}

// ended waits for a loop and returns its error. It may be called again.
func ended(t *testing.T, result chan error) error {
	t.Helper()
	select {
	case err := <-result:
		result <- err
		return err
	case <-time.After(time.Hour): // fake time
		t.Fatal("the loop does not end")
		return nil
	}
}

// end waits for the capture and returns its error.
func (c *captureTest) end() error {
	return ended(c.t, c.result)
}

// emit hands on a commit of rows with the given ids, and waits until it is taken.
func (c *captureTest) emit(id string, ids ...int) error {
	return c.emitPart(&cdc.Transaction{ID: id, Last: true, Resume: cdc.Resume("after " + id)}, ids...)
}

func (c *captureTest) emitPart(t *cdc.Transaction, ids ...int) error {
	for _, row := range ids {
		image := simRow{sku: "P", location: "L", qty: 1, bad: row < 0}.image(max(row, -row))
		t.Changes = append(t.Changes, cdc.Change{Op: cdc.OpUpdate, Table: c.source.table, After: image})
	}
	t.CommittedAt = time.Now()
	e := emitted{t, make(chan error, 1)}
	c.source.emits <- e
	synctest.Wait()
	select {
	case err := <-e.result:
		return err
	default:
		return errBlocked
	}
}

var errBlocked = errors.New("emit blocks")

func (c *captureTest) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// wantLog compares what was done to the log since the run was opened.
func (c *captureTest) wantLog(want ...string) {
	c.t.Helper()
	synctest.Wait()
	c.log.mu.Lock()
	defer c.log.mu.Unlock()
	if got := c.log.did[1:]; !slices.Equal(got, want) {
		c.t.Errorf("got log\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

func (c *captureTest) wantConfirmed(want ...cdc.Resume) {
	c.t.Helper()
	synctest.Wait()
	c.source.mu.Lock()
	defer c.source.mu.Unlock()
	// A token may be confirmed again, when the next run states it in its first message.
	if got := slices.Compact(slices.Clone(c.source.confirmed)); !slices.Equal(got, want) {
		c.t.Errorf("confirmed %q, want %q", got, want)
	}
}

// ids returns n row ids.
func ids(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i + 1
	}
	return out
}

type emitted struct {
	t      *cdc.Transaction
	result chan error
}

type scriptSource struct {
	table  *cdc.Table
	emits  chan emitted
	nudged chan struct{}

	mu        sync.Mutex
	from      cdc.Resume
	confirmed []cdc.Resume
	complete  func(rows []*cdc.NetChange) error
	wanted    []cdc.Wanted
	// read answers reads of chunks; nil fails them.
	read func(context.Context, backfill.Request) (*backfill.Chunk, error)
}

func (s *scriptSource) Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error {
	s.mu.Lock()
	s.from = from
	s.mu.Unlock()
	reached := from
	for {
		select {
		case e := <-s.emits:
			if e.t == nil {
				return <-e.result
			}
			reached = e.t.Resume
			err := emit(ctx, e.t)
			e.result <- err
			if err != nil {
				return err
			}
		case <-s.nudged:
			if err := emit(ctx, &cdc.Transaction{Resume: reached}); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// ends has Tail return err.
func (s *scriptSource) ends(err error) {
	ended := make(chan error, 1)
	ended <- err
	s.emits <- emitted{nil, ended}
}

func (s *scriptSource) Confirm(r cdc.Resume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = append(s.confirmed, r)
}

func (s *scriptSource) Complete(_ context.Context, _ *cdc.Transaction, rows []*cdc.NetChange) error {
	return s.complete(rows)
}

func (s *scriptSource) Want(w cdc.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = append(s.wanted, w)
}

func (s *scriptSource) Mark() backfill.Mark { return nil }

func (s *scriptSource) Read(ctx context.Context, _ backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	s.mu.Lock()
	read := s.read
	s.mu.Unlock()
	if read == nil {
		return nil, errInjected
	}
	return read(ctx, r)
}

// Nudge has Tail emit progress.
func (s *scriptSource) Nudge() {
	select {
	case s.nudged <- struct{}{}:
	default:
	}
}

func (s *scriptSource) Estimate(context.Context, cdc.TableName) (int64, error) { return 0, nil }

// scriptLog is a log and its run. did tells in words what was done to it.
type scriptLog struct {
	start connector.RunStart

	mu       sync.Mutex
	did      []string
	acks     []chan error // not answered yet
	auto     bool         // answer at once
	envelope inventory.Envelope
	// fail returns the error of the operation, if it is to fail.
	fail func(operation string) error
	keep time.Duration
	// told is signalled when reports have changed.
	told chan struct{}
	// reports, texts and plan are what the state holds beside the log.
	reports []connector.StoreReport
	texts   map[inventory.MappingID][]byte
	plan    []byte
	rests   inventory.Position // of plan
	// loadReason is the reason that the last load stated.
	loadReason string
}

// story is what was done so far.
func (l *scriptLog) story() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.did)
}

// last is the message that was appended last.
func (l *scriptLog) last() inventory.Envelope {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.envelope
}

// reason is why the last load began.
func (l *scriptLog) reason() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loadReason
}

// keptPlan is the plan of loads, and the message it rests on.
func (l *scriptLog) keptPlan() (string, inventory.Position) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.plan), l.rests
}

// reported replaces what the stores report.
func (l *scriptLog) reported(reports []connector.StoreReport) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reports = reports
	select {
	case l.told <- struct{}{}:
	default:
	}
}

func (l *scriptLog) failed(operation string) error {
	if l.fail == nil {
		return nil
	}
	return l.fail(operation)
}

func (l *scriptLog) Begin(context.Context) (connector.Run, error) {
	return l, l.failed("begin")
}

func (l *scriptLog) Start() connector.RunStart { return l.start }

func (l *scriptLog) Append(_ context.Context, e inventory.Envelope) (connector.Ack, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m, err := inventory.Decode(e)
	if err != nil {
		return nil, err
	}
	if want := (inventory.Position{Run: 7, Number: e.Position.Number}); e.Position != want {
		return nil, fmt.Errorf("position %v", e.Position)
	}
	l.envelope = e
	var b strings.Builder
	fmt.Fprintf(&b, "%d: ", e.Position.Number)
	for _, c := range m.Commits {
		fmt.Fprintf(&b, "%s(%d)", c.Transaction, len(c.Events))
		if !c.Whole() {
			fmt.Fprintf(&b, " part %d last %v", c.Part, c.Last)
		}
		b.WriteByte(' ')
	}
	switch {
	case m.SourceGap != nil:
		b.WriteString("gap ")
	case m.LoadStarted != nil:
		l.loadReason = m.LoadStarted.Reason
		fmt.Fprintf(&b, "load of %d for %q started ", len(m.LoadStarted.Feeds), m.LoadStarted.Stores)
	case m.Chunk != nil:
		fmt.Fprintf(&b, "chunk up to %q done %v ", m.Chunk.Last, m.Chunk.Done)
	case m.LoadCompleted != nil:
		b.WriteString("load completed ")
	}
	fmt.Fprintf(&b, "-> %s", e.Resume)
	l.did = append(l.did, b.String())
	ack := make(chan error, 1)
	if l.auto {
		ack <- nil
	} else {
		l.acks = append(l.acks, ack)
	}
	return chanAck(ack), l.failed("append")
}

type chanAck chan error

func (a chanAck) Wait(ctx context.Context) error {
	select {
	case err := <-a:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ack answers the n oldest messages.
func (l *scriptLog) ack(n int) {
	l.answer(n, nil)
}

func (l *scriptLog) answer(n int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, a := range l.acks[:n] {
		a <- err
	}
	l.acks = l.acks[n:]
}

// ackAll answers every message, also those to come.
func (l *scriptLog) ackAll() {
	l.mu.Lock()
	l.auto = true
	n := len(l.acks)
	l.mu.Unlock()
	l.ack(n)
}

func (l *scriptLog) Reject(_ context.Context, r connector.Reject) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.did = append(l.did, fmt.Sprintf("reject %s of %s for %d", r.Row, r.Transaction, r.Position.Number))
	return l.failed("reject")
}

func (l *scriptLog) Settle(context.Context, []connector.RejectRef) error {
	return l.failed("settle")
}

func (l *scriptLog) Checkpoint(_ context.Context, tail inventory.Position, r cdc.Resume) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.did = append(l.did, fmt.Sprintf("checkpoint %s beside %d-%d", r, tail.Run, tail.Number))
	return l.failed("checkpoint")
}

func (l *scriptLog) Check(context.Context) error { return l.failed("check") }

func (l *scriptLog) KeepMapping(context.Context, inventory.MappingID, []byte) error {
	return l.failed("mapping")
}

func (l *scriptLog) Mapping(_ context.Context, id inventory.MappingID) ([]byte, error) {
	return l.texts[id], l.failed("text")
}

func (l *scriptLog) KeepPlan(_ context.Context, plan []byte, rests inventory.Position) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.plan, l.rests = slices.Clone(plan), rests
	return l.failed("plan")
}

func (l *scriptLog) Plan(context.Context) ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.plan, l.failed("planned")
}

func (l *scriptLog) Reports() []connector.StoreReport {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.reports)
}

func (l *scriptLog) Reported() <-chan struct{} { return l.told }

func (l *scriptLog) Purge(_ context.Context, keep time.Duration, _ inventory.Position) (connector.Usage, error) {
	l.keep = keep
	return connector.Usage{Bytes: 90, MaxBytes: 100, Unapplied: 3, Stores: 1}, l.failed("purge")
}

func (l *scriptLog) Close() error { return nil }

type freeLease struct{}

func (freeLease) Hold(ctx context.Context, f func(context.Context) error) error { return f(ctx) }
func (freeLease) Check(context.Context) error                                   { return nil }

// wantMetric compares a metric's value: a counter's or gauge's, or how often a
// histogram was given a value.
func wantMetric(t *testing.T, reg *prometheus.Registry, name string, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := 0.0
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			got += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	if got != want {
		t.Errorf("%s is %s, want %s", name, strconv.FormatFloat(got, 'g', -1, 64), strconv.FormatFloat(want, 'g', -1, 64))
	}
}
