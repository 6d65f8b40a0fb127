package inventory

import (
	"strconv"
	"time"

	"tailstock/connector/cdc"
)

// BodyWriter encodes commits as the JSON body of a log message, into one buffer
// that it reuses. It is not safe for concurrent use. A commit is written by
// StartCommit, any number of Event, and EndCommit.
//
// Strings that are not UTF-8 get U+FFFD for every bad byte; Validate keeps such
// names out before they come here.
type BodyWriter struct {
	b       []byte
	head    int // length of what Reset leaves
	commits int // ended
	events  int
	inside  int // events of the open commit, -1 when none is open
	mark    int // where the open commit starts
	// rederive is what the open commit names to be derived again.
	rederive []Rederive
	clock    clockText
}

// bodyTail closes what NewBodyWriter opens.
const bodyTail = "]}"

// NewBodyWriter returns a writer of bodies for the log of source.
func NewBodyWriter(source string) *BodyWriter {
	b := append([]byte(nil), `{"source":`...)
	b = cdc.AppendJSONString(b, source)
	b = append(b, `,"commits":[`...)
	return &BodyWriter{b: b, head: len(b), inside: -1}
}

// Reset begins a new body. What Bytes returned is no longer valid.
func (w *BodyWriter) Reset() {
	w.b, w.commits, w.events, w.inside = w.b[:w.head], 0, 0, -1
}

// StartCommit opens a commit. committedAt is written in UTC with microseconds,
// cut to the years 0 to 9999 that RFC 3339 knows.
func (w *BodyWriter) StartCommit(transaction string, committedAt time.Time, at string) {
	w.start(transaction, committedAt, at)
	w.b = append(w.b, `"events":[`...)
}

// start opens a commit up to its events.
func (w *BodyWriter) start(transaction string, committedAt time.Time, at string) {
	if w.inside >= 0 {
		panic("inventory: a commit inside a commit")
	}
	w.mark = len(w.b)
	if w.commits > 0 {
		w.b = append(w.b, ',')
	}
	w.inside = 0
	w.b = append(w.b, `{"transaction":`...)
	w.b = cdc.AppendJSONString(w.b, transaction)
	w.b = append(w.b, `,"committed_at":`...)
	w.b = w.clock.append(w.b, committedAt)
	w.b = append(w.b, `,"at":`...)
	w.b = cdc.AppendJSONString(w.b, at)
	w.b = append(w.b, ',')
}

// Event appends e to the open commit. It keeps nothing of e.
func (w *BodyWriter) Event(e *Event) {
	if w.inside < 0 {
		panic("inventory: Event outside a commit")
	}
	if w.inside > 0 {
		w.b = append(w.b, ',')
	}
	w.inside++
	w.events++
	w.b = AppendEvent(w.b, e)
}

// Encoded appends an event that AppendEvent encoded to the open commit. It keeps
// nothing of it.
func (w *BodyWriter) Encoded(event []byte) {
	if w.inside < 0 {
		panic("inventory: Encoded outside a commit")
	}
	if w.inside > 0 {
		w.b = append(w.b, ',')
	}
	w.inside++
	w.events++
	w.b = append(w.b, event...)
}

// Rederive notes what the open commit names to be derived again, which EndCommit
// writes. list must stay as it is until then.
func (w *BodyWriter) Rederive(list []Rederive) { w.rederive = list }

// EndCommit closes the open commit. A whole commit is part 0 and last; for any
// other, part and last are written.
func (w *BodyWriter) EndCommit(part int, last bool) {
	if w.inside < 0 {
		panic("inventory: EndCommit outside a commit")
	}
	w.inside = -1
	w.commits++
	w.b = append(w.b, ']')
	if len(w.rederive) > 0 {
		w.b = appendRederive(w.b, w.rederive)
		w.rederive = nil
	}
	if part != 0 || !last {
		w.b = append(w.b, `,"part":`...)
		w.b = strconv.AppendInt(w.b, int64(part), 10)
		w.b = append(w.b, `,"last":`...)
		w.b = strconv.AppendBool(w.b, last)
	}
	w.b = append(w.b, '}')
}

