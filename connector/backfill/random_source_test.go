package backfill_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// This file is the source of the random model.

const simKeys = 8

var simTables = []*cdc.Table{simTable("x"), simTable("y")}

func simTable(name string) *cdc.Table {
	return &cdc.Table{
		Name: cdc.TableName{Schema: "public", Name: name}, Key: []int{0},
		Columns: []cdc.Column{{Name: "id", Type: cdc.TypeInteger}, {Name: "v", Type: cdc.TypeText}, {Name: "big", Type: cdc.TypeText}},
	}
}

// simRow is a row's two columns.
type simRow struct{ v, big string }

type simRows map[int]simRow

func (r simRows) row(key int) cdc.Row {
	return cdc.Row{cdc.Text(strconv.Itoa(key)), cdc.Text(r[key].v), cdc.Text(r[key].big)}
}

// simTx is a commit in the source's log.
type simTx struct {
	parts []*cdc.Transaction
	// write does to each table, in order of commits, what the transaction did.
	write   [2]func(simRows)
	touched [2]map[int]bool
	empties [2]bool
	partial bool
}

// simSource is a source with its adapter, and a backfill.Reader.
type simSource struct {
	log     []*simTx
	visible []bool
	// emitted counts the commits delivered, part the parts of the next one.
	emitted, part int
	// held are those that the adapter holds for perhaps invisible.
	held map[int]bool
}

// as returns a table as whoever sees the given commits sees it.
func (s *simSource) as(table int, sees func(i int) bool) simRows {
	rows := simRows{}
	for i, tx := range s.log {
		if sees(i) {
			tx.write[table](rows)
		}
	}
	return rows
}

func (s *simSource) now(table int) simRows {
	return s.as(table, func(i int) bool { return s.visible[i] })
}

// at returns a table as of the place of the log that the stream has come to.
func (s *simSource) at(table int) simRows {
	return s.as(table, func(i int) bool { return i < s.emitted })
}

func (s *simSource) Mark() backfill.Mark { return maps.Clone(s.held) }

var errWaits = errors.New("would wait")

func (s *simSource) Read(_ context.Context, mark backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	table := slices.IndexFunc(simTables, func(t *cdc.Table) bool { return t.Name == r.Table })
	for i := range mark.(map[int]bool) {
		if !s.visible[i] {
			return nil, errWaits
		}
	}
	for i, tx := range s.log {
		if tx.empties[table] && !s.visible[i] {
			return nil, errWaits // for the table's lock
		}
	}
	rows := s.now(table)
	c := &backfill.Chunk{Table: simTables[table], View: simView{slices.Clone(s.visible)}, ReadAt: time.Now()}
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		text := backfill.Key{strconv.Itoa(key)}
		switch {
		case r.Keys != nil && !slices.ContainsFunc(r.Keys, func(k backfill.Key) bool { return k[0] == text[0] }),
			r.Keys == nil && len(c.Rows) == r.Limit,
			r.After != nil && key <= number10(r.After),
			r.Upto != nil && key > number10(r.Upto):
			continue
		}
		c.Rows = append(c.Rows, rows.row(key))
		c.Last = text
	}
	return c, nil
}

func (s *simSource) Nudge() {}

func (s *simSource) Estimate(context.Context, cdc.TableName) (int64, error) { return simKeys, nil }

func number10(k backfill.Key) int {
	n, err := strconv.Atoi(k[0])
	if err != nil {
		panic(err)
	}
	return n
}

type simView struct{ sees []bool }

func (v simView) Sees(t *cdc.Transaction) bool {
	i, err := strconv.Atoi(t.ID)
	if err != nil || t.Changes != nil || !t.Last || placeOf(t.Resume) != i+1 {
		panic(fmt.Sprintf("asked about %+v", t))
	}
	return i < len(v.sees) && v.sees[i]
}

func (v simView) Reached(r cdc.Resume) bool {
	return !slices.Contains(v.sees[min(placeOf(r), len(v.sees)):], true)
}

// commit logs a new transaction, after those whose rows it touches are visible.
func (s *sim) commit() {
	i := len(s.log)
	tx := &simTx{touched: [2]map[int]bool{{}, {}}}
	var writes [2][]func(simRows)
	var changes []cdc.Change
	all := [2]simRows{}
	for table := range simTables {
		all[table] = s.as(table, func(int) bool { return true })
	}
	for range rapid.IntRange(1, 5).Draw(s.T, "changes") {
		table := rapid.IntRange(0, 1).Draw(s.T, "table")
		c, write := s.change(tx, table, all[table], strconv.Itoa(i))
		write(all[table])
		writes[table] = append(writes[table], write)
		changes = append(changes, c)
	}
	for table := range simTables {
		tx.write[table] = func(r simRows) {
			for _, w := range writes[table] {
				w(r)
			}
		}
	}
	for j, earlier := range s.log {
		for table := range simTables {
			for key := range tx.touched[table] {
				s.visible[j] = s.visible[j] || earlier.touched[table][key]
			}
		}
	}
	for part := 0; len(changes) > 0; part++ {
		n := rapid.IntRange(1, len(changes)).Draw(s.T, "part")
		t := &cdc.Transaction{ID: strconv.Itoa(i), Part: part, Changes: changes[:n], Last: n == len(changes), Resume: resumeAt(i)}
		if t.Last {
			t.Resume = resumeAt(i + 1)
		}
		tx.parts = append(tx.parts, t)
		changes = changes[n:]
	}
	s.log = append(s.log, tx)
	s.visible = append(s.visible, false)
}

// change draws one change to a table that now has the given rows.
func (s *sim) change(tx *simTx, table int, rows simRows, id string) (cdc.Change, func(simRows)) {
	t := simTables[table]
	key := rapid.IntRange(0, simKeys-1).Draw(s.T, "key")
	to := rapid.IntRange(0, simKeys-1).Draw(s.T, "to")
	what := rapid.SampledFrom([]string{"write", "write", "delete", "move", "partial", "truncate"}).Draw(s.T, "what")
	old, there := rows[key]
	_, taken := rows[to]
	tx.touched[table][key] = true
	keyOnly := func(k int) cdc.Row { return cdc.Row{cdc.Text(strconv.Itoa(k)), cdc.Unchanged, cdc.Unchanged} }
	switch {
	case what == "truncate" && rapid.Bool().Draw(s.T, "really"):
		tx.empties[table] = true
		for k := range simKeys {
			tx.touched[table][k] = true
		}
		return cdc.Change{Op: cdc.OpTruncate, Table: t}, func(r simRows) { clear(r) }
	case what == "delete" && there:
		return cdc.Change{Op: cdc.OpDelete, Table: t, Before: keyOnly(key)}, func(r simRows) { delete(r, key) }
	case (what == "partial" || what == "move") && there:
		if what == "partial" || taken {
			to = key
		}
		tx.touched[table][to] = true
		tx.partial = true
		after := cdc.Row{cdc.Text(strconv.Itoa(to)), cdc.Text(id), cdc.Unchanged}
		c := cdc.Change{Op: cdc.OpUpdate, Table: t, After: after}
		if to != key {
			c.Before = keyOnly(key)
		}
		return c, func(r simRows) {
			big := r[key].big
			delete(r, key)
			r[to] = simRow{id, big}
		}
	}
	row := simRow{id, id + "*" + old.v}
	c := cdc.Change{Op: cdc.OpInsert, Table: t, After: simRows{key: row}.row(key)}
	if there {
		c.Op = cdc.OpUpdate
	}
	return c, func(r simRows) { r[key] = row }
}
