package inventory

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// scanner reads JSON (RFC 8259) out of a string. The strings that it returns
// are pieces of that string where they have no escapes. The first failure
// sticks: from then on every method does nothing and returns zero values, so
// that callers check err once.
type scanner struct {
	s string
	i int
	// unescaped holds the strings that had escapes, many to an allocation.
	unescaped strings.Builder
	err       *scanError
}

// maxDepth bounds the nesting of values that nobody reads.
const maxDepth = 64

// maxSafe bounds counters: up to it JavaScript and Lua are exact.
const maxSafe = 1<<53 - 1

// scanError says what is wrong, and where.
type scanError struct {
	path   string
	offset int
	reason string
}

func (e *scanError) Error() string {
	where := "at byte " + strconv.Itoa(e.offset)
	if e.path != "" {
		where = e.path + ", " + where
	}
	return where + ": " + e.reason
}

func (p *scanner) fail(reason string) {
	if p.err == nil {
		p.err = &scanError{offset: p.i, reason: reason}
		p.i = len(p.s)
	}
}

// in names the field whose value was just read, for the error if there is one.
func (p *scanner) in(field string) {
	if p.err == nil || field == "" {
		return
	}
	if p.err.path != "" && p.err.path[0] != '[' {
		field += "."
	}
	p.err.path = field + p.err.path
}

// at names the array element that was just read, for the error if there is one.
func (p *scanner) at(index int) {
	if p.err != nil {
		p.in("[" + strconv.Itoa(index) + "]")
	}
}

// peek skips white space and returns the next byte, 0 at the end.
func (p *scanner) peek() byte {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; c {
		case ' ', '\t', '\n', '\r':
			p.i++
		default:
			return c
		}
	}
	return 0
}

// open reads the bracket c.
func (p *scanner) open(c byte) {
	if p.peek() != c {
		if c == '{' {
			p.fail("want an object")
		} else {
			p.fail("want an array")
		}
		return
	}
	p.i++
}

// next moves to the next member of an array or object that ends with closing,
// and reports whether there is one.
func (p *scanner) next(closing byte, first bool) bool {
	c := p.peek()
	switch {
	case p.err != nil:
		return false
	case c == closing:
		p.i++
		return false
	case first:
		return true
	case c != ',':
		p.fail("want a comma or the closing bracket")
		return false
	}
	p.i++
	return true
}

// key reads the name of an object's next field, and the colon.
func (p *scanner) key() string {
	k := p.text()
	if p.peek() != ':' {
		p.fail("want a colon")
		return ""
	}
	p.i++
	return k
}

// once marks bit in seen, and fails if it was marked before.
func (p *scanner) once(seen *uint, bit uint) {
	if *seen&bit != 0 {
		p.fail("given twice")
	}
	*seen |= bit
}

// text reads a string.
func (p *scanner) text() string {
	if p.peek() != '"' {
		p.fail("want a string")
		return ""
	}
	s, start := p.s, p.i+1
	for i := start; i < len(s); i++ {
		c := s[i]
		if c == '"' {
			p.i = i + 1
			return s[start:i]
		}
		if c == '\\' {
			return p.escapedText(start, i)
		}
		if c < 0x20 {
			p.i = i
			p.fail("control character in a string")
			return ""
		}
	}
	p.fail("string without an end")
	return ""
}

// escapedText reads the rest of a string that began at start and has its first
// backslash at i.
func (p *scanner) escapedText(start, i int) string {
	end := p.stringEnd(i)
	if p.err != nil {
		return ""
	}
	// Decoding never makes a string longer. What the builder has handed out
	// stays valid: it only ever writes behind it.
	if b := &p.unescaped; b.Cap()-b.Len() < end-start {
		b.Reset()
		b.Grow(max(end-start, 4096))
	}
	from := p.unescaped.Len()
	for start < end {
		p.unescaped.WriteString(p.s[start:i])
		if i == end {
			break
		}
		p.i = i
		p.unescape()
		if p.err != nil {
			return ""
		}
		start = p.i
		if n := strings.IndexByte(p.s[start:end], '\\'); n >= 0 {
			i = start + n
		} else {
			i = end
		}
	}
	p.i = end + 1
	return p.unescaped.String()[from:]
}

// stringEnd returns the index of the quote that ends the string around i.
func (p *scanner) stringEnd(i int) int {
	for ; i < len(p.s); i++ {
		switch c := p.s[i]; {
		case c == '"':
			return i
		case c == '\\':
			i++
		case c < 0x20:
			p.i = i
			p.fail("control character in a string")
			return 0
		}
	}
	p.fail("string without an end")
	return 0
}

// unescape decodes the escape sequence at p.i, inside a complete string.
func (p *scanner) unescape() {
	c := p.s[p.i+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		p.unescapeUnicode()
		return
	default:
		p.fail("unknown escape sequence")
		return
	}
	p.unescaped.WriteByte(c)
	p.i += 2
}

