package inventory

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"tailstock/connector/cdc"
)

// Decode reads a message of a source's log. Fields that it does not know are
// ignored, because later versions add some; a field of the wrong type, one that
// is missing or given twice, a number out of range, and a body that holds
// neither commits nor feeds are errors that say where. The strings of the
// result share one copy of env.Body.
func Decode(env Envelope) (Message, error) {
	m := Message{Position: env.Position, Previous: env.Previous, Resume: env.Resume}
	d := decoder{scanner: scanner{s: string(env.Body)}}
	if !utf8.ValidString(d.s) {
		return Message{}, fmt.Errorf("decode message %s: %w", env.Position, ErrNameUTF8)
	}
	d.makeRoom()
	d.message(&m)
	d.end()
	if d.err != nil {
		return Message{}, fmt.Errorf("decode message %s: %w", env.Position, d.err)
	}
	return m, nil
}

// decoder reads a message's body into arenas, so that a message costs a few
// allocations however many events it has.
type decoder struct {
	scanner
	commits       []Commit
	events        []Event
	contributions []Contribution
}

// makeRoom sizes the arenas by counting the fields that each element must have.
// A wrong guess, for a body with white space, costs time only.
func (d *decoder) makeRoom() {
	if n := strings.Count(d.s, `"events":`); n > 0 {
		d.commits = make([]Commit, 0, n)
	}
	if n := strings.Count(d.s, `"op":`); n > 0 {
		d.events = make([]Event, 0, n)
	}
	if n := strings.Count(d.s, `"leg":`); n > 0 {
		d.contributions = make([]Contribution, 0, n)
	}
}

// The fields of each object, for once.
const (
	fieldSource = 1 << iota
	fieldCommits
	fieldFeeds
	fieldLoadStarted
	fieldChunk
	fieldLoadCompleted
	fieldSourceGap
	fieldTransaction
	fieldCommittedAt
	fieldAt
	fieldEvents
	fieldPart
	fieldLast
	fieldOp
	fieldTable
	fieldMapping
	fieldRow
	fieldContributions
	fieldProblem
	fieldKind
	fieldRule
	fieldReason
	fieldLeg
	fieldSKU
	fieldLocation
	fieldQuantities
	fieldLoad
	fieldJob
	fieldStores
	fieldRows
	fieldDone
	fieldDetail
	fieldCompare
	fieldRepair
	fieldRederived
	fieldRederive
	fieldThrough
	fieldColumn
	fieldValues
	fieldValidFrom
	fieldValidUntil
)

// fieldsOfMessage are those that say what a message is: it has exactly one.
const fieldsOfMessage = fieldCommits | fieldFeeds | fieldLoadStarted | fieldChunk | fieldLoadCompleted | fieldSourceGap | fieldRederived

func (d *decoder) message(m *Message) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "source":
			d.once(&seen, fieldSource)
			m.Source = d.text()
		case "commits":
			d.once(&seen, fieldCommits)
			m.Commits = d.allCommits()
		case "feeds":
			d.once(&seen, fieldFeeds)
			m.Feeds = d.feeds()
		case "load_started":
			d.once(&seen, fieldLoadStarted)
			m.LoadStarted = d.loadStarted()
		case "chunk":
			d.once(&seen, fieldChunk)
			m.Chunk = d.chunk()
		case "load_completed":
			d.once(&seen, fieldLoadCompleted)
			m.LoadCompleted = d.loadCompleted()
		case "source_gap":
			d.once(&seen, fieldSourceGap)
			m.SourceGap = d.sourceGap()
		case "rederived":
			d.once(&seen, fieldRederived)
			m.Rederived = d.rederived()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	switch what := seen & fieldsOfMessage; {
	case m.Source == "":
		d.fail("no source")
	case what == 0:
		d.fail("neither commits nor a control event: written by a newer version?")
	case what&(what-1) != 0:
		d.fail("more than one of commits and control events")
	}
}

