package natslog_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector/cdc"
	"tailstock/connector/natslog"
)

// outside starts a server that is not ours, with options of its own.
func outside(t *testing.T, o server.Options) natslog.Config {
	t.Helper()
	o.Host, o.Port, o.NoSigs, o.NoLog = "127.0.0.1", server.RANDOM_PORT, true, true
	o.StoreDir = t.TempDir()
	s, err := server.NewServer(&o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	return natslog.Config{URL: s.ClientURL(), MaxBytes: 64 << 20, RejectsMaxBytes: 1 << 20}
}

// wantFinding finds the requirement and compares state and texts.
func wantFinding(t *testing.T, found []cdc.Finding, requirement string, state cdc.FindingState, detail, fix string) {
	t.Helper()
	for _, f := range found {
		if f.Requirement != requirement {
			continue
		}
		if f.State != state || !strings.Contains(f.Detail, detail) || !strings.Contains(f.Fix, fix) {
			t.Errorf("got %+v, want %s with detail %q and fix %q", f, state, detail, fix)
		}
		return
	}
	t.Errorf("no finding %q in %+v", requirement, found)
}

func noProblems(t *testing.T, found []cdc.Finding) {
	t.Helper()
	for _, f := range found {
		if f.State != cdc.FindingOK {
			t.Errorf("unexpected: %+v", f)
		}
	}
}

func TestCheckEmbedded(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "deep", "nats")
	cfg := natslog.Config{Embedded: &natslog.EmbeddedConfig{Dir: dir}}
	const directory = "directory of the embedded server"
	found := natslog.Check(t.Context(), cfg, []string{"erp"})
	noProblems(t, found)
	wantFinding(t, found, directory, cdc.FindingOK, "the first start makes it", "")
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Error("the check made a directory")
	}

	w := newWorld(t)
	found = natslog.Check(t.Context(), w.cfg, []string{"erp"})
	noProblems(t, found)
	wantFinding(t, found, directory, cdc.FindingOK, "in use by a daemon", "")
	wantFinding(t, found, "durability", cdc.FindingOK, "syncs every message", "")
	wantFinding(t, found, "stream INVENTORY_LOG_ERP", cdc.FindingOK, "is not there", "")
	w.begin("erp")
	found = natslog.Check(t.Context(), w.cfg, []string{"erp"})
	noProblems(t, found)
	wantFinding(t, found, "stream INVENTORY_LOG_ERP", cdc.FindingOK, "messages", "")

	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.Embedded.Dir = filepath.Join(file, "nats")
	wantFinding(t, natslog.Check(t.Context(), cfg, nil), directory, cdc.FindingProblem, "not a directory", cfg.Embedded.Dir)
}

func TestCheckOutside(t *testing.T) {
	t.Parallel()
	sources := []string{"erp", "wms"}
	good := outside(t, server.Options{JetStream: true})
	found := natslog.Check(t.Context(), good, sources)
	noProblems(t, found)
	wantFinding(t, found, "durability", cdc.FindingOK, "2m10s", "")

	gone := natslog.Config{URL: "nats://" + freeAddress(t)}
	wantFinding(t, natslog.Check(t.Context(), gone, sources), "connection", cdc.FindingProblem, "connect to nats at", "start the NATS server")

	plain := outside(t, server.Options{})
	wantFinding(t, natslog.Check(t.Context(), plain, sources), "jetstream", cdc.FindingProblem, "", "enable JetStream")

	small := outside(t, server.Options{JetStream: true, MaxPayload: 64 << 10})
	wantFinding(t, natslog.Check(t.Context(), small, sources), "max_payload", cdc.FindingProblem, "65536 bytes", "max_payload: 1048576")

	locked := outside(t, server.Options{JetStream: true, Username: "u", Password: "sesame-9"})
	found = natslog.Check(t.Context(), locked, sources)
	wantFinding(t, found, "connection", cdc.FindingProblem, "Authorization Violation", "credentials")

	broken := natslog.Config{URL: "http://somewhere"}
	wantFinding(t, natslog.Check(t.Context(), broken, sources), "configuration of nats", cdc.FindingProblem, "is not like nats://", "nats section")
}

// TestCheckForeignStream: a stream of our name that somebody else made is a problem, and is left alone.
func TestCheckForeignStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	_, err := w.admin(natslog.RoleDaemon).CreateStream(t.Context(), jetstream.StreamConfig{Name: "INVENTORY_LEVELS", Subjects: []string{"inventory.level.>"}})
	if err != nil {
		t.Fatal(err)
	}
	found := natslog.Check(t.Context(), w.cfg, nil)
	wantFinding(t, found, "stream INVENTORY_LEVELS", cdc.FindingProblem, "was not made by tailstock", "another namespace")
	if got := w.stream("INVENTORY_LEVELS").CachedInfo().Config.Subjects[0]; got != "inventory.level.>" {
		t.Errorf("the check changed the stream: %s", got)
	}
}

func TestCheckWarnsOfAFullLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *natslog.Config) { c.MaxBytes = 1 << 20 })
	a := w.begin("erp")
	a.fill(20, 30_000)
	found := natslog.Check(t.Context(), w.cfg, []string{"erp"})
	wantFinding(t, found, "space in the log of source erp", cdc.FindingWarning, "of 1048576 bytes are used", "tailstock store")
}
