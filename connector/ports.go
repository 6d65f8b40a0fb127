package connector

import (
	"context"
	"slices"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Source is a database whose log is tailed and whose tables are read in chunks
// beside it. sources/sourcetest is its conformance suite.
type Source interface {
	backfill.Reader
	// Want sets the tables and columns of the next Tail, and of every Read that
	// begins from now on. It is called while no Tail runs. Until then a source
	// wants what it was made with.
	Want(w cdc.Wanted)
	// Tail delivers every transaction committed after from, in commit order, as
	// whole commits or as parts, and progress (an empty transaction) at least
	// every few seconds while there is nothing to deliver but the source's log
	// moves on. It calls emit from one goroutine. It blocks until ctx ends, emit
	// fails or the source fails, and releases its connection before it returns.
	// It may be called again after it has returned, not concurrently.
	//
	// An empty from means that nothing was read yet, or that what was read does
	// not count any more after a *cdc.GapError: Tail creates what it needs to keep
	// the source's log from here on, in place of what is of no use, accepts
	// whichever server answers, and emits progress with a first token before
	// anything else. Every commit before that token is visible by then. Otherwise
	// continuity is checked first. It fails with *cdc.SetupError, *cdc.GapError, or
	// an error that a retry may cure.
	Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error
	// Confirm records that everything up to r is durable downstream, so that the
	// source may discard it. It never blocks, may be called from any goroutine,
	// also when Tail does not run, and may be forgotten by a crash.
	Confirm(r cdc.Resume)
	// Complete fills the Unchanged values of rows from the source, by key, as of
	// a moment at which transaction t is visible (it may be later: the source
	// then delivers what came after t next, and the result converges). A row that
	// no longer exists gets a nil After. It blocks until t is visible. It is
	// called from within emit.
	Complete(ctx context.Context, t *cdc.Transaction, rows []*cdc.NetChange) error
}

// Ack is a message that was sent and may not be stored yet.
type Ack interface {
	// Wait blocks until the message is durable by the log's own rules, or will not be.
	Wait(ctx context.Context) error
}

// Log is the log of one source, for its capture. connector/natslog implements it.
type Log interface {
	// Begin opens a run on a connection of its own that never reconnects: it
	// makes the stream if missing, reads the tail and the state kept beside it,
	// and records the new run number under the lease before it returns.
	Begin(ctx context.Context) (Run, error)
}

// RunStart is what a run found when it began.
type RunStart struct {
	// Run is its number: above that of the tail and of every run recorded before.
	Run uint64
	// LogID is the random identity of the stream.
	LogID string
	// Tail is the position of the last message, zero for an empty log.
	Tail inventory.Position
	// Resume is where the source must go on: the token kept beside the tail if
	// it counts, otherwise the tail's own. Empty if nothing was ever read.
	Resume cdc.Resume
	// Lost says that the log, or its end, is not what the last run left, so that
	// there is no token to go on from; empty if all is well.
	Lost string
	// ConfirmDelay is how long a token must have been durable before the source
	// may be told, because the server syncs its files lazily. Zero if it does not.
	ConfirmDelay time.Duration
}

// Run is one stretch of appending by one capture. Its methods may be called
// from several goroutines, Append from one at a time. After any error of Append
// or of an Ack the run is dead: every later message fails too.
type Run interface {
	Start() RunStart
	// Append sends e right behind the last message appended in this run, stating
	// the sequence it expects to follow. It does not wait for the ack. The body
	// may be reused when it returns.
	Append(ctx context.Context, e inventory.Envelope) (Ack, error)
	// Reject stores a row that could not be mapped, and waits until it is durable.
	Reject(ctx context.Context, r Reject) error
	// Settle removes kept rejects, and returns when they are gone for good. One that
	// is not kept any more, or was replaced by a newer one of its row, is passed over.
	Settle(ctx context.Context, refs []RejectRef) error
	// Checkpoint keeps r beside the position tail in the state, for when the
	// source moves on without anything to append. Compare-and-set under the
	// lease: a capture that lost it fails with ErrLeaseLost.
	Checkpoint(ctx context.Context, tail inventory.Position, r cdc.Resume) error
	// Check proves that the log is still this run's: same id, and the last
	// message acknowledged is its last. It fails with ErrLogChanged otherwise.
	Check(ctx context.Context) error
	// KeepMapping stores the canonical text of a mapping under its id, before its first use.
	KeepMapping(ctx context.Context, id inventory.MappingID, text []byte) error
	// Mapping returns a mapping's canonical text, nil if it was never kept.
	Mapping(ctx context.Context, id inventory.MappingID) ([]byte, error)
	// KeepPlan keeps the plan of a load, with the position of the newest message
	// that it rests on. An empty plan removes it. Compare-and-set under the lease.
	KeepPlan(ctx context.Context, plan []byte, rests inventory.Position) error
	// Plan returns the kept plan, nil if there is none or the log does not hold the
	// message that it rests on.
	Plan(ctx context.Context) ([]byte, error)
	// Reports returns the newest report of every registered store about the source,
	// as far as they have arrived. It does not block.
	Reports() []StoreReport
	// Reported is signalled when Reports returns something new. Several reports may
	// be one signal.
	Reported() <-chan struct{}
	// Purge removes what every registered store has applied and that is older
	// than keep, up to the message at hold, which stays, unless hold is zero. It
	// reports how full the log is.
	Purge(ctx context.Context, keep time.Duration, hold inventory.Position) (Usage, error)
	// Close drains what is in flight, within a bounded time, and closes the connection.
	Close() error
}

// Usage says how full a source's log is.
type Usage struct {
	Bytes    uint64
	MaxBytes uint64
	Messages uint64
	// Unapplied counts the messages that the slowest registered store has not applied.
	Unapplied uint64
	// Stores is how many stores are registered.
	Stores int
}

// Key holds the canonical texts of a row's key values, in key order.
type Key = backfill.Key

// Reject is a row that could not be mapped, as kept for the operator.
type Reject struct {
	Source string
	Table  string
	Row    cdc.RowKey
	// Key has the values of the row's key, of which Row may be a shortened text. Nil if
	// it was kept without.
	Key         Key
	Mapping     inventory.MappingID
	Op          cdc.Op
	Transaction string
	CommittedAt time.Time
	At          string
	// Position is that of the message that steps over the row.
	Position inventory.Position
	Problem  inventory.Problem
	// Columns and Values are the columns that the mapping names, in table order. A nil value is NULL.
	Columns []string
	Values  []*string
}

// RejectRef names one kept reject.
type RejectRef struct {
	// ID is what the log calls it: a later reject of the same row has another.
	ID      uint64              `json:"id"`
	Table   string              `json:"table"`
	Mapping inventory.MappingID `json:"mapping"`
	Row     cdc.RowKey          `json:"row"`
}

// Lease chooses the one daemon that runs a loop. It is for liveness alone:
// nothing is safe because of it.
type Lease interface {
	// Hold waits for the lease, runs f while renewing it, releases it and returns
	// f's error. The context of f ends with the cause ErrLeaseLost when the lease
	// is lost, and Hold then returns ErrLeaseLost.
	Hold(ctx context.Context, f func(ctx context.Context) error) error
	// Check renews the lease now. It fails with ErrLeaseLost if another holds it.
	Check(ctx context.Context) error
}

// LogMessage is a message as read from a source's log.
type LogMessage struct {
	inventory.Message
	// Sequence is the message's place in the stream: a hint, never an identity.
	Sequence uint64
	// Size is the length of the body, in bytes.
	Size int
	// Pending counts the messages that stood behind it in the log when it was sent.
	Pending uint64
}

// LogTail describes a source's log at one moment.
type LogTail struct {
	ID string
	// First and Last are the sequences of the oldest and newest messages; Last may
	// be set on an emptied log.
	First, Last uint64
	// Position is that of the last message and OldestPrevious the Previous of the oldest; zero if the log is empty.
	Position       inventory.Position
	OldestPrevious inventory.Position
	// Empty says that the log has no message.
	Empty bool
}

// OpenLogFunc opens a source's log for reading. It fails with ErrNoLog while no
// capture has made it.
type OpenLogFunc func(ctx context.Context) (LogReader, error)

// LogReader reads one source's log in order, for one store. Not for concurrent use.
type LogReader interface {
	// Seek makes the first message with a position above p the next one. hint is
	// the sequence at which p was once seen, or 0; it only saves time.
	Seek(ctx context.Context, p inventory.Position, hint uint64) error
	// Next returns the messages at hand, up to about limit bytes, waiting up to
	// wait for the first. None is not an error. A message that cannot be decoded is.
	Next(ctx context.Context, limit int, wait time.Duration) ([]LogMessage, error)
	// Tail looks at the log itself.
	Tail(ctx context.Context) (LogTail, error)
	// Close releases the reader's connection.
	Close() error
}

// FeedState is the state of a feed in a store.
type FeedState string

// The states of a feed.
const (
	FeedLoading FeedState = "loading"
	FeedActive  FeedState = "active"
	FeedStale   FeedState = "stale"
)

// FeedReport is one feed as its store reports it.
type FeedReport struct {
	inventory.FeedName
	State FeedState
}

// StoreReport is what a store says about one source.
type StoreReport struct {
	Store    string
	Source   string
	LogID    string
	Position inventory.Position
	// Sequence is where that position stood in the stream.
	Sequence uint64
	Feeds    []FeedReport
}

// counts reports whether anything of the source counts in the store.
func (r *StoreReport) counts() bool {
	return slices.ContainsFunc(r.Feeds, func(f FeedReport) bool { return f.State == FeedActive || f.State == FeedStale })
}

// Reporter carries a store's reports to the captures.
type Reporter interface {
	// Report announces r at once and, every few seconds, keeps it. It does not
	// block on the network longer than a publish does.
	Report(ctx context.Context, r StoreReport) error
}

// SourceState is what a store durably holds of one source.
type SourceState struct {
	// LogID is empty when the store has never applied anything of the source.
	LogID    string
	Position inventory.Position
	Feeds    []FeedReport
}

// Batch is a run of messages of one source's log, to be applied in one transaction.
type Batch struct {
	Source string
	LogID  string
	// Expect is the position that the store must hold for the batch to be applied.
	Expect inventory.Position
	// Position is what it holds afterwards.
	Position inventory.Position
	Messages []LogMessage
	// More says that the log had more to apply when the last message was read: the
	// worker is behind.
	More bool
}

// Store is the stock store, for the worker of one source. sinks/stockstore
// implements it. Methods are safe for concurrent use; batches of one source are not.
type Store interface {
	// ID is the store's own random identity.
	ID() string
	// SourceState reads what the store holds of source.
	SourceState(ctx context.Context, source string) (SourceState, error)
	// Apply applies b in one transaction: contributions, levels, position and
	// outbox together. It fails with ErrFenced, changing nothing, if the store
	// does not hold b.Expect of b.LogID, and otherwise with an error that a retry
	// may cure. When it has returned nil the batch is durable.
	Apply(ctx context.Context, b Batch) (Applied, error)
	// Rebase moves the store to another place in the log, or to another log, with
	// something missing between: what counts of the source is stale from then on,
	// and what was being loaded is dropped. It fails with ErrFenced, changing
	// nothing, if the store does not hold r.Expect of r.ExpectLog. It returns the feeds.
	Rebase(ctx context.Context, r Rebase) ([]FeedReport, error)
	// Elapse counts what has begun to count since and leaves out what has ended, for
	// contributions of source that have a validity: levels and outbox, in one durable
	// transaction of a bounded size, the earliest first. It needs nothing to be
	// remembered, and a repeat changes nothing more. It may fail with an error that a
	// retry may cure.
	Elapse(ctx context.Context, source string) (Elapsed, error)
}

// Elapsed says what the passing of time changed in a store.
type Elapsed struct {
	// Contributions counts those that began or ended to count.
	Contributions int
	// Cells counts changed cells of feeds that count.
	Cells int
	// Next is the moment from which on there is more to do, zero if there is none. It
	// may have passed already.
	Next inventory.Moment
}

// Rebase is a jump of a store over a stretch of a log that is lost to it.
type Rebase struct {
	Source string
	// ExpectLog and Expect are what the store must hold.
	ExpectLog string
	Expect    inventory.Position
	// LogID and Position are what it holds afterwards.
	LogID    string
	Position inventory.Position
}

// Applied says what a batch changed.
type Applied struct {
	Events        int
	Contributions int
	// Cells counts changed cells of feeds that count.
	Cells int
	// Feeds are the feeds afterwards, nil if the batch changed none.
	Feeds []FeedReport
	// Due is the earliest moment at which a contribution that the batch wrote begins or
	// ends to count, zero if none does.
	Due inventory.Moment
	// Compared is what rows of verifications came to, one entry for each of their tables.
	Compared []Comparison
}

// Place is a point in the levels stream.
type Place struct {
	// Stream is the random identity of the levels stream.
	Stream   string
	Session  uint64
	Sequence uint64
}

// RelayState is what a store remembers of publishing.
type RelayState struct {
	// Session is the last session that began with this store.
	Session uint64
	// Place is the point up to which outbox rows are gone.
	Place Place
}

// SessionStart is the transaction that begins a session in the store.
type SessionStart struct {
	// Expect is the session that RelayState returned.
	Expect uint64
	// Session is the new one.
	Session uint64
	// Place is the tail of the levels stream, to remember.
	Place Place
	// Republish lists the cells that the levels stream holds after the remembered place.
	Republish []inventory.Cell
	// Walk asks for every cell of the store to be published anew.
	Walk bool
}

// Pending is the next thing to publish.
type Pending struct {
	// Levels are the cells as they stand now, without versions.
	Levels []inventory.Level
	// More says that there may be more to read at once. Otherwise everything that
	// was there is read, and whatever comes is followed by a Wake, or by a poll.
	More bool
	// Done says what is done with once Levels are durable; for the store alone.
	Done any
}

// RelayStore is the publishing side of a store. One relay at a time uses it.
type RelayStore interface {
	RelayState(ctx context.Context) (RelayState, error)
	// Loaded lists the sources of which tables were ever loaded.
	Loaded(ctx context.Context) ([]string, error)
	// BeginSession fails with ErrFenced if another session began meanwhile.
	BeginSession(ctx context.Context, s SessionStart) error
	// Pending reads outbox rows and the present levels of their cells in one
	// statement, after those that were read in this session and are not done yet.
	// It returns no levels when there is nothing to publish. ErrFenced if session is not the store's.
	Pending(ctx context.Context, session uint64) (Pending, error)
	// Published removes what done names and remembers place, in one lazily
	// committed transaction. It fails with ErrFenced, changing nothing, if session
	// is not the store's, or if the store does not remember the place that this
	// session gave it last: it was restored, and lacks levels published since.
	Published(ctx context.Context, session uint64, place Place, done []any) error
	// Wake is signalled after an apply, by this process or another. It may miss;
	// the relay polls as well.
	Wake() <-chan struct{}
}

// LevelsTail describes the levels stream when a session opens it.
type LevelsTail struct {
	Stream   string
	Sequence uint64
	// Session, First and After are those of the last message, zero for an empty stream.
	Session uint64
	First   uint64
	After   uint64
	// LastSession is the newest session ever recorded beside the stream.
	LastSession uint64
}

// Levels is the levels stream, for the relay. connector/natslog implements it.
type Levels interface {
	// Open opens the stream on a connection of its own that never reconnects,
	// making it if missing.
	Open(ctx context.Context) (LevelsWriter, error)
}

// LevelsWriter is the levels stream as one session sees it.
type LevelsWriter interface {
	Tail() LevelsTail
	// CellsAfter returns the cells whose last level stands after sequence.
	CellsAfter(ctx context.Context, sequence uint64) ([]inventory.Cell, error)
	// Begin records session beside the stream before its first message. Every
	// message says First, the sequence of the session's first, and After, the
	// session before.
	Begin(ctx context.Context, session uint64) error
	// Publish sends the next level, stating the sequence it expects to follow,
	// and returns the sequence that it will have. It does not wait for the ack.
	Publish(ctx context.Context, l *inventory.Level) (uint64, Ack, error)
	// Check proves that the stream's id, last sequence and last session are this session's.
	Check(ctx context.Context) error
	Close() error
}

// OpenLevelsFunc opens the levels stream for reading. It fails with ErrNoLog
// while no relay has made it.
type OpenLevelsFunc func(ctx context.Context) (LevelsReader, error)

// LevelsReader reads the levels stream, for a cache. Not for concurrent use.
type LevelsReader interface {
	// Tail looks at the stream itself.
	Tail(ctx context.Context) (LevelsTail, error)
	// Seek makes the first message after sequence the next one.
	Seek(ctx context.Context, sequence uint64) error
	// Next returns the levels at hand, up to limit, waiting up to wait for the
	// first. None is not an error.
	Next(ctx context.Context, limit int, wait time.Duration) ([]inventory.LevelMessage, error)
	Close() error
}

// CachePlace is a cache's place in the levels stream.
type CachePlace struct {
	Place
	// Replay is not zero while a replay is running: the sequence up to which it goes.
	Replay uint64
}

// Cache is a cache of levels. sinks/cache implements it. Every call names the
// place that the cache must hold, and fails with ErrFenced, changing nothing, if
// it holds another: emptied, failed over, or written by another worker.
type Cache interface {
	// Place reads the cache's place; the zero CachePlace if it has none.
	Place(ctx context.Context) (CachePlace, error)
	// Apply applies levels newer than those held and moves the place from -> to.
	// While a replay runs it overwrites whatever the cache holds.
	Apply(ctx context.Context, from, to CachePlace, levels []inventory.LevelMessage) error
	// BeginReplay moves the place from -> to, to being the start of a replay.
	BeginReplay(ctx context.Context, from, to CachePlace) error
	// EndReplay drops the numbers of every cell that the replay did not see and
	// moves the place from -> to.
	EndReplay(ctx context.Context, from, to CachePlace) error
}
