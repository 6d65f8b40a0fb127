package natslog

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// Levels is the levels stream, for the relay.
type Levels struct {
	c     *Client
	lease connector.Lease
}

// Levels returns the levels stream. What a session writes to the state it writes
// while lease is held; a nil lease is always held.
func (c *Client) Levels(lease connector.Lease) *Levels { return &Levels{c: c, lease: lease} }

// Open opens the stream on a connection of its own, making it if missing.
func (l *Levels) Open(ctx context.Context) (connector.LevelsWriter, error) {
	w := &levelsWriter{levels: l, closed: make(chan struct{})}
	var err error
	w.nc, w.js, err = l.c.dialOnce(ctx, nats.ClosedHandler(func(*nats.Conn) { close(w.closed) }))
	if err != nil {
		return nil, err
	}
	if err := w.open(ctx); err != nil {
		w.nc.Close()
		return nil, err
	}
	return w, nil
}

// levelsWriter is one session's view of the levels stream.
type levelsWriter struct {
	levels *Levels
	nc     *nats.Conn
	js     jetstream.JetStream
	state  *state
	closed chan struct{} // closed with the connection
	stream string
	tail   connector.LevelsTail
	out    *publisher

	session  uint64 // 0 before Begin
	revision uint64 // of the session's record in the state
	body     []byte
}

func (w *levelsWriter) open(ctx context.Context) error {
	w.state = w.levels.c.stateOn(w.nc, w.js)
	// The state is read before the lease is checked, so that the compare-and-set in
	// Begin fails if another daemon began a session since.
	var record sessionRecord
	held, err := w.state.read(ctx, sessionKey, &record)
	if err != nil {
		return err
	}
	w.revision = held.revision
	if err := checkLease(ctx, w.levels.lease); err != nil {
		return err
	}
	info, err := ensureStream(ctx, w.js, w.levels.c.levelsConfig(newID()))
	if err != nil {
		return err
	}
	w.stream = info.Config.Name
	w.tail, err = levelsTail(ctx, w.nc, w.levels.c.names, info)
	if err != nil {
		return err
	}
	if w.tail.Sequence > info.State.LastSeq {
		return fmt.Errorf("stream %s: %w: message %d came while its tail was read", w.stream, connector.ErrLogChanged, w.tail.Sequence)
	}
	w.tail.LastSession = record.Session
	w.out, err = newPublisher(w.nc, w.closed, w.stream, info.State.LastSeq)
	return err
}

// levelsTail reads the last message of the levels stream.
func levelsTail(ctx context.Context, nc *nats.Conn, n names, info *jetstream.StreamInfo) (connector.LevelsTail, error) {
	t := connector.LevelsTail{Stream: info.Config.Metadata[metadataID]}
	request := getRequest{Sequence: info.State.LastSeq}
	if info.State.Msgs == 0 {
		return t, nil
	}
	m, err := getMessage(ctx, nc, info.Config.Name, request)
	if errors.Is(err, errNoMessage) { // superseded meanwhile, or removed by someone
		m, err = getMessage(ctx, nc, info.Config.Name, getRequest{LastFor: n.levelPrefix() + ".>"})
	}
	if errors.Is(err, errNoMessage) {
		return t, nil
	}
	if err != nil {
		return t, err
	}
	l, err := decodeLevel(&m)
	if err != nil {
		return t, fmt.Errorf("message %d of stream %s: %w", m.Sequence, info.Config.Name, err)
	}
	t.Sequence, t.Session, t.First, t.After = m.Sequence, l.Version.Session, l.First, l.After
	return t, nil
}

// decodeLevel reads a level and holds it to where it stands.
func decodeLevel(m *storedMessage) (inventory.LevelMessage, error) {
	l, err := inventory.DecodeLevel(m.Data)
	if err == nil && l.Version.Sequence != m.Sequence {
		err = fmt.Errorf("its version says %d", l.Version.Sequence)
	}
	return l, err
}

// Tail describes the stream as it was opened.
func (w *levelsWriter) Tail() connector.LevelsTail { return w.tail }

// CellsAfter returns the cells whose last level stands after sequence, in the
// order of the stream, up to the tail that Open found.
func (w *levelsWriter) CellsAfter(ctx context.Context, sequence uint64) ([]inventory.Cell, error) {
	if w.tail.Sequence <= sequence {
		return nil, nil
	}
	p, err := openPuller(ctx, w.nc, w.closed, w.js, w.stream, levelsBatch, jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: sequence + 1, HeadersOnly: true,
	})
	if err != nil {
		return nil, err
	}
	defer p.close()
	var out []inventory.Cell
	for left := p.pending; left > 0; {
		m, err := p.expect(ctx)
		if err != nil {
			return nil, err
		}
		if m.sequence > w.tail.Sequence {
			break
		}
		cell, err := inventory.ParseLevelSubject(w.levels.c.names.levelPrefix(), m.Subject)
		if err != nil {
			return nil, fmt.Errorf("message %d of stream %s: %w", m.sequence, w.stream, err)
		}
		out = append(out, cell)
		left = m.pending
	}
	return out, nil
}

