package natslog_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestGolden pins every form that is kept: headers, subjects, state and stream
// settings. Whoever changes one must read the old one as well.
func TestGolden(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.begin("erp")
	a.fill(1, 0)
	k, err := a.send("0/16B3748 \u00e9\n", 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.run.Checkpoint(t.Context(), a.previous, "0/16B3750 \u00e9"); err != nil {
		t.Fatal(err)
	}
	if err := a.run.KeepMapping(t.Context(), "9f2c51d07a3b8e64", []byte("the text")); err != nil {
		t.Fatal(err)
	}
	if err := a.run.Reject(t.Context(), sampleReject()); err != nil {
		t.Fatal(err)
	}
	w.keep(sampleReport)
	if _, err := w.client.Installation(t.Context()); err != nil {
		t.Fatal(err)
	}
	publishLevels(t, w, 1764000000001, cellOf("DC1", "BRK-1234"))
	err = w.lease("capture/erp", 0).Hold(t.Context(), func(ctx context.Context) error {
		s := scrubber{logID: a.run.Start().LogID, run: a.next.Run, levels: w.stream("INVENTORY_LEVELS").CachedInfo().Config.Metadata["tailstock-id"]}
		s.check(t, "messages.txt", w.messages(ctx, "INVENTORY_LOG_ERP", "INVENTORY_REJECTS", "INVENTORY_LEVELS"))
		s.check(t, "state.txt", w.messages(ctx, "KV_INVENTORY_STATE"))
		s.check(t, "streams.json", w.settings())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// messages prints what streams hold, by subject.
func (w *world) messages(ctx context.Context, streams ...string) string {
	w.t.Helper()
	var b strings.Builder
	for _, name := range streams {
		s := w.stream(name)
		var all []string
		for sequence := uint64(1); sequence <= s.CachedInfo().State.LastSeq; sequence++ {
			m, err := s.GetMsg(ctx, sequence)
			if err != nil {
				continue // superseded
			}
			all = append(all, fmt.Sprintf("%s\n%s%s\n", m.Subject, headerText(m.Header), m.Data))
		}
		sort.Strings(all)
		b.WriteString(strings.Join(all, "\n"))
		b.WriteString("\n")
	}
	return b.String()
}

func headerText(h nats.Header) string {
	var lines []string
	for key, values := range h {
		switch key { // added to the answer of a direct get
		case "Nats-Sequence", "Nats-Stream", "Nats-Subject", "Nats-Time-Stamp":
			continue
		}
		lines = append(lines, fmt.Sprintf("%s: %s\n", key, values[0]))
	}
	sort.Strings(lines)
	return strings.Join(lines, "")
}

// settings prints how the streams are kept, as far as tailstock says so.
func (w *world) settings() string {
	w.t.Helper()
	var b strings.Builder
	for _, name := range []string{"INVENTORY_LOG_ERP", "INVENTORY_LEVELS", "INVENTORY_REJECTS", "KV_INVENTORY_STATE"} {
		cfg := w.stream(name).CachedInfo().Config
		for key := range cfg.Metadata {
			if strings.HasPrefix(key, "_nats") {
				delete(cfg.Metadata, key)
			}
		}
		text, err := json.MarshalIndent(cfg, "", "  ")
		if err != nil {
			w.t.Fatal(err)
		}
		b.Write(text)
		b.WriteString("\n")
	}
	return b.String()
}

// scrubber replaces what is random or of the moment.
type scrubber struct {
	logID, levels string
	run           uint64
}

func (s scrubber) check(t *testing.T, name, got string) {
	t.Helper()
	got = strings.ReplaceAll(got, s.logID, "LOG")
	got = strings.ReplaceAll(got, s.levels, "LEVELS")
	got = strings.ReplaceAll(got, inventory.Position{Run: s.run}.String()[:15], "000000000000RUN")
	got = strings.ReplaceAll(got, fmt.Sprint(s.run), "RUN")
	for _, r := range []struct{ pattern, with string }{
		{`"(at|made|since)":"\d{4}-\d\d-\d\dT[\d:.]+Z"`, `"$1":"TIME"`},
		{`"pid":\d+`, `"pid":PID`},
		{`"host":"[^"]*"`, `"host":"HOST"`},
		{`"(machine|started)":"[^"]*",`, ``}, // only Linux has them
		{`"(id|holder)":"[0-9a-f]{16}"`, `"$1":"ID"`},
		{`(Nats-Expected-Last-Subject-Sequence): \d+`, `$1: REVISION`},
	} {
		got = regexp.MustCompile(r.pattern).ReplaceAllString(got, r.with)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

func TestInstallationIsOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := make(chan string, 8)
	for range cap(ids) {
		go func() {
			id, err := w.client.Installation(t.Context())
			if err != nil {
				t.Error(err)
			}
			ids <- id
		}()
	}
	want := <-ids
	for range cap(ids) - 1 {
		if got := <-ids; got != want || want == "" {
			t.Errorf("two installations: %q and %q", got, want)
		}
	}
}

func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.client.LogStatus(t.Context(), "erp")
	if err == nil {
		t.Error("a log that does not exist has a status")
	}
	if got, err := w.client.Sources(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("got %q, %v", got, err)
	}
	a := w.begin("wms_2")
	a.fill(5, 0)
	w.begin("erp")
	if got, err := w.client.Sources(t.Context()); err != nil || !cmp.Equal(got, []string{"erp", "wms_2"}) {
		t.Errorf("got %q, %v", got, err)
	}
	r := w.report(a, inventory.Position{Run: a.next.Run, Number: 1})
	r.Source = "wms_2"
	w.keep(r)
	got, err := w.client.LogStatus(t.Context(), "wms_2")
	if err != nil {
		t.Fatal(err)
	}
	if got.ID != a.run.Start().LogID || got.Position != a.previous || got.Unapplied != 3 || got.Messages != 5 || got.Stores != 1 ||
		len(got.Reports) != 1 || time.Since(got.At).Abs() > time.Minute || got.MaxBytes != 64<<20 {
		t.Errorf("got %+v", got)
	}
	if got, err := w.client.LogStatus(t.Context(), "erp"); err != nil || got.Messages != 0 || !got.Position.IsZero() {
		t.Errorf("an empty log: %+v, %v", got, err)
	}
	var _ natslog.LogStatus
}
