package stockstore_test

import (
	"database/sql"
	"os"
	"testing"

	"tailstock/connector"
	"tailstock/sinks/stockstore"
)

// TestMigratesContributions opens a store of the first schema: what it held counts as it
// did, and has no end.
func TestMigratesContributions(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		dialect := "sqlite"
		if cfg.Postgres != "" {
			dialect = "postgres"
		}
		first, err := os.ReadFile("migrations/" + dialect + "/0001.sql")
		if err != nil {
			t.Fatal(err)
		}
		mustExec(t, db, string(first))
		mustExec(t, db, `insert into store_meta (schema, store, session) values (1, '0123456789abcdef', 1)`)
		mustExec(t, db, `insert into feed (source, table_name, mapping, state) values ('wms', 'public.bin', '9f2c51d07a3b8e64', 'active')`)
		mustExec(t, db, `insert into contribution select id, '[1]', 'stock', 'A', 'L', 5000000, 0, 0, 0, 0, 1, 1, 0, 't1' from feed`)
		mustExec(t, db, `insert into cell select 'A', 'L', id, 1, 5000000, 0, 0, 0, 0, 0, 0, 't1' from feed`)
		s := openStore(t, cfg)
		defer s.Close()
		if elapsed, err := s.Elapse(t.Context(), "wms"); err != nil || elapsed != (connector.Elapsed{}) {
			t.Errorf("elapsed %+v, %v; want nothing", elapsed, err)
		}
		e, err := s.Explain(t.Context(), "A")
		if err != nil || len(e.Contributions) != 1 || !e.Contributions[0].Counts || !e.Contributions[0].Valid.IsZero() {
			t.Errorf("explained %+v, %v; want one contribution that counts for ever", e, err)
		}
		_, err = s.CheckLevels(t.Context(), "wms", false, func(d stockstore.CellDrift) error { t.Errorf("drifted: %+v", d); return nil })
		if err != nil {
			t.Error(err)
		}
		if got := onHandOf(t, s, "A"); got != "5" {
			t.Errorf("on hand is %s, want 5", got)
		}
	})
}
