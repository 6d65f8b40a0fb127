package tailing

import (
	"context"
	"errors"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"tailstock/connector/cdc"
)

func TestQueueKeepsOrderAndLimit(t *testing.T) {
	t.Parallel()
	const total, limit, size = 50_000, 1000, 30
	q := NewQueue(limit)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for n := 0; n < total; {
			var batch []Delivery
			for range min(1+n%7, total-n) {
				batch = append(batch, Delivery{Transaction: &cdc.Transaction{Part: n}, Bytes: size})
				n++
			}
			room := q.Put(batch, size*len(batch))
			for !room {
				select {
				case <-q.drained:
				case <-ctx.Done():
					return ctx.Err()
				}
				room = q.Room()
			}
		}
		return nil
	})
	g.Go(func() error {
		var batch []Delivery
		for n := 0; n < total; {
			var err error
			if batch, err = q.take(ctx, batch); err != nil {
				return err
			}
			// What waits is bounded by the limit and the last batch, of seven at most.
			if most := (limit + 7*size) / size; len(batch) > most {
				return errors.New("more than the limit was taken at once")
			}
			for _, d := range batch {
				if d.Transaction.Part != n {
					return errors.New("out of order")
				}
				n++
				q.finish(d)
			}
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if q.bytes != 0 {
		t.Errorf("%d bytes are left in an empty queue", q.bytes)
	}
}
