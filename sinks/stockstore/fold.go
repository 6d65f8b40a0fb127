package stockstore

import (
	"cmp"
	"slices"
	"strings"

	"tailstock/connector/inventory"
)

// cause is the commit that an event stands in.
type cause struct {
	position inventory.Position
	commit   *inventory.Commit
}

// noCause is the cause of what has none.
const noCause = -1

// rowChange is all that a batch says about one row of a feed: the last good
// event, and a problem that came after it. Either may be missing.
type rowChange struct {
	rowRef
	good         *inventory.Event
	problem      *inventory.Event
	goodCause    int32
	problemCause int32
}

// fold reduces a batch to one rowChange per row, in the order of the rows' first
// events. It keeps pointers into the batch and copies nothing of it.
type fold struct {
	causes []cause
	rows   []rowChange
	index  map[rowRef]int32
	events int
}

func newFold(size int) *fold { return &fold{index: make(map[rowRef]int32, size)} }

// begin says in which commit the next events stand.
func (f *fold) begin(position inventory.Position, c *inventory.Commit) {
	f.causes = append(f.causes, cause{position, c})
}

// add takes the next event of a row.
func (f *fold) add(feed int32, e *inventory.Event) {
	ref := rowRef{feed, e.Row}
	i, ok := f.index[ref]
	if !ok {
		i = int32(len(f.rows)) //nolint:gosec // far fewer rows than that fit in memory
		f.index[ref] = i
		f.rows = append(f.rows, rowChange{rowRef: ref, goodCause: noCause, problemCause: noCause})
	}
	r := &f.rows[i]
	at := int32(len(f.causes) - 1) //nolint:gosec // as above
	if e.Problem != nil {
		r.problem, r.problemCause = e, at
		return
	}
	r.good, r.goodCause = e, at
	r.problem, r.problemCause = nil, noCause
}

// truncate forgets what was said about rows of a feed: its rows are withdrawn
// together, and what came before in the same batch was never seen by anyone.
func (f *fold) truncate(feed int32) {
	for i := range f.rows {
		if f.rows[i].feed == feed {
			delete(f.index, f.rows[i].rowRef)
			f.rows[i].good, f.rows[i].problem = nil, nil
		}
	}
}

// sort puts the rows in the order of their keys, as the tables have them: rows
// that are neighbours are found on pages at hand.
func (f *fold) sort() {
	slices.SortFunc(f.rows, func(a, b rowChange) int {
		return cmp.Or(cmp.Compare(a.feed, b.feed), strings.Compare(string(a.row), string(b.row)))
	})
}
