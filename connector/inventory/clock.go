package inventory

import "time"

// timeText is how times stand on the wire: RFC 3339 in UTC, always with microseconds.
const timeText = "2006-01-02T15:04:05.000000Z"

// secondText is timeText up to the fraction.
const secondText = "2006-01-02T15:04:05"

// clockText writes times as quoted timeText. It remembers the text of the last
// second, because commits come in bursts. The zero clockText is ready for use.
type clockText struct {
	second int64
	text   [len(secondText)]byte
	known  bool
}

func (c *clockText) append(b []byte, t time.Time) []byte {
	second, micros := t.Unix(), t.Nanosecond()/1000
	switch {
	case second < minSecond:
		second, micros = minSecond, 0
	case second > maxSecond:
		second, micros = maxSecond, 999_999
	}
	if !c.known || c.second != second {
		time.Unix(second, 0).UTC().AppendFormat(c.text[:0], secondText)
		c.second, c.known = second, true
	}
	b = append(b, '"')
	b = append(b, c.text[:]...)
	b = append(b, '.')
	for scale := 100_000; scale > 0; scale /= 10 {
		b = append(b, '0'+byte(micros/scale%10)) //nolint:gosec // one digit
	}
	return append(b, 'Z', '"')
}

// The first and the last second of the years that RFC 3339 can write, 0 and 9999.
const (
	minSecond = -62167219200
	maxSecond = 253402300799
)

// parseTime reads timeText, and nothing else that RFC 3339 allows.
func parseTime(s string) (time.Time, bool) {
	if len(s) != len(timeText) {
		return time.Time{}, false
	}
	for i := range len(s) {
		want := timeText[i]
		if want >= '0' && want <= '9' {
			if s[i] < '0' || s[i] > '9' {
				return time.Time{}, false
			}
		} else if s[i] != want {
			return time.Time{}, false
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil
}
