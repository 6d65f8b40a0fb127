package stockstore

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// stateDropped is the state of a feed whose successor counts in its place, and
// whose rows wait to be deleted.
const stateDropped connector.FeedState = "dropped"

// feed is a row of feed.
type feed struct {
	inventory.FeedName
	state connector.FeedState
	id    int32
	// load is the load that fills or filled it, as text.
	load string
	// problems says that rows of the feed may have problems.
	problems bool
}

// counted reports whether the levels are sums over f, among others.
func (f *feed) counted() bool {
	return f.state == connector.FeedActive || f.state == connector.FeedStale
}

// feedBook holds the feeds of a source during one transaction, in step with the
// rows of feed. Dropped feeds leave it.
type feedBook struct {
	tx     transaction
	store  string
	source string
	feeds  []*feed
	// memory is what is known of those that are being loaded, nil if nothing is.
	memory *loadMemory
	// changed says that a feed came, went or changed its state; flipped that a walk
	// was started for one that took another's place.
	changed, flipped bool
}

// held returns the feed of table that counts, nil if none does.
func (b *feedBook) held(table string) *feed {
	for _, f := range b.feeds {
		if f.Table == table && f.counted() {
			return f
		}
	}
	return nil
}

// takers returns the feeds that take an event of a table under a mapping: all of
// that name, or of rows that were read for a load that load's alone. There may be
// none: the store was not told to hold the table so.
func (b *feedBook) takers(name inventory.FeedName, load inventory.Position) []*feed {
	var out []*feed
	for _, f := range b.feeds {
		if f.FeedName == name && (load.IsZero() || f.state == connector.FeedLoading && f.load == load.String()) {
			out = append(out, f)
		}
	}
	return out
}

func (b *feedBook) create(ctx context.Context, name inventory.FeedName, state connector.FeedState, load string) (*feed, error) {
	f := &feed{FeedName: name, state: state, load: load}
	err := b.tx.query(ctx, func(scan scanFunc) error { return scan(&f.id) },
		`insert into feed (source, table_name, mapping, state, load) values ($1, $2, $3, $4, $5) returning id`,
		b.source, name.Table, string(name.Mapping), string(state), load)
	if err != nil {
		return nil, fmt.Errorf("create feed of table %s: %w", name.Table, err)
	}
	b.feeds = append(b.feeds, f)
	b.changed = true
	if state == connector.FeedLoading {
		b.memory.begin(f.id)
	}
	return f, nil
}

func (b *feedBook) setState(ctx context.Context, f *feed, state connector.FeedState) error {
	if f.state == state {
		return nil
	}
	if _, err := b.tx.exec(ctx, `update feed set state = $2 where id = $1`, f.id, string(state)); err != nil {
		return fmt.Errorf("make feed of table %s %s: %w", f.Table, state, err)
	}
	f.state = state
	b.changed = true
	b.memory.end(f.id) // a feed loads from its beginning on or never
	if state == stateDropped {
		b.feeds = slices.DeleteFunc(slices.Clone(b.feeds), func(other *feed) bool { return other == f })
	}
	return nil
}

// miss says that events of feeds were or will be missed, those for which missed
// holds: what counts is stale from now on, what was being loaded is worth nothing.
func (b *feedBook) miss(ctx context.Context, missed func(*feed) bool) error {
	for _, f := range b.feeds {
		if !missed(f) {
			continue
		}
		state := connector.FeedStale
		if f.state == connector.FeedLoading {
			state = stateDropped
		}
		if err := b.setState(ctx, f, state); err != nil {
			return err
		}
	}
	return nil
}

// list takes what a run captures. A load of which it leaves out a table is dropped
// whole: the others must not count without it.
func (b *feedBook) list(ctx context.Context, names []inventory.FeedName) error {
	lost := func(f *feed) bool { return !slices.Contains(names, f.FeedName) }
	broken := slices.ContainsFunc(b.feeds, func(f *feed) bool { return f.state == connector.FeedLoading && lost(f) })
	return b.miss(ctx, func(f *feed) bool { return lost(f) || broken && f.state == connector.FeedLoading })
}

// startLoad makes the feeds of a load, if it is for this store. A source has one
// load at a time: another that was under way has been given up.
func (b *feedBook) startLoad(ctx context.Context, id inventory.Position, l *inventory.LoadStarted) error {
	if !slices.Contains(l.Stores, b.store) {
		return nil
	}
	if err := b.miss(ctx, func(f *feed) bool { return f.state == connector.FeedLoading }); err != nil {
		return err
	}
	for _, name := range l.Feeds {
		if _, err := b.create(ctx, name, connector.FeedLoading, id.String()); err != nil {
			return err
		}
	}
	return nil
}

// completeLoad puts the feeds of a load in the places of those that count, all at
// once. Nothing may be waiting to be written.
func (b *feedBook) completeLoad(ctx context.Context, load inventory.Position) error {
	for _, f := range b.feeds {
		if f.state != connector.FeedLoading || f.load != load.String() {
			continue
		}
		if err := b.flip(ctx, f); err != nil {
			return fmt.Errorf("flip feed of table %s: %w", f.Table, err)
		}
	}
	return nil
}

