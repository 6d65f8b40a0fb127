package postgres

import (
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// chunkRows gathers the rows of a chunk, with few allocations: their values lie
// together in blocks, which live as long as any row of the chunk does.
type chunkRows struct {
	table  *cdc.Table
	rows   []cdc.Row
	text   strings.Builder
	values []cdc.Value
}

// Blocks of a chunk, which is made and forgotten as a whole.
const (
	chunkTextBytes = 64 << 10
	chunkValues    = 4096
)

// add keeps a row in text form, whose values are in the order of the table's columns.
func (c *chunkRows) add(texts [][]byte) {
	size := 0
	for _, t := range texts {
		size += len(t)
	}
	// What the builder has handed out stays valid: it only ever writes behind it.
	if c.text.Cap()-c.text.Len() < size {
		c.text = strings.Builder{}
		c.text.Grow(max(size, chunkTextBytes))
	}
	from := c.text.Len()
	for _, t := range texts {
		c.text.Write(t)
	}
	whole := c.text.String()
	if len(c.values) < len(texts) {
		c.values = make([]cdc.Value, max(chunkValues, len(texts)))
	}
	row := c.values[:len(texts):len(texts)]
	c.values = c.values[len(texts):]
	for i, t := range texts {
		if t == nil {
			continue
		}
		row[i] = cdc.Text(canonical(c.table.Columns[i].Type, whole[from:from+len(t)]))
		from += len(t)
	}
	c.rows = append(c.rows, row)
}

// unique drops rows that stand behind one with the same key.
func (c *chunkRows) unique() {
	c.rows = slices.CompactFunc(c.rows, func(a, b cdc.Row) bool {
		for _, column := range c.table.Key {
			if a[column] != b[column] {
				return false
			}
		}
		return true
	})
}
