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
	cancel context.CancelFunc
	result chan error
}

// captured runs f in a bubble with a capture that is set up by edit, and has
// appended the message that opens its run.
func captured(t *testing.T, edit func(*captureTest), f func(*captureTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		c := &captureTest{
			t: t, reg: prometheus.NewRegistry(), result: make(chan error, 1),
			source: &scriptSource{emits: make(chan emitted), table: binTable()},
			log: &scriptLog{start: connector.RunStart{
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
		go func() { c.result <- connector.NewCapture(c.cfg).Run(ctx, connector.Progress{}) }()
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
	table *cdc.Table
	emits chan emitted

	mu        sync.Mutex
	from      cdc.Resume
	confirmed []cdc.Resume
	complete  func(rows []*cdc.NetChange) error
}

func (s *scriptSource) Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error {
	s.mu.Lock()
	s.from = from
	s.mu.Unlock()
	for {
		select {
		case e := <-s.emits:
			if e.t == nil {
				return <-e.result
			}
			err := emit(ctx, e.t)
			e.result <- err
			if err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (s *scriptSource) Confirm(r cdc.Resume) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = append(s.confirmed, r)
}

func (s *scriptSource) Complete(_ context.Context, _ *cdc.Transaction, rows []*cdc.NetChange) error {
	return s.complete(rows)
}

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

func (l *scriptLog) Purge(_ context.Context, keep time.Duration) (connector.Usage, error) {
	l.keep = keep
	return connector.Usage{Bytes: 90, MaxBytes: 100, Unapplied: 3, Stores: 1}, l.failed("purge")
}

func (l *scriptLog) Close() error { return nil }

type freeLease struct{}

func (freeLease) Hold(ctx context.Context, f func(context.Context) error) error { return f(ctx) }
func (freeLease) Check(context.Context) error                                   { return nil }

func TestCaptureGoesOnFromTail(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		if c.source.from != "before" {
			t.Errorf("tailed from %q, want the token of the run's start", c.source.from)
		}
		if got := c.log.did[0]; got != "0: -> before" {
			t.Errorf("first message %q, want one that says what is captured and moves nothing", got)
		}
		if got := c.log.envelope.Previous; got != c.log.start.Tail {
			t.Errorf("first message follows %v, want the tail", got)
		}
		m, err := inventory.Decode(c.log.envelope)
		if err != nil || len(m.Feeds) != 1 || m.Feeds[0].Table != "public.bin" || m.Feeds[0].Mapping != binMapping(t).ID() {
			t.Errorf("got feeds %v and %v", m.Feeds, err)
		}
	})
}

func TestCommitGoesOutAtOnce(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ack(1)
		c.must(c.emit("a", 1, 2))
		c.must(c.emit("b", 3))
		c.wantLog("1: a(2) -> after a", "2: b(1) -> after b")
		if got, want := c.log.envelope.Previous, (inventory.Position{Run: 7, Number: 1}); got != want {
			t.Errorf("message follows %v, want %v", got, want)
		}
	})
}

func TestCommitsArePackedBehindUnacknowledged(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		for _, id := range []string{"a", "b", "c", "d"} {
			c.must(c.emit(id, 1))
		}
		// The message that opens the run and a are in flight.
		c.wantLog("1: a(1) -> after a")
		c.log.ack(1)
		c.wantLog("1: a(1) -> after a", "2: b(1) c(1) d(1) -> after d")
		c.must(c.emit("e", 1))
		c.wantLog("1: a(1) -> after a", "2: b(1) c(1) d(1) -> after d")
		c.log.ack(2)
		c.wantLog("1: a(1) -> after a", "2: b(1) c(1) d(1) -> after d", "3: e(1) -> after e")
	})
}

func TestMessageHolds2000Events(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("exact", ids(2_000)...))
		c.must(c.emit("large", ids(4_001)...))
		c.wantLog(
			"1: exact(2000) -> after exact",
			"2: large(2000) part 0 last false -> after exact",
			"3: large(2000) part 1 last false -> after exact",
			"4: large(1) part 2 last true -> after large")
	})
}

func TestMessageHolds512KiB(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		changes := make([]cdc.Change, 1_500)
		for i := range changes {
			row := simRow{sku: strings.Repeat("S", 200), location: strings.Repeat("L", 200), qty: 1}
			changes[i] = cdc.Change{Op: cdc.OpUpdate, Table: c.source.table, After: row.image(i)}
		}
		c.must(c.emitPart(&cdc.Transaction{ID: "wide", Last: true, Changes: changes, Resume: "after wide"}))
		synctest.Wait()
		if n := len(c.log.did) - 1; n != 2 {
			t.Errorf("got %d messages of about 800 kB, want 2", n)
		}
	})
}

