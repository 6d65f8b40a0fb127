package sinktest

import (
	"fmt"
	"testing"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// storeRelay publishes what a store has to publish, as a relay would, into a map.
type storeRelay struct {
	// beside says that batches are applied while it publishes.
	beside  bool
	store   connector.RelayStore
	session uint64
	place   connector.Place
	// levels is the levels stream: the last level of every cell.
	levels map[inventory.Cell]inventory.Level
	// messages counts the levels published.
	messages int
}

// newStoreRelay begins a session with the store, republishing what republish names.
func newStoreRelay(t testing.TB, s connector.RelayStore, walk bool, republish ...inventory.Cell) *storeRelay {
	t.Helper()
	r := &storeRelay{store: s, levels: make(map[inventory.Cell]inventory.Level)}
	r.begin(t, walk, republish...)
	return r
}

// begin begins another session on the same stream.
func (r *storeRelay) begin(t testing.TB, walk bool, republish ...inventory.Cell) {
	t.Helper()
	state, err := r.store.RelayState(t.Context())
	if err != nil {
		t.Fatalf("read relay state: %v", err)
	}
	start := connector.SessionStart{
		Expect: state.Session, Session: state.Session + 1, Walk: walk, Republish: republish,
		Place: connector.Place{Stream: "levels", Session: r.session, Sequence: r.place.Sequence},
	}
	if err := r.store.BeginSession(t.Context(), start); err != nil {
		t.Fatalf("begin session: %v", err)
	}
	r.session, r.place = start.Session, start.Place
}

// pending reads one page and publishes it.
func (r *storeRelay) pending(t testing.TB) connector.Pending {
	t.Helper()
	p, err := r.store.Pending(t.Context(), r.session)
	if err != nil {
		t.Fatalf("read what is pending: %v", err)
	}
	seen := make(map[inventory.Cell]bool)
	for _, l := range p.Levels {
		if seen[l.Cell] {
			t.Errorf("cell %v twice in one page", l.Cell)
		}
		seen[l.Cell] = true
		if l.Gone && !l.Quantities.IsZero() {
			t.Errorf("cell %v is gone with %v", l.Cell, l.Quantities)
		}
		if l.UpdatedAt.IsZero() {
			t.Errorf("cell %v has no time of change", l.Cell)
		}
		r.levels[l.Cell] = l
		r.place = connector.Place{Stream: "levels", Session: r.session, Sequence: r.place.Sequence + 1}
		r.messages++
	}
	return p
}

// publish publishes everything that is pending, up to two pages in flight, and
// returns how many levels that took.
func (r *storeRelay) publish(t testing.TB) int {
	t.Helper()
	before := r.messages
	var flying []any
	more := true
	for range 10_000 {
		p := r.pending(t)
		if p.Done != nil {
			if !more && !r.beside {
				t.Error("there was more to read than the store said")
			}
			more = p.More
			flying = append(flying, p.Done)
		}
		if len(flying) == 2 || p.Done == nil {
			r.published(t, flying...)
			flying = nil
		}
		if p.Done == nil {
			return r.messages - before
		}
	}
	t.Fatal("the store always has more to publish")
	return 0
}

func (r *storeRelay) published(t testing.TB, done ...any) {
	t.Helper()
	if len(done) == 0 {
		return
	}
	if err := r.store.Published(t.Context(), r.session, r.place, done); err != nil {
		t.Fatalf("published: %v", err)
	}
}

// onHand returns the published units on hand of a cell as text, "gone" or "none".
func (r *storeRelay) onHand(sku, location string) string {
	l, ok := r.levels[cell(sku, location)]
	switch {
	case !ok:
		return "none"
	case l.Gone:
		return "gone"
	}
	return l.Quantities[inventory.OnHand].String()
}

// settled fails the test unless the store has nothing more to publish.
func settled(t testing.TB, d StoreDatabase) {
	t.Helper()
	if n := number(t, d, `select count(*) from outbox`); n != 0 {
		t.Errorf("%d rows stay in the outbox", n)
	}
}

func testRelayFirst(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	state, err := s.RelayState(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if state != (connector.RelayState{}) {
		t.Errorf("a new store remembers %+v", state)
	}
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5)), event(2, onHand("A", "L", 2)), event(3, onHand("B", "L", 0))))

	r := newStoreRelay(t, s, false)
	if n := r.publish(t); n != 2 {
		t.Errorf("%d levels for 2 cells", n)
	}
	a := r.levels[cell("A", "L")]
	if r.onHand("A", "L") != "7" || r.onHand("B", "L") != "0" {
		t.Errorf("published %v", r.levels)
	}
	if a.Source != "wms" || a.Transaction != "701" || !a.CommittedAt.Equal(startTime().Add(time.Second)) {
		t.Errorf("cause of %+v", a)
	}
	if age := time.Since(a.UpdatedAt); age < 0 || age > time.Minute {
		t.Errorf("changed at %s", a.UpdatedAt)
	}
	settled(t, d)
	if state, err = s.RelayState(t.Context()); err != nil || state.Session != r.session || state.Place != r.place {
		t.Errorf("the store remembers %+v (%v), want session %d at %+v", state, err, r.session, r.place)
	}
}

