package natslog

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
)

// publisher appends to one stream, each message stating the sequence that it
// follows. So the ack of one message is the ack of all before it, and after the
// first failure every later message fails.
//
// It speaks to the server itself because the asynchronous publisher of nats.go
// retries on its own clock, and leaves futures unresolved when a connection that
// does not reconnect is closed.
type publisher struct {
	nc     *nats.Conn
	stream string
	closed <-chan struct{} // closed with the connection
	inbox  string          // answers come to inbox + sequence
	header nats.Header     // reused for every message; one caller at a time publishes

	mu      sync.Mutex
	base    uint64 // the stream's last sequence before the first message
	sent    uint64 // sequence of the last message sent
	acked   uint64 // sequence of the last message acknowledged
	failed  error
	waiters []publishWaiter
}

// errConnectionClosed is returned when the connection of a run or session ended:
// the server went away, or the run was closed.
var errConnectionClosed = errors.New("the connection to nats is closed")

type publishWaiter struct {
	sequence uint64
	done     chan struct{}
}

// newPublisher returns a publisher behind sequence last. closed is closed when
// the connection is.
func newPublisher(nc *nats.Conn, closed <-chan struct{}, stream string, last uint64) (*publisher, error) {
	p := &publisher{
		nc: nc, closed: closed, stream: stream, inbox: nc.NewInbox() + ".",
		header: make(nats.Header), base: last, sent: last, acked: last,
	}
	if _, err := nc.Subscribe(p.inbox+"*", p.answer); err != nil {
		return nil, fmt.Errorf("subscribe to acks of stream %s: %w", stream, err)
	}
	return p, nil
}

// publish sends a message and returns the sequence that it will have. The caller
// has set the header. data may be reused when it returns.
func (p *publisher) publish(subject string, data []byte) (uint64, error) {
	p.mu.Lock()
	if p.failed != nil {
		err := p.failed
		p.mu.Unlock()
		return 0, err
	}
	last := p.sent
	p.sent++
	p.mu.Unlock()
	p.header[headerExpected] = []string{strconv.FormatUint(last, 10)}
	err := p.nc.PublishMsg(&nats.Msg{
		Subject: subject, Reply: p.inbox + strconv.FormatUint(last+1, 10), Header: p.header, Data: data,
	})
	if errors.Is(err, nats.ErrMaxPayload) {
		err = fmt.Errorf("%w: %d bytes, and the server's max_payload is %d", err, len(data), p.nc.MaxPayload())
	}
	if err != nil {
		p.fail(fmt.Errorf("publish to stream %s: %w", p.stream, err))
		return 0, p.failure()
	}
	return last + 1, nil
}

// expected returns the sequence that the next message will follow.
func (p *publisher) expected() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}

// window returns the last sequence acknowledged and the last sent.
func (p *publisher) window() (acked, sent uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acked, p.sent
}

func (p *publisher) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.failed
}

// fail makes every message fail that is not acknowledged. The first reason stays.
func (p *publisher) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = err
	}
	for _, w := range p.waiters {
		close(w.done)
	}
	p.waiters = nil
}

