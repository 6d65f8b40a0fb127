package mapping

import (
	"fmt"
	"math"
	"strings"
	"time"
	_ "time/tzdata" // so that a zone has the same name everywhere

	"tailstock/connector/inventory"
)

// maxZone is the longest name of a time zone, in bytes.
const maxZone = 64

// utc is the zone of sources that name none.
const utc = "UTC"

// loadZone returns the time zone of a name out of the IANA database, UTC for none.
func loadZone(name string) (*time.Location, error) {
	switch {
	case name == "" || name == utc:
		return time.UTC, nil
	case name == "Local" || len(name) > maxZone:
		return nil, fmt.Errorf("%s is no time zone; zones have names like Europe/Amsterdam or UTC", shown(name))
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("there is no time zone %s; zones have names like Europe/Amsterdam or UTC", shown(name))
	}
	return zone, nil
}

// momentFunc evaluates a bound of a validity: zero for none.
type momentFunc func(in input) (inventory.Moment, *failure)

// moment compiles a bound of a validity. NULL, a zero date and endless are none.
func (b *builder) moment(n *node, endless string) momentFunc {
	x, zone := b.text(n), b.zone
	return func(in input) (inventory.Moment, *failure) {
		s, f := x(in)
		switch {
		case f == null:
			return 0, nil
		case f != nil:
			return 0, f
		}
		return parseMoment(s, zone, endless)
	}
}

// The texts of dates and times without an end, as PostgreSQL writes them.
const (
	infinity         = "infinity"
	negativeInfinity = "-infinity"
)

// parseMoment reads a date, which begins with its day, or a time, in a zone where it
// has no offset of its own.
func parseMoment(s string, zone *time.Location, endless string) (inventory.Moment, *failure) {
	switch s {
	case endless:
		return 0, nil
	case infinity:
		return inventory.MomentAt(math.MaxInt64), nil
	case negativeInfinity:
		return inventory.MomentAt(math.MinInt64), nil
	}
	c, ok := parseCivil(s)
	switch {
	case !ok:
		return 0, failed(shown(s) + " is no date or time")
	case c.zero:
		return 0, nil
	}
	seconds := time.Date(c.year, time.Month(c.month), c.day, c.hour, c.minute, c.second, 0, time.UTC).Unix()
	switch {
	case c.hasOffset:
		seconds -= int64(c.offset)
	case zone != time.UTC:
		seconds = instant(seconds, zone)
	}
	return inventory.MomentAt(seconds*1000 + int64(c.millisecond)), nil
}

// instant returns when the clocks of a zone show a time, both in seconds since 1970:
// the first such moment where they are set back over it, and the moment of the jump
// where they are set forward over it. So what is later by the clock is never earlier.
func instant(clock int64, zone *time.Location) int64 {
	const dayAndHalf = 36 * 60 * 60 // more than any zone is away from UTC
	for t := time.Unix(clock-dayAndHalf, 0).In(zone); ; {
		_, offset := t.Zone()
		start, end := t.ZoneBounds()
		at := clock - int64(offset)
		switch {
		case !start.IsZero() && at < start.Unix():
			return start.Unix()
		case end.IsZero() || at < end.Unix():
			return at
		}
		t = end
	}
}

// civil is a date or a time by the calendar.
type civil struct {
	year, month, day, hour, minute, second, millisecond int
	// offset is by how many seconds the clock was ahead of UTC.
	offset    int
	hasOffset bool
	// zero says that it is MySQL's date for none.
	zero bool
}

// parseCivil reads YYYY-MM-DD or YYYYMMDD, and behind the former, after a blank or T,
// hh:mm, hh:mm:ss or hh:mm:ss.f, and then Z, +hh, +hh:mm or +hhmm; with " BC" at the
// end years are counted backwards.
func parseCivil(s string) (c civil, ok bool) {
	p := civilParser{s: strings.TrimSpace(s)}
	p.s, p.bc = strings.CutSuffix(p.s, " BC")
	if c = p.date(); !p.bad && p.s != "" {
		p.clock(&c)
	}
	if p.bad || p.s != "" {
		return civil{}, false
	}
	if c.zero = c.year == 0 && c.month == 0 && c.day == 0 && c.hour == 0 && c.minute == 0 && c.second == 0; c.zero {
		return c, !p.bc
	}
	if p.bc {
		c.year = 1 - c.year
	}
	return c, c.real()
}