func TestCommitThatDoesNotFitStandsAlone(t *testing.T) {
	t.Parallel()
	wide := func(c *captureTest, id string, n int) error {
		changes := make([]cdc.Change, n)
		for i := range changes {
			row := simRow{sku: strings.Repeat("S", 200), location: strings.Repeat("L", 200), qty: 1}
			changes[i] = cdc.Change{Op: cdc.OpUpdate, Table: c.source.table, After: row.image(i)}
		}
		return c.emitPart(&cdc.Transaction{ID: id, Last: true, Changes: changes, Resume: cdc.Resume("after " + id)})
	}
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("many", ids(1_500)...))
		c.must(c.emit("more", ids(501)...)) // too many events for many's message
		c.must(wide(c, "wide", 850))        // too many bytes for more's
		c.log.ackAll()
		c.wantLog("1: a(1) -> after a", "2: many(1500) -> after many", "3: more(501) -> after more", "4: wide(850) -> after wide")
	})
}

// A commit of more messages than may be in flight must not wait for acks that
// wait for it.
func TestCommitLargerThanWindow(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("huge", ids(60_000)...))
		synctest.Wait()
		if n := len(c.log.did) - 1; n != 30 {
			t.Errorf("got %d messages, want 30", n)
		}
	})
}

func TestWindowIsTheBackpressure(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		if err := c.emit("huge", ids(60_000)...); !errors.Is(err, errBlocked) {
			t.Errorf("got %v, want emit to wait for acks", err)
		}
		if n := len(c.log.did); n != 16 {
			t.Errorf("%d messages are in flight, want 16", n)
		}
	})
}

func TestPartsOfSource(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("a", 1))
		part := func(n int, last bool, resume cdc.Resume, rows ...int) {
			c.must(c.emitPart(&cdc.Transaction{ID: "b", Part: n, Last: last, Resume: resume}, rows...))
		}
		part(0, false, "after a") // nothing of ours
		part(1, false, "after a", 1, 2)
		part(2, false, "after a")
		part(3, true, "after b") // the end is stated even if it is empty
		part(0, false, "after b")
		part(1, true, "after c") // nothing at all: no message
		c.wantLog("1: a(1) -> after a", "2: b(2) part 0 last false -> after a", "3: b(0) part 1 last true -> after b")
	})
}

func TestRejectsComeBeforeTheirMessage(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("b", 2, -3))
		c.must(c.emit("c", -4))
		c.log.ackAll()
		c.wantLog("1: a(1) -> after a", "reject [3] of b for 2", "reject [4] of c for 2", "2: b(2) c(1) -> after c")
		wantMetric(t, c.reg, `tailstock_capture_rejects_total`, 2)
	})
}

func TestRejectsOfLargeCommit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		rows := ids(2_001)
		rows[0], rows[2_000] = -rows[0], -rows[2_000]
		c.must(c.emit("a", rows...))
		c.wantLog("reject [1] of a for 1", "1: a(2000) part 0 last false -> before",
			"reject [2001] of a for 2", "2: a(1) part 1 last true -> after a")
	})
}

func TestStopOnReject(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.cfg.StopOnReject = true }, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("b", 2))
		c.emit("c", 3, -4)
		c.log.ackAll()
		err := c.end()
		var reject *connector.RejectError
		if !errors.As(err, &reject) || reject.Reject.Row != "[4]" || !connector.Halts(err) {
			t.Fatalf("got %v, want a RejectError for row 4", err)
		}
		for _, text := range []string{"source erp", "table public.bin", "row [4]", "contributes[0].sku", "NULL", "transaction c", "on_reject"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("error %q does not say %q", err, text)
			}
		}
		// What came before the row reached the log.
		c.wantLog("1: a(1) -> after a", "2: b(1) -> after b")
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("b", 2))
		c.cancel()
		synctest.Wait()
		c.log.ackAll()
		if err := c.end(); err != nil {
			t.Errorf("got %v, want a clean drain", err)
		}
		c.wantLog("1: a(1) -> after a", "2: b(1) -> after b")
		c.wantConfirmed("after b")
	})
}

func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.cancel()
		began := time.Now()
		err := c.end()
		if err == nil || !strings.Contains(err.Error(), "did not acknowledge") {
			t.Errorf("got %v, want an error that says that the log did not answer", err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("drained for %s", d)
		}
	})
}

