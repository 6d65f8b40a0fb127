package connector

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"tailstock/connector/inventory"
	"tailstock/internal/failpoint"
)

// RelayConfig is what a relay works with.
type RelayConfig struct {
	Store  RelayStore
	Levels Levels
	// Sources are those that must have been loaded before anything is published for
	// the first time.
	Sources []string
	Metrics *Metrics
	Log     *slog.Logger
}

// Relay publishes the levels that applies changed. Whatever it cannot prove
// published, it publishes again, under a newer version.
type Relay struct {
	cfg RelayConfig
}

// NewRelay returns a Relay. It does nothing until Run.
func NewRelay(cfg RelayConfig) *Relay { return &Relay{cfg: cfg} }

// Pace of the relay.
const (
	relayPoll     = time.Second
	relayCheck    = 3 * time.Second
	relaySettle   = 20 * time.Millisecond
	relayInFlight = 4 // pages sent and not yet acknowledged
	drainTime     = 5 * time.Second
)

// page is what one Pending gave, once sent.
type page struct {
	last   uint64
	ack    Ack
	done   any
	levels []inventory.Level
}

// Run begins one session and publishes until ctx ends or something fails. It
// returns nil only when ctx ended.
func (r *Relay) Run(ctx context.Context, progress Progress) error {
	w, err := r.cfg.Levels.Open(ctx)
	if err != nil {
		return fmt.Errorf("open levels stream: %w", err)
	}
	defer w.Close() //nolint:errcheck // what is in flight is published again by the next session
	state, err := r.await(ctx, progress)
	if err != nil {
		return drained(ctx, err)
	}
	start, err := r.begin(ctx, w, state)
	if err != nil {
		return drained(ctx, err)
	}
	r.cfg.Metrics.sessions.Inc()
	progress.Set("session", start.Session)
	progress.Beat()

	g, gctx := errgroup.WithContext(ctx)
	sent := make(chan page, relayInFlight)
	s := &relaySession{r: r, w: w, session: start.Session, place: start.Place, progress: progress}
	g.Go(func() error { defer close(sent); return s.send(gctx, sent) })
	g.Go(func() error { return s.settle(gctx, sent) })
	return drained(ctx, g.Wait())
}

// await returns the store's state once it may publish.
func (r *Relay) await(ctx context.Context, progress Progress) (RelayState, error) {
	for {
		state, err := r.cfg.Store.RelayState(ctx)
		if err != nil {
			return RelayState{}, fmt.Errorf("read relay state: %w", err)
		}
		waiting, err := r.waiting(ctx, state)
		if err != nil {
			return RelayState{}, err
		}
		progress.Set("waiting", waiting)
		if waiting == "" {
			return state, nil
		}
		progress.Beat()
		if err := r.idle(ctx); err != nil {
			return RelayState{}, err
		}
	}
}

// waiting says what must happen before the store may publish for the first time:
// nobody is to see the stock of some sources without that of the others.
func (r *Relay) waiting(ctx context.Context, state RelayState) (string, error) {
	if state.Session > 0 {
		return "", nil
	}
	loaded, err := r.cfg.Store.Loaded(ctx)
	if err != nil {
		return "", fmt.Errorf("read which sources are loaded: %w", err)
	}
	var missing []string
	for _, source := range r.cfg.Sources {
		if !slices.Contains(loaded, source) {
			missing = append(missing, source)
		}
	}
	if len(missing) == 0 {
		return "", nil
	}
	return "the first load of source " + strings.Join(missing, ", "), nil
}

// begin starts a session in the stream's state and in the store.
func (r *Relay) begin(ctx context.Context, w LevelsWriter, state RelayState) (SessionStart, error) {
	tail := w.Tail()
	start := startSession(uint64(time.Now().UnixMilli()), state, tail)
	from := state.Place.Sequence
	if start.Walk {
		from = 0
		r.cfg.Log.InfoContext(ctx, "publishing every level anew: what was published last is not proved to be in the stream",
			"remembered", state.Place, "tail", tail)
	}
	var err error
	if start.Republish, err = w.CellsAfter(ctx, from); err != nil {
		return start, fmt.Errorf("read levels after %d: %w", from, err)
	}
	if err := w.Begin(ctx, start.Session); err != nil {
		return start, fmt.Errorf("begin session %d in levels stream: %w", start.Session, err)
	}
	failpoint.Hit("relay.session")
	if err := r.cfg.Store.BeginSession(ctx, start); err != nil {
		return start, fmt.Errorf("begin session %d in store: %w", start.Session, err)
	}
	failpoint.Hit("relay.begun")
	return start, nil
}

// startSession decides how a session begins: its number, and how much of what
// was published before can be trusted. now is unix time in milliseconds.
func startSession(now uint64, state RelayState, tail LevelsTail) SessionStart {
	place := state.Place
	trusted := place.Stream == tail.Stream && tail.Sequence >= place.Sequence &&
		(tail.Session == place.Session || tail.First > place.Sequence)
	session := max(now, tail.Session+1, state.Session+1, tail.LastSession+1)
	return SessionStart{
		Expect:  state.Session,
		Session: session,
		Place:   Place{Stream: tail.Stream, Session: tail.Session, Sequence: tail.Sequence},
		Walk:    !trusted,
	}
}