func testRelayFence(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	one, two := open(t, d), open(t, d)
	log := newStoreLog("wms")
	log.apply(t, one, log.commit(event(1, onHand("A", "L", 5))))
	r1 := newStoreRelay(t, one, false)
	page := r1.pending(t)

	// Another relay begins with what the first one left, and the first is out.
	r2 := newStoreRelay(t, two, false)
	if err := one.Published(t.Context(), r1.session, r1.place, []any{page.Done}); !isFenced(err) {
		t.Errorf("published by a relay that was superseded: %v", err)
	}
	if _, err := one.Pending(t.Context(), r1.session); !isFenced(err) {
		t.Errorf("pending for a relay that was superseded: %v", err)
	}
	err := one.BeginSession(t.Context(), connector.SessionStart{Expect: r1.session, Session: r1.session + 9, Walk: true})
	if !isFenced(err) {
		t.Errorf("session begun from an old state: %v", err)
	}
	if state, err := one.RelayState(t.Context()); err != nil || state.Session != r2.session {
		t.Errorf("state %+v (%v), want session %d", state, err, r2.session)
	}
	if r2.publish(t); r2.onHand("A", "L") != "5" {
		t.Errorf("the second relay published %v", r2.levels)
	}
	settled(t, d)
}

func testRelayInFlight(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	r := newStoreRelay(t, s, false)
	var flying []any
	for i := range 5 {
		log.apply(t, s, log.commit(event(i, onHand(fmt.Sprintf("S%d", i), "L", int64(i)))))
		p := r.pending(t)
		if len(p.Levels) != 1 {
			t.Fatalf("page %d has %d levels, want the new one", i, len(p.Levels))
		}
		flying = append(flying, p.Done)
	}
	if p := r.pending(t); p.Done != nil {
		t.Errorf("everything is in flight, and %v is pending", p.Levels)
	}
	if n := number(t, d, `select count(*) from outbox`); n != 5 {
		t.Errorf("%d outbox rows, want 5 until published", n)
	}
	r.published(t, flying[0], flying[1])
	if n := number(t, d, `select count(*) from outbox`); n != 3 {
		t.Errorf("%d outbox rows after two pages of five were published", n)
	}
	r.published(t, flying[2:]...)
	settled(t, d)
}

func testRelayMerges(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	for i := range 300 {
		log.apply(t, s, log.commit(event(i%3, onHand(fmt.Sprintf("S%d", i%3), "L", int64(i)))))
	}
	r := newStoreRelay(t, s, false)
	if n := r.publish(t); n != 3 {
		t.Errorf("300 changes of 3 cells took %d levels", n)
	}
	if r.onHand("S2", "L") != "299" {
		t.Errorf("published %s", r.onHand("S2", "L"))
	}
	settled(t, d)
}

// testRelayRestart drops what was read at every step of the protocol.
func testRelayRestart(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	stream := newStoreRelay(t, s, false)
	for step := range 12 {
		for i := range 4 {
			log.apply(t, s, log.commit(event(i, onHand(fmt.Sprintf("S%d", i), "L", int64(100*step+i)))))
		}
		switch step % 4 {
		case 0: // read, not published
			stream.pending(t)
		case 1: // published, not forgotten
			stream.pending(t)
			stream.pending(t)
		case 2: // half of it forgotten
			stream.published(t, stream.pending(t).Done)
		}
		if step%2 == 0 {
			s = open(t, d)
			stream.store = s
		}
		stream.begin(t, step%3 == 0)
	}
	stream.publish(t)
	for i := range 4 {
		if got, want := stream.onHand(fmt.Sprintf("S%d", i), "L"), fmt.Sprint(1100+i); got != want {
			t.Errorf("S%d: published %s, want %s", i, got, want)
		}
	}
	settled(t, d)
}

func testRelayRepublish(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5)), event(2, onHand("B", "L", 6))))
	r := newStoreRelay(t, s, false)
	r.publish(t)

	// The stream holds more cells after the remembered place than one outbox row
	// lists; some of them the store has never heard of.
	cells := []inventory.Cell{cell("A", "L")}
	for i := range 2_500 {
		cells = append(cells, cell(fmt.Sprintf("ghost-%d", i), "L"))
	}
	r.begin(t, false, cells...)
	if n := r.publish(t); n != len(cells) {
		t.Errorf("%d levels for %d cells", n, len(cells))
	}
	if r.onHand("A", "L") != "5" || r.onHand("ghost-7", "L") != "gone" || r.onHand("ghost-2499", "L") != "gone" {
		t.Errorf("A %s, ghosts %s and %s", r.onHand("A", "L"), r.onHand("ghost-7", "L"), r.onHand("ghost-2499", "L"))
	}
	settled(t, d)
}

func testRelayWake(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	log.apply(t, s, log.commit(event(1, onHand("A", "L", 5))))
	waitFor(t, s.Wake(), "an apply in this process")
}

// waitFor waits for a signal.
func waitFor(t testing.TB, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(10 * time.Second):
		t.Fatalf("not woken by %s", what)
	}
}
