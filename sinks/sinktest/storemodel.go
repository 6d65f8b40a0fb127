package sinktest

import (
	"fmt"
	"slices"
	"sort"
	"strconv"
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
	// store is the id of the store.
	store string
	feeds map[string][]*modelFeed // by source
	// touched are the cells that ever had a contribution that counted: the levels to publish.
	touched map[inventory.Cell]bool
	// now is up to when time has passed.
	now inventory.Moment
}

type modelFeed struct {
	inventory.FeedName
	state    connector.FeedState
	load     inventory.Position
	rows     map[cdc.RowKey][]inventory.Contribution
	problems map[cdc.RowKey]inventory.Problem
}

func (f *modelFeed) counted() bool { return f.state != connector.FeedLoading }

// newStoreModel returns the model of an empty store.
func newStoreModel(s connector.Store) *storeModel {
	return &storeModel{store: s.ID(), feeds: make(map[string][]*modelFeed), touched: make(map[inventory.Cell]bool), now: inventory.MomentOf(startTime())}
}

// open takes the beginning of a log.
func (m *storeModel) open(l *storeLog) {
	messages := l.opening(m.store)
	for i := range messages {
		m.message(&messages[i])
	}
}

func (m *storeModel) message(msg *connector.LogMessage) {
	switch {
	case msg.Feeds != nil:
		lost := func(f *modelFeed) bool { return !slices.Contains(msg.Feeds, f.FeedName) }
		broken := slices.ContainsFunc(m.feeds[msg.Source], func(f *modelFeed) bool { return !f.counted() && lost(f) })
		m.miss(msg.Source, func(f *modelFeed) bool { return lost(f) || broken && !f.counted() })
	case msg.LoadStarted != nil && slices.Contains(msg.LoadStarted.Stores, m.store):
		m.miss(msg.Source, func(f *modelFeed) bool { return !f.counted() })
		for _, name := range msg.LoadStarted.Feeds {
			m.feeds[msg.Source] = append(m.feeds[msg.Source], &modelFeed{
				FeedName: name, state: connector.FeedLoading, load: msg.Position,
				rows: make(map[cdc.RowKey][]inventory.Contribution), problems: make(map[cdc.RowKey]inventory.Problem),
			})
		}
	case msg.LoadCompleted != nil:
		m.flip(msg.Source, msg.LoadCompleted.Load)
	case msg.SourceGap != nil:
		m.miss(msg.Source, func(*modelFeed) bool { return true })
	}
	for i := range msg.Commits {
		for j := range msg.Commits[i].Events {
			m.event(msg.Source, msg.Commits[i].Load, &msg.Commits[i].Events[j])
		}
	}
}

// miss makes feeds stale, and drops those that are loading.
func (m *storeModel) miss(source string, missed func(*modelFeed) bool) {
	m.feeds[source] = slices.DeleteFunc(m.feeds[source], func(f *modelFeed) bool { return missed(f) && !f.counted() })
	for _, f := range m.feeds[source] {
		if missed(f) {
			f.state = connector.FeedStale
		}
	}
}

func (m *storeModel) flip(source string, load inventory.Position) {
	for _, f := range slices.Clone(m.feeds[source]) {
		if f.counted() || f.load != load {
			continue
		}
		m.feeds[source] = slices.DeleteFunc(m.feeds[source], func(old *modelFeed) bool {
			if !old.counted() || old.Table != f.Table {
				return false
			}
			for row := range f.problems {
				if len(f.rows[row]) == 0 && len(old.rows[row]) > 0 {
					f.rows[row] = old.rows[row]
				}
			}
			return true
		})
		f.state = connector.FeedActive
	}
}

func (m *storeModel) event(source string, load inventory.Position, e *inventory.Event) {
	for _, f := range m.feeds[source] {
		if f.Table != e.Table || f.Mapping != e.Mapping || (!load.IsZero() && (f.counted() || f.load != load)) {
			continue
		}
		switch {
		case e.Op == cdc.OpTruncate:
			clear(f.rows)
			clear(f.problems)
			if f.counted() {
				f.state = connector.FeedActive
			}
		case e.Problem != nil:
			f.problems[e.Row] = *e.Problem
		default:
			delete(f.problems, e.Row)
			f.rows[e.Row] = e.Contributions
		}
	}
}

// levels returns the cells that have contributions which count, and marks them as touched.
func (m *storeModel) levels() map[inventory.Cell]inventory.Quantities {
	out := make(map[inventory.Cell]inventory.Quantities)
	for _, feeds := range m.feeds {
		for _, f := range feeds {
			if !f.counted() {
				continue
			}
			for _, contributions := range f.rows {
				for _, c := range contributions {
					if counts, _ := c.Valid.At(m.now); !counts {
						continue
					}
					at := inventory.Cell{SKU: c.SKU, Location: c.Location}
					out[at] = out[at].Plus(c.Quantities)
					m.touched[at] = true
				}
			}
		}
	}
	return out
}

// Rows of the store as the model writes them.
const (
	modelContributions = `select f.source, f.table_name, f.state, c.row_key, c.leg, c.sku, c.location,
		c.on_hand, c.committed, c.unavailable, c.safety_stock, c.incoming, c.valid_from, c.valid_until, c.due
		from contribution c join feed f on f.id = c.feed and f.state <> 'dropped'`
	modelProblems = `select f.source, f.table_name, f.state, p.row_key, p.kind, p.reason
		from problem p join feed f on f.id = p.feed and f.state <> 'dropped'`
	modelFeeds  = `select source, table_name, mapping, state from feed where state <> 'dropped'`
	modelLevels = `select sku, location, on_hand, committed, unavailable, safety_stock, incoming from stock_level`
	// drifted finds cells that are not the sum of their feed's contributions that
	// count, dropped feeds that are being swept aside.
	drifted = `select c.sku, c.location, c.feed, c.on_hand, c.contributions from cell c
		join feed f on f.id = c.feed and f.state <> 'dropped'
		where c.on_hand <> coalesce((select sum(x.on_hand) from contribution x
				where x.feed = c.feed and x.sku = c.sku and x.location = c.location and x.due is not distinct from x.valid_until), 0)
		or c.contributions <> (select count(*) from contribution x
				where x.feed = c.feed and x.sku = c.sku and x.location = c.location and x.due is not distinct from x.valid_until)`
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
	for source, feeds := range m.feeds {
		for _, f := range feeds {
			add(modelFeeds, source, f.Table, f.Mapping, f.state)
			for row, p := range f.problems {
				add(modelProblems, source, f.Table, f.state, row, p.Kind, p.Reason)
			}
			for row, contributions := range f.rows {
				for _, c := range contributions {
					q := c.Quantities
					_, due := c.Valid.At(m.now)
					add(modelContributions, source, f.Table, f.state, row, c.Leg, c.SKU, c.Location,
						int64(q[0]), int64(q[1]), int64(q[2]), int64(q[3]), int64(q[4]),
						momentText(c.Valid.From), momentText(c.Valid.Until), momentText(due))
				}
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

// momentText is a moment as a column shows it.
func momentText(m inventory.Moment) string {
	if m.IsZero() {
		return ""
	}
	return strconv.FormatInt(m.Milliseconds(), 10)
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
