package backfill

import (
	"slices"

	"tailstock/connector/cdc"
)

// Recorder notes which rows the stream touches while windows are open. It lives
// as long as one run of the stream: a restart loses its windows, and their chunks
// are read again. It belongs, with all its windows, to the goroutine that takes
// the stream; nothing of it is safe for concurrent use.
type Recorder struct {
	maxKeys int
	windows map[cdc.TableName][]*Window
	// inside says that the last commit was delivered in part only.
	inside bool
	// commit is the header of the commit being delivered, once a window needs it.
	// Its parts share it: at a boundary it describes the whole commit.
	commit *cdc.Transaction
}

// NewRecorder returns a Recorder whose windows remember at most maxKeys rows each.
// A row takes some 100 bytes, more if its key is long.
func NewRecorder(maxKeys int) *Recorder {
	return &Recorder{maxKeys: maxKeys, windows: make(map[cdc.TableName][]*Window)}
}

// Open opens a window on table. It must be called at a boundary between commits,
// and Reader.Mark at the same one.
func (r *Recorder) Open(table cdc.TableName) *Window {
	w := &Window{recorder: r, table: table, inside: r.inside}
	r.windows[table] = append(r.windows[table], w)
	return w
}

// Record notes what t touched. It must be given every transaction, and every part
// of one, that is delivered, with all its net changes, whether they map to
// anything or not. It keeps the keys of rows in tables with open windows and t
// without its changes; with no window open it costs next to nothing.
func (r *Recorder) Record(t *cdc.Transaction, changes []cdc.NetChange) {
	if t.Progress() {
		return
	}
	r.inside = !t.Last
	if len(r.windows) == 0 {
		return
	}
	if t.Part == 0 {
		r.commit = nil
	} else if r.commit != nil {
		*r.commit = header(t)
	}
	var table *cdc.Table
	var windows []*Window
	for i := range changes {
		c := &changes[i]
		if c.Table != table {
			table, windows = c.Table, r.windows[c.Table.Name]
		}
		for _, w := range windows {
			if r.commit == nil {
				h := header(t)
				r.commit = &h
			}
			w.touch(r.commit, c)
		}
	}
}

// Keys returns how many rows all open windows together remember.
func (r *Recorder) Keys() int {
	n := 0
	for _, windows := range r.windows {
		for _, w := range windows {
			n += w.Keys()
		}
	}
	return n
}

// header returns t without its changes, which may be large and are not needed to
// ask a view about it.
func header(t *cdc.Transaction) cdc.Transaction {
	h := *t
	h.Changes = nil
	return h
}

// Window is what the stream did to one table since the window was opened.
type Window struct {
	recorder *Recorder
	table    cdc.TableName
	// inside says that the window was opened within a commit, of which it missed the beginning.
	inside     bool
	closed     bool
	overflowed bool
	// touched holds the last transaction that touched each row since truncated.
	// The last one decides: transactions that touch the same row become visible in
	// the order of their commits, because each waits for the row's lock.
	touched map[cdc.RowKey]*cdc.Transaction
	// truncated is the last transaction that emptied the table, or nil.
	truncated *cdc.Transaction
	// versions are those of the table that the stream's changes had.
	versions []*cdc.Table
}

func (w *Window) touch(t *cdc.Transaction, c *cdc.NetChange) {
	if w.overflowed {
		return
	}
	if !slices.Contains(w.versions, c.Table) {
		w.versions = append(w.versions, c.Table)
	}
	if c.Op == cdc.OpTruncate {
		w.truncated, w.touched = t, nil
		return
	}
	if w.touched == nil {
		w.touched = make(map[cdc.RowKey]*cdc.Transaction)
	}
	w.touched[c.Key] = t
	if len(w.touched) > w.recorder.maxKeys {
		w.overflowed, w.touched = true, nil
	}
}

// Keys returns how many rows the window remembers, none once it has overflowed.
func (w *Window) Keys() int { return len(w.touched) }

// Overflowed reports whether the window gave up remembering. Its chunk cannot be placed.
func (w *Window) Overflowed() bool { return w.overflowed }

// Close forgets everything that the window noted. Closing it again does nothing.
func (w *Window) Close() {
	if w.closed {
		return
	}
	w.closed, w.touched, w.truncated, w.versions = true, nil, nil, nil
	open := w.recorder.windows[w.table]
	i := slices.Index(open, w)
	open = slices.Delete(open, i, i+1)
	if len(open) == 0 {
		delete(w.recorder.windows, w.table)
		return
	}
	w.recorder.windows[w.table] = open
}
