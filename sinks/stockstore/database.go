package stockstore

import (
	"context"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// durability says what must be true when a transaction has been committed.
type durability uint8

const (
	// durable: it survives a crash of the database server.
	durable durability = iota + 1
	// lazy: it is durable soon, and never without what was committed before it.
	lazy
)

// database is what a dialect provides. Its methods are safe for concurrent use.
type database interface {
	migrator
	// write runs f in one READ COMMITTED transaction that commits if f returns
	// nil.
	write(ctx context.Context, d durability, f func(transaction) error) error
	// read runs f. Every statement of f sees one state of the database; two
	// statements may see two.
	read(ctx context.Context, f func(reader) error) error
	// snapshot runs f, all of whose statements see one state of the database.
	snapshot(ctx context.Context, f func(reader) error) error
	// isDataError reports whether err blames the data of a statement.
	isDataError(err error) bool
	// notify tells the listeners of channel that sender changed something. It is
	// for liveness alone.
	notify(ctx context.Context, channel, sender string) error
	// listen calls wake for every notification of channel, until ctx ends. It
	// reconnects by itself. It returns at once where no other process can notify.
	listen(ctx context.Context, channel string, wake func(sender string))
	close() error
}

// scanFunc reads the columns of the present row, in order.
type scanFunc func(targets ...any) error

// reader reads. Placeholders are $1, $2 and so on in both dialects.
type reader interface {
	// query calls each for every row.
	query(ctx context.Context, each func(scanFunc) error, sql string, args ...any) error
	// outboxPage reads rows that list cells, oldest first, except those in taken,
	// up to about limit cells, together with what their cells hold: one statement.
	outboxPage(ctx context.Context, taken []int64, limit int, page *outboxPage) error
	// outboxRows is like outboxPage for the rows of ids that are there.
	outboxRows(ctx context.Context, ids []int64, page *outboxPage) error
	// outboxList is like outboxPage and reads which cells are listed, once each, but not what they hold.
	outboxList(ctx context.Context, taken []int64, limit int, list *outboxList) error
	// listedCells reads what cells hold, in one statement with the session.
	listedCells(ctx context.Context, cells []inventory.Cell, page *outboxPage) error
}

// transaction reads and writes. What it is told to write may be sent as late as
// with the next read or the commit.
type transaction interface {
	reader
	// exec runs a statement and returns how many rows it changed.
	exec(ctx context.Context, sql string, args ...any) (int64, error)
	// lockSource locks the row of source in source_state, making it if missing,
	// and then reads what stands under that lock; the rows of ahead as well, if it
	// is not nil and that saves a round trip.
	lockSource(ctx context.Context, source string, ahead *readAhead) (lockedSource, error)
	// movePosition sets what the locked source_state of source says.
	movePosition(ctx context.Context, source, logID string, p inventory.Position, worker string) error
	// contributions reads the stored contributions of rows; i is an index into rows.
	contributions(ctx context.Context, rows []rowChange, each func(i int, s *storedLeg) error) error
	// readAhead asks for the stored contributions of the rows of ahead, which are
	// there when the transaction has settled.
	readAhead(ctx context.Context, ahead *readAhead) error
	// settle waits for what was sent.
	settle(ctx context.Context) error
	// problems reads the problems that rows are marked with; i is an index into rows.
	problems(ctx context.Context, rows []rowChange, each func(i int, p inventory.Problem) error) error
	// changeContributions writes c, of which it keeps nothing but the contributions.
	changeContributions(ctx context.Context, c *contributionChanges, causes []cause) error
	// setDue writes when it changes next whether contributions count, by their keys.
	setDue(ctx context.Context, writes []contributionWrite) error
	// addToCells adds to cells, making those that are missing.
	addToCells(ctx context.Context, deltas []cellDelta, causes []cause, now int64) error
	// addNewCells makes cells, none of which is there.
	addNewCells(ctx context.Context, deltas []cellDelta, causes []cause, now int64) error
	// markProblems keeps the problems of rows, clearProblems forgets them.
	markProblems(ctx context.Context, rows []rowChange, causes []cause) error
	clearProblems(ctx context.Context, rows []rowChange) error
	// listCells adds an outbox row that lists cells. made is called with its id, at
	// the latest when the transaction is committed.
	listCells(ctx context.Context, cells []inventory.Cell, made func(id int64)) error
	deleteOutbox(ctx context.Context, ids []int64) error
	// flush sends what has not been sent.
	flush(ctx context.Context) error
}

// lockedSource is the state of a source under its lock.
type lockedSource struct {
	schema   int
	logID    string
	position inventory.Position
	feeds    []*feed
}

// rowRef names a row of a feed.
type rowRef struct {
	feed int32
	row  cdc.RowKey
}

// storedLeg is a stored contribution.
type storedLeg struct {
	inventory.Contribution
	// due is when it changes next whether the contribution counts, zero for never.
	due inventory.Moment
	// place is where the row is, for the dialect that asked for it.
	place uint64
}

// counts reports whether the contribution is in its cell.
func (s *storedLeg) counts() bool { return s.Valid.Counts(s.due) }

// contributionChanges are the rows of contribution to write. Updates leave SKU,
// location and validity as they are, moves leave the validity: most changes are of
// quantities alone, and then no index needs to be touched. Few contributions have a
// validity. What is written of one stands in the lists timedInserts and timedMoves,
// so that the others know nothing of it.
type contributionChanges struct {
	inserts, updates, moves, deletes []contributionWrite
	timedInserts, timedMoves         []contributionWrite
}

func (c *contributionChanges) lists() [6]*[]contributionWrite {
	return [...]*[]contributionWrite{&c.inserts, &c.updates, &c.moves, &c.deletes, &c.timedInserts, &c.timedMoves}
}

func (c *contributionChanges) len() (n int) {
	for _, list := range c.lists() {
		n += len(*list)
	}
	return n
}

func (c *contributionChanges) reset() {
	for _, list := range c.lists() {
		clear(*list)
		*list = (*list)[:0]
	}
}

// contributionWrite is one row of contribution. For a delete, only its key and
// place count.
type contributionWrite struct {
	rowRef
	*inventory.Contribution
	place uint64
	cause int32
	// due counts in timedInserts, timedMoves and for setDue.
	due inventory.Moment
}

// outboxPage is what a page of outbox rows gave.
type outboxPage struct {
	session uint64
	ids     []int64
	// walk says that the outbox has a walk as well.
	walk bool
	// cells has the listed cells once each, every one followed by its rows.
	cells levelRows
}

// outboxList is what a list of outbox rows gave.
type outboxList struct {
	session uint64
	ids     []int64
	cells   []inventory.Cell
}
