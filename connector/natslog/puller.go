package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector"
)

const (
	// pullExpires is how long the server keeps a pull open that finds nothing.
	pullExpires = 30 * time.Second
	// pullBeat is how often the server shows that an idle pull is alive, and
	// pullSilence after how long without a sign it is taken for dead.
	pullBeat    = 5 * time.Second
	pullSilence = 3 * pullBeat
	// consumerIdle is when the server forgets a reader that is gone.
	consumerIdle = 5 * time.Minute
	// statusRoom is for the words about pulls that come between messages.
	statusRoom = 64
)

// puller reads a stream in order from one sequence on, by a consumer of its own
// without acks. It keeps a pull open, so that a message that comes is sent at
// once. The server numbers what it sends to a consumer; a missing number is an
// error, so nothing is skipped unseen between server and caller. Any failure is
// final: whoever reads opens another puller and compares anew.
//
// Pulls are bounded by their number of messages alone: a pull that is bounded in
// bytes and used up exactly ends without a word (nats-server 2.15, nextWaiting).
type puller struct {
	nc       *nats.Conn
	js       jetstream.JetStream
	stream   string
	consumer string
	batch    int
	closed   <-chan struct{} // closed with the connection

	sub      *nats.Subscription
	inbox    string
	request  []byte
	messages chan *nats.Msg
	left     int // messages that open pulls may still bring
	heard    time.Time

	pending   uint64 // messages that there were to read at the start
	delivered uint64 // consumer sequence of the last message
	sequence  uint64 // stream sequence of the last message
}

// pulled is a message with its place.
type pulled struct {
	*nats.Msg
	sequence uint64
	pending  uint64 // messages behind it, when it was sent
}

// openPuller starts to read, holding up to one and a half batches of messages
// that its caller has not taken. cfg says from where; the rest of it is filled
// in. closed is closed when the connection is.
func openPuller(ctx context.Context, nc *nats.Conn, closed <-chan struct{}, js jetstream.JetStream,
	stream string, batch int, cfg jetstream.ConsumerConfig,
) (*puller, error) {
	p := &puller{
		nc: nc, js: js, stream: stream, consumer: "tailstock-" + newID(), batch: batch, closed: closed,
		inbox: nc.NewInbox(), messages: make(chan *nats.Msg, 2*batch+statusRoom),
		sequence: max(cfg.OptStartSeq, 1) - 1,
	}
	cfg.Name = p.consumer
	cfg.AckPolicy = jetstream.AckNonePolicy
	cfg.MemoryStorage, cfg.Replicas = true, 1
	cfg.InactiveThreshold = consumerIdle
	ctx, cancel := withRequestTimeout(ctx)
	defer cancel()
	consumer, err := js.CreateConsumer(ctx, stream, cfg)
	if err != nil {
		if errors.Is(err, jetstream.ErrStreamNotFound) {
			err = connector.ErrNoLog
		}
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
	}
	p.pending = consumer.CachedInfo().NumPending
	p.request, err = json.Marshal(map[string]any{"batch": batch, "expires": pullExpires, "idle_heartbeat": pullBeat})
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
	}
	if p.sub, err = nc.ChanSubscribe(p.inbox, p.messages); err != nil {
		return nil, fmt.Errorf("read stream %s: %w", stream, err)
	}
	return p, p.ask()
}

// ask opens another pull when the open ones are half used up.
func (p *puller) ask() error {
	if p.left > p.batch/2 {
		return nil
	}
	if err := p.nc.PublishRequest("$JS.API.CONSUMER.MSG.NEXT."+p.stream+"."+p.consumer, p.inbox, p.request); err != nil {
		return fmt.Errorf("read stream %s: %w", p.stream, err)
	}
	p.left += p.batch
	p.heard = time.Now()
	return nil
}

// next returns the next message, or false if none came until wait fired. A nil
// wait means not to wait at all.
func (p *puller) next(ctx context.Context, wait <-chan time.Time) (pulled, bool, error) {
	for {
		m, err := p.receive(ctx, wait)
		if m == nil || err != nil {
			return pulled{}, false, err
		}
		p.heard = time.Now()
		if m.Reply == "" {
			if err := p.status(m); err != nil {
				return pulled{}, false, err
			}
			continue
		}
		out, err := p.place(m)
		return out, err == nil, err
	}
}

// expect returns a message that is known to be there.
func (p *puller) expect(ctx context.Context) (pulled, error) {
	timer := time.NewTimer(requestTimeout)
	defer timer.Stop()
	m, ok, err := p.next(ctx, timer.C)
	if err == nil && !ok {
		err = fmt.Errorf("read stream %s: the message after %d did not come", p.stream, p.sequence)
	}
	return m, err
}

func (p *puller) receive(ctx context.Context, wait <-chan time.Time) (*nats.Msg, error) {
	select {
	case m := <-p.messages:
		return m, nil
	default:
	}
	if wait == nil {
		return nil, nil //nolint:nilnil // nothing is at hand
	}
	silence := time.NewTimer(time.Until(p.heard.Add(pullSilence)))
	defer silence.Stop()
	select {
	case m := <-p.messages:
		return m, nil
	case <-wait:
		return nil, nil //nolint:nilnil // nothing came
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	case <-p.closed:
		return nil, fmt.Errorf("read stream %s: %w", p.stream, errConnectionClosed)
	case <-silence.C:
		return nil, fmt.Errorf("read stream %s: no sign of life for %s", p.stream, pullSilence)
	}
}

// place proves that m is the next message that the server sent.
func (p *puller) place(m *nats.Msg) (pulled, error) {
	meta, err := m.Metadata()
	if err != nil {
		return pulled{}, fmt.Errorf("read stream %s: %w", p.stream, err)
	}
	if meta.Sequence.Consumer != p.delivered+1 || meta.Sequence.Stream <= p.sequence {
		return pulled{}, fmt.Errorf("read stream %s: %w: message %d came as number %d after message %d, number %d",
			p.stream, connector.ErrLogChanged, meta.Sequence.Stream, meta.Sequence.Consumer, p.sequence, p.delivered)
	}
	p.delivered, p.sequence = meta.Sequence.Consumer, meta.Sequence.Stream
	p.left--
	return pulled{m, p.sequence, meta.NumPending}, p.ask()
}

// status takes a word about a pull: it is alive, or has expired. Everything else
// ends the reading.
func (p *puller) status(m *nats.Msg) error {
	switch code := m.Header.Get("Status"); code {
	case "100": // idle heartbeat
		return nil
	case "408": // expired
		unused, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
		if err != nil {
			return fmt.Errorf("read stream %s: expired pull: %w", p.stream, err)
		}
		p.left -= unused
		return p.ask()
	default:
		return fmt.Errorf("read stream %s: the server ended it: %s %s", p.stream, code, m.Header.Get("Description"))
	}
}

// close ends the reading. It does not wait for the server to forget the
// consumer, which it does in any case once nobody pulls.
func (p *puller) close() {
	_ = p.sub.Unsubscribe() // both fail only on a closed connection
	_ = p.nc.PublishRequest("$JS.API.CONSUMER.DELETE."+p.stream+"."+p.consumer, p.nc.NewInbox(), nil)
}
