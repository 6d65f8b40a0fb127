package backfill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tailstock/connector/cdc"
)

// Range is a stretch of a table in the order of its key: the rows behind After up
// to and including Upto. A nil bound is no bound.
type Range struct {
	After Key
	// Including says that the row After belongs to the stretch, too.
	Including bool
	Upto      Key
}

// Request asks for one chunk. Either Range and Limit or Keys are used.
type Request struct {
	Table cdc.TableName
	Range
	// Limit is the most rows to read, at least 1, those that Where leaves out
	// included. A chunk of which fewer were read is the last one of its range.
	Limit int
	// Keys asks for rows by key instead: those that are there.
	Keys []Key
	// Where, if not nil, leaves out the rows for which it is not true. It goes with
	// a Range only, and names captured columns.
	Where *cdc.Condition
	// Referring, if not nil, has only those rows read that refer to one of some
	// others. Unlike with Where, rows that do not are not looked at where the column
	// has an index, and do not count. It goes with a Range, and without Where.
	Referring *Referring
}

// Referring names rows by what they refer to. Rows that have each of the texts, but
// not together, may be read, too.
type Referring struct {
	// Columns are captured columns, one at least.
	Columns []string
	// Values are what they may have, a canonical text for each, at most MaxReferring.
	Values [][]string
}

// ByColumn returns the Referring by one column.
func ByColumn(column string, values ...string) *Referring {
	r := &Referring{Columns: []string{column}}
	for _, v := range values {
		r.Values = append(r.Values, []string{v})
	}
	return r
}

// Texts are the values of the column at a place, each once.
func (r *Referring) Texts(at int) []string {
	var out []string
	seen := make(map[string]bool)
	for _, v := range r.Values {
		if !seen[v[at]] {
			seen[v[at]] = true
			out = append(out, v[at])
		}
	}
	return out
}

// Check reports what is wrong with r by itself.
func (r *Referring) Check() error {
	if len(r.Columns) == 0 {
		return errors.New("no columns to refer by")
	}
	if len(r.Values) == 0 || len(r.Values) > MaxReferring {
		return fmt.Errorf("%d values to refer to, want 1 to %d", len(r.Values), MaxReferring)
	}
	for _, v := range r.Values {
		if len(v) != len(r.Columns) {
			return fmt.Errorf("%d values for %d columns", len(v), len(r.Columns))
		}
	}
	return nil
}

// MaxReferring is how many values a Referring may have.
const MaxReferring = 1_000

// View is the moment as of which a chunk was read.
type View interface {
	// Sees reports whether the view shows the effects of a transaction that the
	// stream has delivered: t has all of a Transaction but its Changes. It may
	// deny one that it cannot tell, never claim one that it does not show.
	Sees(t *cdc.Transaction) bool
	// Reached reports whether a stream that has delivered everything up to r has
	// delivered every transaction that the view sees.
	Reached(r cdc.Resume) bool
}

// Chunk is what a reader read.
type Chunk struct {
	// Table is the version of the table that Rows have.
	Table *cdc.Table
	// Rows are complete, in key order, with the same canonical values that the
	// stream brings.
	Rows []cdc.Row
	// Last is the key of the last row read, nil if there is none: where the next
	// chunk of the range begins. Rows that a condition left out count.
	Last Key
	// Scanned is how many rows were read where a condition left some out.
	Scanned int
	View    View
	// ReadAt is about when the view was taken.
	ReadAt time.Time

	keys []cdc.RowKey // of Rows, once Prepare has run
}

// Read returns how many rows were read, those that a condition left out included.
func (c *Chunk) Read() int { return max(c.Scanned, len(c.Rows)) }

// Mark is the state of the stream when a window opened: which delivered
// transactions may still be invisible. It belongs to the adapter.
type Mark any

// Reader reads chunks. sources/postgres implements it.
type Reader interface {
	// Mark notes which transactions were delivered and may still be invisible, the
	// one being emitted among them. It does not block, and is called from within
	// emit, at a boundary.
	Mark() Mark
	// Read reads one chunk as of a moment that sees every transaction of mark. It
	// blocks for as long as one of them is invisible, as it may be for hours while a
	// synchronous standby is away. It may run concurrently with Tail and with
	// other reads; each uses a connection of its own. It fails with
	// *cdc.SetupError where an operator must act, and otherwise with an error that
	// a retry may cure.
	Read(ctx context.Context, mark Mark, r Request) (*Chunk, error)
	// Nudge asks Tail to emit progress at once, whether the source's log has moved
	// or not, after asking the server for its place. It does not block.
	Nudge()
	// Estimate returns about how many rows a table has, without reading them.
	Estimate(ctx context.Context, table cdc.TableName) (int64, error)
}
