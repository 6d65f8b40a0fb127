package endtoend_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"tailstock/internal/testenv"
)

// awaitHalted waits until a role needs an operator, and returns what it says.
func (s *system) awaitHalted(t *testing.T, p *process) string {
	t.Helper()
	shown := ""
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		_, body, _ := get(t.Context(), s.listen, "/readyz")
		shown = failingRoles(body)
		return strings.Contains(shown, "halted")
	}, func() string { return "no role is halted" + s.readiness(t) + p.recent() })
	return shown
}

// TestMappingChanged runs with one mapping, and then with another on the same
// store: the numbers under the old one follow the source until those under the new
// one take their place, all at once.
func TestMappingChanged(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	p := s.started(t)
	execSQL(t, s.erp.DSN("postgres"), `insert into bin_stock (id, sku, site, qty) select n, 'A', 'DC1', 5 from generate_series(1, 1000) n`)
	s.awaitAgreement(t, p)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)

	was := s.tables
	s.tables = replace("on_hand: qty", "on_hand: qty * 2")(was)
	s.write(t, "tailstock.yaml", s.listen)
	p = s.run(t)
	execSQL(t, s.erp.DSN("postgres"), `update bin_stock set qty = 6 where id = 1`)
	// 5000 and 5001 under the old mapping, 10000 and 10002 under the new one.
	seen := ""
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		seen = queryText(t, s.storeDSN(), `select coalesce(sum(on_hand), 0)::text from stock_level`)
		if !slices.Contains([]string{"5000", "5001", "10000", "10002"}, seen) {
			t.Fatalf("the store has %s: under two mappings, or half of one", seen)
		}
		return seen == "10002"
	}, func() string { return "the store has " + seen + s.readiness(t) + p.recent() })
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// TestStoreOfAnotherInstallation gives one store to two installations.
func TestStoreOfAnotherInstallation(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	p := s.started(t)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)

	other := *s
	other.dir, other.listen, other.erp = t.TempDir(), testenv.Address(t), testenv.Postgres(t)
	execSQL(t, other.erp.DSN("postgres"), erpSchema+capturerRole)
	other.config = other.write(t, "tailstock.yaml", other.listen)
	p = other.run(t)
	golden(t, "store-of-another.txt", other.normal(other.awaitHalted(t, p)))
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}