func (d *decoder) allCommits() []Commit {
	d.open('[')
	for first := true; d.next(']', first); first = false {
		d.commits = append(d.commits, Commit{})
		d.commit(&d.commits[len(d.commits)-1])
		d.at(len(d.commits) - 1)
	}
	for i := range d.commits {
		if !d.commits[i].Whole() && len(d.commits) > 1 {
			d.fail("a part of a commit must stand alone")
			d.at(i)
		}
	}
	return d.commits
}

func (d *decoder) commit(c *Commit) {
	var seen uint
	c.Last = true
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "transaction":
			d.once(&seen, fieldTransaction)
			c.Transaction = d.text()
		case "committed_at":
			d.once(&seen, fieldCommittedAt)
			c.CommittedAt = d.time()
		case "at":
			d.once(&seen, fieldAt)
			c.At = d.text()
		case "events":
			d.once(&seen, fieldEvents)
			c.Events = d.allEvents()
		case "part":
			d.once(&seen, fieldPart)
			c.Part = d.part()
		case "last":
			d.once(&seen, fieldLast)
			c.Last = d.boolean()
		case "load":
			d.once(&seen, fieldLoad)
			c.Load = d.position()
		case "compare":
			d.once(&seen, fieldCompare)
			c.Compare = d.text()
		case "repair":
			d.once(&seen, fieldRepair)
			c.Repair = d.boolean()
		case "rederive":
			d.once(&seen, fieldRederive)
			c.Rederive = d.rederive()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	d.checkCommit(c, seen)
}

// checkCommit refuses commits that a store could take in two ways.
func (d *decoder) checkCommit(c *Commit, seen uint) {
	switch {
	case c.Transaction == "":
		d.fail("no transaction")
	case seen&fieldCommittedAt == 0:
		d.fail("no committed_at")
	case seen&fieldEvents == 0:
		d.fail("no events")
	case (seen&fieldPart == 0) != (seen&fieldLast == 0):
		d.fail("part and last must come together")
	case seen&fieldRederive != 0 && (!c.Last || seen&(fieldLoad|fieldCompare|fieldRepair) != 0):
		d.fail("only a commit of the source, and of one in parts the last, has rederive")
	case seen&(fieldCompare|fieldRepair) != 0:
		d.checkCompare(c, seen)
	}
}

// checkCompare refuses comparisons that a store could take for something else.
func (d *decoder) checkCompare(c *Commit, seen uint) {
	switch {
	case c.Compare == "":
		d.fail("no verification to compare for")
	case seen&(fieldLoad|fieldPart) != 0:
		d.fail("a comparison is neither of a load nor in parts")
	}
	for i := range c.Events {
		if op := c.Events[i].Op; op != cdc.OpRead && op != cdc.OpDelete {
			d.fail("a comparison has reads and deletes only")
		}
	}
}

func (d *decoder) part() int {
	n := d.counter()
	if n > math.MaxInt32 {
		d.fail("part out of range")
		return 0
	}
	return int(n)
}

func (d *decoder) allEvents() []Event {
	start := len(d.events)
	d.open('[')
	for first := true; d.next(']', first); first = false {
		d.events = append(d.events, Event{})
		d.event(&d.events[len(d.events)-1])
		d.at(len(d.events) - 1 - start)
	}
	return d.events[start:len(d.events):len(d.events)]
}

func (d *decoder) event(e *Event) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "op":
			d.once(&seen, fieldOp)
			e.Op = d.op()
		case "table":
			d.once(&seen, fieldTable)
			e.Table = d.text()
		case "mapping":
			d.once(&seen, fieldMapping)
			e.Mapping = MappingID(d.text())
		case "row":
			d.once(&seen, fieldRow)
			e.Row = cdc.RowKey(d.text())
		case "contributions":
			d.once(&seen, fieldContributions)
			e.Contributions = d.allContributions()
		case "problem":
			d.once(&seen, fieldProblem)
			e.Problem = d.problem()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	d.checkEvent(e, seen)
}

