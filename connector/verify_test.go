package connector_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
)

// TestVerifyEvery tries again when a verification could not begin.
func TestVerifyEvery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		jobs := connector.NewCapture(connector.CaptureConfig{Source: "erp"}).Jobs()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Hour+time.Minute)
		defer cancel()
		connector.VerifyEvery(ctx, jobs, time.Hour, connector.VerifySpec{}, slog.New(slog.NewTextHandler(&log, nil)))
		if n := strings.Count(log.String(), connector.ErrNotCapturing.Error()); n != 3 {
			t.Errorf("%d attempts in three hours, want 3:\n%s", n, log.String())
		}
	})
}

// doubter is in doubt about what was put into it.
type doubter struct {
	wake   chan struct{}
	mu     sync.Mutex
	tables []cdc.TableName
	taken  int
}

func (d *doubter) Doubted() <-chan struct{} { return d.wake }

func (d *doubter) TakeDoubted() []cdc.TableName {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.taken++
	tables := d.tables
	d.tables = nil
	return tables
}

// TestVerifyDoubted keeps a doubt until a comparison has completed, and asks again
// for what came into doubt meanwhile.
func TestVerifyDoubted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		d := &doubter{wake: make(chan struct{}, 1), tables: []cdc.TableName{{Schema: "wms", Name: "bin"}}}
		jobs := connector.NewCapture(connector.CaptureConfig{Source: "erp"}).Jobs()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		go func() {
			time.Sleep(5 * time.Second) // fake time: until then nothing is in doubt
			d.wake <- struct{}{}
			time.Sleep(15 * time.Second) // fake time
			d.mu.Lock()
			defer d.mu.Unlock()
			d.tables = []cdc.TableName{{Schema: "wms", Name: "a"}, {Schema: "wms", Name: "bin"}}
		}()
		connector.VerifyDoubted(ctx, jobs, d, slog.New(slog.NewTextHandler(&log, nil)))
		// From second 6 on every 11 seconds.
		if n := strings.Count(log.String(), connector.ErrNotCapturing.Error()); n != 5 || d.taken != 5 {
			t.Errorf("%d attempts and %d questions in a minute, want 5:\n%s", n, d.taken, log.String())
		}
		if !strings.Contains(log.String(), "tables=[wms.bin]") || !strings.Contains(log.String(), `tables="[wms.a wms.bin]"`) {
			t.Errorf("log:\n%s", log.String())
		}
	})
}

func TestComparedRows(t *testing.T) {
	t.Parallel()
	r := connector.ComparedRows{Equal: 1, Different: 2, Missing: 4, Extra: 8, Absent: 16, Unchecked: 32}
	if twice := r.Plus(r); twice != (connector.ComparedRows{Equal: 2, Different: 4, Missing: 8, Extra: 16, Absent: 32, Unchecked: 64}) ||
		twice.Total() != 126 || twice.Drift() != 28 {
		t.Errorf("twice %+v is %+v, in total %d, drift %d", r, twice, twice.Total(), twice.Drift())
	}
}