// unescapeUnicode decodes \uXXXX, or two of them that make a surrogate pair. A
// surrogate alone is an error: no string can hold it.
func (p *scanner) unescapeUnicode() {
	r, ok := hexRune(p.s[p.i+2:])
	if !ok {
		p.fail("want four hexadecimal digits after \\u")
		return
	}
	n := 6
	if utf16.IsSurrogate(r) {
		low := rune(0)
		if rest := p.s[p.i+6:]; strings.HasPrefix(rest, `\u`) {
			low, _ = hexRune(rest[2:])
		}
		if r = utf16.DecodeRune(r, low); r == utf8.RuneError {
			p.fail("half of a surrogate pair")
			return
		}
		n = 12
	}
	p.unescaped.WriteRune(r)
	p.i += n
}

func hexRune(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	n, err := strconv.ParseUint(s[:4], 16, 16)
	return rune(n), err == nil
}

// boolean reads true or false.
func (p *scanner) boolean() bool {
	p.peek()
	switch rest := p.s[p.i:]; {
	case strings.HasPrefix(rest, "true"):
		p.i += len("true")
		return true
	case strings.HasPrefix(rest, "false"):
		p.i += len("false")
	default:
		p.fail("want true or false")
	}
	return false
}

// time reads a time as clockText writes it.
func (p *scanner) time() time.Time {
	start := p.i
	t, ok := parseTime(p.text())
	if !ok && p.err == nil {
		p.i = start
		p.fail("want a time such as " + timeText)
	}
	return t
}

// counter reads an integer from 0 to maxSafe.
func (p *scanner) counter() uint64 {
	start := p.number()
	if p.err != nil {
		return 0
	}
	n, err := strconv.ParseUint(p.s[start:p.i], 10, 64)
	if err != nil || n > maxSafe {
		p.i = start
		p.fail("want an integer from 0 to 2^53-1")
		return 0
	}
	return n
}

// moment reads a bound of a validity.
func (p *scanner) moment() Moment {
	start := p.number()
	if p.err != nil {
		return 0
	}
	n, err := strconv.ParseInt(p.s[start:p.i], 10, 64)
	if err != nil || n < minMilliseconds || n > maxMilliseconds {
		p.i = start
		p.fail("want milliseconds since 1970, of the years 1 to 9999")
		return 0
	}
	return MomentAt(n)
}

// quantity reads a number whose magnitude is below limit millionths.
func (p *scanner) quantity(limit Quantity) Quantity {
	start := p.number()
	if p.err != nil {
		return 0
	}
	text, negative := p.s[start:p.i], false
	if text[0] == '-' {
		text, negative = text[1:], true
	}
	q, err := parseMagnitude(text, limit)
	if err != nil {
		p.i = start
		p.fail("number out of range")
		return 0
	}
	if negative {
		q = -q
	}
	return q
}

// sumLimit is the range of sums: all that a Quantity can hold but its two ends.
const sumLimit = Quantity(math.MaxInt64)

// number moves behind a JSON number and returns where it began.
func (p *scanner) number() (start int) {
	p.peek()
	start = p.i
	s, i := p.s, p.i
	if i < len(s) && s[i] == '-' {
		i++
	}
	if i < len(s) && s[i] == '0' {
		i++
	} else if i = digitsEnd(s, i); i == 0 {
		p.fail("want a number")
		return start
	}
	if i < len(s) && s[i] == '.' {
		if i = digitsEnd(s, i+1); i == 0 {
			p.fail("want digits after the decimal point")
			return start
		}
	}
	if i < len(s) && s[i]|0x20 == 'e' {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if i = digitsEnd(s, i); i == 0 {
			p.fail("want digits in the exponent")
			return start
		}
	}
	p.i = i
	return start
}

// digitsEnd returns where the digits from i on end, or 0 if there are none.
func digitsEnd(s string, i int) int {
	start := i
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	if i == start {
		return 0
	}
	return i
}

// skip reads any value and forgets it.
func (p *scanner) skip(depth int) {
	if depth > maxDepth {
		p.fail("nested too deep")
		return
	}
	switch c := p.peek(); c {
	case '{':
		p.open('{')
		for first := true; p.next('}', first); first = false {
			p.key()
			p.skip(depth + 1)
		}
	case '[':
		p.open('[')
		for first := true; p.next(']', first); first = false {
			p.skip(depth + 1)
		}
	case '"':
		p.text()
	case 't', 'f':
		p.boolean()
	case 'n':
		if !strings.HasPrefix(p.s[p.i:], "null") {
			p.fail("want a value")
			return
		}
		p.i += len("null")
	default:
		p.number()
	}
}

// end fails unless nothing but white space is left.
func (p *scanner) end() {
	if p.peek() != 0 || p.i < len(p.s) {
		p.fail("text behind the end")
	}
}
