package mysql

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"tailstock/connector/cdc"
)

// cascades knows which captured tables a server changes without a word in its
// log, by foreign keys, when rows of other tables go away or get other keys. The
// zero value knows of none. Safe for concurrent use.
type cascades struct {
	mu sync.Mutex
	// children has the captured tables by the ones that can change them, directly or
	// through tables between, as the server has the names of the latter.
	children map[cdc.TableName][]cdc.TableName
	// doubted are the tables that may have been changed since they were last taken.
	doubted map[cdc.TableName]bool
	wake    chan struct{}
}

// learn replaces what is known, and doubts every table that can be changed so:
// what went by before an interruption is not known any more.
func (c *cascades) learn(children map[cdc.TableName][]cdc.TableName) {
	c.mu.Lock()
	c.children = children
	c.mu.Unlock()
	for _, tables := range children {
		c.doubt(tables)
	}
}

// of returns the captured tables that a delete or an update of rows of parent may
// have changed; usually none.
func (c *cascades) of(parent cdc.TableName) []cdc.TableName {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.children[parent]
}

// doubt notes that tables may have been changed by a transaction that was emitted.
func (c *cascades) doubt(tables []cdc.TableName) {
	if len(tables) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.doubted == nil {
		c.doubted = make(map[cdc.TableName]bool)
	}
	for _, t := range tables {
		c.doubted[t] = true
	}
	select {
	case c.signal() <- struct{}{}:
	default: // it is signalled already
	}
}

// signal returns the channel of wake. The caller holds c.mu.
func (c *cascades) signal() chan struct{} {
	if c.wake == nil {
		c.wake = make(chan struct{}, 1)
	}
	return c.wake
}

// Doubted is signalled when captured tables may differ from what the stream said,
// with cascades: verify. TakeDoubted returns which.
func (s *Source) Doubted() <-chan struct{} {
	s.cascades.mu.Lock()
	defer s.cascades.mu.Unlock()
	return s.cascades.signal()
}

// TakeDoubted returns the captured tables that foreign keys may have changed since
// the last call, and since then the transactions that caused it were emitted: a
// comparison that begins now finds it. Everything that can be changed so is
// doubted once at the beginning of each Tail. It does not block.
func (s *Source) TakeDoubted() []cdc.TableName {
	s.cascades.mu.Lock()
	defer s.cascades.mu.Unlock()
	tables := slices.SortedFunc(maps.Keys(s.cascades.doubted), compareTables)
	s.cascades.doubted = nil
	return tables
}

// readChildren finds for each table that can change captured ones which those are.
// Tables between must be readable, since only their definitions tell what changes
// them in turn: it fails with *cdc.SetupError otherwise.
func (c *catalog) readChildren(ctx context.Context, q queryer) (map[cdc.TableName][]cdc.TableName, error) {
	children := make(map[cdc.TableName][]cdc.TableName)
	known := make(map[cdc.TableName][]foreignKey)
	for _, t := range c.tables {
		known[t.stored] = t.foreign
	}
	for _, t := range c.tables {
		seen := map[cdc.TableName]bool{}
		for ahead := []cdc.TableName{t.stored}; len(ahead) > 0; ahead = ahead[1:] {
			keys, err := c.foreignKeys(ctx, q, known, ahead[0], t)
			if err != nil {
				return nil, err
			}
			for i := range keys {
				parent := keys[i].parentOf(ahead[0])
				if keys[i].changes() == "" || seen[parent] {
					continue
				}
				seen[parent] = true
				children[parent] = append(children[parent], t.name)
				ahead = append(ahead, parent)
			}
		}
	}
	return children, nil
}

// parentOf returns the full name of the parent of a key of table child.
func (f *foreignKey) parentOf(child cdc.TableName) cdc.TableName {
	if f.parent.Schema != "" {
		return f.parent
	}
	return cdc.TableName{Schema: child.Schema, Name: f.parent.Name}
}

// foreignKeys returns the foreign keys of a table on the way to captured table t.
func (c *catalog) foreignKeys(ctx context.Context, q queryer, known map[cdc.TableName][]foreignKey, table cdc.TableName, t *tableFacts) ([]foreignKey, error) {
	if keys, ok := known[table]; ok {
		return keys, nil
	}
	definition, err := readDefinition(ctx, q, table)
	switch {
	case gone(err):
	case refused(err):
		return nil, &cdc.SetupError{
			Object:  t.object(),
			Problem: fmt.Sprintf("its foreign keys lead to table %s, whose own cannot be read, so that it is not known when rows change", table),
			Fix:     fmt.Sprintf("GRANT SELECT ON %s TO %s;", quoteTable(table), c.account),
		}
	case err != nil:
		return nil, fmt.Errorf("foreign keys of table %s: %w", table, err)
	}
	known[table] = parseForeignKeys(definition)
	return known[table], nil
}
