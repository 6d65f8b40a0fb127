package connector

import (
	"math"
	"slices"
	"time"

	"tailstock/connector/inventory"
)

// Bounds of a liveWindow, and the time that it keeps to.
const (
	windowLeast = 500
	windowMost  = 2_000
	windowStep  = 100
	windowTime  = 20 * time.Millisecond
	// liveChunkLeast is the least chunk to open: a smaller one costs the source as much.
	liveChunkLeast = 250
)

// liveWindow is how many read rows may be on their way to the stores while
// transactions come: as many as stores apply within windowTime, since that is what
// a change waits for. It grows step by step while chunks arrive in time, and shrinks
// by a quarter for each that does not. The zero liveWindow is the least.
type liveWindow struct{ above int }

func (w *liveWindow) rows() int { return windowLeast + w.above }

// chunk is how many rows to read at once: so few that some are read while others
// are applied.
func (w *liveWindow) chunk() int { return max(liveChunkLeast, w.rows()/3) }

// learn takes the time from the placing of a chunk to the report that it is applied.
func (w *liveWindow) learn(took time.Duration) {
	if took <= windowTime {
		w.above = min(w.above+windowStep, windowMost-windowLeast)
		return
	}
	w.above = max(0, w.above-w.rows()/4)
}

// room returns how many more rows may be on their way to the stores.
func (l *loader) room(now time.Time) int {
	applied := l.applied()
	n := 0
	for n < len(l.unapplied) && l.unapplied[n].marker.Compare(applied) <= 0 {
		l.window.learn(now.Sub(l.unapplied[n].at))
		n++
	}
	l.unapplied = append(l.unapplied[:0], l.unapplied[n:]...)
	room := unappliedQuiet
	if l.flows(now) {
		room = l.window.rows()
	}
	for _, p := range l.unapplied {
		room -= p.rows
	}
	for _, r := range l.arrived {
		room -= r.stated.len()
	}
	return room
}

// waitForStores has step called when stores have reported, and in any case soon.
func (l *loader) waitForStores(now time.Time) {
	l.starved.Store(true)
	l.wakeAt(now.Add(paceEvery))
}

// reported has step called soon if it waits for stores. For any goroutine.
func (l *loader) reported() {
	if l.starved.Load() {
		l.s.c.cfg.Adapter.Nudge()
	}
}

// flows reports whether transactions come at present. For any goroutine.
func (l *loader) flows(now time.Time) bool { return now.UnixNano()-l.live.Load() < int64(liveFor) }

// applied is the position that every store which takes the rows has applied: those
// of a load, otherwise all. Stores that were forgotten meanwhile are not waited for.
func (l *loader) applied() inventory.Position {
	lowest := inventory.Position{Run: math.MaxUint64}
	for _, r := range l.s.run.Reports() {
		takes := l.job.kind != JobLoad || slices.Contains(l.job.stores, r.Store)
		if takes && r.LogID == l.s.start.LogID && r.Position.Before(lowest) {
			lowest = r.Position
		}
	}
	return lowest
}
