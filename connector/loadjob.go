package connector

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// loadWish is what ought to be loaded, by what stores report.
type loadWish struct {
	feeds  []inventory.FeedName
	stores []string
	reason string
}

// job is work on tables of a source beside its stream. The goroutine that takes
// the stream owns it.
type job struct {
	id     string
	kind   JobKind
	reason string
	asked  time.Time
	// needed says that stores lack what the job loads, so that it is not an
	// operator's to give up.
	needed bool
	// stores are those that a load is for.
	stores []string
	// from, to, where and condition say what a backfill reads of its table.
	from, to  backfill.Key
	where     string
	condition *cdc.Condition
	pace      JobPace
	throttle  *backfill.Throttle
	tables    []*tableRead
	// verify is set for a verification.
	verify *VerifyStatus

	began time.Time
	phase jobPhase
	// load is the position of the message that began a load, zero before that.
	load inventory.Position
	// ends is that of the message that ends the job.
	ends inventory.Position
	// paused and cancelled are what was asked for.
	paused, cancelled bool
}

// chunkRows is the most rows of a chunk: what is placed at once delays the stream.
const chunkRows = 5_000

// jobPhase is how far the current job has come. Jobs that wait are in jobWaiting,
// wherever they stopped.
type jobPhase uint8

const (
	jobWaiting jobPhase = iota
	// jobStarting: the message that begins the job is not durable yet.
	jobStarting
	// jobReading: tables are read.
	jobReading
	// jobLeaving: nothing is read any more, and what was placed is not durable yet.
	jobLeaving
	// jobEnding: the message that ends the job is not durable yet.
	jobEnding
)

// tableRead is the reading of one table for a job.
type tableRead struct {
	name  string
	table cdc.TableName
	// mappings are those under which rows are stated.
	mappings []*mapping.Mapping
	planner  *backfill.Planner
	// keys is set for a verification and for a retry.
	keys *keyReading
	// retry is set for a retry.
	retry *retryRead
	// notBefore is when reading may be tried again after a failure, which delay was
	// waited for.
	notBefore time.Time
	delay     time.Duration
	// trouble is why the last attempt failed, empty if it did not.
	trouble string
	// given counts the times that chunks under way were given up.
	given int
	// rereads counts the chunks in a row that had to be read again.
	rereads int
	// rows counts the rows of chunks that were placed.
	rows int64
	// estimate is about how many rows there are, zero if that is not known.
	estimate atomic.Int64
}

// newLoad returns the job that does w, whose mappings are among those given. The
// mappings of a feed that is not are its problem: it must be.
func newLoad(id string, w loadWish, mappings []*mapping.Mapping, now time.Time) *job {
	j := &job{id: id, kind: JobLoad, reason: w.reason, asked: now, stores: w.stores}
	for _, f := range w.feeds {
		j.tables = append(j.tables, newFeedRead(f, mappings))
	}
	j.plan(JobPace{})
	return j
}

// newFeedRead reads a table for one feed.
func newFeedRead(f inventory.FeedName, mappings []*mapping.Mapping) *tableRead {
	i := slices.IndexFunc(mappings, func(m *mapping.Mapping) bool {
		return m.Table().String() == f.Table && m.ID() == f.Mapping
	})
	return &tableRead{name: f.Table, table: mappings[i].Table(), mappings: mappings[i : i+1]}
}

// newTableRead reads a table for all of mappings that are of it; nil if none is.
func newTableRead(name string, mappings []*mapping.Mapping) *tableRead {
	t := &tableRead{name: name}
	for _, m := range mappings {
		if m.Table().String() == name {
			t.table = m.Table()
			t.mappings = append(t.mappings, m)
		}
	}
	if t.mappings == nil {
		return nil
	}
	return t
}

// mapsLate reports whether rows are mapped when they are placed: by what the lookups
// say there.
func (t *tableRead) mapsLate() bool {
	return slices.ContainsFunc(t.mappings, func(m *mapping.Mapping) bool { return len(m.Lookups()) > 0 })
}

