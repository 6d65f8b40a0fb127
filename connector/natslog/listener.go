package natslog

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"tailstock/connector"
)

// listenEvery is how often the kept reports are read again: they say which stores
// are registered. What stores announce comes at once.
const listenEvery = 2 * time.Second

// listener knows the newest report of every registered store about one source.
// It is safe for concurrent use.
type listener struct {
	state  *state
	source string

	mu      sync.Mutex
	reports map[string]connector.StoreReport // of registered stores
	// strangers have announced themselves, and are not known to be registered.
	strangers map[string]connector.StoreReport

	// reported is signalled when reports have changed.
	reported chan struct{}
	// stranger is signalled when a store announces itself that is not known yet.
	stranger chan struct{}
	done     chan struct{}
}

// listen reads the kept reports and follows what is announced on the connection of
// s, until that is closed.
func listen(ctx context.Context, s *state, closed <-chan struct{}, n names, source string) (*listener, error) {
	l := &listener{
		state: s, source: source, reports: make(map[string]connector.StoreReport), strangers: make(map[string]connector.StoreReport),
		reported: make(chan struct{}, 1), stranger: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if _, err := s.nc.Subscribe(n.reportSubject(source, "*"), l.announced); err != nil {
		return nil, fmt.Errorf("listen to reports of stores: %w", err)
	}
	if err := l.read(ctx); err != nil {
		return nil, err
	}
	go l.follow(context.WithoutCancel(ctx), closed)
	return l, nil
}

// follow reads the kept reports now and then. What cannot be read now is read the
// next time: until then the newest known counts.
func (l *listener) follow(ctx context.Context, closed <-chan struct{}) {
	defer close(l.done)
	tick := time.NewTicker(listenEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			_ = l.read(ctx)
		case <-l.stranger:
			_ = l.read(ctx)
		case <-closed:
			return
		}
	}
}

// read takes the kept reports. A store whose report is not kept is forgotten.
func (l *listener) read(ctx context.Context) error {
	kept, err := readReports(ctx, l.state, reportKey(l.source, "*"))
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	registered := make(map[string]connector.StoreReport, len(kept))
	for i := range kept {
		r := kept[i].StoreReport
		for _, heard := range []map[string]connector.StoreReport{l.reports, l.strangers} {
			if known, ok := heard[r.Store]; ok && newer(&known, &r) {
				r = known
			}
		}
		delete(l.strangers, r.Store)
		registered[r.Store] = r
	}
	l.reports = registered
	signal(l.reported)
	return nil
}

// newer reports whether a says more than b about the same log. Positions of two
// logs cannot be compared: there the kept one counts.
func newer(a, b *connector.StoreReport) bool {
	return a.LogID == b.LogID && b.Position.Before(a.Position)
}

// announced takes a report as its store sends it.
func (l *listener) announced(m *nats.Msg) {
	var record reportRecord
	if json.Unmarshal(m.Data, &record) != nil {
		return // the kept one is read instead
	}
	report, err := record.report()
	if err != nil {
		return // as above
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, registered := l.reports[report.Store]; registered {
		l.reports[report.Store] = report.StoreReport
		signal(l.reported)
		return
	}
	l.strangers[report.Store] = report.StoreReport
	signal(l.stranger)
}

// signal makes sure that c is signalled.
func signal(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Reported is signalled when Reports may return something else than before.
func (r *run) Reported() <-chan struct{} { return r.listener.reported }

// Reports returns the newest report of every registered store.
func (r *run) Reports() []connector.StoreReport {
	l := r.listener
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]connector.StoreReport, 0, len(l.reports))
	for _, report := range l.reports {
		out = append(out, report)
	}
	return out
}
