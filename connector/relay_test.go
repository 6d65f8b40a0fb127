package connector_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// relayTest is a relay between an outbox and a stream that the test scripts.
type relayTest struct {
	looped
	cfg    connector.RelayConfig
	store  *outbox
	levels *levelTape
}

func relayed(t *testing.T, edit func(*relayTest), f func(*relayTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := &relayTest{
			looped: inBubble(t),
			store:  &outbox{wake: make(chan struct{}, 1)},
			levels: &levelTape{auto: true},
		}
		place := connector.Place{Stream: "levels", Session: 5, Sequence: 40}
		r.store.state = connector.RelayState{Session: 6, Place: place}
		r.levels.tail = connector.LevelsTail{Stream: "levels", Sequence: 40, Session: 5, First: 30, After: 4, LastSession: 6}
		r.cfg = connector.RelayConfig{
			Store: r.store, Levels: r.levels, Metrics: connector.NewMetrics(r.reg), Log: slog.New(slog.DiscardHandler),
		}
		if edit != nil {
			edit(r)
		}
		r.around(connector.NewRelay(r.cfg).Run, func() { f(r) })
	})
}

func (r *relayTest) wantDone(want ...any) {
	r.t.Helper()
	synctest.Wait()
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	if !slices.Equal(r.store.done, want) {
		r.t.Errorf("done with %v, want %v", r.store.done, want)
	}
}

// outbox is the publishing side of a store.
type outbox struct {
	mu      sync.Mutex
	state   connector.RelayState
	begun   []connector.SessionStart
	pending []connector.Pending
	done    []any
	wake    chan struct{}
	fail    func(operation string) error
	asked   atomic.Int64
	loaded  []string
}

func (o *outbox) failed(operation string) error {
	if o.fail == nil {
		return nil
	}
	return o.fail(operation)
}

func (o *outbox) RelayState(context.Context) (connector.RelayState, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.state, o.failed("state")
}

func (o *outbox) Loaded(context.Context) ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.loaded, o.failed("loaded")
}

func (o *outbox) BeginSession(_ context.Context, s connector.SessionStart) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.begun = append(o.begun, s)
	o.state.Session, o.state.Place = s.Session, s.Place
	return o.failed("begin")
}

func (o *outbox) Pending(_ context.Context, session uint64) (connector.Pending, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.asked.Add(1)
	if session != o.state.Session {
		return connector.Pending{}, connector.ErrFenced
	}
	if err := o.failed("pending"); err != nil || len(o.pending) == 0 {
		return connector.Pending{}, err
	}
	p := o.pending[0]
	o.pending = o.pending[1:]
	p.More = len(o.pending) > 0
	return p, nil
}

func (o *outbox) Published(ctx context.Context, session uint64, place connector.Place, done []any) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if session != o.state.Session {
		return connector.ErrFenced
	}
	if err := o.failed("published"); err != nil {
		return err
	}
	o.state.Place = place
	o.done = append(o.done, done...)
	return ctx.Err()
}

func (o *outbox) Wake() <-chan struct{} { return o.wake }

