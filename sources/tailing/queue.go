package tailing

import (
	"context"
	"sync"

	"tailstock/connector/cdc"
)

// Delivery is a transaction on its way to emit.
type Delivery struct {
	Transaction *cdc.Transaction
	// Bytes is about how much memory the transaction takes.
	Bytes int
	// Doubts are captured tables that the transaction may have changed without saying so.
	Doubts []cdc.TableName
}

// Queue carries transactions from the goroutine that decodes to the one that
// emits: one puts, one takes. Put never blocks: the reader asks whether there is
// room before it reads on. Take hands over whatever has gathered at once: one
// transaction when caught up, many when behind.
type Queue struct {
	limit int
	// filled and drained are signalled after items were added or finished with.
	filled, drained chan struct{}

	mu    sync.Mutex
	items []Delivery
	// bytes is the size of what was put and is not finished with.
	bytes int
}

// NewQueue returns a queue that has room while less than limit bytes are in it.
func NewQueue(limit int) *Queue {
	return &Queue{limit: limit, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// Put adds items, whose Bytes add up to bytes, also beyond the limit, and reports
// whether there is room for more.
func (q *Queue) Put(items []Delivery, bytes int) (room bool) {
	if len(items) == 0 {
		return q.Room()
	}
	q.mu.Lock()
	q.items = append(q.items, items...)
	q.bytes += bytes
	room = q.bytes < q.limit
	q.mu.Unlock()
	Signal(q.filled)
	return room
}

// Room reports whether there is room for more.
func (q *Queue) Room() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes < q.limit
}

// Drained is signalled when a full queue has room again.
func (q *Queue) Drained() <-chan struct{} { return q.drained }

// Deliver calls each with what is put, in its order and one after the other,
// until that fails or ctx ends, which it reports by its cause. The room of a
// delivery is free once each returns. More is set in transactions that others
// follow at once.
func (q *Queue) Deliver(ctx context.Context, each func(Delivery) error) error {
	var batch []Delivery
	for {
		var err error
		if batch, err = q.take(ctx, batch); err != nil {
			return err
		}
		for i, d := range batch {
			d.Transaction.More = i < len(batch)-1
			if err := each(d); err != nil {
				return err
			}
			q.finish(d)
		}
	}
}

// take waits for items and returns all there are. It reuses the storage of
// spent, the result of the last take.
func (q *Queue) take(ctx context.Context, spent []Delivery) ([]Delivery, error) {
	clear(spent)
	for {
		q.mu.Lock()
		items := q.items
		if len(items) > 0 {
			q.items = spent[:0]
			q.mu.Unlock()
			return items, nil
		}
		q.mu.Unlock()
		select {
		case <-q.filled:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// finish gives back the room of a delivery.
func (q *Queue) finish(d Delivery) {
	q.mu.Lock()
	full := q.bytes >= q.limit
	q.bytes -= d.Bytes
	free := full && q.bytes < q.limit
	q.mu.Unlock()
	if free {
		Signal(q.drained)
	}
}

// Signal makes a channel of capacity one readable, if it is not yet.
func Signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
