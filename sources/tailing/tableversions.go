package tailing

import (
	"slices"
	"sync"

	"tailstock/connector/cdc"
)

// TableVersions makes equal descriptions of a table one *cdc.Table, whether the
// stream or a chunk brought them, and across Tails. Safe for concurrent use.
type TableVersions struct {
	mu sync.Mutex
	// known has the versions of each table that were seen, one for each time that
	// its captured columns or its key were altered.
	known map[cdc.TableName][]*cdc.Table
}

// Version returns the known version of table that is the same, or table.
func (v *TableVersions) Version(table *cdc.Table) *cdc.Table {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, old := range v.known[table.Name] {
		if slices.Equal(old.Columns, table.Columns) && slices.Equal(old.Key, table.Key) {
			return old
		}
	}
	if v.known == nil {
		v.known = make(map[cdc.TableName][]*cdc.Table)
	}
	v.known[table.Name] = append(v.known[table.Name], table)
	return table
}