// A drain in the middle of a large commit must not append half a part, or the
// last part under the token of another commit.
func TestDrainWithinCommit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		if err := c.emit("huge", ids(32_001)...); !errors.Is(err, errBlocked) {
			t.Fatalf("got %v", err)
		}
		c.cancel()
		synctest.Wait()
		c.log.ackAll()
		if err := c.end(); err != nil {
			t.Error(err)
		}
		c.log.mu.Lock()
		defer c.log.mu.Unlock()
		if got := c.log.did[len(c.log.did)-1]; got != "15: huge(2000) part 14 last false -> before" {
			t.Errorf("last message is %q", got)
		}
	})
}

func TestConfirmWaitsForDelay(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.log.start.ConfirmDelay = 10 * time.Second }, func(c *captureTest) {
		c.must(c.emit("a", 1))
		later(20 * time.Second)
		c.wantConfirmed("before") // found in the log when the run began
		c.log.ackAll()
		later(9 * time.Second)
		c.must(c.emit("b", 1))
		c.wantConfirmed("before")
		later(2500 * time.Millisecond)
		c.wantConfirmed("before", "after a")
		later(20 * time.Second)
		c.wantConfirmed("before", "after a", "after b")
	})
}

func TestNothingIsConfirmedWithoutCheck(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		c.log.fail = func(operation string) error {
			if operation == "check" {
				return connector.ErrLogChanged
			}
			return nil
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("a", 1))
		if err := c.end(); !errors.Is(err, connector.ErrLogChanged) {
			t.Errorf("got %v, want ErrLogChanged", err)
		}
		c.wantConfirmed()
	})
}

func TestTokenIsKeptBesideTail(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.log.start.ConfirmDelay = 10 * time.Second }, func(c *captureTest) {
		pass := func(r cdc.Resume) { c.must(c.emitPart(&cdc.Transaction{Resume: r})) }
		pass("p1")
		later(30 * time.Second)
		c.wantLog() // what was sent is not acknowledged: nothing is settled
		c.log.ackAll()
		later(8 * time.Second)
		c.wantLog() // the tail may still be lost
		later(4 * time.Second)
		c.wantLog("checkpoint p1 beside 7-0")
		c.wantConfirmed("before")
		later(10 * time.Second)
		c.wantConfirmed("before", "p1")

		c.must(c.emit("a", 1))
		pass("p2")
		later(5 * time.Second)
		c.wantLog("checkpoint p1 beside 7-0", "1: a(1) -> after a")
		later(8 * time.Second)
		c.wantLog("checkpoint p1 beside 7-0", "1: a(1) -> after a", "checkpoint p2 beside 7-1")
	})
}

func TestNoTokenWithinSplitCommit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emitPart(&cdc.Transaction{Resume: "p1"}))
		c.must(c.emitPart(&cdc.Transaction{ID: "a", Resume: "p1"}, 1))
		later(5 * time.Second)
		c.wantLog("1: a(1) part 0 last false -> p1")
		c.wantConfirmed("p1")
	})
}

func TestRowsAreCompleted(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		c.source.complete = func(rows []*cdc.NetChange) error {
			for _, r := range rows {
				if r.Key == "[9]" {
					r.After = nil // gone by now
					continue
				}
				r.After[1], r.After[2] = cdc.Text("P"), cdc.Text("L")
			}
			return nil
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		t1 := &cdc.Transaction{ID: "a", Last: true, Resume: "after a"}
		for _, id := range []int{1, 9} {
			row := keyImage(id)
			row[3] = cdc.Text("5")
			t1.Changes = append(t1.Changes, cdc.Change{Op: cdc.OpUpdate, Table: c.source.table, After: row})
		}
		c.must(c.emitPart(t1))
		m, err := inventory.Decode(c.log.envelope)
		if err != nil {
			t.Fatal(err)
		}
		events := m.Commits[0].Events
		if len(events) != 2 || len(events[0].Contributions) != 1 || len(events[1].Contributions) != 0 {
			t.Errorf("got %+v, want row 1 completed and row 9 withdrawn", events)
		}
		wantMetric(t, c.reg, "tailstock_capture_completed_rows_total", 2)
	})
}

// A row that maps to nothing withdraws what it contributed, unless it never did.
func TestRowsThatMapToNothing(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		nothing := func(op cdc.Op, id int) cdc.Change {
			return cdc.Change{Op: op, Table: c.source.table, After: simRow{sku: "P", location: "L", qty: -1}.image(id)}
		}
		c.must(c.emitPart(&cdc.Transaction{ID: "a", Last: true, Resume: "after a", Changes: []cdc.Change{nothing(cdc.OpInsert, 1)}}))
		c.must(c.emitPart(&cdc.Transaction{ID: "b", Last: true, Resume: "after b", Changes: []cdc.Change{
			nothing(cdc.OpInsert, 2), nothing(cdc.OpUpdate, 3), {Op: cdc.OpDelete, Table: c.source.table, Before: keyImage(4)},
		}}))
		c.wantLog("1: b(2) -> after b")
	})
}

