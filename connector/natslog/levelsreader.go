package natslog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// levelsBatch bounds one pull from the levels stream. A level has less than two kilobytes.
const levelsBatch = 1024

// levelsReader reads the levels stream, for a cache.
type levelsReader struct {
	c      *Client
	nc     *nats.Conn
	js     jetstream.JetStream
	closed chan struct{} // closed with the connection
	puller *puller
}

// OpenLevels opens the levels stream for reading, on a connection of its own
// that never reconnects. It is a connector.OpenLevelsFunc.
func (c *Client) OpenLevels(ctx context.Context) (connector.LevelsReader, error) {
	r := &levelsReader{c: c, closed: make(chan struct{})}
	var err error
	r.nc, r.js, err = c.dialOnce(ctx, nats.ClosedHandler(func(*nats.Conn) { close(r.closed) }))
	if err != nil {
		return nil, err
	}
	if _, err := r.info(ctx); err != nil {
		r.nc.Close()
		return nil, err
	}
	return r, nil
}

func (r *levelsReader) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	info, err := streamInfo(ctx, r.js, r.c.names.levels())
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("stream %s: %w", r.c.names.levels(), connector.ErrNoLog)
	}
	return info, err
}

// Tail looks at the stream itself.
func (r *levelsReader) Tail(ctx context.Context) (connector.LevelsTail, error) {
	info, err := r.info(ctx)
	if err != nil {
		return connector.LevelsTail{}, err
	}
	t, err := levelsTail(ctx, r.nc, r.c.names, info)
	if err != nil {
		return connector.LevelsTail{}, err
	}
	var record sessionRecord
	if _, err := r.c.stateOn(r.nc, r.js).read(ctx, sessionKey, &record); err != nil {
		return connector.LevelsTail{}, err
	}
	t.LastSession = record.Session
	return t, nil
}

// Seek makes the first message after sequence the next one.
func (r *levelsReader) Seek(ctx context.Context, sequence uint64) error {
	return r.seek(ctx, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: sequence + 1,
	})
}

func (r *levelsReader) seek(ctx context.Context, cfg jetstream.ConsumerConfig) error {
	if r.puller != nil {
		r.puller.close()
		r.puller = nil
	}
	var err error
	r.puller, err = openPuller(ctx, r.nc, r.closed, r.js, r.c.names.levels(), levelsBatch, cfg)
	return err
}

// Next returns the levels at hand, in the order of the stream. Sequences are
// missing where a newer level of the same cell stands further on.
func (r *levelsReader) Next(ctx context.Context, limit int, wait time.Duration) ([]inventory.LevelMessage, error) {
	if r.puller == nil {
		return nil, errors.New("read levels: Seek comes first")
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var out []inventory.LevelMessage
	for until := timer.C; len(out) < limit; until = nil {
		m, ok, err := r.puller.next(ctx, until)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		l, err := decodeLevel(&storedMessage{Sequence: m.sequence, Data: m.Data})
		if err != nil {
			return nil, fmt.Errorf("message %d of stream %s: %w", m.sequence, r.c.names.levels(), err)
		}
		out = append(out, l)
	}
	return out, nil
}

// Close closes the reader's connection.
func (r *levelsReader) Close() error {
	if r.puller != nil {
		r.puller.close()
	}
	r.nc.Close()
	<-r.closed
	return nil
}

// LevelFilter chooses levels. Empty fields choose all.
type LevelFilter struct {
	SKU      inventory.SKU
	Location inventory.LocationID
	// New leaves out the levels as they stand, and shows only changes from now on.
	New bool
}

// WatchLevels calls f with every level that filter chooses: as they stand, each
// cell once, and then as they change, in the order of the stream. It blocks until
// ctx ends, f fails or the connection breaks. It fails with connector.ErrNoLog
// while no relay has made the stream.
func (c *Client) WatchLevels(ctx context.Context, filter LevelFilter, f func(inventory.LevelMessage) error) error {
	open, err := c.OpenLevels(ctx)
	if err != nil {
		return err
	}
	defer open.Close()        //nolint:errcheck // a reader has nothing to lose
	r := open.(*levelsReader) //nolint:forcetypeassert // it is what OpenLevels makes
	cfg := jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubject: c.names.levelFilter(filter),
	}
	if filter.New {
		cfg.DeliverPolicy = jetstream.DeliverNewPolicy
	}
	if err := r.seek(ctx, cfg); err != nil {
		return err
	}
	for {
		levels, err := r.Next(ctx, levelsBatch, pullBeat)
		if err != nil {
			return err
		}
		for i := range levels {
			if err := f(levels[i]); err != nil {
				return err
			}
		}
	}
}

// levelFilter is the subject of the levels that f chooses.
func (n names) levelFilter(f LevelFilter) string {
	prefix := n.levelPrefix() + "."
	cell := inventory.Cell{SKU: f.SKU, Location: f.Location}
	location, sku, _ := strings.Cut(strings.TrimPrefix(inventory.LevelSubject(n.levelPrefix(), cell), prefix), ".")
	if location == "" {
		location = "*"
	}
	if sku == "" {
		sku = "*"
	}
	return prefix + location + "." + sku
}