// flip makes f count in the place of its predecessor, if it has one. Rows of f
// with a problem and without contributions take over those that counted last.
func (b *feedBook) flip(ctx context.Context, f *feed) error {
	old := b.held(f.Table)
	if old != nil {
		if err := b.succeed(ctx, old, f); err != nil {
			return err
		}
	}
	if err := b.setState(ctx, f, connector.FeedActive); err != nil {
		return err
	}
	if old == nil {
		empty, err := b.empty(ctx, f)
		if err != nil || empty {
			return err // there is nothing to publish
		}
	}
	return b.walk(ctx, old, f)
}

// succeed ends old for f.
func (b *feedBook) succeed(ctx context.Context, old, f *feed) error {
	if f.problems {
		if err := b.takeOver(ctx, old, f); err != nil {
			return fmt.Errorf("take over contributions of rows with problems: %w", err)
		}
	}
	return b.setState(ctx, old, stateDropped)
}

// empty reports whether no row of f contributes or has a problem.
func (b *feedBook) empty(ctx context.Context, f *feed) (bool, error) {
	empty := true
	err := b.tx.query(ctx, func(scan scanFunc) error { return scan(&empty) },
		`select not exists (select 1 from contribution where feed = $1) and not exists (select 1 from problem where feed = $1)`, f.id)
	if err != nil {
		return false, fmt.Errorf("look for rows of table %s: %w", f.Table, err)
	}
	return empty, nil
}

// walk has the relay publish what differs between a feed and the one that it replaces.
func (b *feedBook) walk(ctx context.Context, old, f *feed) error {
	var before any
	if old != nil {
		before = old.id
	}
	_, err := b.tx.exec(ctx, `insert into outbox (walk, old_feed, new_feed) values ('flip', $1, $2)`, before, f.id)
	if err != nil {
		return fmt.Errorf("start walk for table %s: %w", f.Table, err)
	}
	b.flipped = true
	return nil
}

// takeOver copies contributions of old to f and adds them to f's cells.
func (b *feedBook) takeOver(ctx context.Context, old, f *feed) error {
	_, err := b.tx.exec(ctx, `insert into contribution (feed, row_key, leg, sku, location,
			on_hand, committed, unavailable, safety_stock, incoming, run, number, committed_at, transaction_id,
			valid_from, valid_until, due)
		select $2, c.row_key, c.leg, c.sku, c.location,
			c.on_hand, c.committed, c.unavailable, c.safety_stock, c.incoming, c.run, c.number, c.committed_at, c.transaction_id,
			c.valid_from, c.valid_until, c.due
		from contribution c join problem p on p.feed = $2 and p.row_key = c.row_key
		where c.feed = $1 and not exists (select 1 from contribution x where x.feed = $2 and x.row_key = c.row_key)`, old.id, f.id)
	if err != nil {
		return err
	}
	// The cells of f are made anew where such rows contribute: what a cell sums is
	// what its contributions say, whoever wrote them. One to which none counts yet
	// was nothing before either.
	_, err = b.tx.exec(ctx, `insert into cell (sku, location, feed, contributions,
			on_hand, committed, unavailable, safety_stock, incoming, updated_at, committed_at, transaction_id)
		select c.sku, c.location, $1, count(*), sum(c.on_hand), sum(c.committed), sum(c.unavailable), sum(c.safety_stock), sum(c.incoming),
			$2, max(c.committed_at), max(c.transaction_id)
		from contribution c
		where c.feed = $1 and c.due is not distinct from c.valid_until and (c.sku, c.location) in (
			select t.sku, t.location from contribution t join problem p on p.feed = $1 and p.row_key = t.row_key where t.feed = $1)
		group by c.sku, c.location
		on conflict (sku, location, feed) do update set contributions = excluded.contributions,
			on_hand = excluded.on_hand, committed = excluded.committed, unavailable = excluded.unavailable,
			safety_stock = excluded.safety_stock, incoming = excluded.incoming, updated_at = excluded.updated_at`,
		f.id, time.Now().UnixMicro())
	return err
}

// truncate puts an empty feed in the place of f, which keeps its rows until they
// are swept. An empty feed is its own successor. The feed that counts afterwards
// is active: as of this commit nothing is missing in it.
func (b *feedBook) truncate(ctx context.Context, f *feed) error {
	empty, err := b.empty(ctx, f)
	if err != nil {
		return err
	}
	state := connector.FeedActive
	if f.state == connector.FeedLoading {
		state = connector.FeedLoading
	}
	if empty {
		return b.setState(ctx, f, state)
	}
	if err := b.setState(ctx, f, stateDropped); err != nil {
		return err
	}
	next, err := b.create(ctx, f.FeedName, state, f.load)
	if err != nil || state == connector.FeedLoading {
		return err
	}
	return b.walk(ctx, f, next)
}

// reports describes the feeds, in the order in which they were made.
func (b *feedBook) reports() []connector.FeedReport {
	out := make([]connector.FeedReport, 0, len(b.feeds))
	for _, f := range b.feeds {
		out = append(out, connector.FeedReport{FeedName: f.FeedName, State: f.state})
	}
	return out
}