func TestIncompleteRowStops(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		c.source.complete = func([]*cdc.NetChange) error { return nil }
	}, func(c *captureTest) {
		row := keyImage(1)
		c.emitPart(&cdc.Transaction{ID: "a", Last: true, Resume: "after a", Changes: []cdc.Change{{Op: cdc.OpUpdate, Table: c.source.table, After: row}}})
		if err := c.end(); err == nil || !strings.Contains(err.Error(), "row [1]: a column was not sent") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTableThatMappingDoesNotFit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.source.table = &cdc.Table{Name: binTable().Name, Columns: binTable().Columns[:3], Key: []int{0}}
		c.emit("a", 1)
		err := c.end()
		var setup *cdc.SetupError
		if !errors.As(err, &setup) || setup.Object != "table public.bin" || setup.Fix == "" {
			t.Errorf("got %v, want a SetupError that names the table", err)
		}
	})
}

// Every failure ends the run, and says what failed.
func TestFailureEndsRun(t *testing.T) {
	t.Parallel()
	for operation, text := range map[string]string{
		"begin": "begin run in log of source erp", "mapping": "keep mapping", "append": "append message",
		"reject": "keep reject of table public.bin row [1]", "check": "check log of source erp", "checkpoint": "checkpoint source erp",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			captured(t, func(c *captureTest) {
				c.log.auto = true
				c.log.fail = func(o string) error {
					if o == operation {
						return errInjected
					}
					return nil
				}
			}, func(c *captureTest) {
				if operation == "reject" {
					c.emit("a", -1)
				}
				if operation == "checkpoint" {
					c.must(c.emitPart(&cdc.Transaction{Resume: "p1"}))
				}
				err := c.end()
				if !errors.Is(err, errInjected) || !strings.Contains(err.Error(), text) {
					t.Errorf("got %v, want it to say %q", err, text)
				}
			})
		})
	}
}

func TestLostAckEndsRun(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ack(1)
		c.must(c.emit("a", 1))
		c.log.answer(1, connector.ErrLogChanged)
		if err := c.end(); !errors.Is(err, connector.ErrLogChanged) || !strings.Contains(err.Error(), "append message 000000000000007-000000000001") {
			t.Errorf("got %v, want ErrLogChanged of message 1", err)
		}
	})
}

func TestSourceThatEnds(t *testing.T) {
	t.Parallel()
	for _, want := range []error{nil, &cdc.GapError{Reason: cdc.GapSlotMissing}} {
		captured(t, nil, func(c *captureTest) {
			ended := make(chan error, 1)
			ended <- want
			c.source.emits <- emitted{nil, ended}
			err := c.end()
			if err == nil || !strings.HasPrefix(err.Error(), "tail source erp: ") || connector.Halts(err) != (want != nil) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestCaptureWithoutLease(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.cfg.Lease = lostLease{} }, func(c *captureTest) {
		if err := c.end(); !errors.Is(err, connector.ErrLeaseLost) {
			t.Errorf("got %v, want ErrLeaseLost", err)
		}
		if len(c.log.did) > 0 {
			t.Errorf("log was touched: %q", c.log.did)
		}
	})
}

type lostLease struct{ freeLease }

func (lostLease) Check(context.Context) error { return connector.ErrLeaseLost }

func TestPurge(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		var logged strings.Builder
		captured(t, func(c *captureTest) {
			c.log.auto = true
			c.cfg.Keep = time.Hour
			c.cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			c.log.fail = func(o string) error {
				if o == "purge" && fails {
					return errInjected
				}
				return nil
			}
		}, func(c *captureTest) {
			later(15 * time.Second)
			c.must(c.emit("a", 1)) // the run goes on
			c.wantLog("1: a(1) -> after a")
			if c.log.keep != time.Hour {
				t.Errorf("purged with keep %s", c.log.keep)
			}
			want := "level=ERROR msg=\"log is filling up"
			if fails {
				want = "not purged"
				wantMetric(t, c.reg, "tailstock_capture_purge_failures_total", 2)
			} else {
				wantMetric(t, c.reg, "tailstock_log_unapplied_messages", 3)
			}
			if !strings.Contains(logged.String(), want) {
				t.Errorf("log %q does not say %q", logged.String(), want)
			}
		})
	}
}

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