// DropCommit takes back the open commit with its events.
func (w *BodyWriter) DropCommit() {
	if w.inside < 0 {
		panic("inventory: DropCommit outside a commit")
	}
	w.b = w.b[:w.mark]
	w.events -= w.inside
	w.inside, w.rederive = -1, nil
}

// Len is the length of the body so far, in bytes, as Bytes would return it.
func (w *BodyWriter) Len() int { return len(w.b) + len(bodyTail) }

// Events counts the events since the last Reset.
func (w *BodyWriter) Events() int { return w.events }

// Commits counts the commits ended since the last Reset.
func (w *BodyWriter) Commits() int { return w.commits }

// Bytes returns the finished body, valid until the next call of another method.
// No commit may be open.
func (w *BodyWriter) Bytes() []byte {
	if w.inside >= 0 {
		panic("inventory: Bytes inside a commit")
	}
	done := append(w.b, bodyTail...) //nolint:gocritic // the tail is taken off again
	w.b = done[:len(w.b)]
	return done
}

// AppendEvent appends the text of e, as it stands in a commit, to b.
func AppendEvent(b []byte, e *Event) []byte {
	b = append(b, `{"op":"`...)
	b = append(b, e.Op.String()...)
	b = append(b, `","table":`...)
	b = cdc.AppendJSONString(b, e.Table)
	b = append(b, `,"mapping":`...)
	b = cdc.AppendJSONString(b, string(e.Mapping))
	if e.Op == cdc.OpTruncate {
		return append(b, '}')
	}
	b = append(b, `,"row":`...)
	b = cdc.AppendJSONString(b, string(e.Row))
	if e.Problem != nil {
		b = appendProblem(b, e.Problem)
		return append(b, '}')
	}
	b = append(b, `,"contributions":[`...)
	for i := range e.Contributions {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendContribution(b, &e.Contributions[i])
	}
	return append(b, `]}`...)
}

func appendProblem(b []byte, p *Problem) []byte {
	b = append(b, `,"problem":{"kind":`...)
	b = cdc.AppendJSONString(b, string(p.Kind))
	b = append(b, `,"rule":`...)
	b = cdc.AppendJSONString(b, p.Rule)
	b = append(b, `,"reason":`...)
	b = cdc.AppendJSONString(b, p.Reason)
	return append(b, '}')
}

func appendContribution(b []byte, c *Contribution) []byte {
	b = append(b, `{"leg":`...)
	b = cdc.AppendJSONString(b, c.Leg)
	b = append(b, `,"sku":`...)
	b = cdc.AppendJSONString(b, string(c.SKU))
	b = append(b, `,"location":`...)
	b = cdc.AppendJSONString(b, string(c.Location))
	b = append(b, `,"quantities":{`...)
	comma := false
	for k, q := range c.Quantities {
		if q == 0 {
			continue
		}
		if comma {
			b = append(b, ',')
		}
		comma = true
		b = append(b, '"')
		b = append(b, kindNames[k]...)
		b = append(b, '"', ':')
		b = q.Append(b)
	}
	b = append(b, '}')
	if !c.Valid.IsZero() {
		b = appendMoment(b, `,"valid_from":`, c.Valid.From)
		b = appendMoment(b, `,"valid_until":`, c.Valid.Until)
	}
	return append(b, '}')
}

func appendMoment(b []byte, name string, m Moment) []byte {
	if m.IsZero() {
		return b
	}
	return strconv.AppendInt(append(b, name...), m.Milliseconds(), 10)
}

// AppendFeeds appends the body of a feeds message to b: what a run captures.
func AppendFeeds(b []byte, source string, feeds []FeedName) []byte {
	b = appendHead(b, source, "feeds")
	b = appendFeedNames(b, feeds)
	return append(b, '}')
}
