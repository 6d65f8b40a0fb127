package natslog

import (
	"context"
	"errors"
	"fmt"
	"sort"

	"github.com/nats-io/nats.go"

	"tailstock/connector/inventory"
)

// finder looks up messages of one log by position. Positions grow with the
// sequence; sequences may be missing.
type finder struct {
	nc      *nats.Conn
	stream  string
	subject string
}

// located is a message's place in the stream, and its numbers.
type located struct {
	storedMessage
	inventory.Envelope
}

// at returns the first message at or above sequence; errNoMessage if there is none.
func (f *finder) at(ctx context.Context, sequence uint64) (located, error) {
	m, err := getMessage(ctx, f.nc, f.stream, getRequest{Sequence: max(sequence, 1), NextFor: f.subject})
	if err != nil {
		return located{}, err
	}
	return f.locate(m)
}

// last returns the newest message; errNoMessage if there is none.
func (f *finder) last(ctx context.Context) (located, error) {
	m, err := getMessage(ctx, f.nc, f.stream, getRequest{LastFor: f.subject})
	if err != nil {
		return located{}, err
	}
	return f.locate(m)
}

func (f *finder) locate(m storedMessage) (located, error) {
	e, err := parseHeader(m.Header)
	if err != nil {
		return located{}, fmt.Errorf("message %d of stream %s: %w", m.Sequence, f.stream, err)
	}
	return located{m, e}, nil
}

// search returns the first sequence in [first, last] from which on reached holds
// for the next message, and last+1 if it holds for none. reached must not turn
// false again with growing sequences.
func (f *finder) search(ctx context.Context, first, last uint64, reached func(located) bool) (uint64, error) {
	if first == 0 || last < first {
		return last + 1, nil
	}
	var failed error
	n := sort.Search(int(last-first)+1, func(i int) bool { //nolint:gosec // far below 2^63
		if failed != nil {
			return true
		}
		m, err := f.at(ctx, first+uint64(i)) //nolint:gosec // i is not negative
		if errors.Is(err, errNoMessage) {
			return true // nothing above: look below
		}
		failed = err
		return err != nil || reached(m)
	})
	return first + uint64(n), failed //nolint:gosec // n is not negative
}

// after returns the sequence to read from for the first message with a position
// above p, within [first, last]. hint is where p may stand; it is believed only
// if the message there has p.
func (f *finder) after(ctx context.Context, p inventory.Position, hint, first, last uint64) (uint64, error) {
	if p.IsZero() {
		return max(first, 1), nil
	}
	if hint > 0 {
		m, err := f.at(ctx, hint)
		if err == nil && m.Sequence == hint && m.Position == p {
			return hint + 1, nil
		}
		if err != nil && !errors.Is(err, errNoMessage) {
			return 0, err
		}
	}
	return f.search(ctx, first, last, func(m located) bool { return p.Before(m.Position) })
}

// exact returns the message whose position is p; errNoMessage if there is none.
func (f *finder) exact(ctx context.Context, p inventory.Position, hint, first, last uint64) (located, error) {
	if hint > 0 {
		m, err := f.at(ctx, hint)
		if err == nil && m.Sequence == hint && m.Position == p {
			return m, nil
		}
		if err != nil && !errors.Is(err, errNoMessage) {
			return located{}, err
		}
	}
	sequence, err := f.search(ctx, first, last, func(m located) bool { return !m.Position.Before(p) })
	if err != nil {
		return located{}, err
	}
	m, err := f.at(ctx, sequence)
	if err == nil && m.Position != p {
		err = errNoMessage
	}
	return m, err
}
