package stockstore

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"tailstock/connector"
	"tailstock/internal/failpoint"
)

const (
	// pageCells is about how many cells one page publishes.
	pageCells = 2_000
	// listCells is about how many cells, the same ones many times, are taken
	// together when the outbox has more than a page: what changes faster than it
	// can be published is published once.
	listCells = 300_000
)

// relay is what a session has read and not done yet. It dies with the process:
// what was read and not done is read again by the next session.
type relay struct {
	mu      sync.Mutex
	session uint64
	// place is what the session had the store remember last.
	place connector.Place
	taken map[int64]bool
	// list is what is left to publish of outbox rows that were taken together.
	list outboxList
	// behind says that the last look found more than a page, and newest is the
	// latest commit among what was read.
	behind bool
	newest int64
	// walks says how far each walk was read, ahead of its durable cursor.
	walks map[int64]walkStep
	// walking says that the last look at the outbox found a walk, and walkNext gives
	// every other page to it, so that neither starves.
	walking, walkNext bool
	// used is when a session last asked for something.
	used time.Time
}

// done is what Pending says in connector.Pending.Done.
type done struct {
	ids  []int64
	walk *walkStep
}

// begin makes r that of session, forgetting any before it. A relay that was
// superseded does not disturb its successor: the store fences it.
func (r *relay) begin(session uint64) {
	if session > r.session || r.taken == nil {
		r.session = session
		r.taken, r.walks = make(map[int64]bool), make(map[int64]walkStep)
		r.list, r.behind = outboxList{}, false
	}
	r.used = time.Now()
}

// takenIDs returns the outbox rows in flight.
func (r *relay) takenIDs() []int64 {
	ids := make([]int64, 0, len(r.taken))
	for id := range r.taken {
		ids = append(ids, id)
	}
	return ids
}

// active reports whether this process publishes at present.
func (r *relay) active() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Since(r.used) < relayIdle
}

// relayIdle is longer than a relay goes without asking for something to publish.
const relayIdle = 3 * time.Second

// Loaded implements connector.RelayStore.
func (s *Store) Loaded(ctx context.Context) ([]string, error) {
	var sources []string
	err := s.db.read(ctx, func(r reader) error {
		return r.query(ctx, func(scan scanFunc) error {
			var source string
			err := scan(&source)
			sources = append(sources, source)
			return err
		}, `select distinct source from feed where state in ('active', 'stale') order by source`)
	})
	if err != nil {
		return nil, fmt.Errorf("read which sources are loaded: %w", err)
	}
	return sources, nil
}

// RelayState implements connector.RelayStore.
func (s *Store) RelayState(ctx context.Context) (connector.RelayState, error) {
	var state connector.RelayState
	err := s.db.read(ctx, func(r reader) error {
		if err := checkSchema(ctx, r); err != nil {
			return err
		}
		return r.query(ctx, func(scan scanFunc) error {
			return scan(&state.Session, &state.Place.Stream, &state.Place.Session, &state.Place.Sequence)
		}, `select session, levels_stream, levels_session, levels_sequence from store_meta`)
	})
	if err != nil {
		return connector.RelayState{}, fmt.Errorf("read relay state of stock store: %w", err)
	}
	return state, nil
}

