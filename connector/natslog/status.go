package natslog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// Installation returns the random identity of the installation that keeps its
// state here, made at the first call.
func (c *Client) Installation(ctx context.Context) (string, error) {
	s := c.stateOn(c.nc, c.js)
	for {
		var record installationRecord
		held, err := s.read(ctx, installationKey, &record)
		if err != nil {
			return "", err
		}
		if held.found {
			return record.ID, nil
		}
		record = installationRecord{ID: newID(), Made: time.Now().UTC().Truncate(time.Second)}
		_, err = s.write(ctx, installationKey, record, held.revision)
		if err == nil {
			return record.ID, nil
		}
		if !errors.Is(err, errConflict) {
			return "", err
		}
	}
}

// Server describes the NATS server that the client is connected to.
type Server struct {
	Version    string
	MaxPayload int64
	// APILevel is that of JetStream: 2 and more since 2.12, which levels need for
	// their speed (persist_mode).
	APILevel int
	// Embedded says that it is the one of this installation, which syncs always.
	Embedded bool
	// ConfirmDelay is how long sources wait before they forget.
	ConfirmDelay time.Duration
}

// Server asks the server about itself. It fails if JetStream is not enabled.
func (c *Client) Server(ctx context.Context) (Server, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	account, err := c.js.AccountInfo(ctx)
	if err != nil {
		return Server{}, fmt.Errorf("ask the nats server about jetstream: %w", err)
	}
	return Server{
		Version: c.nc.ConnectedServerVersion(), MaxPayload: c.nc.MaxPayload(), APILevel: account.API.Level,
		Embedded: c.cfg.Embedded != nil, ConfirmDelay: c.cfg.confirmDelay(),
	}, nil
}

// LogStatus is a source's log as it stands.
type LogStatus struct {
	Source string
	ID     string
	connector.Usage
	// Position and At are those of the newest message.
	Position inventory.Position
	At       time.Time
	// WaitingSince is when the oldest message was stored that the slowest registered
	// store has not applied; zero if there is none.
	WaitingSince time.Time
	Reports      []KeptReport
}

// LogStatus looks at the log of source. It fails with connector.ErrNoLog while no
// capture has made it.
func (c *Client) LogStatus(ctx context.Context, source string) (LogStatus, error) {
	stream := c.names.log(source)
	info, err := streamInfo(ctx, c.js, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return LogStatus{}, fmt.Errorf("stream %s: %w", stream, connector.ErrNoLog)
	}
	if err != nil {
		return LogStatus{}, err
	}
	id := info.Config.Metadata[metadataID]
	p := &purger{find: finder{c.nc, stream, c.names.logSubject(source, id)}, info: info}
	if err := p.readReports(ctx, c.stateOn(c.nc, c.js), source); err != nil {
		return LogStatus{}, err
	}
	out := LogStatus{Source: source, ID: id, Usage: p.usage(), Reports: p.reports}
	last, err := p.find.last(ctx)
	if err != nil && !errors.Is(err, errNoMessage) {
		return LogStatus{}, err
	}
	out.Position, out.At = last.Position, last.Time
	if out.WaitingSince, err = p.waitingSince(ctx); err != nil {
		return LogStatus{}, err
	}
	return out, nil
}

// waitingSince finds the oldest message that the slowest store has not applied.
func (p *purger) waitingSince(ctx context.Context) (time.Time, error) {
	if len(p.reports) == 0 || (p.found && p.applied.Sequence >= p.info.State.LastSeq) {
		return time.Time{}, nil
	}
	from := p.info.State.FirstSeq
	if p.found {
		from = p.applied.Sequence + 1
	}
	m, err := p.find.at(ctx, from)
	if errors.Is(err, errNoMessage) {
		return time.Time{}, nil
	}
	return m.Time, err
}

// Sources lists the sources that have a log, sorted.
func (c *Client) Sources(ctx context.Context) ([]string, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	var out []string
	lister := c.js.StreamNames(ctx, jetstream.WithStreamListSubject(c.names.logSubjectPrefix()+".>"))
	for name := range lister.Name() {
		if source, ok := c.names.sourceOf(name); ok {
			out = append(out, source)
		}
	}
	if err := lister.Err(); err != nil {
		return nil, fmt.Errorf("list logs: %w", err)
	}
	slices.Sort(out)
	return out, nil
}

// streamInfo looks at a stream.
func streamInfo(ctx context.Context, js jetstream.JetStream, stream string) (*jetstream.StreamInfo, error) {
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	s, err := js.Stream(ctx, stream)
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", stream, err)
	}
	return s.CachedInfo(), nil
}
