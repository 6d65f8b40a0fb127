package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// When a log is fuller than spaceHigh, applied messages go even if they are
// younger than the window that is kept, down to about spaceLow. In percent.
const (
	spaceHigh = 80
	spaceLow  = 70
)

// Purge removes messages that every registered store has applied and that are
// older than keep. When the log is more than 80 % full, it removes applied
// messages whatever their age. It never removes the newest message, and nothing
// at all while no store is registered, or while one reports a position that the
// log does not have or another log. The message at hold and those behind it stay in
// any case, if hold is not zero.
func (r *run) Purge(ctx context.Context, keep time.Duration, hold inventory.Position) (connector.Usage, error) {
	info, err := r.info(ctx)
	if err != nil {
		return connector.Usage{}, err
	}
	p := &purger{find: finder{r.nc, r.stream, r.subject}, info: info}
	if err := p.readReports(ctx, r.state, r.log.source); err != nil {
		return connector.Usage{}, err
	}
	cut, err := p.cut(ctx, keep, hold)
	if err != nil {
		return connector.Usage{}, err
	}
	if cut > info.State.FirstSeq {
		if err := r.purge(ctx, cut); err != nil {
			return connector.Usage{}, err
		}
		if p.info, err = r.info(ctx); err != nil {
			return connector.Usage{}, err
		}
	}
	return p.usage(), nil
}

// makeRoom purges a log that is nearly full, so that a run can begin with its
// first message. What no store has applied stays.
func (r *run) makeRoom(ctx context.Context, info *jetstream.StreamInfo) error {
	if !crowded(info) {
		return nil
	}
	_, err := r.Purge(ctx, everything, inventory.Position{})
	return err
}

// everything is a window that keeps all that there is room for.
const everything = 100 * 365 * 24 * time.Hour

func crowded(info *jetstream.StreamInfo) bool {
	return info.Config.MaxBytes > 0 && info.State.Bytes/spaceHigh > uint64(info.Config.MaxBytes)/100
}

func (r *run) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	info, err := streamInfo(ctx, r.js, r.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, r.changed("it was deleted")
	}
	if err != nil {
		return nil, err
	}
	if id := info.Config.Metadata[metadataID]; id != r.start.LogID {
		return nil, r.changed("it is now log %q", id)
	}
	return info, nil
}

// purger decides how much of a log may go.
type purger struct {
	find finder
	info *jetstream.StreamInfo

	reports []KeptReport
	// applied is the newest message that every store has applied; found says
	// that there is one.
	applied located
	found   bool
}

// readReports finds the message that the slowest registered store has applied.
func (p *purger) readReports(ctx context.Context, s *state, source string) error {
	var err error
	if p.reports, err = readReports(ctx, s, reportKey(source, "*")); err != nil {
		return err
	}
	var slowest *KeptReport
	for i := range p.reports {
		if p.reports[i].LogID != p.info.Config.Metadata[metadataID] {
			return nil
		}
		if slowest == nil || p.reports[i].Position.Before(slowest.Position) {
			slowest = &p.reports[i]
		}
	}
	if slowest == nil || slowest.Position.IsZero() {
		return nil
	}
	first, last := p.info.State.FirstSeq, p.info.State.LastSeq
	p.applied, err = p.find.exact(ctx, slowest.Position, slowest.Sequence, first, last)
	if errors.Is(err, errNoMessage) {
		return nil
	}
	p.found = err == nil
	return err
}

// cut returns the sequence of the first message to keep.
func (p *purger) cut(ctx context.Context, keep time.Duration, hold inventory.Position) (uint64, error) {
	s := p.info.State
	if !p.found {
		return s.FirstSeq, nil
	}
	limit := min(p.applied.Sequence+1, s.LastSeq)
	if !hold.IsZero() {
		held, err := p.find.search(ctx, s.FirstSeq, limit, func(m located) bool { return !m.Position.Before(hold) })
		if err != nil {
			return 0, err
		}
		limit = min(limit, held)
	}
	before := time.Now().Add(-keep)
	young, err := p.find.search(ctx, s.FirstSeq, limit, func(m located) bool { return m.Time.After(before) })
	if err != nil {
		return 0, err
	}
	return min(limit, max(young, p.roomy())), nil
}

// roomy returns the first sequence to keep for the log to have room again, by the
// average size of its messages; the first that there is if it has room.
func (p *purger) roomy() uint64 {
	s := p.info.State
	if !crowded(p.info) {
		return s.FirstSeq
	}
	excess := s.Bytes - uint64(p.info.Config.MaxBytes)/100*spaceLow //nolint:gosec // checked by crowded
	return s.FirstSeq + uint64(float64(s.Msgs)*float64(excess)/float64(s.Bytes)) + 1
}

// purge removes everything below sequence cut. The connection has not been
// broken since the reports were compared with the log, and a server loses data
// only by being restarted: so the sequences still mean what they meant.
func (r *run) purge(ctx context.Context, cut uint64) error {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	s, err := r.js.Stream(ctx, r.stream)
	if err == nil {
		err = s.Purge(ctx, jetstream.WithPurgeSequence(cut))
	}
	if err != nil {
		return fmt.Errorf("purge stream %s up to %d: %w", r.stream, cut, err)
	}
	return nil
}

func (p *purger) usage() connector.Usage {
	s := p.info.State
	u := connector.Usage{
		Bytes: s.Bytes, MaxBytes: uint64(max(p.info.Config.MaxBytes, 0)),
		Messages: s.Msgs, Unapplied: s.Msgs, Stores: len(p.reports),
	}
	if p.found {
		u.Unapplied = s.LastSeq - p.applied.Sequence
	}
	return u
}