// add lists cells to publish as one row, and wakes the relay.
func (o *outbox) add(done any, skus ...string) {
	p := connector.Pending{Done: done}
	for _, sku := range skus {
		p.Levels = append(p.Levels, inventory.Level{
			Cell:      inventory.Cell{SKU: inventory.SKU(sku), Location: "L"},
			UpdatedAt: time.Now(), CommittedAt: time.Now(),
		})
	}
	o.mu.Lock()
	o.pending = append(o.pending, p)
	o.mu.Unlock()
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// levelTape is the levels stream.
type levelTape struct {
	mu        sync.Mutex
	tail      connector.LevelsTail
	cells     []inventory.Cell
	after     []uint64 // asked of CellsAfter
	session   uint64
	published []string
	acks      []chan error
	auto      bool
	checks    atomic.Int64
	fail      func(operation string) error
}

func (l *levelTape) failed(operation string) error {
	if l.fail == nil {
		return nil
	}
	return l.fail(operation)
}

func (l *levelTape) Open(context.Context) (connector.LevelsWriter, error) {
	return l, l.failed("open")
}
func (l *levelTape) Tail() connector.LevelsTail { return l.tail }

func (l *levelTape) CellsAfter(_ context.Context, sequence uint64) ([]inventory.Cell, error) {
	l.after = append(l.after, sequence)
	return l.cells, l.failed("cells")
}

func (l *levelTape) Begin(_ context.Context, session uint64) error {
	l.session = session
	return l.failed("begin")
}

func (l *levelTape) Publish(_ context.Context, level *inventory.Level) (uint64, connector.Ack, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.published = append(l.published, string(level.SKU))
	ack := make(chan error, 1)
	if l.auto {
		ack <- nil
	} else {
		l.acks = append(l.acks, ack)
	}
	return l.tail.Sequence + uint64(len(l.published)), chanAck(ack), l.failed("publish")
}

func (l *levelTape) Check(context.Context) error {
	l.checks.Add(1)
	return l.failed("check")
}
func (l *levelTape) Close() error { return nil }

// A session begins above every session known, and trusts the remembered place
// only if the stream proves that nothing before it was lost.
func TestSessionBegins(t *testing.T) {
	t.Parallel()
	cell := inventory.Cell{SKU: "P", Location: "L"}
	for name, tt := range map[string]struct {
		edit func(*relayTest)
		walk bool
		from uint64
	}{
		"same session":          {func(*relayTest) {}, false, 40},
		"published more":        {func(r *relayTest) { r.levels.tail.Sequence = 45 }, false, 40},
		"newer session beyond":  {func(r *relayTest) { r.levels.tail.Session, r.levels.tail.First = 6, 41 }, false, 40},
		"newer session below":   {func(r *relayTest) { r.levels.tail.Session, r.levels.tail.First = 6, 40 }, true, 0},
		"shorter":               {func(r *relayTest) { r.levels.tail.Sequence = 39 }, true, 0},
		"another stream":        {func(r *relayTest) { r.levels.tail.Stream = "other" }, true, 0},
		"store never published": {func(r *relayTest) { r.store.state = connector.RelayState{} }, true, 0},
		"older session":         {func(r *relayTest) { r.levels.tail.Session = 4 }, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var expect connector.RelayState
			relayed(t, func(r *relayTest) {
				tt.edit(r)
				r.levels.cells = []inventory.Cell{cell}
				expect = r.store.state
			}, func(r *relayTest) {
				if len(r.store.begun) != 1 {
					t.Fatalf("began %d sessions", len(r.store.begun))
				}
				b := r.store.begun[0]
				tail := r.levels.tail
				place := connector.Place{Stream: tail.Stream, Session: tail.Session, Sequence: tail.Sequence}
				if b.Walk != tt.walk || b.Expect != expect.Session || b.Place != place || !slices.Equal(b.Republish, []inventory.Cell{cell}) {
					t.Errorf("began %+v, want walk %v, expect %d, place %v", b, tt.walk, expect.Session, place)
				}
				if !slices.Equal(r.levels.after, []uint64{tt.from}) {
					t.Errorf("asked for cells after %v, want %d", r.levels.after, tt.from)
				}
				if r.levels.session != b.Session || b.Session < uint64(time.Now().Add(-time.Second).UnixMilli()) {
					t.Errorf("session %d is recorded as %d", b.Session, r.levels.session)
				}
			})
		})
	}
}

func TestSessionsOnlyGrow(t *testing.T) {
	t.Parallel()
	const far = 9_000_000_000_000_000 // clocks went back
	for name, edit := range map[string]func(*relayTest){
		"stream": func(r *relayTest) { r.levels.tail.Session = far },
		"store":  func(r *relayTest) { r.store.state.Session = far },
		"record": func(r *relayTest) { r.levels.tail.LastSession = far },
	} {
		relayed(t, edit, func(r *relayTest) {
			if r.levels.session != far+1 {
				t.Errorf("%s: session is %d, want %d", name, r.levels.session, uint64(far+1))
			}
		})
	}
}

