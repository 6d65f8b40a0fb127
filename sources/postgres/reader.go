package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"tailstock/internal/failpoint"
	"tailstock/sources/tailing"
)

// reader reads and decodes the stream, hands transactions to the queue, and
// answers the server. It is the only one to use the connection while it runs.
type reader struct {
	cfg      Config
	log      *slog.Logger
	metrics  *metrics
	stream   *stream
	decoder  *decoder
	queue    *tailing.Queue
	confirm  *confirmation
	observed <-chan struct{}

	// nextTick is when the periodic duties are due.
	nextTick time.Time
	// lastStatus and flushed are the time and the confirmed position of the last status update.
	lastStatus time.Time
	flushed    lsn
	// owed says that somebody waits for progress, and eager until when keepalives
	// make it at once: an answer cannot be told from a keepalive sent before it.
	owed  bool
	eager time.Time
	// asked is when the server was asked last.
	asked time.Time
	// broken says that the connection, or our understanding of it, is lost.
	broken bool
}

const (
	// tickMax is the longest interval of the reader's periodic duties.
	tickMax = time.Second
	// handOverBytes is how much is decoded before it is handed over, if the
	// socket has so much at hand.
	handOverBytes = 256 << 10
	// behind is the lag from which on reading in gulps pays. The time from the
	// making of a commit record to its sending includes the flush to disk.
	behind = 5 * time.Millisecond
	// flowing is how long a read waits at most for a server that has more to send:
	// it decodes a small transaction in a few tens of microseconds.
	flowing = 100 * time.Microsecond
	// askInterval is the shortest time between two questions.
	askInterval = time.Millisecond
	// eagerTime is how long after a question keepalives make progress at once.
	eagerTime = time.Second
)

// run reads until ctx ends or something fails.
func (r *reader) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, r.stream.interrupt)
	defer stop()
	err := r.loop(ctx)
	r.broken = ctx.Err() == nil
	return err
}

// tickInterval is short enough for status updates to be sent about on time.
func (r *reader) tickInterval() time.Duration { return min(tickMax, r.cfg.StatusInterval/4) }

func (r *reader) loop(ctx context.Context) error {
	r.nextTick = time.Now().Add(r.tickInterval())
	r.lastStatus = time.Now()
	for {
		if err := r.decode(ctx); err != nil {
			return err
		}
		if wait := r.gulp(); wait > 0 {
			r.stream.gather(wait)
		}
		before := r.stream.received
		if err := r.stream.fill(ctx, r.readUntil()); err != nil && !errors.Is(err, errIdle) {
			return err
		}
		r.metrics.received.Add(float64(r.stream.received - before))
		now := time.Now()
		if err := r.askPlace(now); err != nil {
			return err
		}
		if !now.Before(r.nextTick) {
			r.decoder.flushProgress()
			if err := r.tick(now); err != nil {
				return err
			}
		}
	}
}

// gulp returns how long the next read had better wait for the socket to fill:
// commits come late, and the last read found bytes at hand. It adds a tenth to
// their lateness at most. A reader that had to wait for bytes has caught up,
// whatever the lag says, and reads at once.
func (r *reader) gulp() time.Duration {
	if r.cfg.GulpWait <= 0 || r.decoder.lag < behind || r.stream.waited > flowing {
		return 0
	}
	r.metrics.gulps.Inc()
	return min(r.cfg.GulpWait, r.decoder.lag/10)
}

// readUntil returns until when the next read may wait: shorter when a question is
// to be asked that came too soon after the last one.
func (r *reader) readUntil() time.Time {
	next := r.asked.Add(askInterval)
	r.stream.known = r.stream.woken.Load() && time.Now().Before(next)
	if r.stream.known && next.Before(r.nextTick) {
		return next
	}
	return r.nextTick
}

// askPlace asks the server for a keepalive if that is wanted. However often it is
// wanted, reading goes on in between.
func (r *reader) askPlace(now time.Time) error {
	if now.Sub(r.asked) < askInterval || !r.stream.woken.Swap(false) {
		return nil
	}
	r.owed, r.asked, r.eager = true, now, now.Add(eagerTime)
	return r.sendStatus(now, true)
}

// answered makes progress of a keepalive if somebody waits for it. While commits
// are read again that an earlier Tail emitted, the server is not yet where we were.
func (r *reader) answered(position lsn) {
	if r.owed && r.decoder.reached(position) {
		r.owed = false
		r.decoder.progress = true
	}
	if time.Now().Before(r.eager) {
		r.decoder.flushProgress()
	}
}