// real reports whether there is such a date and time.
func (c *civil) real() bool {
	if c.month < 1 || c.month > 12 || c.day < 1 || c.hour > 23 || c.minute > 59 || c.second > 59 {
		return false
	}
	return c.day <= time.Date(c.year, time.Month(c.month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// civilParser reads s from its beginning on.
type civilParser struct {
	s       string
	bc, bad bool
}

// digits reads a number of least to most digits.
func (p *civilParser) digits(least, most int) (n int) {
	i := 0
	for i < len(p.s) && i < most && p.s[i] >= '0' && p.s[i] <= '9' {
		n = n*10 + int(p.s[i]-'0')
		i++
	}
	p.bad = p.bad || i < least
	p.s = p.s[i:]
	return n
}

// skip reads one of chars, and reports whether there is one.
func (p *civilParser) skip(chars string) bool {
	if p.s == "" || strings.IndexByte(chars, p.s[0]) < 0 {
		return false
	}
	p.s = p.s[1:]
	return true
}

func (p *civilParser) need(chars string) { p.bad = !p.skip(chars) || p.bad }

func (p *civilParser) date() (c civil) {
	const compact, longestYear = 8, 6
	if len(p.s) == compact && strings.Trim(p.s, "0123456789") == "" {
		c.year, c.month, c.day = p.digits(4, 4), p.digits(2, 2), p.digits(2, 2)
		return c
	}
	c.year = p.digits(4, longestYear)
	p.need("-")
	c.month = p.digits(2, 2)
	p.need("-")
	c.day = p.digits(2, 2)
	return c
}

func (p *civilParser) clock(c *civil) {
	p.need(" T")
	c.hour = p.digits(2, 2)
	p.need(":")
	c.minute = p.digits(2, 2)
	if p.skip(":") {
		c.second = p.digits(2, 2)
		if p.skip(".") {
			before := len(p.s)
			c.millisecond = p.digits(1, 3)
			for range 3 - (before - len(p.s)) {
				c.millisecond *= 10
			}
			p.s = strings.TrimLeft(p.s, "0123456789")
		}
	}
	if p.skip("Z") {
		c.hasOffset = true
		return
	}
	sign := 1
	switch {
	case p.skip("-"):
		sign = -1
	case !p.skip("+"):
		return
	}
	c.hasOffset = true
	c.offset = p.digits(2, 2) * 3600
	if colon := p.skip(":"); colon || p.s != "" {
		c.offset += p.digits(2, 2) * 60
	}
	c.offset *= sign
}

// buildDayAfter compiles the day behind a date: what is valid up to and with a day is
// valid until the next. What stands for no date stays as it is.
func buildDayAfter(b *builder, n *node) textFunc {
	x := b.text(n.args[0])
	return func(in input) (string, *failure) {
		s, f := x(in)
		if f != nil || s == infinity || s == negativeInfinity {
			return s, f
		}
		c, ok := parseCivil(s)
		switch {
		case !ok:
			return "", failed(shown(s) + " is no date")
		case c.hasOffset:
			return "", failed(shown(s) + " is a moment, which is of different days in different places; day_after takes a date")
		case c.zero || c.year < 1:
			return s, nil
		}
		return time.Date(c.year, time.Month(c.month), c.day+1, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), nil
	}
}

// buildUnix compiles the time that lies so many seconds after the beginning of 1970.
func buildUnix(b *builder, n *node) textFunc {
	x := b.number(n.args[0])
	return func(in input) (string, *failure) {
		q, f := x(in)
		switch {
		case f != nil:
			return "", f
		case isBeyond(q):
			return "", failed(inventory.ErrQuantityRange.Error())
		}
		const perMillisecond = inventory.One / 1000
		milliseconds := q / perMillisecond
		if q%perMillisecond < 0 {
			milliseconds--
		}
		return inventory.MomentAt(int64(milliseconds)).Time().Format("2006-01-02 15:04:05.000+00"), nil
	}
}
