package sinktest

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// testRandom applies random messages of two sources whose rows share cells, with
// relays and sweeps in between, and compares the store with the model after
// every step. Every case has a store of its own.
func testRandom(t *testing.T, create func(testing.TB) StoreDatabase) {
	rapid.Check(t, func(rt *rapid.T) {
		d := create(t)
		t := rapidTB{t, rt}
		clock := newStoreClock(d)
		w := &randomWorld{
			t: t, d: d, clock: clock, store: d.Open(t), logs: []*storeLog{newStoreLog("wms"), newStoreLog("erp")},
			loads: make(map[*storeLog]connector.LogMessage),
		}
		defer func() { _ = w.store.Close() }()
		w.model = newStoreModel(w.store)
		for _, log := range w.logs {
			log.tables = randomFeeds()[:2]
			w.model.open(log)
			if err := log.open(t.Context(), w.store); err != nil {
				t.Fatal(err)
			}
		}
		w.relay = newStoreRelay(t, w.store, false)
		rt.Repeat(map[string]func(*rapid.T){
			"":           w.check,
			"apply":      w.apply,
			"redeliver":  w.redeliver,
			"publish":    w.publish,
			"lose pages": w.losePages,
			"restart":    w.restart,
			"sweep":      w.sweep,
			"rebuild":    w.rebuild,
			"pass":       w.pass,
		})
		w.relay.publish(t)
		w.model.comparePublished(t, w.relay)
		settled(t, d)
		sweepAll(t, w.store)
		if n := number(t, d, `select count(*) from feed where state = 'dropped'`); n != 0 {
			t.Errorf("%d dropped feeds stay", n)
		}
	})
}

// rapidTB is the test as a random case sees it: a failure belongs to the case,
// which is then made smaller.
type rapidTB struct {
	testing.TB
	rt *rapid.T
}

func (t rapidTB) Helper()                      { t.rt.Helper() }
func (t rapidTB) Error(args ...any)            { t.rt.Error(args...) }
func (t rapidTB) Errorf(f string, args ...any) { t.rt.Errorf(f, args...) }
func (t rapidTB) Fatal(args ...any)            { t.rt.Fatal(args...) }
func (t rapidTB) Fatalf(f string, args ...any) { t.rt.Fatalf(f, args...) }
func (t rapidTB) Failed() bool                 { return t.rt.Failed() }

type randomWorld struct {
	t     testing.TB
	d     StoreDatabase
	store StockStore
	relay *storeRelay
	model *storeModel
	logs  []*storeLog
	clock *storeClock
	last  []inventory.Event
	// loads are the messages that began the last load of each log.
	loads map[*storeLog]connector.LogMessage
}

// randomFeeds are both tables under two mappings each.
func randomFeeds() []inventory.FeedName {
	return []inventory.FeedName{
		{Table: binTable, Mapping: binMapping},
		{Table: orderTable, Mapping: binMapping},
		{Table: binTable, Mapping: otherMapping},
		{Table: orderTable, Mapping: otherMapping},
	}
}

func (w *randomWorld) check(*rapid.T) {
	w.model.compare(w.t, w.d)
	if w.t.Failed() {
		w.t.Fatal("the store is not what the model says")
	}
}

func (w *randomWorld) apply(rt *rapid.T) {
	log := rapid.SampledFrom(w.logs).Draw(rt, "log")
	messages := make([]connector.LogMessage, rapid.IntRange(1, 3).Draw(rt, "messages"))
	for i := range messages {
		messages[i] = w.message(rt, log)
	}
	log.apply(w.t, w.store, messages...)
	for i := range messages {
		w.model.message(&messages[i])
	}
	w.model.levels() // of the committed state: what a batch passes through is never seen
}

// message makes the next message of a log: mostly a commit, at times a step of a load.
func (w *randomWorld) message(rt *rapid.T, log *storeLog) connector.LogMessage {
	events := rapid.SliceOfN(rapid.Custom(randomEvent), 1, 6)
	names := rapid.SliceOfDistinct(rapid.SampledFrom(randomFeeds()), rapid.ID[inventory.FeedName])
	started, loading := w.loads[log]
	switch kind := rapid.IntRange(0, 19).Draw(rt, "message"); {
	case kind == 0:
		return log.feeds(names.Draw(rt, "feeds")...)
	case kind == 1:
		return log.gap()
	case kind <= 3:
		store := rapid.SampledFrom([]string{w.store.ID(), w.store.ID(), "another"}).Draw(rt, "store")
		// One mapping of each table.
		feeds := rapid.SliceOfDistinct(rapid.SampledFrom(randomFeeds()), func(f inventory.FeedName) string { return f.Table }).Draw(rt, "load")
		w.loads[log] = log.loadStarted(store, feeds...)
		return w.loads[log]
	case kind <= 6 && loading:
		return log.read(started, events.Draw(rt, "read")...)
	case kind <= 8 && loading:
		return log.loadCompleted(started)
	default:
		m := log.commit(events.Draw(rt, "events")...)
		w.last = m.Commits[0].Events
		return m
	}
}

