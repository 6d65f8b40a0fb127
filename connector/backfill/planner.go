package backfill

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"tailstock/connector/cdc"
)

// Plan is what a Planner is to read, and how fast.
type Plan struct {
	Table cdc.TableName
	// Range is the part of the table to read, in key order. The zero Range is all of it.
	Range
	// Where, if not nil, leaves out the rows for which it is not true.
	Where *cdc.Condition
	// Referring, if not nil, has only rows read that refer to one of its values.
	Referring *Referring
	// Keys, if not nil, are the rows to read instead, in this order.
	Keys []Key
	// From is where to go on. The zero Cursor is the beginning.
	From Cursor
	// Ahead is how many chunks may be on their way at once: one being read, the
	// others waiting for the stream to reach them. Defaults to 3.
	Ahead int
	// MinRows and MaxRows bound the size of chunks. The first has MinRows.
	// Default to 250 and 20,000.
	MinRows, MaxRows int
	// Target is how long it should take to read a chunk. Defaults to 200 ms.
	Target time.Duration
	// Throttle limits the rate of reading. Nil is no limit.
	Throttle *Throttle
}

// Cursor is how far a plan has come. It is meaningful to the same plan only.
type Cursor struct {
	// After is the key of the last row read, nil at the beginning of the table.
	After Key
	// Listed is how many of the plan's Keys are done.
	Listed int
	// Rows is how many rows were read so far, for people.
	Rows int64
	// Done says that nothing is left to read.
	Done bool
}

// Planner splits a table into chunks, each behind the last row of the one before,
// and sees each through: it is opened, read, placed and durable, in order. What
// fails on the way is read again, with all that was read behind it.
//
// The goroutine that takes the stream owns the Planner, and calls it at boundaries
// between commits only. One other goroutine reads for it, one chunk at a time.
type Planner struct {
	plan Plan
	size chunkSize
	// bound is the most rows of a chunk for now, zero for no such bound.
	bound int
	// next is behind the last chunk read, durable behind the last durable one.
	next, durable Cursor
	// steps are the chunks that were opened and not placed, in order.
	steps []*Step
	// reading is the step that the reading goroutine has, also if it was given up.
	reading *Step
}

// Step is one chunk on its way.
type Step struct {
	// Request is what to read.
	Request  Request
	from, to Cursor
	window   *Window
	chunk    *Chunk
}

// asked returns how many rows s asks for.
func (s *Step) asked() int { return max(s.Request.Limit, len(s.Request.Keys)) }

// Cursor returns where the plan stands once s, which was placed, is durable.
func (s *Step) Cursor() Cursor { return s.to }

// NewPlanner returns a Planner at plan.From.
func NewPlanner(plan Plan) *Planner {
	plan.Ahead = cmp.Or(plan.Ahead, 3)
	least := cmp.Or(plan.MinRows, 250)
	most := plan.Throttle.limit(max(least, cmp.Or(plan.MaxRows, 20_000)))
	least = min(least, most)
	at := plan.From
	if at.After == nil {
		at.After = plan.After
	}
	if plan.Keys != nil {
		at.Done = at.Listed >= len(plan.Keys)
	}
	return &Planner{
		plan: plan,
		size: chunkSize{rows: least, least: least, most: most, target: cmp.Or(plan.Target, 200*time.Millisecond)},
		next: at, durable: at,
	}
}

// Open opens a window in r for the next chunk. The caller takes a Mark at once and
// has the step's Request read. Open returns nil if there is nothing to read now:
// a chunk is being read, too many wait to be placed, the throttle holds (Wait
// tells how long), or the end was read.
func (p *Planner) Open(r *Recorder, now time.Time) *Step {
	if p.reading != nil || p.next.Done || len(p.steps) >= p.plan.Ahead || p.Wait(now) > 0 {
		return nil
	}
	s := &Step{Request: Request{Table: p.plan.Table}, from: p.next}
	asked := p.size.rows
	if p.bound > 0 {
		asked = min(asked, p.bound)
	}
	if p.plan.Keys == nil {
		s.Request.Range = Range{After: p.next.After, Including: p.including(), Upto: p.plan.Upto}
		s.Request.Limit, s.Request.Where, s.Request.Referring = asked, p.plan.Where, p.plan.Referring
	} else {
		left := p.plan.Keys[p.next.Listed:]
		asked = min(asked, len(left))
		s.Request.Keys = left[:asked]
	}
	p.plan.Throttle.Spend(now, asked)
	s.window = r.Open(p.plan.Table)
	p.reading = s
	p.steps = append(p.steps, s)
	return s
}

