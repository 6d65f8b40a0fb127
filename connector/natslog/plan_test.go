package natslog_test

import (
	"path/filepath"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestPlanOutlivesPurge holds that a kept plan counts though its message was purged,
// and counts for nothing if the message was lost.
func TestPlanOutlivesPurge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(2, 300)
	w.stop()
	saved := w.save()
	w.start()
	a = w.begin("erp")
	a.fill(3, 300)
	const kept = `{"jobs":[]}`
	if err := a.run.KeepPlan(t.Context(), []byte(kept), a.previous); err != nil {
		t.Fatal(err)
	}
	a.fill(3, 300)
	plan := func() string {
		b, err := w.begin("erp").run.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if got := plan(); got != kept {
		t.Errorf("got %q", got)
	}
	stream := w.stream("INVENTORY_LOG_ERP")
	info, err := stream.Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(info.State.LastSeq-1)); err != nil {
		t.Fatal(err)
	}
	if got := plan(); got != kept {
		t.Errorf("after a purge got %q", got)
	}
	w.stop()
	w.restoreStream(saved, filepath.Join("jetstream", "$G", "streams", "INVENTORY_LOG_ERP"))
	w.start()
	if got := plan(); got != "" {
		t.Errorf("of a log that lost the message got %q", got)
	}
}
