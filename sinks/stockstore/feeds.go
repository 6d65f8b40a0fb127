package stockstore

import (
	"context"
	"fmt"

	"tailstock/connector"
	"tailstock/connector/cdc"
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
	// problems says that rows of the feed may have problems.
	problems bool
}

// counted reports whether the levels are sums over f, among others.
func (f *feed) counted() bool {
	return f.state == connector.FeedActive || f.state == connector.FeedStale
}

// feedBook holds the feeds of a source during one transaction, in step with the
// rows of feed.
type feedBook struct {
	tx     transaction
	source string
	feeds  []*feed
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

// take returns the feed that counts the rows of a table under a mapping, and
// makes it if the table is new. It fails with *connector.MappingConflictError
// if the table is held under another mapping.
func (b *feedBook) take(ctx context.Context, name inventory.FeedName) (*feed, error) {
	f := b.held(name.Table)
	switch {
	case f == nil:
		return b.create(ctx, name)
	case f.Mapping != name.Mapping:
		return nil, &connector.MappingConflictError{
			Source: b.source, Table: name.Table, Held: f.Mapping, Offered: name.Mapping,
		}
	}
	return f, nil
}

func (b *feedBook) create(ctx context.Context, name inventory.FeedName) (*feed, error) {
	f := &feed{FeedName: name, state: connector.FeedActive}
	err := b.tx.query(ctx, func(scan scanFunc) error { return scan(&f.id) },
		`insert into feed (source, table_name, mapping, state) values ($1, $2, $3, $4) returning id`,
		b.source, name.Table, string(name.Mapping), string(f.state))
	if err != nil {
		return nil, fmt.Errorf("create feed of table %s: %w", name.Table, err)
	}
	b.feeds = append(b.feeds, f)
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
	return nil
}

// list takes what a run captures: missing feeds are made, those that are not
// listed are stale from now on.
func (b *feedBook) list(ctx context.Context, names []inventory.FeedName) error {
	captured := make(map[inventory.FeedName]bool, len(names))
	for _, name := range names {
		captured[name] = true
		if _, err := b.take(ctx, name); err != nil {
			return err
		}
	}
	for _, f := range b.feeds {
		if f.state == connector.FeedActive && !captured[f.FeedName] {
			if err := b.setState(ctx, f, connector.FeedStale); err != nil {
				return err
			}
		}
	}
	return nil
}

// truncate puts an empty feed in the place of f, which keeps its rows until a
// walk has published what changes. An empty feed is its own successor. The feed
// that counts afterwards is active: as of this commit nothing is missing in it.
func (b *feedBook) truncate(ctx context.Context, f *feed) (*feed, error) {
	empty := true
	err := b.tx.query(ctx, func(scan scanFunc) error { return scan(&empty) },
		`select not exists (select 1 from contribution where feed = $1) and not exists (select 1 from problem where feed = $1)`, f.id)
	if err != nil {
		return nil, fmt.Errorf("look for rows of table %s: %w", f.Table, err)
	}
	if empty {
		return f, b.setState(ctx, f, connector.FeedActive)
	}
	if err := b.setState(ctx, f, stateDropped); err != nil {
		return nil, err
	}
	next, err := b.create(ctx, f.FeedName)
	if err != nil {
		return nil, err
	}
	_, err = b.tx.exec(ctx, `insert into outbox (walk, old_feed, new_feed) values ('flip', $1, $2)`, f.id, next.id)
	if err != nil {
		return nil, fmt.Errorf("start walk for table %s: %w", f.Table, err)
	}
	return next, nil
}

// gather folds a batch, event by event, while feeds come and go.
func (b *feedBook) gather(ctx context.Context, messages []connector.LogMessage) (*fold, error) {
	f := &fold{index: make(map[rowRef]int32, eventCount(messages))}
	for i := range messages {
		m := &messages[i]
		if m.Feeds != nil {
			if err := b.list(ctx, m.Feeds); err != nil {
				return nil, err
			}
		}
		for j := range m.Commits {
			f.begin(m.Position, &m.Commits[j])
			if err := b.gatherCommit(ctx, f, &m.Commits[j]); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

func (b *feedBook) gatherCommit(ctx context.Context, f *fold, c *inventory.Commit) error {
	var into *feed // of the event before: events of a table come in stretches
	for i := range c.Events {
		e := &c.Events[i]
		if into == nil || into.Table != e.Table || into.Mapping != e.Mapping {
			var err error
			if into, err = b.take(ctx, inventory.FeedName{Table: e.Table, Mapping: e.Mapping}); err != nil {
				return err
			}
		}
		if e.Op != cdc.OpTruncate {
			f.add(into.id, e)
			continue
		}
		f.truncate(into.id)
		var err error
		if into, err = b.truncate(ctx, into); err != nil {
			return err
		}
	}
	return nil
}

func eventCount(messages []connector.LogMessage) int {
	n := 0
	for i := range messages {
		for j := range messages[i].Commits {
			n += len(messages[i].Commits[j].Events)
		}
	}
	return n
}
