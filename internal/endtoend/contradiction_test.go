package endtoend_test

import (
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
// store: nothing may be applied, and both mappings are named.
func TestMappingChanged(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	p := s.started(t)
	execSQL(t, s.erp.DSN("postgres"), `insert into bin_stock (id, sku, site, qty) values (1, 'A', 'DC1', 5)`)
	s.awaitAgreement(t, p)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)

	was := s.tables
	s.tables = replace("on_hand: qty", "on_hand: qty * 2")(was)
	s.write(t, "tailstock.yaml", s.listen)
	p = s.run(t)
	execSQL(t, s.erp.DSN("postgres"), `update bin_stock set qty = 6 where id = 1`)
	got := s.awaitHalted(t, p)
	golden(t, "mapping-changed.txt", s.normal(got))
	if n := queryText(t, s.storeDSN(), `select on_hand::text from stock_level`); n != "5" {
		t.Errorf("the store has %s, applied under another mapping", n)
	}
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
