package endtoend_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"tailstock/internal/privateserver"
)

// largeRows is more than the store applies in one transaction by default.
const largeRows = 200_000

// TestStoppedStoreHoldsNothing stops store and cache: the source's log is let go
// of all the same, a transaction larger than memory should hold included, and all
// of it reaches the store when that is back.
func TestStoppedStoreHoldsNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	p := s.started(t)
	s.redis.Kill()
	if err := s.store.Stop(t.Context(), privateserver.Immediate); err != nil {
		t.Fatal(err)
	}
	w := s.work(t, rand.New(rand.NewPCG(7, 7)))
	s.awaitConfirmed(t, p)
	committed := w.end(t)
	execSQL(t, s.erp.DSN("postgres"), fmt.Sprintf(`insert into bin_stock (id, sku, site, qty)
		select 1000 + n, 'L' || n %% 1000, 'DC' || n %% 7, n %% 50 from generate_series(1, %d) n`, largeRows))
	t.Logf("%d rows are written", largeRows)
	s.awaitConfirmed(t, p)
	t.Log("and confirmed")
	if n := s.logBytes(t); n < largeRows*50 {
		t.Errorf("the log has %d bytes, too few for the rows that the store has not applied", n)
	}

	if err := s.store.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.redis.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Log("the store is back")
	s.awaitAgreement(t, p)
	t.Log("and agrees")
	s.auditLog(t, committed)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// TestPausedStoreHoldsNothing has store and cache answer nothing any more, their
// connections open, as on a machine that hangs: the source's log is let go of time
// after time, and what was written meanwhile reaches them when they go on.
func TestPausedStoreHoldsNothing(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	p := s.started(t)
	rng := random(t)
	w := s.work(t, rng)
	s.awaitConfirmed(t, p)
	committed := w.end(t)
	s.awaitAgreement(t, p)
	for _, pause := range []func() error{s.store.Pause, s.redis.Pause} {
		if err := pause(); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		w = s.work(t, rng)
		s.awaitConfirmed(t, p)
		committed = append(committed, w.end(t)...)
	}
	s.awaitConfirmed(t, p) // the last of them as well
	for _, goOn := range []func() error{s.store.Continue, s.redis.Continue} {
		if err := goOn(); err != nil {
			t.Fatal(err)
		}
	}
	s.awaitAgreement(t, p)
	s.auditLog(t, committed)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// awaitConfirmed waits until the source's slot has confirmed everything that was
// written so far.
func (s *system) awaitConfirmed(t *testing.T, p *process) {
	t.Helper()
	target := queryText(t, s.erp.DSN("postgres"), "select pg_current_wal_insert_lsn()::text")
	conn := connect(t, s.erp.DSN("postgres"))
	defer conn.Close(context.WithoutCancel(t.Context()))
	var confirmed string
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		var there bool
		err := conn.QueryRow(t.Context(), `select confirmed_flush_lsn >= $1::pg_lsn, confirmed_flush_lsn::text
			from pg_replication_slots where slot_name = 'tailstock_erp'`, target).Scan(&there, &confirmed)
		if err != nil {
			t.Fatal(err)
		}
		return there
	}, func() string {
		return "the slot has confirmed " + confirmed + ", not " + target + s.readiness(t) + p.recent()
	})
}

// logBytes is the size of the source's log, as the daemon reports it.
func (s *system) logBytes(t *testing.T) int64 {
	t.Helper()
	var bytes int64
	eventually(t, func() bool {
		_, body, err := get(t.Context(), s.listen, "/readyz")
		var report struct {
			Roles []struct {
				Role   string
				Detail struct {
					Bytes int64 `json:"log_bytes"`
				}
			}
		}
		if err != nil || json.Unmarshal([]byte(body), &report) != nil {
			return false
		}
		for _, r := range report.Roles {
			if r.Role == "capture/erp" {
				bytes = r.Detail.Bytes
			}
		}
		return bytes > largeRows*50
	}, func() string { return fmt.Sprintf("the log has %d bytes", bytes) })
	return bytes
}
