package endtoend_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

// recorder follows the levels stream through every restart, and judges what is
// published. A broker that is killed may lose its newest levels, so after a
// reconnect an old level can be seen again; what is new must be newer than
// anything ever seen of its cell.
type recorder struct {
	mu       sync.Mutex
	seen     map[inventory.Version]string // version to body
	newest   map[inventory.Cell]inventory.Version
	problems []string
	connects int
}

// record follows the levels of s until the test ends, and then fails it if a
// version went backwards or was given twice.
func (s *system) record(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{seen: make(map[inventory.Version]string), newest: make(map[inventory.Cell]inventory.Version)}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			_ = r.follow(ctx, s) // the server is being restarted
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
		for _, p := range r.problems {
			t.Error(p)
		}
	})
	return r
}

// follow reads one connection's worth.
func (r *recorder) follow(ctx context.Context, s *system) error {
	c, err := s.client(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	var last inventory.Version
	first := true
	return c.WatchLevels(ctx, natslog.LevelFilter{}, func(m inventory.LevelMessage) error {
		if first {
			first = false
			r.mu.Lock()
			r.connects++
			r.mu.Unlock()
		}
		return r.take(&m, &last)
	})
}

// take judges one message. last is the version of the message before it on the
// same connection.
func (r *recorder) take(m *inventory.LevelMessage, last *inventory.Version) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	body := string(inventory.EncodeLevel(nil, m))
	if m.Version.Compare(*last) <= 0 {
		r.problem("the stream delivered %v after %v: %s", m.Version, *last, body)
	}
	*last = m.Version
	newest := r.newest[m.Cell]
	switch before, ok := r.seen[m.Version]; {
	case ok && before != body:
		r.problem("version %v was given twice:\n%s\n%s", m.Version, before, body)
	case !ok && m.Version.Compare(newest) <= 0:
		r.problem("a new level of %v is not newer than %v: %s", m.Cell, newest, body)
	}
	r.seen[m.Version] = body
	if m.Version.Compare(newest) > 0 {
		r.newest[m.Cell] = m.Version
	}
	return nil
}

func (r *recorder) problem(format string, args ...any) {
	if len(r.problems) < 20 {
		r.problems = append(r.problems, fmt.Sprintf(format, args...))
	}
}

// summary says how much was recorded.
func (r *recorder) summary() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d levels of %d cells over %d connections", len(r.seen), len(r.newest), r.connects)
}

// TestRecorderSeesWhatIsWrong gives the recorder streams that break the promise.
func TestRecorderSeesWhatIsWrong(t *testing.T) {
	t.Parallel()
	level := func(sku string, session, sequence uint64, onHand inventory.Quantity) inventory.LevelMessage {
		m := inventory.LevelMessage{First: 1}
		m.SKU, m.Location, m.Version = inventory.SKU(sku), "DC1", inventory.Version{Session: session, Sequence: sequence}
		m.Quantities[inventory.OnHand] = onHand
		return m
	}
	for name, c := range map[string]struct {
		connections [][]inventory.LevelMessage
		problem     string
	}{
		"right":            {[][]inventory.LevelMessage{{level("a", 1, 1, 5), level("a", 1, 2, 6)}, {level("a", 1, 2, 6), level("a", 2, 3, 7)}}, ""},
		"lost and again":   {[][]inventory.LevelMessage{{level("a", 1, 1, 5), level("a", 1, 2, 6)}, {level("a", 1, 1, 5), level("a", 2, 2, 6)}}, ""},
		"version twice":    {[][]inventory.LevelMessage{{level("a", 1, 1, 5)}, {level("a", 1, 1, 6)}}, "given twice"},
		"of another cell":  {[][]inventory.LevelMessage{{level("a", 1, 1, 5)}, {level("b", 1, 1, 5)}}, "given twice"},
		"backwards":        {[][]inventory.LevelMessage{{level("a", 2, 5, 5)}, {level("a", 2, 4, 6)}}, "not newer"},
		"older session":    {[][]inventory.LevelMessage{{level("a", 2, 5, 5)}, {level("a", 1, 6, 6)}}, "not newer"},
		"order of streams": {[][]inventory.LevelMessage{{level("a", 1, 2, 5), level("b", 1, 1, 6)}}, "delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &recorder{seen: make(map[inventory.Version]string), newest: make(map[inventory.Cell]inventory.Version)}
			for _, messages := range c.connections {
				var last inventory.Version
				for i := range messages {
					if err := r.take(&messages[i], &last); err != nil {
						t.Fatal(errors.Unwrap(err))
					}
				}
			}
			got := strings.Join(r.problems, "\n")
			if (got == "") != (c.problem == "") || !strings.Contains(got, c.problem) {
				t.Errorf("got problems %q, want one with %q", got, c.problem)
			}
		})
	}
}
