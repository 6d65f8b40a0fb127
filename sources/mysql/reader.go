package mysql

import (
	"context"
	"sync"
	"time"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// reader decodes the stream and hands transactions to the queue. Its methods but
// arrive belong to the library's goroutine.
type reader struct {
	ctx     context.Context //nolint:containedctx // the library's goroutine takes none
	metrics *metrics
	decoder *decoder
	queue   *tailing.Queue
	// nextTick is when progress is due.
	nextTick time.Time

	mu sync.Mutex
	// handed is the place and token of what was handed over last, and wanted a
	// place that somebody waits for.
	handed place
	token  cdc.Resume
	wanted *place
	// midway says that parts of a transaction were handed over, and its end was not.
	midway bool
}

const (
	// tickInterval is how often progress is made while nothing else carries it.
	tickInterval = time.Second
	// handOverBytes is how much is decoded before it is handed over, if the
	// socket has so much at hand.
	handOverBytes = 256 << 10
)

// event decodes one event.
func (r *reader) event(raw []byte) error {
	r.metrics.received.Add(float64(len(raw)))
	if err := r.decoder.event(raw); err != nil {
		return err
	}
	if r.decoder.readyBytes >= handOverBytes {
		return r.handOver()
	}
	return nil
}

// idle hands over what is decoded, before the reader waits for more.
func (r *reader) idle() error {
	now := time.Now()
	if !now.Before(r.nextTick) {
		r.nextTick = now.Add(tickInterval)
		r.metrics.lag.Set(r.decoder.lag.Seconds())
		r.metrics.prepared.Set(float64(len(r.decoder.xa.order)))
		r.decoder.flushProgress(false)
	}
	return r.handOver()
}

// handOver puts what is decoded into the queue, and waits while that is full.
func (r *reader) handOver() error {
	r.mu.Lock()
	if r.decoder.boundary != r.handed || r.token == "" {
		r.handed, r.token = r.decoder.boundary, r.decoder.boundaryToken()
	}
	r.midway = r.decoder.midway()
	if r.wanted != nil && r.handed.compare(*r.wanted) >= 0 && !r.midway {
		r.wanted = nil
		r.decoder.flushProgress(true)
	}
	room := r.queue.Put(r.decoder.take())
	r.mu.Unlock()
	for !room {
		select {
		case <-r.queue.Drained():
		case <-r.ctx.Done():
			return context.Cause(r.ctx)
		}
		room = r.queue.Room()
	}
	return nil
}

// arrive makes progress as soon as everything before to is handed over: at once,
// if it is already. It may be called from any goroutine.
func (r *reader) arrive(to place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.token == "" || r.handed.compare(to) < 0 || r.midway {
		r.wanted = &to
		return
	}
	r.queue.Put([]tailing.Delivery{{Transaction: &cdc.Transaction{Last: true, Resume: r.token}, Bytes: transactionBytes}}, transactionBytes)
}