func TestRelayPublishesThenForgets(t *testing.T) {
	t.Parallel()
	relayed(t, func(r *relayTest) { r.levels.auto = false }, func(r *relayTest) {
		r.store.add(1, "A", "B")
		r.store.add(2, "C")
		synctest.Wait()
		if want := []string{"A", "B", "C"}; !slices.Equal(r.levels.published, want) {
			t.Errorf("published %v, want %v", r.levels.published, want)
		}
		later(time.Second)
		r.wantDone()
		for _, a := range r.levels.acks {
			a <- nil
		}
		later(time.Second)
		r.wantDone(1, 2)
		if want := (connector.Place{Stream: "levels", Session: r.levels.session, Sequence: 43}); r.store.state.Place != want {
			t.Errorf("remembered %v, want %v", r.store.state.Place, want)
		}
		wantMetric(t, r.reg, "tailstock_relay_levels_total", 3)
		wantMetric(t, r.reg, "tailstock_relay_latency_seconds", 3)
	})
}

// A level that changed before the session began says nothing about latency.
func TestRepublishedLevelsAreNotSlow(t *testing.T) {
	t.Parallel()
	relayed(t, nil, func(r *relayTest) {
		r.store.mu.Lock()
		old := time.Now().Add(-time.Hour)
		r.store.pending = append(r.store.pending, connector.Pending{Done: 1, Levels: []inventory.Level{{UpdatedAt: old, CommittedAt: old}}})
		r.store.mu.Unlock()
		later(3 * time.Second)
		wantMetric(t, r.reg, "tailstock_relay_levels_total", 1)
		wantMetric(t, r.reg, "tailstock_relay_latency_seconds", 0)
	})
}

// A stretch of a walk may hold nothing to publish.
func TestPageWithoutLevels(t *testing.T) {
	t.Parallel()
	relayed(t, nil, func(r *relayTest) {
		place := r.store.state.Place
		r.store.add("walk")
		later(time.Second)
		r.wantDone("walk")
		if r.store.state.Place != place {
			t.Errorf("remembered %v, want %v as before", r.store.state.Place, place)
		}
	})
}

func TestRelayPollsAndChecks(t *testing.T) {
	t.Parallel()
	relayed(t, nil, func(r *relayTest) {
		asked := r.store.asked.Load()
		later(time.Minute)
		if n := r.store.asked.Load() - asked; n < 55 || n > 65 {
			t.Errorf("looked %d times for something to publish in a minute", n)
		}
		if n := r.levels.checks.Load(); n < 14 || n > 21 {
			t.Errorf("checked the stream %d times in a minute", n)
		}
	})
}