// BeginSession implements connector.RelayStore.
func (s *Store) BeginSession(ctx context.Context, start connector.SessionStart) error {
	err := s.db.write(ctx, durable, func(tx transaction) error {
		n, err := tx.exec(ctx, `update store_meta set session = $2, levels_stream = $3, levels_session = $4, levels_sequence = $5
			where session = $1 and schema <= $6`,
			int64(start.Expect), int64(start.Session), start.Place.Stream, //nolint:gosec // below 2^53
			int64(start.Place.Session), int64(start.Place.Sequence), schemaVersion) //nolint:gosec // as above
		if err != nil {
			return err
		}
		if n == 0 {
			return fmt.Errorf("session %d is not the store's: %w", start.Expect, connector.ErrFenced)
		}
		for cells := start.Republish; len(cells) > 0; {
			n := min(len(cells), outboxCells)
			if err := tx.listCells(ctx, cells[:n], func(int64) {}); err != nil {
				return err
			}
			if cells = cells[n:]; n == outboxCells {
				if err := tx.flush(ctx); err != nil {
					return err
				}
			}
		}
		if start.Walk {
			return startWalk(ctx, tx)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("begin session %d in stock store: %w", start.Session, err)
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.begin(start.Session)
	s.relay.place = start.Place
	return nil
}

// Pending implements connector.RelayStore. A page is outbox rows of about 2,000
// cells together, each cell once; when there are many more, a part of the cells of
// many outbox rows, each once; or a stretch of a walk, which may come without
// a level when the cells that it passed need none. There is nothing to publish
// when Done is nil.
func (s *Store) Pending(ctx context.Context, session uint64) (connector.Pending, error) {
	s.relay.mu.Lock()
	s.relay.begin(session)
	walkFirst := s.relay.walkNext
	s.relay.walkNext = false
	s.relay.mu.Unlock()

	if walkFirst {
		if p, err := s.pendingWalk(ctx, session); err != nil || p.Done != nil {
			return p, err
		}
	}
	p, err := s.pendingOutbox(ctx, session)
	if err != nil || p.Done != nil {
		return p, err
	}
	if walkFirst || !s.relay.walkWaits() {
		return p, nil
	}
	return s.pendingWalk(ctx, session)
}

func (s *Store) pendingOutbox(ctx context.Context, session uint64) (connector.Pending, error) {
	s.relay.mu.Lock()
	taken, list, behind, newest := s.relay.takenIDs(), s.relay.list, s.relay.behind, s.relay.newest
	s.relay.mu.Unlock()
	fresh := s.backlog.takeFresh()
	if behind && len(list.cells) == 0 && len(fresh) == 0 {
		fresh = s.gather(ctx, time.Since(fromMicros(newest)))
	}
	fresh = slices.DeleteFunc(fresh, func(id int64) bool { return slices.Contains(taken, id) })

	var page outboxPage
	err := s.db.read(ctx, func(r reader) error {
		if !behind {
			return r.outboxPage(ctx, taken, pageCells, &page)
		}
		return list.page(ctx, r, taken, fresh, &page)
	})
	if err != nil {
		return connector.Pending{}, fmt.Errorf("read outbox of stock store: %w", err)
	}
	if page.session != session {
		return connector.Pending{}, staleSession(session, page.session)
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	s.relay.list, s.relay.walking = list, page.walk
	if len(page.ids) == 0 && len(page.cells) == 0 {
		s.relay.behind = false
		return connector.Pending{}, nil
	}
	failpoint.Hit("relay.read")
	for _, id := range page.ids {
		s.relay.taken[id] = true
	}
	s.relay.behind = behind || len(page.ids) > 1 && len(page.cells) >= pageCells/2
	for i := range page.cells {
		s.relay.newest = max(s.relay.newest, page.cells[i].committedAt)
	}
	s.relay.walkNext = page.walk
	return connector.Pending{
		Levels: page.cells.levels(time.Now()),
		// A row lists far fewer cells than a page takes: where one was read, there was no other.
		More: behind || page.walk || len(page.ids) != 1,
		Done: done{ids: page.ids},
	}, nil
}

func (r *relay) walkWaits() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.walking
}

// page reads fresh outbox rows if there are any, and otherwise the next cells of l,
// which is read anew, without the rows in taken, when it is used up.
func (l *outboxList) page(ctx context.Context, r reader, taken, fresh []int64, page *outboxPage) error {
	if len(fresh) > 0 {
		if err := r.outboxRows(ctx, fresh, page); err != nil || len(page.ids) > 0 {
			return err
		}
	}
	if len(l.cells) == 0 {
		if err := r.outboxList(ctx, taken, listCells, l); err != nil {
			return err
		}
	}
	return l.next(ctx, r, page)
}

// next reads what the next cells of l hold, and takes them off. Its outbox rows
// come with the last: they are done with when all their cells are published.
func (l *outboxList) next(ctx context.Context, r reader, page *outboxPage) error {
	n := min(len(l.cells), pageCells)
	if err := r.listedCells(ctx, l.cells[:n], page); err != nil {
		return err
	}
	if l.cells = l.cells[n:]; len(l.cells) == 0 {
		page.ids = l.ids
		*l = outboxList{}
	}
	return nil
}

func staleSession(session, held uint64) error {
	return fmt.Errorf("session %d is not the store's, which is %d: %w", session, held, connector.ErrFenced)
}

// Published implements connector.RelayStore. done are values of Done from
// Pending, in the order in which it returned them. The zero place leaves the
// remembered one as it is. A store that does not remember the session's last
// place was restored or lost commits, and is fenced.
func (s *Store) Published(ctx context.Context, session uint64, place connector.Place, dones []any) error {
	s.relay.mu.Lock()
	s.relay.begin(session)
	last := s.relay.place
	s.relay.mu.Unlock()
	if place == (connector.Place{}) {
		place = last
	}
	var ids []int64
	walks := make(map[int64]walkStep)
	for _, d := range dones {
		d := d.(done)
		ids = append(ids, d.ids...)
		if d.walk != nil {
			walks[d.walk.id] = *d.walk
		}
	}
	err := s.db.write(ctx, lazy, func(tx transaction) error {
		if err := rememberPlace(ctx, tx, session, last, place); err != nil {
			return err
		}
		if len(ids) > 0 {
			if err := tx.deleteOutbox(ctx, ids); err != nil {
				return err
			}
		}
		for _, w := range walks {
			if err := w.keep(ctx, tx); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("remove published levels from stock store: %w", err)
	}
	s.relay.mu.Lock()
	defer s.relay.mu.Unlock()
	if s.relay.session == session {
		s.relay.place = place
	}
	for _, id := range ids {
		delete(s.relay.taken, id)
	}
	for id, w := range walks {
		if w.end {
			delete(s.relay.walks, id)
		}
	}
	failpoint.Hit("relay.done")
	return nil
}

// rememberPlace moves the remembered place from last to place and, with the row,
// locks the session until the transaction ends.
func rememberPlace(ctx context.Context, tx transaction, session uint64, last, place connector.Place) error {
	n, err := tx.exec(ctx, `update store_meta set levels_stream = $2, levels_session = $3, levels_sequence = $4
		where session = $1 and levels_stream = $5 and levels_session = $6 and levels_sequence = $7`,
		int64(session), place.Stream, int64(place.Session), int64(place.Sequence), //nolint:gosec // below 2^53
		last.Stream, int64(last.Session), int64(last.Sequence)) //nolint:gosec // as above
	if err == nil && n == 0 {
		return fmt.Errorf("session %d is not the store's, or place %v is not where it left it: %w", session, last, connector.ErrFenced)
	}
	return err
}

// Wake implements connector.RelayStore.
func (s *Store) Wake() <-chan struct{} { return s.wake }

// wakeRelay signals Wake for a notification from sender.
func (s *Store) wakeRelay(sender string) {
	if sender == s.sender {
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// signal tells the relay, here or in another process, that there is something to publish.
func (s *Store) signal() {
	s.wakeRelay("")
	select {
	case s.notify <- struct{}{}:
	default:
	}
}

// notifyPause is the least time between notifications.
const notifyPause = 5 * time.Millisecond

// notifyOthers notifies the relays of other processes, until ctx ends. One
// session runs at a time: as long as it is here, nobody else needs to know.
func (s *Store) notifyOthers(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.notify:
		}
		if s.relay.active() {
			continue
		}
		if err := s.db.notify(ctx, s.channel(), s.sender); err != nil && ctx.Err() == nil {
			// A relay that misses it polls.
			s.log.DebugContext(ctx, "notification of other processes failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(notifyPause):
		}
	}
}

// channel names the notifications of this store.
func (s *Store) channel() string { return "tailstock_" + s.id }
