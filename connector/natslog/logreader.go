package natslog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// logBatch bounds one pull from a log. Messages may have half a megabyte each, and
// one and a half pulls are held.
const logBatch = 16

// logReader reads one source's log.
type logReader struct {
	c      *Client
	nc     *nats.Conn
	js     jetstream.JetStream
	closed chan struct{} // closed with the connection
	find   finder
	id     string

	puller *puller
	next   uint64 // sequence of the next message
	at     inventory.Position
}

// OpenLog returns how to open the log of source for reading. Every reader has a
// connection of its own, which never reconnects: after any failure the caller
// opens another, and compares it with what its store holds.
func (c *Client) OpenLog(source string) connector.OpenLogFunc {
	return func(ctx context.Context) (connector.LogReader, error) {
		r := &logReader{c: c, closed: make(chan struct{})}
		var err error
		r.nc, r.js, err = c.dialOnce(ctx, nats.ClosedHandler(func(*nats.Conn) { close(r.closed) }))
		if err != nil {
			return nil, err
		}
		r.find = finder{nc: r.nc, stream: c.names.log(source)}
		info, err := r.info(ctx)
		if err != nil {
			r.nc.Close()
			return nil, err
		}
		r.id = info.Config.Metadata[metadataID]
		r.find.subject = c.names.logSubject(source, r.id)
		if len(info.Config.Subjects) != 1 || info.Config.Subjects[0] != r.find.subject {
			r.nc.Close()
			return nil, &StreamSettingsError{
				Stream: r.find.stream, Differences: []string{fmt.Sprintf("subjects are %q, not %q", info.Config.Subjects, r.find.subject)},
				Fix: "move it out of the way, or configure another namespace",
			}
		}
		return r, nil
	}
}

func (r *logReader) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	info, err := streamInfo(ctx, r.js, r.find.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, fmt.Errorf("stream %s: %w", r.find.stream, connector.ErrNoLog)
	}
	return info, err
}

// Seek makes the first message with a position above p the next one.
func (r *logReader) Seek(ctx context.Context, p inventory.Position, hint uint64) error {
	info, err := r.info(ctx)
	if err != nil {
		return err
	}
	if r.next, err = r.find.after(ctx, p, hint, info.State.FirstSeq, info.State.LastSeq); err != nil {
		return fmt.Errorf("seek %s: %w", p, err)
	}
	r.drop()
	r.at = p
	r.puller, err = openPuller(ctx, r.nc, r.closed, r.js, r.find.stream, logBatch, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: r.next,
	})
	return err
}

// Next returns the messages at hand. It proves that none is missing between
// them: they stand next to each other in the stream, beginning where Seek said.
// A jump, another log's message or a position that does not grow fails with
// connector.ErrLogChanged.
func (r *logReader) Next(ctx context.Context, limit int, wait time.Duration) ([]connector.LogMessage, error) {
	if r.puller == nil {
		return nil, errors.New("read log: Seek comes first")
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	var out []connector.LogMessage
	for size, until := 0, timer.C; size < limit; until = nil {
		m, ok, err := r.puller.next(ctx, until)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		message, err := r.decode(m)
		if err != nil {
			return nil, err
		}
		out = append(out, message)
		size += message.Size
	}
	return out, nil
}

func (r *logReader) decode(m pulled) (connector.LogMessage, error) {
	if m.sequence != r.next || m.Subject != r.find.subject {
		return connector.LogMessage{}, fmt.Errorf("stream %s: %w: message %d came on %s, and message %d of log %s was next",
			r.find.stream, connector.ErrLogChanged, m.sequence, m.Subject, r.next, r.id)
	}
	e, err := parseHeader(m.Header)
	if err == nil && !r.at.Before(e.Position) {
		err = fmt.Errorf("%w: it is at %s and comes after %s", connector.ErrLogChanged, e.Position, r.at)
	}
	if err != nil {
		return connector.LogMessage{}, fmt.Errorf("message %d of stream %s: %w", m.sequence, r.find.stream, err)
	}
	e.Body = m.Data
	message, err := inventory.Decode(e)
	if err != nil {
		return connector.LogMessage{}, fmt.Errorf("message %d of stream %s: %w", m.sequence, r.find.stream, err)
	}
	r.next, r.at = m.sequence+1, e.Position
	return connector.LogMessage{Message: message, Sequence: m.sequence, Size: len(m.Data), Pending: m.pending}, nil
}

// Tail looks at the log itself.
func (r *logReader) Tail(ctx context.Context) (connector.LogTail, error) {
	info, err := r.info(ctx)
	if err != nil {
		return connector.LogTail{}, err
	}
	t := connector.LogTail{ID: info.Config.Metadata[metadataID], First: info.State.FirstSeq, Last: info.State.LastSeq}
	if t.ID != r.id {
		return t, nil // another log: its messages are none of this reader's
	}
	last, err := r.find.last(ctx)
	if errors.Is(err, errNoMessage) {
		t.Empty = true
		return t, nil
	}
	if err != nil {
		return connector.LogTail{}, err
	}
	// The newest message is never purged, so an oldest one is there as well.
	oldest, err := r.find.at(ctx, 1)
	if err != nil {
		return connector.LogTail{}, fmt.Errorf("oldest message of stream %s: %w", r.find.stream, err)
	}
	t.Last = max(t.Last, last.Sequence)
	t.First, t.Position, t.OldestPrevious = oldest.Sequence, last.Position, oldest.Previous
	return t, nil
}

func (r *logReader) drop() {
	if r.puller != nil {
		r.puller.close()
		r.puller = nil
	}
}

// Close closes the reader's connection.
func (r *logReader) Close() error {
	r.drop()
	r.nc.Close()
	<-r.closed
	return nil
}