// relaySession is one stretch of publishing.
type relaySession struct {
	r        *Relay
	w        LevelsWriter
	session  uint64
	place    Place // up to which everything published is acknowledged; settle's
	progress Progress
}

// send publishes what the outbox holds, page after page.
func (s *relaySession) send(ctx context.Context, out chan<- page) error {
	checked := time.Now()
	for {
		s.heed()
		p, err := s.r.cfg.Store.Pending(ctx, s.session)
		if err != nil {
			return fmt.Errorf("read outbox: %w", err)
		}
		if p.Done != nil {
			failpoint.Hit("relay.pending")
			sent, err := s.publish(ctx, p)
			if err != nil {
				return err
			}
			failpoint.Hit("relay.published")
			select {
			case out <- sent:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if p.More {
			continue
		}
		if time.Since(checked) >= relayCheck {
			if err := s.w.Check(ctx); err != nil {
				return fmt.Errorf("check levels stream: %w", err)
			}
			checked = time.Now()
			s.progress.Beat()
		}
		if err := s.r.idle(ctx); err != nil {
			return err
		}
	}
}

// heed takes a signal that came before the outbox is read: the read answers it,
// and one that comes after its begin stays for the next.
func (s *relaySession) heed() {
	select {
	case <-s.r.cfg.Store.Wake():
	default:
	}
}

// idle waits for something to have changed in the store.
func (r *Relay) idle(ctx context.Context) error {
	poll := time.NewTimer(relayPoll)
	defer poll.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-r.cfg.Store.Wake():
		// For the read to come; a signal more does no harm.
	case <-poll.C:
	}
	return nil
}

// publish sends the levels of one page. Only the last ack is kept: every message
// states the sequence that it follows, so the last cannot be stored without the others.
func (s *relaySession) publish(ctx context.Context, p Pending) (page, error) {
	sent := page{done: p.Done, levels: p.Levels}
	for i := range p.Levels {
		sequence, ack, err := s.w.Publish(ctx, &p.Levels[i])
		if err != nil {
			return page{}, fmt.Errorf("publish level of %s at %s: %w", p.Levels[i].SKU, p.Levels[i].Location, err)
		}
		sent.last, sent.ack = sequence, ack
	}
	return sent, nil
}

// settle waits for pages to be stored and lets the store forget them, several at a time.
func (s *relaySession) settle(ctx context.Context, in <-chan page) error {
	var done []any
	var due <-chan time.Time
	look := time.NewTicker(relayCheck)
	defer look.Stop()
	for {
		select {
		case p, ok := <-in:
			if !ok {
				return s.forget(ctx, done)
			}
			if p.ack != nil {
				if err := p.ack.Wait(ctx); err != nil {
					return fmt.Errorf("publish levels up to sequence %d: %w", p.last, err)
				}
				s.place = Place{Stream: s.w.Tail().Stream, Session: s.session, Sequence: p.last}
				s.count(p.levels)
			}
			failpoint.Hit("relay.acked")
			if done = append(done, p.done); due == nil {
				due = time.After(relaySettle)
			}
		case <-due:
			if err := s.forget(ctx, done); err != nil {
				return err
			}
			done, due = done[:0], nil
		case <-look.C:
			if len(done) > 0 {
				continue
			}
			if err := s.look(ctx); err != nil {
				return err
			}
		}
	}
}

// look compares the store with what this session remembered in it: one that was
// restored from a backup, or promoted without the last commits, lacks levels that
// were published since, and a new session publishes those cells again.
func (s *relaySession) look(ctx context.Context) error {
	state, err := s.r.cfg.Store.RelayState(ctx)
	if err != nil {
		return fmt.Errorf("read relay state: %w", err)
	}
	if state.Session != s.session || state.Place != s.place {
		return fmt.Errorf("the store is at session %d and place %v, and was left at %d and %v: %w",
			state.Session, state.Place, s.session, s.place, ErrFenced)
	}
	return nil
}

func (s *relaySession) count(levels []inventory.Level) {
	m := s.r.cfg.Metrics
	m.published.Add(float64(len(levels)))
	for i := range levels {
		observeAge(m.publishedAge, &levels[i], s.session)
	}
}

// forget removes what was published from the outbox. It also runs while
// draining, when ctx has ended: what it cannot do then, the next session does again.
func (s *relaySession) forget(ctx context.Context, done []any) error {
	if len(done) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), drainTime)
	defer cancel()
	if err := s.r.cfg.Store.Published(ctx, s.session, s.place, done); err != nil {
		return fmt.Errorf("remove published cells from outbox: %w", err)
	}
	s.progress.Set("published", s.place.Sequence)
	s.progress.Beat()
	return nil
}
