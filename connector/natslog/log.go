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
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Log is the log of one source, for its capture.
type Log struct {
	c      *Client
	source string
	lease  connector.Lease
}

// Log returns the log of source. What Begin writes to the state it writes while
// lease is held; a nil lease is always held.
func (c *Client) Log(source string, lease connector.Lease) (*Log, error) {
	if !sourcePattern.MatchString(source) {
		return nil, fmt.Errorf("source %q: want 1 to 32 lower-case letters, digits and underscores, beginning with a letter", source)
	}
	return &Log{c: c, source: source, lease: lease}, nil
}

// checkLease renews lease, if there is one.
func checkLease(ctx context.Context, lease connector.Lease) error {
	if lease == nil {
		return nil
	}
	return lease.Check(ctx)
}

// Begin opens a run on a connection of its own.
func (l *Log) Begin(ctx context.Context) (connector.Run, error) {
	r := &run{log: l, closed: make(chan struct{})}
	var err error
	r.nc, r.js, err = l.c.dialOnce(ctx, nats.ClosedHandler(func(*nats.Conn) { close(r.closed) }))
	if err != nil {
		return nil, err
	}
	if err := r.begin(ctx); err != nil {
		r.nc.Close()
		return nil, err
	}
	return r, nil
}

// begin reads the log and the state, and records the new run. The order counts:
// the state is read before the lease is checked, so that the compare-and-set
// fails if another daemon began a run since.
func (r *run) begin(ctx context.Context) error {
	if p := r.nc.MaxPayload(); p < minPayload {
		return fmt.Errorf("the nats server's max_payload is %d bytes: set it to %d or more", p, minPayload)
	}
	r.state = r.log.c.stateOn(r.nc, r.js)
	var record runRecord
	held, err := r.state.read(ctx, runKey(r.log.source), &record)
	if err != nil {
		return err
	}
	if err := checkLease(ctx, r.log.lease); err != nil {
		return err
	}
	info, err := r.open(ctx)
	if err != nil {
		return err
	}
	tail, err := r.readTail(ctx, info)
	if err != nil {
		return err
	}
	if r.start.Lost = judgeState(&record, held.found, info, tail); r.start.Lost != "" {
		tail.resume = ""
	}
	r.start = startRun(&record, tail, r.start, time.Now())
	record = recordRun(&record, r.start)
	if r.revision, err = r.state.write(ctx, runKey(r.log.source), record, held.revision); err != nil {
		if errors.Is(err, errConflict) {
			return fmt.Errorf("%w: another run of source %s began meanwhile", connector.ErrLogChanged, r.log.source)
		}
		return err
	}
	r.kept = record
	r.tailSequence = tail.sequence
	if r.out, err = newPublisher(r.nc, r.closed, info.Config.Name, info.State.LastSeq); err != nil {
		return err
	}
	if err := r.makeRoom(ctx, info); err != nil {
		return err
	}
	r.listener, err = listen(ctx, r.state, r.closed, r.log.c.names, r.log.source)
	return err
}

// open makes or checks the streams and learns the log's identity.
func (r *run) open(ctx context.Context) (*jetstream.StreamInfo, error) {
	c := r.log.c
	info, err := ensureStream(ctx, r.js, c.logConfig(r.log.source, newID()))
	if err != nil {
		return nil, err
	}
	if _, err := ensureStream(ctx, r.js, c.rejectsConfig()); err != nil {
		return nil, err
	}
	r.stream, r.subject = info.Config.Name, info.Config.Subjects[0]
	r.start.LogID = info.Config.Metadata[metadataID]
	r.start.ConfirmDelay = c.cfg.confirmDelay()
	return info, nil
}

// logTail is the newest message of a log, as far as a new run needs it.
type logTail struct {
	sequence uint64
	position inventory.Position
	resume   cdc.Resume
	empty    bool
}

// readTail reads the newest message. If the log grows meanwhile, another run is
// alive, and this one must not begin on half of what that one wrote.
func (r *run) readTail(ctx context.Context, info *jetstream.StreamInfo) (logTail, error) {
	m, err := getMessage(ctx, r.nc, r.stream, getRequest{LastFor: r.subject})
	if errors.Is(err, errNoMessage) {
		if info.State.Msgs > 0 {
			return logTail{}, fmt.Errorf("%w: its messages went away while it was read", connector.ErrLogChanged)
		}
		return logTail{empty: true}, nil
	}
	if err != nil {
		return logTail{}, err
	}
	if m.Sequence > info.State.LastSeq {
		return logTail{}, fmt.Errorf("%w: message %d came while its tail was read", connector.ErrLogChanged, m.Sequence)
	}
	e, err := parseHeader(m.Header)
	if err != nil {
		return logTail{}, fmt.Errorf("message %d of stream %s: %w", m.Sequence, r.stream, err)
	}
	return logTail{sequence: m.Sequence, position: e.Position, resume: e.Resume}, nil
}

// judgeState says what is lost if the state remembers a log that is gone, or
// messages of one that is now empty: with the newest message the checkpoint went,
// and to begin anew in silence would skip what the source did meanwhile.
func judgeState(record *runRecord, found bool, info *jetstream.StreamInfo, tail logTail) (lost string) {
	id := info.Config.Metadata[metadataID]
	switch {
	case found && record.Log != id:
		return fmt.Sprintf("the last run appended to log %s, and stream %s is now log %s", record.Log, info.Config.Name, id)
	case tail.empty && info.State.LastSeq > 0:
		return fmt.Sprintf("stream %s was emptied after message %d", info.Config.Name, info.State.LastSeq)
	case tail.empty && record.Position != "":
		return fmt.Sprintf("the last run knew of message %s, and stream %s is empty", record.Position, info.Config.Name)
	}
	return ""
}

// startRun numbers a run and chooses its token: the one kept in the state only
// if the log's tail is the very message that it was kept beside. Had anything
// been appended or lost since, the token would skip or repeat the wrong commits.
func startRun(record *runRecord, tail logTail, start connector.RunStart, now time.Time) connector.RunStart {
	start.Run = max(tail.position.Run+1, record.Run+1, uint64(now.UnixMilli()))
	start.Tail, start.Resume = tail.position, tail.resume
	if start.Lost == "" && record.Resume != "" && record.Log == start.LogID && record.Position == textOf(tail.position) {
		if token, err := unescapeToken(record.Resume); err == nil {
			start.Resume = cdc.Resume(token)
		}
	}
	return start
}

// recordRun is what the state holds of a run from its beginning. A token that was
// kept beside another message stays: it may have been confirmed to the source,
// and counts again should a power cut take what was appended behind that message.
func recordRun(held *runRecord, start connector.RunStart) runRecord {
	next := runRecord{Log: start.LogID, Run: start.Run, Position: textOf(start.Tail), Resume: escapeToken(string(start.Resume))}
	if held.Log == start.LogID && held.Resume != "" && held.Position != next.Position {
		next.Position, next.Resume = held.Position, held.Resume
	}
	return next
}

// sourceOf returns the source of a log's stream, if name is one.
func (n names) sourceOf(stream string) (string, bool) {
	rest, ok := strings.CutPrefix(stream, n.logPrefix())
	source := strings.ToLower(rest)
	return source, ok && sourcePattern.MatchString(source)
}

func (c *Client) stateOn(nc *nats.Conn, js jetstream.JetStream) *state {
	return &state{nc: nc, js: js, config: c.stateConfig()}
}
