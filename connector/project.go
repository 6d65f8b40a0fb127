package connector

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tailstock/connector/inventory"
	"tailstock/internal/failpoint"
)

// ProjectConfig is what a projection works with.
type ProjectConfig struct {
	Open    OpenLevelsFunc
	Cache   Cache
	Metrics *Metrics
	Log     *slog.Logger
}

// Project carries the levels stream into a cache. The cache's place lives in
// the cache itself, so that a cache that lost data is seen to have lost it.
type Project struct {
	cfg ProjectConfig
}

// NewProject returns a Project. It does nothing until Run.
func NewProject(cfg ProjectConfig) *Project { return &Project{cfg: cfg} }

// projectLevels bounds one batch for the cache.
const (
	projectLevels = 1_000
	projectWait   = 2 * time.Second
)

// Run applies levels until ctx ends or something fails. It returns nil only when ctx ended.
func (p *Project) Run(ctx context.Context, progress Progress) error {
	for {
		err := p.once(ctx, progress)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // a batch that was cut short is read again
		case errors.Is(err, ErrNoLog):
			progress.Beat()
			if err := sleep(ctx, absentPoll); err != nil {
				return nil //nolint:nilerr // ctx ended
			}
		case errors.Is(err, errBeginAgain):
			// Begin again from what the cache and the stream say.
		default:
			return err
		}
	}
}

// errBeginAgain asks for cache and stream to be judged anew.
var errBeginAgain = errors.New("begin again from what the cache and the stream say")

func (p *Project) once(ctx context.Context, progress Progress) error {
	reader, err := p.cfg.Open(ctx)
	if err != nil {
		return fmt.Errorf("open levels stream: %w", err)
	}
	defer reader.Close() //nolint:errcheck // a reader has nothing to lose
	tail, err := reader.Tail(ctx)
	if err != nil {
		return fmt.Errorf("read tail of levels stream: %w", err)
	}
	place, err := p.cfg.Cache.Place(ctx)
	if err != nil {
		return fmt.Errorf("read the cache's place: %w", err)
	}
	f := &follower{p: p, reader: reader, place: place, progress: progress}
	if place.Replay != 0 || !goesOn(place.Place, tail) {
		if err := f.replay(ctx, tail); err != nil {
			return err
		}
	} else if err := reader.Seek(ctx, place.Sequence); err != nil {
		return fmt.Errorf("seek %d in levels stream: %w", place.Sequence, err)
	}
	return f.follow(ctx)
}

// goesOn reports whether a cache at place has missed nothing of a stream whose
// last message is as tail says.
func goesOn(place Place, tail LevelsTail) bool {
	if place.Stream != tail.Stream || tail.Sequence < place.Sequence {
		return false
	}
	return tail.Session == place.Session || continues(place, tail.Session, tail.First, tail.After)
}

// continues reports whether a newer session began right where the cache stands
// or later, and next after the cache's own.
func continues(place Place, session, first, after uint64) bool {
	return session > place.Session && after == place.Session && first > place.Sequence
}

// follower is one stretch of projecting.
type follower struct {
	p        *Project
	reader   LevelsReader
	place    CachePlace
	progress Progress
	// ahead holds levels read beyond the end of a replay.
	ahead []inventory.LevelMessage
}

// replay overwrites the cache with the stream as it stands at tail.
func (f *follower) replay(ctx context.Context, tail LevelsTail) error {
	f.p.cfg.Metrics.replays.Inc()
	f.p.cfg.Log.InfoContext(ctx, "replaying the levels stream into the cache",
		"cache", f.place.Place, "stream", tail.Stream, "session", tail.Session, "sequence", tail.Sequence)
	// An empty stream is replayed as well: what the cache holds is not of it.
	start := CachePlace{Place: Place{Stream: tail.Stream, Session: tail.Session}, Replay: max(tail.Sequence, 1)}
	end := CachePlace{Place: Place{Stream: tail.Stream, Session: tail.Session, Sequence: tail.Sequence}}
	if err := f.move(ctx, "begin replay", start, f.p.cfg.Cache.BeginReplay); err != nil {
		return err
	}
	failpoint.Hit("cache.replay")
	if err := f.reader.Seek(ctx, 0); err != nil {
		return fmt.Errorf("seek the start of the levels stream: %w", err)
	}
	for f.place.Sequence < tail.Sequence && f.ahead == nil {
		messages, err := f.reader.Next(ctx, projectLevels, projectWait)
		if err != nil {
			return fmt.Errorf("read levels stream: %w", err)
		}
		if len(messages) == 0 {
			if err := f.quiet(ctx); err != nil {
				return err
			}
			continue
		}
		within := 0
		for within < len(messages) && messages[within].Version.Sequence <= tail.Sequence {
			within++
		}
		if within < len(messages) {
			f.ahead = messages[within:]
		}
		to := f.place
		if within > 0 {
			to.Sequence = messages[within-1].Version.Sequence
			if err := f.apply(ctx, to, messages[:within]); err != nil {
				return err
			}
		}
	}
	if err := f.move(ctx, "end replay", end, f.p.cfg.Cache.EndReplay); err != nil {
		return err
	}
	failpoint.Hit("cache.replayed")
	return nil
}

