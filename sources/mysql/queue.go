package mysql

import (
	"context"
	"sync"

	"tailstock/connector/cdc"
)

// queue carries transactions from the reader to Tail's goroutine: one puts, one
// takes. It never blocks the reader, which asks whether there is room before it
// reads on, and hands over whatever has gathered at once: one transaction when
// caught up, many when behind.
type queue struct {
	limit int
	// filled and drained are signalled after items were added or finished with.
	filled, drained chan struct{}

	mu    sync.Mutex
	items []delivery
	// bytes is the size of what was put and is not finished with.
	bytes int
}

func newQueue(limit int) *queue {
	return &queue{limit: limit, filled: make(chan struct{}, 1), drained: make(chan struct{}, 1)}
}

// put adds items, and reports whether there is room for more.
func (q *queue) put(items []delivery, bytes int) (room bool) {
	if len(items) == 0 {
		return q.room()
	}
	q.mu.Lock()
	q.items = append(q.items, items...)
	q.bytes += bytes
	room = q.bytes < q.limit
	q.mu.Unlock()
	signal(q.filled)
	return room
}

func (q *queue) room() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.bytes < q.limit
}

// take waits for items and returns all there are. It reuses the storage of
// spent, the result of the last take.
func (q *queue) take(ctx context.Context, spent []delivery) ([]delivery, error) {
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
func (q *queue) finish(d delivery) {
	q.mu.Lock()
	full := q.bytes >= q.limit
	q.bytes -= d.bytes
	free := full && q.bytes < q.limit
	q.mu.Unlock()
	if free {
		signal(q.drained)
	}
}

func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// delivery is a transaction on its way to emit, and about how much memory it takes.
type delivery struct {
	transaction *cdc.Transaction
	bytes       int
	// doubts are captured tables that the transaction may have changed without saying so.
	doubts []cdc.TableName
}
