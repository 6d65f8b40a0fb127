package sinktest

import (
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// storeModel is what a store should hold of some sources, kept the simple way:
// event by event, in maps.
type storeModel struct {
	tables map[modelTable]*modelRows
	// touched are the cells that ever had a contribution: the levels to publish.
	touched map[inventory.Cell]bool
}

type modelTable struct{ source, table string }

type modelRows struct {
	mapping  inventory.MappingID
	state    connector.FeedState
	rows     map[cdc.RowKey][]inventory.Contribution
	problems map[cdc.RowKey]inventory.Problem
}

func newStoreModel() *storeModel {
	return &storeModel{tables: make(map[modelTable]*modelRows), touched: make(map[inventory.Cell]bool)}
}

func (m *storeModel) take(source string, name inventory.FeedName) *modelRows {
	key := modelTable{source, name.Table}
	if m.tables[key] == nil {
		m.tables[key] = &modelRows{
			mapping: name.Mapping, state: connector.FeedActive,
			rows: make(map[cdc.RowKey][]inventory.Contribution), problems: make(map[cdc.RowKey]inventory.Problem),
		}
	}
	return m.tables[key]
}

func (m *storeModel) message(msg *connector.LogMessage) {
	if msg.Feeds != nil {
		listed := make(map[string]bool)
		for _, f := range msg.Feeds {
			listed[f.Table] = true
			m.take(msg.Source, f)
		}
		for key, rows := range m.tables {
			if key.source == msg.Source && !listed[key.table] {
				rows.state = connector.FeedStale
			}
		}
	}
	for i := range msg.Commits {
		for j := range msg.Commits[i].Events {
			m.event(msg.Source, &msg.Commits[i].Events[j])
		}
	}
}

func (m *storeModel) event(source string, e *inventory.Event) {
	rows := m.take(source, inventory.FeedName{Table: e.Table, Mapping: e.Mapping})
	switch {
	case e.Op == cdc.OpTruncate:
		clear(rows.rows)
		clear(rows.problems)
		rows.state = connector.FeedActive
	case e.Problem != nil:
		rows.problems[e.Row] = *e.Problem
	default:
		delete(rows.problems, e.Row)
		rows.rows[e.Row] = e.Contributions
	}
}

// levels returns the cells that have contributions, and marks them as touched.
func (m *storeModel) levels() map[inventory.Cell]inventory.Quantities {
	out := make(map[inventory.Cell]inventory.Quantities)
	for _, rows := range m.tables {
		for _, contributions := range rows.rows {
			for _, c := range contributions {
				at := inventory.Cell{SKU: c.SKU, Location: c.Location}
				out[at] = out[at].Plus(c.Quantities)
				m.touched[at] = true
			}
		}
	}
	return out
}

// Rows of the store as the model writes them.
const (
	modelContributions = `select f.source, f.table_name, c.row_key, c.leg, c.sku, c.location,
		c.on_hand, c.committed, c.unavailable, c.safety_stock, c.incoming
		from contribution c join feed f on f.id = c.feed and f.state in ('active', 'stale')`
	modelProblems = `select f.source, f.table_name, p.row_key, p.kind, p.reason
		from problem p join feed f on f.id = p.feed and f.state in ('active', 'stale')`
	modelFeeds  = `select source, table_name, mapping, state from feed where state <> 'dropped'`
	modelLevels = `select sku, location, on_hand, committed, unavailable, safety_stock, incoming from stock_level`
	// drifted finds cells that are not the sum of their feed's contributions,
	// dropped feeds that are being swept aside.
	drifted = `select c.sku, c.location, c.feed, c.on_hand, c.contributions from cell c
		join feed f on f.id = c.feed and f.state <> 'dropped'
		where c.on_hand <> coalesce((select sum(x.on_hand) from contribution x
				where x.feed = c.feed and x.sku = c.sku and x.location = c.location), 0)
		or c.contributions <> (select count(*) from contribution x
				where x.feed = c.feed and x.sku = c.sku and x.location = c.location)`
)

// compare fails the test unless the store holds what the model says.
func (m *storeModel) compare(t testing.TB, d StoreDatabase) {
	t.Helper()
	want := map[string][]string{}
	add := func(query string, fields ...any) {
		texts := make([]string, len(fields))
		for i, f := range fields {
			texts[i] = fmt.Sprint(f)
		}
		want[query] = append(want[query], strings.Join(texts, "|"))
	}
	for key, rows := range m.tables {
		add(modelFeeds, key.source, key.table, rows.mapping, rows.state)
		for row, p := range rows.problems {
			add(modelProblems, key.source, key.table, row, p.Kind, p.Reason)
		}
		for row, contributions := range rows.rows {
			for _, c := range contributions {
				q := c.Quantities
				add(modelContributions, key.source, key.table, row, c.Leg, c.SKU, c.Location,
					int64(q[0]), int64(q[1]), int64(q[2]), int64(q[3]), int64(q[4]))
			}
		}
	}
	for at, q := range m.levels() {
		add(modelLevels, at.SKU, at.Location, q[0], q[1], q[2], q[3], q[4])
	}
	for _, query := range []string{modelFeeds, modelProblems, modelContributions, modelLevels} {
		got := table(t, d, query)
		if query == modelLevels {
			got = plainNumbers(t, got)
		}
		sort.Strings(got)
		sort.Strings(want[query])
		if diff := cmp.Diff(append([]string{}, want[query]...), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
	wantTable(t, d, "cells that are not the sum of their contributions", drifted)
}

// comparePublished fails the test unless the last levels published are the model's.
func (m *storeModel) comparePublished(t testing.TB, r *storeRelay) {
	t.Helper()
	levels := m.levels()
	want, got := make(map[inventory.Cell]string), make(map[inventory.Cell]string)
	for at := range m.touched {
		want[at] = "gone"
		if q, ok := levels[at]; ok {
			want[at] = fmt.Sprint(q)
		}
	}
	for at, l := range r.levels {
		got[at] = fmt.Sprint(l.Quantities)
		if l.Gone {
			got[at] = "gone"
		}
		if !m.touched[at] && l.Gone {
			want[at] = "gone" // never counted in a committed state
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("published levels (-want +got):\n%s", diff)
	}
}