// answer takes one ack or error from the server.
func (p *publisher) answer(m *nats.Msg) {
	sequence, err := strconv.ParseUint(strings.TrimPrefix(m.Subject, p.inbox), 10, 64)
	if err != nil {
		p.fail(fmt.Errorf("ack of stream %s on subject %q", p.stream, m.Subject))
		return
	}
	if err := p.judge(m, sequence); err != nil {
		p.fail(fmt.Errorf("publish message %d to stream %s: %w", sequence, p.stream, err))
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked = max(p.acked, sequence)
	waiting := p.waiters[:0]
	for _, w := range p.waiters {
		if w.sequence <= p.acked {
			close(w.done)
			continue
		}
		waiting = append(waiting, w)
	}
	clear(p.waiters[len(waiting):])
	p.waiters = waiting
}

type publishAnswer struct {
	Error    *jetstream.APIError `json:"error"`
	Stream   string              `json:"stream"`
	Sequence uint64              `json:"seq"`
}

// judge decides whether the message is stored where it belongs.
func (p *publisher) judge(m *nats.Msg, sequence uint64) error {
	if stored, ok := parseAck(m.Data, p.stream); ok && stored == sequence {
		return nil
	}
	if len(m.Data) == 0 && m.Header.Get("Status") == "503" {
		return fmt.Errorf("%w: no stream takes its messages any more", connector.ErrLogChanged)
	}
	var a publishAnswer
	if err := json.Unmarshal(m.Data, &a); err != nil {
		return fmt.Errorf("read ack: %w", err)
	}
	switch {
	case a.Error != nil && (a.Error.ErrorCode == codeWrongSequence || a.Error.ErrorCode == codeWrongSequenceReplicated):
		return fmt.Errorf("%w: it was to follow message %d: another writer is ahead, or the stream lost its tail: %w",
			connector.ErrLogChanged, sequence-1, a.Error)
	case a.Error != nil && a.Error.ErrorCode == codeStoreFailed:
		return fmt.Errorf("the stream takes no more, as when it is full: %w", a.Error)
	case a.Error != nil:
		return a.Error
	case a.Stream != p.stream || a.Sequence != sequence:
		return fmt.Errorf("%w: stored as message %d of stream %s", connector.ErrLogChanged, a.Sequence, a.Stream)
	}
	return nil
}

// parseAck reads the form of ack that servers send, without a JSON decoder:
// {"stream":"NAME","seq":N}. Any other form is left to one.
func parseAck(b []byte, stream string) (uint64, bool) {
	rest, ok := bytes.CutPrefix(b, []byte(`{"stream":"`))
	if !ok || !bytes.HasPrefix(rest, []byte(stream)) {
		return 0, false
	}
	rest, ok = bytes.CutPrefix(rest[len(stream):], []byte(`","seq":`))
	if !ok {
		return 0, false
	}
	digits, ok := bytes.CutSuffix(rest, []byte(`}`))
	if !ok {
		return 0, false
	}
	sequence, err := strconv.ParseUint(string(digits), 10, 64)
	return sequence, err == nil
}

// wait blocks until message sequence is acknowledged or cannot be any more.
func (p *publisher) wait(ctx context.Context, sequence uint64) error {
	p.mu.Lock()
	if p.acked >= sequence || p.failed != nil {
		defer p.mu.Unlock()
		return p.verdict(sequence)
	}
	w := publishWaiter{sequence, make(chan struct{})}
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	select {
	case <-w.done:
	case <-p.closed:
		p.fail(p.closedError())
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.verdict(sequence)
}

func (p *publisher) closedError() error {
	err := errConnectionClosed
	if cause := p.nc.LastError(); cause != nil {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	return fmt.Errorf("publish to stream %s: %w", p.stream, err)
}

// drain waits until everything sent is acknowledged or failed, for a bounded time.
func (p *publisher) drain() {
	p.mu.Lock()
	if p.acked >= p.sent || p.failed != nil {
		p.mu.Unlock()
		return
	}
	w := publishWaiter{p.sent, make(chan struct{})}
	p.waiters = append(p.waiters, w)
	p.mu.Unlock()
	timer := time.NewTimer(drainTimeout)
	defer timer.Stop()
	select {
	case <-w.done:
	case <-p.closed:
	case <-timer.C:
	}
}

// verdict on a message that is acknowledged or failed. mu must be held.
func (p *publisher) verdict(sequence uint64) error {
	if p.acked >= sequence {
		return nil
	}
	return p.failed
}

// ack is a message that was sent.
type ack struct {
	p        *publisher
	sequence uint64
}

// Wait blocks until the message is acknowledged by the server.
func (a ack) Wait(ctx context.Context) error { return a.p.wait(ctx, a.sequence) }