// pass lets time pass, and then has the store notice, at times when something else was
// applied first.
func (w *randomWorld) pass(rt *rapid.T) {
	w.clock.pass(time.Duration(rapid.IntRange(1, 4).Draw(rt, "seconds")) * time.Second)
	w.model.now = w.clock.moment()
	if rapid.IntRange(0, 3).Draw(rt, "late") == 0 {
		w.apply(rt)
	}
	for _, log := range w.logs {
		elapseAll(w.t, w.store, log.source)
	}
	w.model.levels()
}

func (w *randomWorld) redeliver(rt *rapid.T) {
	if len(w.last) == 0 {
		rt.Skip("nothing was delivered")
	}
	log := rapid.SampledFrom(w.logs).Draw(rt, "log")
	m := log.commit(w.last...)
	log.apply(w.t, w.store, m)
	w.model.message(&m)
	w.model.levels()
}

func (w *randomWorld) publish(*rapid.T) {
	w.relay.publish(w.t)
	w.model.comparePublished(w.t, w.relay)
}

// losePages reads and publishes pages without ever saying so, and begins another session.
func (w *randomWorld) losePages(rt *rapid.T) {
	for range rapid.IntRange(0, 3).Draw(rt, "pages") {
		w.relay.pending(w.t)
	}
	w.relay.begin(w.t, rapid.Bool().Draw(rt, "walk"))
}

func (w *randomWorld) restart(*rapid.T) {
	if err := w.store.Close(); err != nil {
		w.t.Error(err)
	}
	w.store = w.d.Open(w.t)
	w.relay.store = w.store
	w.relay.begin(w.t, false)
}

