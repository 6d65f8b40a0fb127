package sourcetest

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"tailstock/connector/cdc"
)

// follow runs Tail for l from a token, beginning anew after each of the random
// crashes, until condition holds after an emit, and returns the token of that.
// If poke is given, it is called until the first emit.
func (l *loader) follow(from cdc.Resume, crashes *rand.Rand, poke func(), condition func(t *cdc.Transaction) bool) cdc.Resume {
	l.t.Helper()
	f := &following{loader: l, token: from, condition: condition, deadline: time.Now().Add(l.patience)}
	for !f.held {
		l.restart()
		f.left, f.failure = -1, nil
		if crashes != nil {
			f.left = 50 + crashes.IntN(400)
		}
		st := tail(l.t, l.source, f.token, f.emit)
		if poke != nil {
			f.poke(st, poke)
		}
		err := st.ended()
		l.stop()
		switch {
		case f.failure != nil && !errors.Is(f.failure, errCrash):
			l.t.Fatalf("%v", f.failure)
		case f.failure == nil && !mayRetry(err):
			l.t.Fatalf("Tail returned %v, want emit's error", err)
		case !f.held && time.Now().After(f.deadline):
			l.t.Fatalf("not done within %v: %s", l.patience, l.status())
		}
	}
	return f.token
}

// mayRetry reports whether a retry may cure an error of Tail, such as a server
// that has not let go of the last Tail yet.
func mayRetry(err error) bool {
	var gap *cdc.GapError
	var setup *cdc.SetupError
	return !errors.As(err, &gap) && !errors.As(err, &setup)
}

// following is a call of follow.
type following struct {
	*loader
	token     cdc.Resume
	condition func(t *cdc.Transaction) bool
	deadline  time.Time
	// left is how many emits there are until the next crash, negative for none.
	left    int
	emitted atomic.Bool
	// failure is what emit returned, held that it did because the condition holds.
	failure error
	held    bool
}

func (f *following) emit(ctx context.Context, t *cdc.Transaction) error {
	f.emitted.Store(true)
	if f.left == 0 {
		f.failure = errCrash
		return f.failure
	}
	f.left--
	if f.failure = f.loader.emit(ctx, t); f.failure != nil {
		return f.failure
	}
	f.token = t.Resume
	f.source.Confirm(f.token) // lest every crash make the source read everything again
	if f.held = f.condition(t); f.held || time.Now().After(f.deadline) {
		f.failure = errCrash
	}
	return f.failure
}

// poke calls what makes an idle source emit, until it does.
func (f *following) poke(st *stream, poke func()) {
	f.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !f.emitted.Load() && !st.returned() {
		if time.Now().After(f.deadline) {
			f.t.Fatalf("nothing was emitted within %v", f.patience)
		}
		<-tick.C
		poke()
	}
}

// status describes the loads for people.
func (l *loader) status() string {
	s := ""
	for _, d := range l.loads {
		s += fmt.Sprintf("%s: %d passes left, %d chunks, %d rows dropped, %d read again; ", d.table.Name, d.passes, d.chunks, d.dropped, d.again)
	}
	return s
}