// Begin records session beside the stream, by compare-and-set: it fails with
// connector.ErrLogChanged if another session was recorded since Open.
func (w *levelsWriter) Begin(ctx context.Context, session uint64) error {
	if session <= max(w.tail.Session, w.tail.LastSession) {
		return fmt.Errorf("session %d: it must be above %d, the stream's last, and %d, the last recorded",
			session, w.tail.Session, w.tail.LastSession)
	}
	if err := checkLease(ctx, w.levels.lease); err != nil {
		return err
	}
	revision, err := w.state.write(ctx, sessionKey, sessionRecord{Stream: w.tail.Stream, Session: session}, w.revision)
	if errors.Is(err, errConflict) {
		return fmt.Errorf("session %d: %w: another session began meanwhile", session, connector.ErrLogChanged)
	}
	if err != nil {
		return err
	}
	w.revision, w.session = revision, session
	return nil
}

// Publish sends the next level of the session. l may be reused when it returns.
func (w *levelsWriter) Publish(ctx context.Context, l *inventory.Level) (uint64, connector.Ack, error) {
	if err := ctx.Err(); err != nil {
		return 0, nil, context.Cause(ctx)
	}
	if w.session == 0 {
		return 0, nil, errors.New("publish level: no session has begun")
	}
	names := w.levels.c.names
	m := inventory.LevelMessage{Level: *l, First: w.out.base + 1, After: w.tail.Session, Namespace: names.namespace}
	m.Version = inventory.Version{Session: w.session, Sequence: w.out.expected() + 1}
	w.body = inventory.EncodeLevel(w.body[:0], &m)
	sequence, err := w.out.publish(inventory.LevelSubject(names.levelPrefix(), l.Cell), w.body)
	if err != nil {
		return 0, nil, err
	}
	return sequence, ack{w.out, sequence}, nil
}

// Check proves that the stream, its last message and the last session recorded
// are this session's.
func (w *levelsWriter) Check(ctx context.Context) error {
	if err := w.out.failure(); err != nil {
		return err
	}
	var record sessionRecord
	held, err := w.state.read(ctx, sessionKey, &record)
	if err != nil {
		return err
	}
	if w.session != 0 && (!held.found || record.Session != w.session) {
		return w.changed("session %d began after session %d", record.Session, w.session)
	}
	acked, _ := w.out.window()
	info, err := w.info(ctx)
	if err != nil {
		return err
	}
	tail, err := levelsTail(ctx, w.nc, w.levels.c.names, info)
	if err != nil {
		return err
	}
	_, sent := w.out.window()
	switch {
	case tail.Stream != w.tail.Stream:
		return w.changed("it is now stream %q", tail.Stream)
	case info.State.LastSeq < acked || info.State.LastSeq > sent:
		return w.changed("its last sequence is %d, and this session's is %d", info.State.LastSeq, acked)
	case tail.Sequence > w.out.base && tail.Session != w.session:
		return w.changed("message %d is of session %d, and this is %d", tail.Sequence, tail.Session, w.session)
	case tail.Sequence <= w.out.base && acked > w.out.base:
		return w.changed("what this session published is gone: its last message is %d", tail.Sequence)
	case tail.Sequence <= w.out.base && tail.Session != w.tail.Session:
		return w.changed("message %d is of session %d, and was of %d", tail.Sequence, tail.Session, w.tail.Session)
	}
	return nil
}

func (w *levelsWriter) info(ctx context.Context) (*jetstream.StreamInfo, error) {
	info, err := streamInfo(ctx, w.js, w.stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, w.changed("it was deleted")
	}
	return info, err
}

// changed is an ErrLogChanged that says how, and the end of the session.
func (w *levelsWriter) changed(format string, args ...any) error {
	err := fmt.Errorf("%w: stream %s: %s", connector.ErrLogChanged, w.stream, fmt.Sprintf(format, args...))
	w.out.fail(err)
	return err
}

// Close waits for what is in flight, up to two seconds, and closes the connection.
func (w *levelsWriter) Close() error {
	w.out.drain()
	w.nc.Close()
	<-w.closed
	return nil
}