func (w *randomWorld) sweep(*rapid.T) {
	if _, err := w.store.Sweep(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

func (w *randomWorld) rebuild(*rapid.T) {
	if err := w.store.Rebuild(w.t.Context()); err != nil {
		w.t.Error(err)
	}
}

func randomEvent(rt *rapid.T) inventory.Event {
	e := event(rapid.IntRange(1, 6).Draw(rt, "row"))
	switch rapid.IntRange(0, 14).Draw(rt, "kind") {
	case 0:
		e = truncate()
	case 1, 2:
		e = problem(rapid.IntRange(1, 6).Draw(rt, "row"), rapid.SampledFrom([]string{"odd", "null"}).Draw(rt, "reason"))
	case 3, 4: // a delete, as event made it
	default:
		legs := rapid.SliceOfNDistinct(rapid.IntRange(0, 3), 1, 3, rapid.ID[int]).Draw(rt, "legs")
		for _, leg := range legs {
			e.Contributions = append(e.Contributions, randomContribution(rt, leg))
		}
	}
	if rapid.IntRange(0, 3).Draw(rt, "table") == 0 {
		e.Table = orderTable
	}
	if rapid.IntRange(0, 2).Draw(rt, "mapping") == 0 {
		e.Mapping = otherMapping
	}
	return e
}

func randomContribution(rt *rapid.T, leg int) inventory.Contribution {
	c := inventory.Contribution{
		Leg: strconv.Itoa(leg), SKU: rapid.SampledFrom([]inventory.SKU{"A", "B", "Ä|\"'"}).Draw(rt, "sku"),
		Location: rapid.SampledFrom([]inventory.LocationID{"DC1", "DC2"}).Draw(rt, "location"),
	}
	for k := range c.Quantities {
		c.Quantities[k] = rapid.SampledFrom([]inventory.Quantity{0, 0, 1, -1, inventory.One, 12_500_000, -3 * inventory.One}).Draw(rt, "quantity")
	}
	for _, bound := range []*inventory.Moment{&c.Valid.From, &c.Valid.Until} {
		if rapid.IntRange(0, 3).Draw(rt, "bounded") == 0 {
			*bound = inventory.MomentOf(startTime().Add(time.Duration(rapid.IntRange(-1, 20).Draw(rt, "bound")) * time.Second))
		}
	}
	return c
}

// testConcurrentSources: sources that share cells apply at once, with a relay
// and sweeps beside them; each cell ends as the sum over all.
func testConcurrentSources(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	const sources, batches = 4, 40
	var mu sync.Mutex
	var wg sync.WaitGroup
	stores := []StockStore{open(t, d), open(t, d)}
	model := newStoreModel(stores[0])
	for i := range sources {
		wg.Go(func() {
			log := newStoreLog(fmt.Sprintf("source%d", i))
			mu.Lock()
			model.open(log)
			mu.Unlock()
			s := stores[i%len(stores)]
			for n := range batches {
				events := make([]inventory.Event, 20)
				for j := range events {
					row := (n*7 + j*3) % 30
					events[j] = event(row, onHand(fmt.Sprintf("S%d", row%11), "L", int64(n*i+j)))
				}
				if n%13 == 12 {
					events[0] = truncate()
				}
				m := log.commit(events...)
				if _, err := log.try(t.Context(), s, m); err != nil {
					t.Errorf("source %d, batch %d: %v", i, n, err)
					return
				}
				mu.Lock()
				model.message(&m)
				mu.Unlock()
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()
	r := newStoreRelay(t, stores[0], false)
	r.beside = true
	for running := true; running; {
		select {
		case <-finished:
			running = false
		default:
			r.publish(t)
			if _, err := stores[1].Sweep(t.Context()); err != nil {
				t.Error(err)
			}
		}
	}
	model.compare(t, d)
	r.publish(t)
	model.comparePublished(t, r)
	settled(t, d)
}

// testCrashWhileApplying crashes the database while batches are applied, time passes
// and levels are published. Afterwards the store is exactly at one of the positions, at
// or behind which nothing that was acknowledged is missing.
func testCrashWhileApplying(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	clock := newStoreClock(d)
	log := newStoreLog("wms")
	var messages []connector.LogMessage
	stream := newStoreRelay(t, open(t, d), false)
	for round := range 4 {
		s := d.Open(t)
		stream.store = s
		stream.begin(t, false)
		acknowledged := applyUntilCrash(t, d, s, log, clock, stream, &messages)
		_ = s.Close() // its connections are gone

		s = open(t, d)
		state, err := s.SourceState(t.Context(), "wms")
		if err != nil {
			t.Fatal(err)
		}
		if state.Position.Before(acknowledged) {
			t.Fatalf("round %d: the store is at %s, it had acknowledged %s", round, state.Position, acknowledged)
		}
		elapseAll(t, s, log.source)
		model := newStoreModel(s)
		model.now = clock.moment()
		model.open(log)
		for i := range messages {
			if messages[i].Position.Compare(state.Position) <= 0 {
				model.message(&messages[i])
			}
		}
		model.compare(t, d)
		log.at = state.Position
		log.next = state.Position
		for len(messages) > 0 && state.Position.Before(messages[len(messages)-1].Position) {
			messages = messages[:len(messages)-1]
		}
		// The stream kept what the store may have forgotten publishing.
		held := make([]inventory.Cell, 0, len(stream.levels))
		for at := range stream.levels {
			held = append(held, at)
		}
		stream.store = s
		stream.begin(t, false, held...)
		stream.publish(t)
		model.comparePublished(t, stream)
	}
}

// applyUntilCrash applies and publishes until the database has crashed and the
// store fails, and returns the last position that was acknowledged.
func applyUntilCrash(t *testing.T, d StoreDatabase, s StockStore, log *storeLog, clock *storeClock, stream *storeRelay,
	messages *[]connector.LogMessage,
) inventory.Position {
	t.Helper()
	crashed := make(chan bool, 1)
	before := log.at
	acknowledged := func(exact bool) inventory.Position {
		if exact {
			return log.at
		}
		return before
	}
	for n := 0; ; n++ {
		events := make([]inventory.Event, 30)
		for j := range events {
			c := onHand(fmt.Sprintf("S%d", j%7), "L", int64(n*j))
			if j%3 == 0 {
				c.Valid.From = inventory.MomentOf(clock.now().Add(time.Duration(j%5) * time.Second))
				c.Valid.Until = inventory.MomentOf(clock.now().Add(time.Duration(j%5+n%4) * time.Second))
			}
			events[j] = event((n+j)%50, c)
		}
		clock.pass(time.Second)
		if n%11 == 10 {
			events[0] = truncate()
		}
		m := log.commit(events...)
		*messages = append(*messages, m)
		if n == 15 {
			before = log.at
			go func() { crashed <- d.Crash(t) }()
		}
		_, err := log.try(t.Context(), s, m)
		if err != nil {
			if n < 15 {
				t.Fatalf("before the crash: %v", err)
			}
			return acknowledged(<-crashed)
		}
		select {
		case exact := <-crashed:
			return acknowledged(exact)
		default:
		}
		if _, err := s.Elapse(t.Context(), log.source); err != nil && n < 15 {
			t.Fatalf("before the crash: %v", err)
		}
		if p, err := s.Pending(t.Context(), stream.session); err == nil && p.Done != nil {
			for _, l := range p.Levels {
				stream.levels[l.Cell] = l
			}
			_ = s.Published(t.Context(), stream.session, stream.place, []any{p.Done})
		}
	}
}
