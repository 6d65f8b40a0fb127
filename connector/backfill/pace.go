package backfill

import "time"

// chunkSize finds the number of rows that takes the target time to read.
type chunkSize struct {
	rows, least, most int
	target            time.Duration
}

// learn takes how long it took to read a chunk of asked rows. A single odd
// measurement at most doubles or halves the size.
func (s *chunkSize) learn(asked int, took time.Duration) {
	fit := 2 * asked
	if took > 0 {
		fit = int(min(float64(asked)*float64(s.target)/float64(took), float64(fit)))
	}
	s.set(max(fit, asked/2))
}

func (s *chunkSize) set(rows int) { s.rows = min(max(rows, s.least), s.most) }

// Throttle limits reading to a number of rows per second, over all planners that
// share it. It is a token bucket that holds one second's worth, kept as the time
// at which it will be empty of debt. It reads no clock. A nil Throttle never
// holds anything back. It is not safe for concurrent use.
type Throttle struct {
	rate float64 // rows per second
	free time.Time
}

// NewThrottle returns a Throttle of rowsPerSecond, nil if that is not positive.
func NewThrottle(rowsPerSecond float64) *Throttle {
	if rowsPerSecond <= 0 {
		return nil
	}
	return &Throttle{rate: rowsPerSecond}
}

// Spend takes rows at time now, going into debt if need be.
func (t *Throttle) Spend(now time.Time, rows int) {
	if t == nil {
		return
	}
	if saved := now.Add(-time.Second); t.free.Before(saved) {
		t.free = saved
	}
	t.free = t.free.Add(time.Duration(float64(rows) / t.rate * float64(time.Second)))
}

// Wait returns how long after now the next rows may be read, zero if at once.
func (t *Throttle) Wait(now time.Time) time.Duration {
	if t == nil {
		return 0
	}
	return max(0, t.free.Sub(now))
}

// limit returns the most rows to read at once: a second's worth, so that a low
// rate means small chunks and not long pauses.
func (t *Throttle) limit(rows int) int {
	if t == nil || t.rate >= float64(rows) {
		return rows
	}
	return max(1, int(t.rate))
}