// plan gives every table of j a plan from its beginning.
func (j *job) plan(pace JobPace) {
	j.pace, j.throttle = pace, backfill.NewThrottle(pace.Throttle)
	for _, t := range j.tables {
		j.planFrom(t, backfill.Cursor{})
	}
}

func (j *job) planFrom(t *tableRead, at backfill.Cursor) {
	t.rows = at.Rows
	if t.retry != nil {
		t.retry.begin(t)
		return
	}
	if j.verify != nil {
		t.keys = new(keyReading)
	}
	t.planner = backfill.NewPlanner(backfill.Plan{
		Table: t.table, Range: j.stretch(), Where: j.condition, From: at, MaxRows: chunkRows, Throttle: j.throttle,
	})
}

// stretch is the part of the tables that j reads.
func (j *job) stretch() backfill.Range {
	return backfill.Range{After: j.from, Including: j.from != nil, Upto: j.to}
}

// suspend gives up what is being read.
func (j *job) suspend() {
	for _, t := range j.tables {
		t.planner.Close()
	}
}

// park makes a suspended j wait, to go on from what is durable.
func (j *job) park() {
	j.phase = jobWaiting
	for _, t := range j.tables {
		j.planFrom(t, t.cursor())
		t.notBefore, t.delay, t.rereads = time.Time{}, 0, 0
	}
}

// started reports whether stores hold feeds that j fills.
func (j *job) started() bool { return !j.load.IsZero() }

// done reports whether everything that was read is durable.
func (j *job) done() bool {
	for _, t := range j.tables {
		if !t.done() {
			return false
		}
	}
	return true
}

// feeds are those that a load fills.
func (j *job) feeds() []inventory.FeedName {
	var out []inventory.FeedName
	for _, t := range j.tables {
		out = append(out, inventory.FeedName{Table: t.name, Mapping: t.mappings[0].ID()})
	}
	return out
}

// beginning is the body of the message that begins j, nil if there is none.
func (j *job) beginning(source string) []byte {
	if j.kind != JobLoad || j.started() {
		return nil
	}
	return inventory.AppendLoadStarted(nil, source, &inventory.LoadStarted{Feeds: j.feeds(), Stores: j.stores, Reason: j.reason})
}

// ending is the body of the message that ends j, nil if there is none. A load that
// is given up is ended by one of nothing: a source has one load at a time.
func (j *job) ending(source string) []byte {
	switch {
	case j.verify != nil && !j.cancelled:
		return j.verifyEnd(source)
	case !j.started():
		return nil
	case j.cancelled:
		return inventory.AppendLoadStarted(nil, source, &inventory.LoadStarted{Stores: j.stores, Reason: "cancelled"})
	}
	return inventory.AppendLoadCompleted(nil, source, inventory.LoadCompleted{Load: j.load})
}

// marker is the one of a chunk of t.
func (j *job) marker(t *tableRead) inventory.ChunkMarker {
	m := inventory.ChunkMarker{Load: j.load, Table: t.name}
	if m.Load.IsZero() {
		m.Job = j.id
	}
	return m
}

// status describes j.
func (j *job) status(source string) JobStatus {
	s := JobStatus{
		ID: j.id, Source: source, Kind: j.kind, State: j.state(), Reason: j.reason, Asked: j.asked, Began: j.began,
		From: j.from, To: j.to, Where: j.where, JobPace: j.pace, Verify: j.verified(), Retry: j.retries(),
	}
	if j.started() {
		s.Load = j.load.String()
	}
	known := true
	for _, t := range j.tables {
		estimate := t.estimate.Load()
		done := t.done()
		s.Tables = append(s.Tables, TableJobStatus{Table: t.name, Rows: t.rows, Estimate: estimate, Done: done, Trouble: t.trouble})
		s.Rows += t.rows
		s.Estimate += max(estimate, t.rows)
		known = known && (estimate > 0 || done)
		s.Waits = cmp.Or(s.Waits, t.trouble)
	}
	if !known {
		s.Estimate = 0
	}
	return s
}

func (j *job) state() JobState {
	switch {
	case j.paused:
		return JobPaused
	case j.phase == jobWaiting:
		return JobQueued
	}
	return JobRunning
}