// Nothing is published for the first time before every source was loaded: nobody
// is to see the stock of some without that of the others.
func TestRelayWaitsForFirstLoads(t *testing.T) {
	t.Parallel()
	fresh := func(r *relayTest) {
		r.cfg.Sources = []string{"erp", "wms"}
		r.store.state = connector.RelayState{}
		r.store.loaded = []string{"wms"}
	}
	relayed(t, fresh, func(r *relayTest) {
		later(time.Minute)
		if len(r.store.begun) > 0 {
			t.Error("a session began before source erp was loaded")
		}
		r.store.mu.Lock()
		r.store.loaded = []string{"another", "erp", "wms"}
		r.store.mu.Unlock()
		later(2 * time.Second)
		if len(r.store.begun) != 1 {
			t.Error("no session began when the sources were loaded")
		}
	})
	relayed(t, fresh, func(r *relayTest) {
		r.cancel()
		if err := r.end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
	relayed(t, func(r *relayTest) {
		fresh(r)
		r.store.fail = func(o string) error {
			if o == "loaded" {
				return errInjected
			}
			return nil
		}
	}, func(r *relayTest) {
		if err := r.end(); !errors.Is(err, errInjected) || !strings.Contains(err.Error(), "read which sources are loaded") {
			t.Errorf("got %v", err)
		}
	})
}

// What was published once goes on, even if a source is new or was dropped since.
func TestRelayThatPublishedDoesNotWait(t *testing.T) {
	t.Parallel()
	relayed(t, func(r *relayTest) { r.cfg.Sources = []string{"new"} }, func(r *relayTest) {
		if len(r.store.begun) != 1 {
			t.Error("no session began")
		}
	})
}

func TestRelayFails(t *testing.T) {
	t.Parallel()
	for operation, text := range map[string]string{
		"open": "open levels stream", "cells": "read levels after 40", "begin": "begin session", "publish": "publish level of A at L",
		"check": "check levels stream", "state": "read relay state", "pending": "read outbox", "published": "remove published cells",
	} {
		for _, side := range []string{"store", "levels"} {
			fails := func(o string) error {
				if o == operation {
					return errInjected
				}
				return nil
			}
			stored := slices.Contains([]string{"state", "pending", "published", "begin"}, operation)
			if stored != (side == "store") && operation != "begin" {
				continue
			}
			relayed(t, func(r *relayTest) {
				if side == "store" {
					r.store.fail = fails
				} else {
					r.levels.fail = fails
				}
			}, func(r *relayTest) {
				if operation != "check" {
					r.store.add(1, "A")
				}
				if err := r.end(); !errors.Is(err, errInjected) || !strings.Contains(err.Error(), text) {
					t.Errorf("%s of %s: got %v, want it to say %q", operation, side, err, text)
				}
				if operation != "published" {
					r.wantDone()
				}
			})
		}
	}
}

func TestLostLevelEndsSession(t *testing.T) {
	t.Parallel()
	relayed(t, func(r *relayTest) { r.levels.auto = false }, func(r *relayTest) {
		r.store.add(1, "A")
		synctest.Wait()
		r.levels.acks[0] <- errInjected
		if err := r.end(); !errors.Is(err, errInjected) || !strings.Contains(err.Error(), "up to sequence 41") {
			t.Errorf("got %v", err)
		}
		r.wantDone()
	})
}

// A store that went back while the session lived has levels to publish again.
func TestStoreRestoredUnderSession(t *testing.T) {
	t.Parallel()
	relayed(t, nil, func(r *relayTest) {
		r.store.add(1, "A")
		later(10 * time.Second)
		r.store.mu.Lock()
		r.store.state.Place.Sequence--
		r.store.mu.Unlock()
		began := time.Now()
		if err := r.end(); !errors.Is(err, connector.ErrFenced) {
			t.Errorf("got %v, want ErrFenced", err)
		}
		if d := time.Since(began); d > 4*time.Second {
			t.Errorf("noticed after %s", d)
		}
	})
}

func TestRelayEnds(t *testing.T) {
	t.Parallel()
	relayed(t, nil, func(r *relayTest) {
		r.store.add(1, "A")
		synctest.Wait() // published and acknowledged, and not forgotten yet
		r.cancel()
		if err := r.end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
		r.wantDone(1)
	})
}

// TestRelayAsksOnce reads the outbox once for each signal, and not again when it
// knows that it has read everything.
func TestRelayAsksOnce(t *testing.T) {
	t.Parallel()
	relayed(t, nil, func(r *relayTest) {
		synctest.Wait()
		before := r.store.asked.Load()
		for i := range 10 {
			r.store.add(i, "A")
			synctest.Wait()
		}
		if got := r.store.asked.Load() - before; got != 10 {
			t.Errorf("read the outbox %d times for 10 signals", got)
		}
		// A signal while it reads, which the read may not have seen.
		r.store.add(10, "B")
		r.store.add(11, "C")
		synctest.Wait()
		if want := 12; len(r.levels.published) != want {
			t.Errorf("published %d levels, want %d", len(r.levels.published), want)
		}
	})
}