// decode takes all complete messages that have been read, and hands over what
// they make.
func (r *reader) decode(ctx context.Context) error {
	for {
		m, ok, err := r.stream.next()
		if err != nil {
			return err
		}
		if !ok {
			return r.handOver(ctx)
		}
		if err := r.handle(m); err != nil {
			return err
		}
		if r.decoder.readyBytes >= handOverBytes || r.decoder.crowded {
			if err := r.handOver(ctx); err != nil {
				return err
			}
		}
	}
}

func (r *reader) handle(m message) error {
	switch m.kind {
	case 'd': // CopyData
		return r.data(m.body)
	case 'N': // NoticeResponse
		n, err := notice(m.body)
		if err != nil {
			return err
		}
		r.log.Warn("notice from the server while streaming", "severity", n.Severity, "code", n.Code, "message", n.Message)
		return nil
	case 'S': // ParameterStatus
		return nil
	case 'E': // ErrorResponse
		return streamError(r.cfg.Slot, m.body)
	case 'c', 'C': // CopyDone, CommandComplete
		return fmt.Errorf("the server ended the stream from slot %q: it is shutting down", r.cfg.Slot)
	default:
		return fmt.Errorf("message %q from the server while streaming", m.kind)
	}
}

// data handles what a CopyData message carries, as laid out in the chapter
// "Streaming Replication Protocol" of the PostgreSQL documentation.
func (r *reader) data(body []byte) error {
	w := &wire{b: body}
	switch kind := w.uint8(); kind {
	case 'w': // XLogData: two positions that are of no use to us, and the time
		w.take(16)
		sent := w.time()
		if w.bad {
			return w.check("XLogData")
		}
		return r.decoder.message(w.b, sent)
	case 'k': // keepalive
		end := w.lsn()
		w.uint64()
		reply := w.uint8() != 0
		if err := w.check("keepalive"); err != nil {
			return err
		}
		r.decoder.passed(end)
		r.answered(end)
		if reply {
			return r.sendStatus(time.Now(), false)
		}
		return nil
	default:
		return fmt.Errorf("replication message of unknown kind %q", kind)
	}
}

// handOver puts what is decoded into the queue, and waits while that is full.
func (r *reader) handOver(ctx context.Context) error {
	if room := r.queue.Put(r.decoder.take()); room && !r.decoder.crowded {
		return nil
	}
	for !r.queue.Room() || r.confirm.pending() >= maxUnseen {
		if err := r.wait(ctx); err != nil {
			return err
		}
	}
	r.decoder.crowded = false
	r.stream.lastRead = time.Now() // the silence was ours
	return nil
}

// wait waits for room, doing the periodic duties when they are due.
func (r *reader) wait(ctx context.Context) error {
	timer := time.NewTimer(time.Until(r.nextTick))
	defer timer.Stop()
	select {
	case <-r.queue.Drained():
		return nil
	case <-r.observed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case now := <-timer.C:
		r.stream.lastRead = now
		return r.tick(now)
	}
}

// tick does what is due now and then: it sends a status update when the
// interval has passed or the confirmed position has moved, and makes sure that
// the server is still there.
func (r *reader) tick(now time.Time) error {
	r.nextTick = now.Add(r.tickInterval())
	r.metrics.lag.Set(r.decoder.lag.Seconds())
	// A server that hears from us may be silent for ever, but it answers when asked.
	if silence := now.Sub(r.stream.lastRead); silence > r.cfg.WALSenderTimeout {
		return fmt.Errorf("nothing came from the server for %v", silence.Round(time.Second))
	}
	flush, _ := r.confirm.positions()
	if flush <= r.flushed && now.Sub(r.lastStatus) < r.cfg.StatusInterval-r.tickInterval() {
		return nil
	}
	return r.sendStatus(now, false)
}

// sendStatus tells the server what was read and what may be discarded, and asks
// for an answer if that is wanted or nothing came for a while.
func (r *reader) sendStatus(now time.Time, ask bool) error {
	flush, read := r.confirm.positions()
	ask = ask || now.Sub(r.stream.lastRead) >= r.cfg.StatusInterval/2
	m := &pgproto3.CopyData{Data: statusUpdate(max(read, flush), flush, now, ask)}
	if err := r.stream.send(m, r.cfg.StatusInterval); err != nil {
		return fmt.Errorf("send a status update: %w", err)
	}
	moved := flush > r.flushed
	r.lastStatus, r.flushed = now, flush
	if moved {
		failpoint.Hit("source.confirmed")
	}
	return nil
}
