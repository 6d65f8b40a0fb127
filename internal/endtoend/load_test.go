package endtoend_test

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"tailstock/connector/inventory"
)

// manyBins are rows that are there before anybody follows them.
const manyBins = `insert into bin_stock (id, sku, site, qty)
	select n, 'BRK-' || n %% 997, 'DC' || n %% 3, n %% 50 from generate_series(1, %d) n`

// TestLoadsWhatIsThere begins to follow an ERP that has rows, while people work in
// it, and then loses everything that can be lost, one thing after the other.
func TestLoadsWhatIsThere(t *testing.T) {
	t.Parallel()
	rng := random(t)
	s := newSystem(t, true)
	erp := s.erp.DSN("postgres")
	execSQL(t, erp, fmt.Sprintf(manyBins, 20_000)+`; insert into order_line select 'OLD-' || n, 1, 'BRK-' || n, 'DC1', 'open', 3 from generate_series(1, 500) n`)
	both := s.tables
	s.tables, _, _ = strings.Cut(s.tables, "      public.order_line:") // the second table comes later
	s.write(t, "tailstock.yaml", s.listen)
	w := s.work(t, rng)
	p := s.started(t)
	s.awaitCounted(t, p, `select count(distinct sku) > 900 from stock_level`)
	stop := func() {
		p.signal(t, syscall.SIGTERM)
		p.expectExit(t, 0)
	}
	stop()

	s.tables = both // a table is added
	s.write(t, "tailstock.yaml", s.listen)
	p = s.started(t)
	s.awaitCounted(t, p, `select sum(committed) > 0 from stock_level`)
	w.end(t)
	s.awaitAgreement(t, p)

	for _, lose := range []struct {
		what string
		do   func()
	}{
		{"the slot", func() { execSQL(t, erp, `select pg_drop_replication_slot('tailstock_erp')`) }},
		{"the slot, made anew by somebody", func() {
			execSQL(t, erp, `select pg_drop_replication_slot('tailstock_erp')`)
			execSQL(t, erp, `delete from bin_stock where id between 3000 and 3999`)
			execSQL(t, erp, `select pg_create_logical_replication_slot('tailstock_erp', 'pgoutput')`)
		}},
		{"the store", func() {
			execSQL(t, s.store.DSN("postgres"), `drop database stock with (force)`)
			execSQL(t, s.store.DSN("postgres"), `create database stock owner `+keeper)
		}},
		{"the log", func() { s.deleteStream(t, "INVENTORY_LOG_ERP") }},
		{"the newest messages of the log", func() { s.purgeStream(t, "INVENTORY_LOG_ERP") }},
		{"the state", func() {
			s.deleteStream(t, "KV_INVENTORY_STATE")
			// The store is of an installation that nobody knows: an operator says that it may be taken.
			execSQL(t, s.storeDSN(), `update store_meta set installation = ''`)
		}},
		{"the levels", func() { s.deleteStream(t, "INVENTORY_LEVELS") }},
	} {
		stop()
		lose.do()
		// What happens meanwhile is not in any log.
		execSQL(t, erp, `delete from bin_stock where id % 11 = 5; update bin_stock set qty = qty + 1 where id % 13 = 2`)
		began := time.Now()
		p = s.started(t)
		s.awaitAgreement(t, p)
		t.Logf("%s was lost: all agrees after %s", lose.what, time.Since(began).Round(time.Millisecond))
		if t.Failed() {
			return
		}
	}
	stop()
}

// awaitCounted waits until the store answers a question with true.
func (s *system) awaitCounted(t *testing.T, p *process, question string) {
	t.Helper()
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		return queryText(t, s.storeDSN(), `select coalesce((`+question+`), false)::text`) == "true"
	}, func() string { return question + s.readiness(t) + p.recent() })
}

func (s *system) jetStream(t *testing.T) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(s.nats.url())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

func (s *system) deleteStream(t *testing.T, name string) {
	t.Helper()
	if err := s.jetStream(t).DeleteStream(t.Context(), name); err != nil {
		t.Fatal(err)
	}
}

func (s *system) purgeStream(t *testing.T, name string) {
	t.Helper()
	stream, err := s.jetStream(t).Stream(t.Context(), name)
	if err == nil {
		err = stream.Purge(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestKilledWhileLoading kills the daemon again and again in the middle of a load:
// it goes on where it was, and reads little twice.
func TestKilledWhileLoading(t *testing.T) {
	t.Parallel()
	rows := *loadRows
	s := newSystem(t, false)
	execSQL(t, s.erp.DSN("postgres"), fmt.Sprintf(manyBins, rows))
	p := s.started(t)
	for _, part := range []int{rows / 10, rows / 3, rows / 2} {
		s.awaitCounted(t, p, fmt.Sprintf(`select count(*) > %d from contribution`, part))
		p.kill()
		p = s.run(t)
	}
	s.awaitAgreement(t, p)

	loads, read := make(map[inventory.Position]int), 0
	for _, m := range s.readLog(t) {
		if m.Chunk != nil {
			loads[m.Chunk.Load]++
			read += m.Chunk.Rows
		}
	}
	// The table has a few chunks of at most 5,000 rows under way.
	if len(loads) != 1 || read < rows || read > rows+3*20_000 {
		t.Errorf("%d loads read %d rows of %d", len(loads), read, rows)
	}
	t.Logf("%d rows were read for %d", read, rows)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// TestGapHalts: told to, a capture waits for an operator instead of loading anew.
func TestGapHalts(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	s.tables = strings.Replace(s.tables, "    tables:", "    on_gap: halt\n    tables:", 1)
	s.write(t, "tailstock.yaml", s.listen)
	p := s.started(t)
	execSQL(t, s.erp.DSN("postgres"), `insert into bin_stock (id, sku, site, qty) values (1, 'A', 'DC1', 5)`)
	s.awaitAgreement(t, p)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
	execSQL(t, s.erp.DSN("postgres"), `select pg_drop_replication_slot('tailstock_erp')`)
	p = s.run(t)
	if got := s.awaitHalted(t, p); !strings.Contains(got, "slot_missing") {
		t.Errorf("halted with %s", got)
	}
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}