// Bound bounds the rows of the chunks that are opened from now on, whatever their
// size would be. Zero lifts the bound.
func (p *Planner) Bound(rows int) { p.bound = rows }

// including reports whether the next chunk begins with the row that it is to begin
// behind: the first one of a range that has its own beginning.
func (p *Planner) including() bool {
	return p.plan.Including && p.next.Rows == 0 && slices.Equal(p.next.After, p.plan.After)
}

// Wait returns how long after now the throttle holds the next chunk back.
func (p *Planner) Wait(now time.Time) time.Duration { return p.plan.Throttle.Wait(now) }

// Arrive takes the chunk that was read for s. took is the time it took without the
// wait for transactions to become visible: the time since Chunk.ReadAt. Arrive
// fails if c does not lead on, which is an error of the reader.
func (p *Planner) Arrive(s *Step, c *Chunk, took time.Duration) error {
	p.returned(s)
	if !slices.Contains(p.steps, s) {
		return nil // It was given up meanwhile.
	}
	to := s.from
	to.Rows += int64(c.Read())
	if p.plan.Keys != nil {
		to.Listed += len(s.Request.Keys)
		to.Done = to.Listed == len(p.plan.Keys)
	} else {
		to.Done = c.Read() < s.Request.Limit
		if !to.Done && !s.Request.Including && slices.Equal(c.Last, s.from.After) {
			return fmt.Errorf("chunk of table %s ends at %q, where it began", p.plan.Table, c.Last)
		}
		if c.Last != nil {
			to.After = c.Last
		}
	}
	p.size.learn(s.asked(), took)
	s.chunk, s.to, p.next = c, to, to
	return nil
}

// Fail notes that the chunk for s could not be read. Open asks for it again.
func (p *Planner) Fail(s *Step) {
	p.returned(s)
	p.giveUp(s)
}

func (p *Planner) returned(s *Step) {
	if p.reading != s {
		panic("backfill: a step came back that was not being read")
	}
	p.reading = nil
}

// Place returns the next chunk in order with what of it goes into the log here,
// if it was read and the stream, which has delivered everything up to r, has
// reached it; otherwise a nil Step. The caller appends the rows, and then the
// step's Cursor as the chunk's marker, before it takes anything else from the
// stream. A chunk that must be read again is reported as an ErrReread, for people
// only: Open asks for it again. Any other error is final.
func (p *Planner) Place(r cdc.Resume) (*Step, []Placed, error) {
	if len(p.steps) == 0 {
		return nil, nil, nil
	}
	s := p.steps[0]
	if s.chunk == nil || !s.chunk.View.Reached(r) {
		return nil, nil, nil
	}
	rows, err := s.window.Merge(&s.Request, s.chunk)
	if errors.Is(err, ErrOverflow) {
		p.size.set(s.asked() / 2)
	}
	if errors.Is(err, ErrReread) {
		p.giveUp(s)
	}
	if err != nil {
		return nil, nil, err
	}
	s.window.Close()
	s.chunk = nil
	p.steps = p.steps[1:]
	return s, rows, nil
}

// Waiting reports whether a chunk was read that the stream has not reached yet. On
// an idle source that may need another Reader.Nudge.
func (p *Planner) Waiting() bool { return len(p.steps) > 0 && p.steps[0].chunk != nil }

// giveUp forgets s and every step behind it, which began where s ended.
func (p *Planner) giveUp(s *Step) {
	i := slices.Index(p.steps, s)
	if i < 0 {
		return
	}
	for _, later := range p.steps[i:] {
		later.window.Close()
		later.chunk = nil
	}
	p.steps = slices.Delete(p.steps, i, len(p.steps))
	p.next = s.from
}

// Durable notes that the marker of s, and with it everything before, is durable.
func (p *Planner) Durable(s *Step) { p.durable = s.to }

// Cursor returns how far the plan is durable: where it goes on after a crash.
func (p *Planner) Cursor() Cursor { return p.durable }

// Close gives up what is under way and closes its windows. A chunk that is still
// being read is ignored when it arrives.
func (p *Planner) Close() {
	if len(p.steps) > 0 {
		p.giveUp(p.steps[0])
	}
	p.next.Done = true
}
