package sinktest

import (
	"fmt"
	"testing"

	"tailstock/connector/inventory"
)

// fill gives a store n cells S00000, S00001, ... with 1, 2, ... units.
func fill(t testing.TB, s StockStore, log *storeLog, n int) {
	t.Helper()
	events := make([]inventory.Event, n)
	for i := range events {
		events[i] = event(i, onHand(fmt.Sprintf("S%05d", i), "L", int64(i+1)))
	}
	log.apply(t, s, log.commit(events...))
}

func testRelayWalk(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	const cells = 5_000
	fill(t, s, log, cells)
	log.apply(t, s, log.commit(event(7)))
	newStoreRelay(t, s, false).publish(t)

	// A stream that was replaced gets everything, what is gone included.
	r := newStoreRelay(t, s, true)
	if n := r.publish(t); n != cells || len(r.levels) != cells {
		t.Errorf("%d levels of %d cells for %d", n, len(r.levels), cells)
	}
	if r.onHand("S00007", "L") != "gone" || r.onHand("S04999", "L") != "5000" {
		t.Errorf("published %s and %s", r.onHand("S00007", "L"), r.onHand("S04999", "L"))
	}
	if l := r.levels[cell("S04999", "L")]; l.Transaction != "" || l.Source != "" || !l.CommittedAt.IsZero() {
		t.Errorf("a walk names a cause: %+v", l)
	}
	settled(t, d)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	waitFor(t, s.Wake(), "a rebuild")
	if n := r.publish(t); n != cells {
		t.Errorf("rebuilding took %d levels for %d cells", n, cells)
	}
	settled(t, d)
}

// testRelayWalkResumes: a walk goes on where its last published page ended.
func testRelayWalkResumes(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	const cells = 7_000
	fill(t, s, log, cells)
	r := newStoreRelay(t, s, false)
	r.publish(t)
	r.begin(t, true)
	first := r.pending(t)
	r.pending(t) // read, published, and not forgotten
	if len(first.Levels) == 0 || len(first.Levels) > cells/2 {
		t.Fatalf("a page of %d levels out of %d", len(first.Levels), cells)
	}
	r.published(t, first.Done)
	s = open(t, d)
	r.store = s
	r.begin(t, false)
	clear(r.levels)
	if n := r.publish(t); n != cells-len(first.Levels) {
		t.Errorf("%d levels after a page of %d, want %d", n, len(first.Levels), cells-len(first.Levels))
	}
	settled(t, d)

	// Begun anew it starts over, however far the one before had come.
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.published(t, r.pending(t).Done)
	if err := s.Rebuild(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := r.publish(t); n != cells {
		t.Errorf("%d levels, want %d", n, cells)
	}
	settled(t, d)
}

// testRelayWalkInterleave: neither a walk nor live changes wait for the other.
func testRelayWalkInterleave(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	fill(t, s, log, 9_000)
	r := newStoreRelay(t, s, false)
	r.publish(t)
	r.begin(t, true)
	live, walked := 0, 0
	for i := range 40 {
		log.apply(t, s, log.commit(event(i, onHand(fmt.Sprintf("S%05d", i), "L", int64(-i)))))
		p := r.pending(t)
		if len(p.Levels) > 500 {
			walked++
		} else if len(p.Levels) > 0 {
			live++
		}
		r.published(t, p.Done)
	}
	if live < 10 || walked < 4 {
		t.Errorf("%d live pages and %d of the walk out of 40", live, walked)
	}
	r.publish(t)
	for i := range 40 {
		if got, want := r.onHand(fmt.Sprintf("S%05d", i), "L"), fmt.Sprint(-i); got != want {
			t.Errorf("S%05d: %s, want %s", i, got, want)
		}
	}
	settled(t, d)
}

// testRelayFlip: a walk over a truncated table publishes what changed, and no more,
// while the table is being filled again.
func testRelayFlip(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	log := newStoreLog("wms")
	other := newStoreLog("erp")
	const cells = 6_000
	fill(t, s, log, cells)
	fill(t, s, other, 3) // shares the first cells
	r := newStoreRelay(t, s, false)
	r.publish(t)
	log.apply(t, s, log.commit(truncate()))
	events := make([]inventory.Event, cells-10)
	for i := range events {
		events[i] = event(i, onHand(fmt.Sprintf("S%05d", i), "L", int64(i+1)))
	}
	p := r.pending(t) // reads the walk's beginning before the table is filled again
	log.apply(t, s, log.commit(events...))
	r.published(t, p.Done)
	r.publish(t)
	for i := range cells {
		want := fmt.Sprint(i + 1)
		switch {
		case i < 3:
			want = fmt.Sprint(2 * (i + 1))
		case i >= cells-10:
			want = "gone"
		}
		if got := r.onHand(fmt.Sprintf("S%05d", i), "L"); got != want {
			t.Fatalf("S%05d: %s, want %s", i, got, want)
		}
	}
	settled(t, d)

	// What a truncation puts back unchanged is not published by the walk.
	log.apply(t, s, log.commit(append([]inventory.Event{truncate()}, events...)...))
	walked := 0
	for {
		p, err := s.Pending(t.Context(), r.session)
		if err != nil {
			t.Fatal(err)
		}
		if p.Done == nil {
			break
		}
		for _, l := range p.Levels {
			if l.Source == "" {
				walked++
			}
		}
		r.published(t, p.Done)
	}
	if walked != 0 {
		t.Errorf("the walk published %d levels that do not differ", walked)
	}
	settled(t, d)
}

// testRelayLateCommit: rows of the outbox that were made early and committed
// late are read all the same.
func testRelayLateCommit(t *testing.T, create func(testing.TB) StoreDatabase) {
	d := create(t)
	s := open(t, d)
	r := newStoreRelay(t, s, false)
	r.beside = true
	const sources = 4
	errs := make(chan error, sources)
	for i := range sources {
		go func() {
			log := newStoreLog(fmt.Sprintf("s%d", i))
			var err error
			for n := 0; n < 50 && err == nil; n++ {
				_, err = log.try(t.Context(), s, log.commit(event(n, onHand(fmt.Sprintf("S%d-%d", i, n), "L", int64(n+1)))))
			}
			errs <- err
		}()
	}
	for left := sources; left > 0; {
		select {
		case err := <-errs:
			if err != nil {
				t.Error(err)
			}
			left--
		default:
			r.publish(t)
		}
	}
	r.publish(t)
	for i := range sources {
		for n := range 50 {
			if got, want := r.onHand(fmt.Sprintf("S%d-%d", i, n), "L"), fmt.Sprint(n+1); got != want {
				t.Fatalf("S%d-%d: %s, want %s", i, n, got, want)
			}
		}
	}
	settled(t, d)
}
