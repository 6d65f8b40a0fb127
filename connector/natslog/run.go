package natslog

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// run is one stretch of appending to a source's log.
type run struct {
	log     *Log
	nc      *nats.Conn
	js      jetstream.JetStream
	state   *state
	stream  string
	subject string // of every message; it names the log
	start   connector.RunStart
	// tailSequence is where the tail was found, 0 in an empty log.
	tailSequence uint64

	out    *publisher
	closed chan struct{} // closed with the connection

	listener *listener

	mu       sync.Mutex // guards what follows
	revision uint64     // of the run's record in the state
	kept     runRecord
	// planRevision is that of the plan's record, if planRead.
	planRevision uint64
	planRead     bool
}

// Start returns what the run found when it began.
func (r *run) Start() connector.RunStart { return r.start }

// Append sends e behind the last message of the run.
func (r *run) Append(ctx context.Context, e inventory.Envelope) (connector.Ack, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	first, number := r.out.base+1, e.Position.Number
	if e.Position.Run != r.start.Run || first+number != r.out.expected()+1 {
		err := fmt.Errorf("append %s: not the next message of run %d", e.Position, r.start.Run)
		r.out.fail(err)
		return nil, err
	}
	setHeader(r.out.header, &e)
	sequence, err := r.out.publish(r.subject, e.Body)
	if err != nil {
		return nil, err
	}
	return ack{r.out, sequence}, nil
}

// positionAt is the position of the message that this run sent as sequence.
func (r *run) positionAt(sequence uint64) inventory.Position {
	return inventory.Position{Run: r.start.Run, Number: sequence - r.out.base - 1}
}

// Check proves that the log is still this run's.
func (r *run) Check(ctx context.Context) error {
	if err := r.out.failure(); err != nil {
		return err
	}
	acked, _ := r.out.window()
	m, err := getMessage(ctx, r.nc, r.stream, getRequest{LastFor: r.subject})
	_, sent := r.out.window()
	switch {
	case errors.Is(err, errNoMessage) && r.tailSequence == 0 && acked == r.out.base:
		return nil // empty, as it was found
	case errors.Is(err, errNoMessage), hasCode(err, jetstream.JSErrCodeStreamNotFound):
		return r.changed("it has no messages of log %s", r.start.LogID)
	case err != nil:
		return err
	}
	e, err := parseHeader(m.Header)
	if err != nil {
		return r.changed("message %d: %v", m.Sequence, err)
	}
	if m.Sequence == r.tailSequence && acked == r.out.base && e.Position == r.start.Tail {
		return nil // nothing of this run is stored yet
	}
	if m.Sequence <= r.out.base || m.Sequence < acked || m.Sequence > sent {
		return r.changed("its last message is %d, at %s, and this run's is %d", m.Sequence, e.Position, acked)
	}
	if own := r.positionAt(m.Sequence); e.Position != own {
		return r.changed("message %d is at %s, and this run had %s there", m.Sequence, e.Position, own)
	}
	return nil
}

// changed is an ErrLogChanged that says how, and the end of the run.
func (r *run) changed(format string, args ...any) error {
	err := fmt.Errorf("%w: stream %s: %s", connector.ErrLogChanged, r.stream, fmt.Sprintf(format, args...))
	r.out.fail(err)
	return err
}

// Checkpoint keeps token beside position tail.
func (r *run) Checkpoint(ctx context.Context, tail inventory.Position, token cdc.Resume) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := r.kept
	next.Position, next.Resume = textOf(tail), escapeToken(string(token))
	revision, err := r.state.write(ctx, runKey(r.log.source), next, r.revision)
	if errors.Is(err, errConflict) {
		revision, err = r.resolve(ctx, next)
	}
	if err != nil {
		return fmt.Errorf("checkpoint of source %s: %w", r.log.source, err)
	}
	r.revision, r.kept = revision, next
	return nil
}

// resolve decides what it means that the run's record has another revision: a
// write of our own whose answer was lost, another run, or a state that was lost.
func (r *run) resolve(ctx context.Context, next runRecord) (uint64, error) {
	var record runRecord
	held, err := r.state.read(ctx, runKey(r.log.source), &record)
	switch {
	case err != nil:
		return 0, err
	case held.found && record.Log == r.start.LogID && record.Run == r.start.Run:
		revision, err := r.state.write(ctx, runKey(r.log.source), next, held.revision)
		if errors.Is(err, errConflict) {
			err = connector.ErrLeaseLost
		}
		return revision, err
	case held.found && record.Run > r.start.Run:
		return 0, fmt.Errorf("run %d began after run %d: %w", record.Run, r.start.Run, connector.ErrLeaseLost)
	default:
		return 0, r.changed("the state beside it was lost: it knows run %d", record.Run)
	}
}

// KeepMapping stores a mapping's text under its id, which is derived from the
// text: so a text that is there already is the same one.
func (r *run) KeepMapping(ctx context.Context, id inventory.MappingID, text []byte) error {
	held, err := r.state.get(ctx, mappingKey(id))
	if err != nil {
		return err
	}
	if !held.found {
		_, err = r.state.put(ctx, mappingKey(id), text, held.revision)
		if !errors.Is(err, errConflict) {
			return err
		}
		if held, err = r.state.get(ctx, mappingKey(id)); err != nil {
			return err
		}
	}
	if string(held.value) != string(text) {
		return fmt.Errorf("mapping %s is kept with another text: two mappings cannot share an id", id)
	}
	return nil
}

// Close waits for what is in flight, up to two seconds, and closes the connection.
func (r *run) Close() error {
	r.out.drain()
	r.nc.Close()
	<-r.closed
	<-r.listener.done
	return nil
}
