package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"tailstock/connector"
)

// keysTime bounds how long a store works on a page of row keys.
const keysTime = 2 * time.Minute

func (n names) comparisonSubject(source string) string {
	return n.subject("inventory.verify") + "." + source
}

func (n names) keysSubject(source, store string) string {
	return n.controlPrefix() + ".keys." + source + "." + store
}

// ReportComparison announces what a store found. Whoever watches then hears of it,
// and nobody later: it is kept nowhere.
func (c *Client) ReportComparison(_ context.Context, r connector.ComparisonReport) error {
	if !storePattern.MatchString(r.Store) || !sourcePattern.MatchString(r.Source) {
		return fmt.Errorf("report comparison of store %q with source %q: not the names of a store and a source", r.Store, r.Source)
	}
	body, err := json.Marshal(r)
	if err == nil {
		err = c.nc.Publish(c.names.comparisonSubject(r.Source), body)
	}
	if err != nil {
		return fmt.Errorf("report comparison of store %s with source %s: %w", r.Store, r.Source, err)
	}
	return nil
}

// Comparisons are reports as they come. One may be lost on the way: the rows that
// they count tell. Not for concurrent use.
type Comparisons struct{ sub *nats.Subscription }

// WatchComparisons returns the reports about source that are made from now on.
func (c *Client) WatchComparisons(ctx context.Context, source string) (*Comparisons, error) {
	sub, err := c.nc.SubscribeSync(c.names.comparisonSubject(source))
	if err == nil {
		ctx, cancel := withRequestTimeout(ctx)
		defer cancel()
		err = c.nc.FlushWithContext(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("watch comparisons with source %s: %w", source, err)
	}
	return &Comparisons{sub}, nil
}

// Next returns the next report, waiting for it until ctx ends.
func (w *Comparisons) Next(ctx context.Context) (connector.ComparisonReport, error) {
	var r connector.ComparisonReport
	for {
		m, err := w.sub.NextMsgWithContext(ctx)
		switch {
		case errors.Is(err, nats.ErrSlowConsumer):
			continue // reports were dropped, which whoever adds them up finds
		case err != nil:
			return r, err
		}
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return r, fmt.Errorf("read report of a comparison: %w", err)
		}
		return r, nil
	}
}

// Close ends the watch.
func (w *Comparisons) Close() { _ = w.sub.Unsubscribe() } // at worst the connection ends it

// keysAnswer is the answer to a connector.KeysRequest.
type keysAnswer struct {
	connector.KeysPage
	Error string
}

// ServeKeys answers captures that ask for row keys of a store, until stop is called.
// stop waits for the answers under way, whose context it ends.
func (c *Client) ServeKeys(ctx context.Context, source, store string, keys connector.RowKeysFunc) (stop func() error, err error) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	sub, err := c.nc.Subscribe(c.names.keysSubject(source, store), func(m *nats.Msg) {
		wg.Go(func() { answerKeys(ctx, m, keys) })
	})
	if err != nil {
		cancel()
		return nil, fmt.Errorf("serve row keys of store %s: %w", store, err)
	}
	return func() error {
		err := sub.Unsubscribe()
		cancel()
		wg.Wait()
		if errors.Is(err, nats.ErrConnectionClosed) {
			return nil
		}
		return err
	}, nil
}

// answerKeys answers m. An answer that cannot be sent is as if it had been lost.
func answerKeys(ctx context.Context, m *nats.Msg, keys connector.RowKeysFunc) {
	ctx, cancel := context.WithTimeout(ctx, keysTime)
	defer cancel()
	var r connector.KeysRequest
	var a keysAnswer
	err := json.Unmarshal(m.Data, &r)
	if err == nil {
		a.KeysPage, err = keys(ctx, r)
	}
	if err != nil {
		a = keysAnswer{Error: err.Error()}
	}
	body, _ := json.Marshal(a) // strings and booleans always encode
	_ = m.Respond(body)
}

// AskKeys is a connector.AskKeysFunc.
func (c *Client) AskKeys(ctx context.Context, store string, r connector.KeysRequest) (connector.KeysPage, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTime+requestTimeout)
	defer cancel()
	var a keysAnswer
	body, err := json.Marshal(r)
	if err != nil {
		return a.KeysPage, fmt.Errorf("ask store %s for row keys: %w", store, err)
	}
	reply, err := c.nc.RequestWithContext(ctx, c.names.keysSubject(r.Source, store), body)
	if err == nil {
		err = json.Unmarshal(reply.Data, &a)
	}
	if err == nil && a.Error != "" {
		err = errors.New(a.Error)
	}
	if err != nil {
		return connector.KeysPage{}, fmt.Errorf("ask store %s for row keys: %w", store, err)
	}
	return a.KeysPage, nil
}
