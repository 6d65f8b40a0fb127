package connector_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
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

func TestComparedRows(t *testing.T) {
	t.Parallel()
	r := connector.ComparedRows{Equal: 1, Different: 2, Missing: 4, Extra: 8, Absent: 16, Unchecked: 32}
	if twice := r.Plus(r); twice != (connector.ComparedRows{Equal: 2, Different: 4, Missing: 8, Extra: 16, Absent: 32, Unchecked: 64}) ||
		twice.Total() != 126 || twice.Drift() != 28 {
		t.Errorf("twice %+v is %+v, in total %d, drift %d", r, twice, twice.Total(), twice.Drift())
	}
}
