package postgres

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
)

// TestChunkUsesTheIndex looks at how the server executes the statement that
// reads a chunk: by the index of the key from the cursor on, without sorting, also
// where rows lie in another order than that of the key, and where the planner
// would rather read and sort the whole table.
func TestChunkUsesTheIndex(t *testing.T) {
	t.Parallel()
	dsn := testenv.Database(t)
	ctx := t.Context()
	admin, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeReader(t.Context(), admin) })
	const schema = `CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE DOMAIN part AS varchar(20); CREATE TYPE color AS ENUM ('red');
		CREATE PUBLICATION p FOR ALL TABLES`
	if _, err := admin.Exec(ctx, schema); err != nil {
		t.Fatal(err)
	}
	cases := []struct{ name, create, value string }{
		{"i", "k int PRIMARY KEY", "i"},
		{"t", "k text PRIMARY KEY", "i::text"},
		{"u", "k uuid PRIMARY KEY", "md5(i::text)::uuid"},
		{"n", "k numeric PRIMARY KEY", "i"},
		{"z", "k timestamptz PRIMARY KEY", "now() + i * interval '1s'"},
		{"c", "site text, k int, PRIMARY KEY (site, k)", "'DC', i"},
		{"x", "k ext.citext, n int, PRIMARY KEY (n, k)", "'c' || i, 1"},
		{"d", "k part PRIMARY KEY", "i"},
		{"h", "k char(9) PRIMARY KEY", "i"},
		{"a", "k int[] PRIMARY KEY", "ARRAY[i]"},
		{"l", `k text NOT NULL); CREATE UNIQUE INDEX kl ON l (k COLLATE "C"); ALTER TABLE l REPLICA IDENTITY USING INDEX kl; CREATE TABLE l2 (k int`, "i::text"},
		{"o", `k text NOT NULL); CREATE UNIQUE INDEX ko ON o (k text_pattern_ops); ALTER TABLE o REPLICA IDENTITY FULL; CREATE TABLE o2 (k int`, "i::text"},
		{"r", `k int NOT NULL, j int NOT NULL); CREATE UNIQUE INDEX kr ON r (k DESC, j DESC); ALTER TABLE r REPLICA IDENTITY USING INDEX kr; CREATE TABLE r2 (k int`, "i, i"},
		{"m", `k int PRIMARY KEY) PARTITION BY RANGE (k); CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (5000); CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (5000) TO (20000`, "i"},
	}
	cases = append(cases, struct{ name, create, value string }{"w", "k int PRIMARY KEY, pad text", "i, repeat('x', 500)"})
	wanted := make(cdc.Wanted)
	for _, c := range cases {
		sql := "CREATE TABLE " + c.name + " (" + c.create + "); ALTER TABLE " + c.name + " SET (autovacuum_enabled = off);"
		if c.name == "m" {
			sql = "CREATE TABLE " + c.name + " (" + c.create + ");"
		}
		if _, err := admin.Exec(ctx, sql+" INSERT INTO "+c.name+" SELECT "+c.value+" FROM generate_series(1, 10000) i ORDER BY md5(i::text); ANALYZE "+c.name); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		wanted[cdc.TableName{Schema: "public", Name: c.name}] = nil
	}
	wanted[cdc.TableName{Schema: "public", Name: "w"}] = []string{"pad"} // a table that costs more to read by the index
	s, err := New(Config{DSN: dsn, Slot: "s", Publication: "p"}, wanted, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.chunks.use(ctx, func(conn *chunkConn) error {
		for _, c := range cases {
			table := cdc.TableName{Schema: "public", Name: c.name}
			plan, err := s.plan(ctx, conn.Conn, table)
			if err != nil {
				return err
			}
			for _, r := range []backfill.Request{{Table: table, Limit: 10}, {Table: table, Limit: 5000}} {
				explain(t, s, conn, plan, r)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Rows that refer to others are found by the index on the column that does.
func TestReferringUsesTheIndex(t *testing.T) {
	t.Parallel()
	dsn := testenv.Database(t)
	ctx := t.Context()
	admin, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeReader(t.Context(), admin) })
	const schema = `CREATE TABLE bin (id int PRIMARY KEY, product_id int, code varchar(20), amount numeric, tenant int, place int);
		INSERT INTO bin SELECT i, i % 5000, 'c' || i % 5000, i % 5000, i % 50, i % 401 FROM generate_series(1, 20000) i;
		CREATE INDEX by_product ON bin (product_id); CREATE INDEX by_code ON bin (code); CREATE INDEX by_amount ON bin (amount);
		CREATE INDEX by_two ON bin (tenant, place); ANALYZE bin;
		CREATE PUBLICATION p FOR ALL TABLES`
	if _, err := admin.Exec(ctx, schema); err != nil {
		t.Fatal(err)
	}
	bin := cdc.TableName{Schema: "public", Name: "bin"}
	s, err := New(Config{DSN: dsn, Slot: "s", Publication: "p"}, cdc.Wanted{bin: {"product_id", "code", "amount", "tenant", "place"}}, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.chunks.use(ctx, func(conn *chunkConn) error {
		plan, err := s.plan(ctx, conn.Conn, bin)
		if err != nil {
			return err
		}
		for index, referring := range map[string]*backfill.Referring{
			"by_product": {Columns: []string{"product_id"}, Values: [][]string{{"7"}, {"8"}}},
			"by_code":    {Columns: []string{"code"}, Values: [][]string{{"c7"}, {"c8"}}},
			"by_amount":  {Columns: []string{"amount"}, Values: [][]string{{"7"}, {"8.0"}}},
			"by_two":     {Columns: []string{"place", "tenant"}, Values: [][]string{{"7", "8"}, {"9", "10"}}},
		} {
			for _, limit := range []int{10, 5000} {
				r := backfill.Request{Table: bin, Limit: limit, Referring: referring}
				r.After = backfill.Key{"5"}
				explainReferring(t, conn, plan, &r, index)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func explainReferring(t *testing.T, conn *chunkConn, plan *chunkPlan, r *backfill.Request, index string) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), plan.beginSQL(r)).ReadAll(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Exec(t.Context(), "ROLLBACK") }()
	query, params, err := plan.rowsSQL(r)
	if err != nil {
		t.Fatal(err)
	}
	result := conn.PgConn().ExecParams(t.Context(), "EXPLAIN (COSTS OFF) "+query, params, nil, nil, nil).Read()
	if result.Err != nil {
		t.Fatal(result.Err)
	}
	var text strings.Builder
	for _, row := range result.Rows {
		text.WriteString(string(row[0]) + "\n")
	}
	if !strings.Contains(text.String(), index) {
		t.Errorf("%d rows by %s:\n%s\n%s", r.Limit, r.Referring.Columns, query, text.String())
	}
}

// explain explains the first chunk of a request, the one after it, and its rows by key.
func explain(t *testing.T, s *Source, conn *chunkConn, plan *chunkPlan, r backfill.Request) {
	t.Helper()
	if _, err := conn.PgConn().Exec(t.Context(), plan.beginSQL(&r)).ReadAll(); err != nil {
		t.Fatal(err)
	}
	defer func() { _, _ = conn.Exec(t.Context(), "ROLLBACK") }()
	rows, err := plan.read(t.Context(), conn, &r)
	if err != nil || len(rows) != r.Limit {
		t.Fatalf("%s: read %d rows: %v", plan.table.Name, len(rows), err)
	}
	key := func(row cdc.Row) (k backfill.Key) {
		for _, column := range plan.table.Key {
			k = append(k, row[column].Text())
		}
		return k
	}
	next := r
	next.After = key(rows[len(rows)-1])
	listed := backfill.Request{Table: r.Table, Keys: []backfill.Key{key(rows[0]), key(rows[len(rows)-1])}}
	for what, r := range map[string]backfill.Request{"first": r, "next": next, "by key": listed} {
		query, params, err := plan.rowsSQL(&r)
		if err != nil {
			t.Fatal(err)
		}
		result := conn.PgConn().ExecParams(t.Context(), "EXPLAIN (COSTS OFF) "+query, params, nil, nil, nil).Read()
		if result.Err != nil {
			t.Fatal(result.Err)
		}
		var lines []string
		for _, row := range result.Rows {
			lines = append(lines, string(row[0]))
		}
		text := strings.Join(lines, "\n")
		// Listed rows are few, and sorted after they were found.
		sorts := strings.Contains(text, "Sort") && !strings.Contains(text, "Merge Append") && what != "by key"
		ranged := what == "first" || strings.Contains(text, "Index Cond:")
		if strings.Contains(text, "Seq Scan") || !strings.Contains(text, "Index ") || sorts || !ranged {
			t.Errorf("%s, %s chunk of %d:\n%s\n%s", r.Table, what, r.Limit, query, text)
		}
	}
}
