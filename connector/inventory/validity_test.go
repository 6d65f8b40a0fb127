package inventory_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tailstock/connector/inventory"
)

func TestMoments(t *testing.T) {
	t.Parallel()
	const first, last = -62135596800000, 253402300799999
	for in, want := range map[int64]int64{
		0: 0, -1: -1, 1795500000123: 1795500000123, first: first, first - 1: first, math.MinInt64: first,
		last: last, last + 1: last, math.MaxInt64: last,
	} {
		m := inventory.MomentAt(in)
		if m.IsZero() || m.Milliseconds() != want || m.Time().UnixMilli() != want {
			t.Errorf("MomentAt(%d) is %d, %v, zero %v; want %d", in, m.Milliseconds(), m.Time(), m.IsZero(), want)
		}
	}
	if !inventory.Moment(0).IsZero() || !(inventory.Validity{}).IsZero() || (inventory.Validity{From: inventory.MomentAt(0)}).IsZero() {
		t.Error("zero values are not told from the beginning of 1970")
	}
	at := time.Date(2026, 11, 27, 1, 2, 3, 4_999_999, time.FixedZone("", 3600))
	if got, want := inventory.MomentOf(at).Time(), time.Date(2026, 11, 27, 0, 2, 3, 4_000_000, time.UTC); !got.Equal(want) {
		t.Errorf("MomentOf(%v) is %v, want %v", at, got, want)
	}
}

// TestValidityFollowed walks from one due moment to the next and compares what counts
// with the definition.
func TestValidityFollowed(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var v inventory.Validity
		for _, bound := range []*inventory.Moment{&v.From, &v.Until} {
			if rapid.Bool().Draw(t, "bounded") {
				*bound = inventory.MomentAt(rapid.Int64Range(-4, 4).Draw(t, "bound"))
			}
		}
		begin := rapid.Int64Range(-6, 6).Draw(t, "begin")
		counts, due := v.At(inventory.MomentAt(begin))
		for now := begin; now < 8; now++ {
			if !due.IsZero() && due.Milliseconds() <= now {
				counts, due = v.At(inventory.MomentAt(now))
			}
			want := (v.From.IsZero() || v.From.Milliseconds() <= now) && (v.Until.IsZero() || now < v.Until.Milliseconds())
			if counts != want || v.Counts(due) != want {
				t.Fatalf("%v at %d: counts %v, told by due %v; want %v", v, now, counts, v.Counts(due), want)
			}
			if !due.IsZero() && due.Milliseconds() <= now {
				t.Fatalf("%v at %d is due at %d already", v, now, due.Milliseconds())
			}
		}
	})
}
