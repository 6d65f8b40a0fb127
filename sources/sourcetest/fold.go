package sourcetest

import (
	"context"
	"crypto/sha256"
	"fmt"

	"tailstock/connector/cdc"
)

// fold is the state of tables as a consumer knows it from changes alone.
type fold struct {
	// rows has, by table and key, each row as text.
	rows map[cdc.TableName]map[cdc.RowKey]string
	// parts are the changes of a commit that has not ended.
	parts []cdc.NetChange
}

func newFold() *fold { return &fold{rows: make(map[cdc.TableName]map[cdc.RowKey]string)} }

// restart forgets the parts of a commit that did not end.
func (f *fold) restart() { f.parts = nil }

// add applies the next transaction or part of one, completing from s what it
// lacks. Nothing of a commit is applied before its last part.
func (f *fold) add(ctx context.Context, s Source, t *cdc.Transaction) error {
	if t.Progress() {
		return nil
	}
	if t.Part == 0 {
		f.restart()
	}
	net, err := netOf(t)
	if err != nil {
		return err
	}
	if rows := incomplete(net); len(rows) > 0 {
		if err := s.Complete(ctx, t, rows); err != nil {
			return err
		}
	}
	f.parts = append(f.parts, net...)
	if t.Last {
		for i := range f.parts {
			f.apply(&f.parts[i])
		}
		f.parts = nil
	}
	return nil
}

func (f *fold) apply(c *cdc.NetChange) {
	rows := f.rows[c.Table.Name]
	switch {
	case rows == nil || c.Op == cdc.OpTruncate:
		rows = make(map[cdc.RowKey]string)
		f.rows[c.Table.Name] = rows
	default:
		delete(rows, c.Key)
	}
	if c.After != nil {
		rows[c.Key] = abridge(renderRow(c.Table, c.After))
	}
}

// netOf returns the net changes of t, which stay valid.
func netOf(t *cdc.Transaction) ([]cdc.NetChange, error) {
	var netter cdc.Netter
	return netter.Net(t)
}

// incomplete returns the changes that lack values.
func incomplete(net []cdc.NetChange) []*cdc.NetChange {
	var rows []*cdc.NetChange
	for i := range net {
		if !net[i].After.Complete() {
			rows = append(rows, &net[i])
		}
	}
	return rows
}

// abridge returns s, or its beginning, length and hash, for messages that people read.
func abridge(s string) string {
	if len(s) <= 200 {
		return s
	}
	return fmt.Sprintf("%.60s… (%d bytes, SHA-256 %.8x)", s, len(s), sha256.Sum256([]byte(s)))
}