// quiet looks at the stream when a replay waits for messages that do not come.
func (f *follower) quiet(ctx context.Context) error {
	tail, err := f.reader.Tail(ctx)
	if err != nil {
		return fmt.Errorf("read tail of levels stream: %w", err)
	}
	if tail.Stream != f.place.Stream || tail.Sequence < f.place.Replay || tail.Session < f.place.Session {
		return errBeginAgain
	}
	return nil
}

// follow applies what comes, for as long as it continues what the cache holds.
func (f *follower) follow(ctx context.Context) error {
	f.progress.Beat()
	messages := f.ahead
	for {
		if len(messages) > 0 {
			if err := f.take(ctx, messages); err != nil {
				return err
			}
		}
		var err error
		messages, err = f.reader.Next(ctx, projectLevels, projectWait)
		if err != nil {
			return fmt.Errorf("read levels stream: %w", err)
		}
		if len(messages) > 0 {
			continue
		}
		if err := f.look(ctx); err != nil {
			return err
		}
		f.progress.Beat()
	}
}

// look compares cache and stream with what was read and written, when nothing
// comes: a cache that was emptied must not wait for the next change to be filled.
func (f *follower) look(ctx context.Context) error {
	tail, err := f.reader.Tail(ctx)
	if err != nil {
		return fmt.Errorf("read tail of levels stream: %w", err)
	}
	place, err := f.p.cfg.Cache.Place(ctx)
	if err != nil {
		return fmt.Errorf("read the cache's place: %w", err)
	}
	if place != f.place || !goesOn(place.Place, tail) {
		return errBeginAgain
	}
	return nil
}

// take applies messages up to the first that does not continue what the cache holds.
func (f *follower) take(ctx context.Context, messages []inventory.LevelMessage) error {
	to := f.place
	for i := range messages {
		m := &messages[i]
		if m.Version.Session != to.Session && !continues(to.Place, m.Version.Session, m.First, m.After) {
			if i > 0 {
				if err := f.apply(ctx, to, messages[:i]); err != nil {
					return err
				}
			}
			return errBeginAgain
		}
		to.Session, to.Sequence = m.Version.Session, m.Version.Sequence
	}
	return f.apply(ctx, to, messages)
}

func (f *follower) apply(ctx context.Context, to CachePlace, messages []inventory.LevelMessage) error {
	failpoint.Hit("cache.taken")
	if err := f.p.cfg.Cache.Apply(ctx, f.place, to, messages); err != nil {
		return f.failed("apply levels", err)
	}
	failpoint.Hit("cache.applied")
	f.place = to
	m := f.p.cfg.Metrics
	m.cached.Add(float64(len(messages)))
	if to.Replay == 0 {
		for i := range messages {
			observeAge(m.cachedAge, &messages[i].Level, messages[i].Version.Session)
		}
	}
	f.progress.Set("sequence", to.Sequence)
	f.progress.Beat()
	return nil
}

func (f *follower) move(ctx context.Context, operation string, to CachePlace,
	call func(ctx context.Context, from, to CachePlace) error,
) error {
	if err := call(ctx, f.place, to); err != nil {
		return f.failed(operation, err)
	}
	f.place = to
	return nil
}

func (f *follower) failed(operation string, err error) error {
	return fmt.Errorf("%s in the cache: %w", operation, err)
}
