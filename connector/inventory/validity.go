package inventory

import (
	"cmp"
	"math"
	"time"
)

// Moment is a bound of a Validity: a millisecond. The zero Moment is no bound.
type Moment int64

// The first and the last moment that a bound can be: the years 1 to 9999.
const (
	minMilliseconds = -62135596800000
	maxMilliseconds = 253402300799999
)

// MomentAt returns the moment that lies so many milliseconds after the beginning of
// 1970 UTC. What is outside the years 1 to 9999 becomes the first or the last moment
// within them.
func MomentAt(milliseconds int64) Moment {
	return Moment(min(max(milliseconds, minMilliseconds), maxMilliseconds) ^ math.MinInt64)
}

// MomentOf returns the moment in which t lies, as MomentAt does.
func MomentOf(t time.Time) Moment { return MomentAt(t.UnixMilli()) }

// IsZero reports whether m is no bound.
func (m Moment) IsZero() bool { return m == 0 }

// Milliseconds returns how many milliseconds after the beginning of 1970 UTC m lies.
// It means nothing for the zero Moment.
func (m Moment) Milliseconds() int64 { return int64(m) ^ math.MinInt64 }

// Time returns m in UTC. It means nothing for the zero Moment.
func (m Moment) Time() time.Time { return time.UnixMilli(m.Milliseconds()).UTC() }

// Compare returns -1, 0 or +1 as m is before o, o or after it. Neither is the zero Moment.
func (m Moment) Compare(o Moment) int { return cmp.Compare(m.Milliseconds(), o.Milliseconds()) }

// Validity is the time in which a contribution counts: from From on until before
// Until. The zero Validity is all time. With an Until that is not after From it is
// no time at all.
type Validity struct {
	From, Until Moment
}

// IsZero reports whether v has no bound.
func (v Validity) IsZero() bool { return v == Validity{} }

// At reports whether a contribution of validity v counts at a moment, which is not
// zero, and when that changes next: never if due is zero. A contribution counts
// exactly if due is v.Until, so that due alone says how it stands.
func (v Validity) At(now Moment) (counts bool, due Moment) {
	switch from, until, at := v.From.Milliseconds(), v.Until.Milliseconds(), now.Milliseconds(); {
	case !v.Until.IsZero() && (until <= at || !v.From.IsZero() && from >= until):
		return false, Moment(0)
	case !v.From.IsZero() && from > at:
		return false, v.From
	}
	return true, v.Until
}

// Counts reports whether a contribution of validity v counts whose standing changes
// next at due, as At returned it.
func (v Validity) Counts(due Moment) bool { return due == v.Until }
