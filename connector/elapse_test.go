package connector_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector/inventory"
)

// elapsed compares when what was due was done, counted from start.
func (d *deliverTest) wantElapsed(start time.Time, want ...time.Duration) {
	d.t.Helper()
	synctest.Wait()
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	var got []time.Duration
	for _, at := range d.store.elapsedAt {
		got = append(got, at.Sub(start))
	}
	if !slices.Equal(got, want) {
		d.t.Errorf("done after %v, want %v", got, want)
	}
}

func TestElapsesWhenDue(t *testing.T) {
	t.Parallel()
	var start time.Time
	delivered(t, func(d *deliverTest) {
		start = time.Now().Truncate(time.Millisecond)
		// Two came due while nothing ran.
		d.store.dues = []time.Time{start.Add(-time.Hour), start.Add(-time.Minute), start.Add(5 * time.Second), start.Add(3 * time.Hour)}
	}, func(d *deliverTest) {
		d.wantElapsed(start, 0, 0)
		<-time.After(10 * time.Second)
		d.wantElapsed(start, 0, 0, 5*time.Second)
		// What is applied may be due sooner than anything before.
		sooner := start.Add(20 * time.Second)
		d.store.mu.Lock()
		d.store.newDue = &sooner
		d.store.mu.Unlock()
		d.log.add(line(1, 0, 1)...)
		<-time.After(time.Minute)
		d.wantElapsed(start, 0, 0, 5*time.Second, 20*time.Second)
		<-time.After(3 * time.Hour)
		d.wantElapsed(start, 0, 0, 5*time.Second, 20*time.Second, 3*time.Hour)
		d.wantApplied("1.0")
	})
}

// What others wrote, or the setting of a clock, is found out within a minute; while
// nothing is due, a look a minute is all that it costs.
func TestElapseLooksNowAndThen(t *testing.T) {
	t.Parallel()
	delivered(t, nil, func(d *deliverTest) {
		<-time.After(10 * time.Minute)
		synctest.Wait()
		d.store.mu.Lock()
		if d.store.elapses < 10 || d.store.elapses > 12 {
			t.Errorf("asked %d times in ten minutes, want once a minute", d.store.elapses)
		}
		before := time.Now()
		d.store.dues = []time.Time{before}
		d.store.mu.Unlock()
		<-time.After(time.Minute)
		synctest.Wait()
		d.store.mu.Lock()
		defer d.store.mu.Unlock()
		if len(d.store.elapsedAt) != 1 || d.store.elapsedAt[0].Sub(before) > time.Minute {
			t.Errorf("done at %v, want within a minute of %v", d.store.elapsedAt, before)
		}
	})
}

// Time passes for what the store holds also while there is no log to read.
func TestElapsesWithoutALog(t *testing.T) {
	t.Parallel()
	var start time.Time
	delivered(t, func(d *deliverTest) {
		start = time.Now().Truncate(time.Millisecond)
		d.log.absent = true
		d.store.dues = []time.Time{start.Add(-time.Second), start.Add(7 * time.Second)}
	}, func(d *deliverTest) {
		<-time.After(8 * time.Second)
		d.wantElapsed(start, 0, 7*time.Second)
	})
}

// A backlog does not keep what is due waiting, nor the other way round.
func TestElapsesBesideABacklog(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.log.add(line(1, 0, 100)...)
		for range 100 {
			d.store.dues = append(d.store.dues, time.Now().Add(-time.Hour))
		}
	}, func(d *deliverTest) {
		synctest.Wait()
		d.store.mu.Lock()
		defer d.store.mu.Unlock()
		if len(d.store.dues) > 0 || d.store.state.Position != (inventory.Position{Run: 1, Number: 99}) {
			t.Errorf("%d are due and the store is at %s, want none, and all applied", len(d.store.dues), d.store.state.Position)
		}
	})
}

func TestElapseFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, absent := range []bool{false, true} {
		delivered(t, func(d *deliverTest) { d.store.elapseFails, d.log.absent = broken, absent }, func(d *deliverTest) {
			if err := d.end(); !errors.Is(err, broken) {
				t.Errorf("ended with %v, want %v", err, broken)
			}
		})
	}
}