// checkEvent refuses events that a store could take in two ways.
func (d *decoder) checkEvent(e *Event, seen uint) {
	truncate := e.Op == cdc.OpTruncate
	switch {
	case e.Op == 0:
		d.fail("no op")
	case e.Table == "":
		d.fail("no table")
	case e.Mapping == "":
		d.fail("no mapping")
	case truncate && seen&(fieldRow|fieldContributions|fieldProblem) != 0:
		d.fail("a truncate has neither row nor contributions nor problem")
	case truncate:
	case e.Row == "":
		d.fail("no row")
	case (seen&fieldContributions == 0) == (seen&fieldProblem == 0):
		d.fail("want either contributions or a problem")
	}
}

func (d *decoder) op() cdc.Op {
	op, ok := cdc.ParseOp(d.text())
	if !ok {
		d.fail("unknown op")
	}
	return op
}

func (d *decoder) problem() *Problem {
	var seen uint
	p := &Problem{}
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "kind":
			d.once(&seen, fieldKind)
			p.Kind = ProblemKind(d.text())
			if p.Kind != Rejected && p.Kind != Unresolved {
				d.fail("unknown kind of problem")
			}
		case "rule":
			d.once(&seen, fieldRule)
			p.Rule = d.text()
		case "reason":
			d.once(&seen, fieldReason)
			p.Reason = d.text()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if seen&fieldKind == 0 {
		d.fail("no kind")
	}
	return p
}

func (d *decoder) allContributions() []Contribution {
	start := len(d.contributions)
	d.open('[')
	for first := true; d.next(']', first); first = false {
		d.contributions = append(d.contributions, Contribution{})
		d.contribution(&d.contributions[len(d.contributions)-1])
		d.at(len(d.contributions) - 1 - start)
	}
	return d.contributions[start:len(d.contributions):len(d.contributions)]
}

func (d *decoder) contribution(c *Contribution) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "leg":
			d.once(&seen, fieldLeg)
			c.Leg = d.text()
		case "sku":
			d.once(&seen, fieldSKU)
			c.SKU = SKU(d.text())
		case "location":
			d.once(&seen, fieldLocation)
			c.Location = LocationID(d.text())
		case "quantities":
			d.once(&seen, fieldQuantities)
			d.quantities(&c.Quantities)
		case "valid_from":
			d.once(&seen, fieldValidFrom)
			c.Valid.From = d.moment()
		case "valid_until":
			d.once(&seen, fieldValidUntil)
			c.Valid.Until = d.moment()
		default:
			d.skip(0)
		}
		d.in(name)
	}
	switch {
	case c.Leg == "":
		d.fail("no leg")
	case c.SKU == "":
		d.fail("no sku")
	case c.Location == "":
		d.fail("no location")
	case seen&fieldQuantities == 0:
		d.fail("no quantities")
	}
}

// quantities reads the kinds that are not zero. A kind that this version does
// not know is an error: leaving it out would change a sum.
func (d *decoder) quantities(q *Quantities) {
	var seen uint
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		kind, ok := ParseKind(name)
		if !ok {
			d.fail("unknown kind of quantity")
		}
		d.once(&seen, 1<<kind)
		q[kind] = d.quantity(MaxQuantity)
		d.in(name)
	}
}

func (d *decoder) feeds() []FeedName {
	feeds := []FeedName{}
	d.open('[')
	for first := true; d.next(']', first); first = false {
		feeds = append(feeds, d.feed())
		d.at(len(feeds) - 1)
	}
	return feeds
}

func (d *decoder) feed() FeedName {
	var seen uint
	var f FeedName
	d.open('{')
	for first := true; d.next('}', first); first = false {
		name := d.key()
		switch name {
		case "table":
			d.once(&seen, fieldTable)
			f.Table = d.text()
		case "mapping":
			d.once(&seen, fieldMapping)
			f.Mapping = MappingID(d.text())
		default:
			d.skip(0)
		}
		d.in(name)
	}
	if f.Table == "" || f.Mapping == "" {
		d.fail("want table and mapping")
	}
	return f
}
