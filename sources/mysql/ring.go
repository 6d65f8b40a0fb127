package mysql

import (
	"slices"
	"strconv"
	"sync"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// ring holds, of a MySQL without GTIDs, the last transactions that changed a wanted
// table and that may not be visible yet. Such a server does not tell which those
// are; but with binlog_order_commits they are the newest, at most one for each
// session, and none of an older file than the newest, because a file is left only
// when all of it is committed. Of each, one row is remembered: it is locked until
// the transaction is visible. Safe for concurrent use.
type ring struct {
	// size is how many transactions may be invisible, 0 if no ring is needed.
	size int

	mu sync.Mutex
	// read counts the transactions that were read, wanted or not.
	read uint64
	rows []ringRow
}

// ringRow is a row that a transaction changed.
type ringRow struct {
	table cdc.TableName
	key   backfill.Key
	start place
	// number is the transaction's among those that were read.
	number uint64
}

// ringSpare is added to the number of sessions: those of administrators and threads.
const ringSpare = 1 + 64

// ringSize is how many transactions of a server may be in its log and invisible, 0 if it tells which.
func (f *facts) ringSize(t *token) int {
	if t.byGTID {
		return 0
	}
	sessions, err := strconv.Atoi(f.vars["max_connections"])
	if err != nil {
		sessions = 100_000 // the largest value that the server takes
	}
	workers, _ := strconv.Atoi(f.vars["replica_parallel_workers"])
	older, _ := strconv.Atoi(f.vars["slave_parallel_workers"])
	return sessions + max(workers, older) + ringSpare
}

// passed notes a transaction that was read, and the last row that it changed.
func (r *ring) passed(start place, last *cdc.Change) {
	if r.size == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.read++
	if last != nil && last.Op != cdc.OpTruncate {
		row := last.After
		if row == nil {
			row = last.Before
		}
		r.rows = append(r.rows, ringRow{last.Table.Name, keyOf(last.Table, row), start, r.read})
	}
	r.rows = slices.DeleteFunc(r.rows, func(row ringRow) bool {
		return row.start.file != start.file || row.number+uint64(r.size) <= r.read //nolint:gosec // positive
	})
}

func keyOf(t *cdc.Table, row cdc.Row) backfill.Key {
	key := make(backfill.Key, len(t.Key))
	for i, k := range t.Key {
		key[i] = row[k].Text()
	}
	return key
}

// locked returns the rows that tell, by their locks, when everything that was read is visible.
func (r *ring) locked() []ringRow {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.rows)
}

// oldest returns where the ring begins, if it has anything.
func (r *ring) oldest() (p place, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.rows) == 0 {
		return p, false
	}
	return r.rows[0].start, true
}

// reset empties the ring for a stream that begins.
func (r *ring) reset(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.size, r.read, r.rows = size, 0, nil
}
