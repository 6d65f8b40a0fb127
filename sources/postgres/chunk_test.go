package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

// chunk reads one chunk of a table, as of now.
func chunk(t testing.TB, s *postgres.Source, r backfill.Request) *backfill.Chunk {
	t.Helper()
	c, err := s.Read(t.Context(), s.Mark(), r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// chunks reads a whole table in chunks of limit rows.
func chunks(t testing.TB, s *postgres.Source, table cdc.TableName, limit int) (rows []cdc.Row) {
	t.Helper()
	r := backfill.Request{Table: table, Limit: limit}
	for {
		c := chunk(t, s, r)
		rows = append(rows, c.Rows...)
		if len(c.Rows) < limit {
			return rows
		}
		r.After = c.Last
	}
}

// selected returns what a query yields, as rows of text with the stream's settings.
func (db *database) selected(query string) (rows []string) {
	db.t.Helper()
	conn := connect(db.t, db.dsn)
	results, err := conn.PgConn().Exec(db.t.Context(), `SET timezone = 'UTC'; SET extra_float_digits = 3; `+query).ReadAll()
	if err != nil {
		db.t.Fatalf("%s: %v", query, err)
	}
	for _, row := range results[len(results)-1].Rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = "NULL"
			if v != nil {
				texts[i] = strings.TrimPrefix(string(v), `\x`)
			}
		}
		rows = append(rows, strings.Join(texts, "|"))
	}
	return rows
}

func joined(rows []cdc.Row) []string {
	var out []string
	for _, row := range rows {
		texts := make([]string, len(row))
		for i, v := range row {
			texts[i] = v.String()
		}
		out = append(out, strings.Join(texts, "|"))
	}
	return out
}

func public(name string) cdc.TableName { return cdc.TableName{Schema: "public", Name: name} }

// orderCases are tables with keys of all sorts, 500 rows each, and the order of their key.
func orderCases() []struct{ name, create, fill, order string } {
	return []struct{ name, create, fill, order string }{
		{"int", "k int PRIMARY KEY", "i * 3", "k"},
		{"bigint", "k bigint PRIMARY KEY", "i * 9007199254740993", "k"},
		{"text", "k text PRIMARY KEY", `md5(i::text) || 'ä"\ '`, "k"},
		{"varchar", "k varchar(40) PRIMARY KEY", "'V' || i", "k"},
		{"char", "k char(8) PRIMARY KEY", "'C' || i", "k"},
		{"uuid", "k uuid PRIMARY KEY", "md5(i::text)::uuid", "k"},
		{"numeric", "k numeric PRIMARY KEY", "CASE i WHEN 7 THEN 'NaN' ELSE (i * 1.10 - 20)::text END::numeric", "k"},
		{"timestamptz", "k timestamptz PRIMARY KEY", "CASE i WHEN 7 THEN 'infinity' ELSE timestamptz '2024-03-31 00:00:00.5Z' + i * interval '7 minutes' END", "k"},
		{"date", "k date PRIMARY KEY", "date '2024-02-01' + i", "k"},
		{"bytea", "k bytea PRIMARY KEY", `decode(md5(i::text), 'hex')`, "k"},
		{"enum", "k color PRIMARY KEY", `NULL`, "k"},
		{"domain", "k part PRIMARY KEY", "'P' || i", "k"},
		{"citext", "k ext.citext PRIMARY KEY", "CASE i % 2 WHEN 0 THEN 'x' ELSE 'X' END || i", "k"},
		{"array", "k int[] PRIMARY KEY", "ARRAY[i % 5, i]", "k"},
		{"inet", "k inet PRIMARY KEY", "inet '10.0.0.0' + i", "k"},
		{"float", "k float8 PRIMARY KEY", "i / 3.0", "k"},
		{"composite", "site text, k int, PRIMARY KEY (site, k)", "'DC' || i % 2, i", "site, k"},
		{"reversed", "k int, site varchar(9), PRIMARY KEY (site, k)", "i, 'DC' || i % 2", "site, k"},
		{"mixed", "k ext.citext, n int, PRIMARY KEY (n, k)", "'c' || i, i % 3", "n, k"},
		{"included", "k int, extra int, PRIMARY KEY (k) INCLUDE (extra)", "i, 0", "k"},
		{"collated", `k text NOT NULL`, "CASE i % 2 WHEN 0 THEN 'a' ELSE 'B' END || i", `k COLLATE "C"`},
		{"pattern", `k text NOT NULL`, "CASE i % 2 WHEN 0 THEN 'a' ELSE 'B' END || i", `k USING ~<~`},
		{"descending", `k int NOT NULL`, "i", `k`},
		{"quoted", `"K ey\" int PRIMARY KEY`, "i", `"K ey\"`},
	}
}

const orderSchema = `CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE TYPE color AS ENUM ('red', 'b"lue', 'it''s');
	CREATE DOMAIN sku AS varchar(20); CREATE DOMAIN part AS sku CHECK (value <> '');`

// orderTables makes the tables of orderCases in the database and returns what is wanted of them.
func (db *database) orderTables() cdc.Wanted {
	wanted := make(cdc.Wanted)
	for _, c := range orderCases() {
		db.exec(fmt.Sprintf(`CREATE TABLE %s (%s, qty int)`, "t_"+c.name, c.create))
		fill := fmt.Sprintf(`INSERT INTO t_%s SELECT %s, i FROM generate_series(1, 500) i ORDER BY md5(i::text)`, c.name, c.fill)
		switch c.name {
		case "enum":
			fill = `INSERT INTO t_enum SELECT c, 1 FROM unnest(enum_range(NULL::color)) c`
		case "collated":
			fill += `; CREATE UNIQUE INDEX k_collated ON t_collated (k COLLATE "C"); ALTER TABLE t_collated REPLICA IDENTITY USING INDEX k_collated`
		case "pattern":
			fill += `; CREATE UNIQUE INDEX k_pattern ON t_pattern (k text_pattern_ops); ALTER TABLE t_pattern REPLICA IDENTITY FULL`
		case "descending":
			fill += `; CREATE UNIQUE INDEX k_desc ON t_descending (k DESC); ALTER TABLE t_descending REPLICA IDENTITY USING INDEX k_desc`
		}
		db.exec(fill)
		wanted[public("t_"+c.name)] = []string{"qty"}
	}
	return wanted
}

// TestChunksInKeyOrder reads tables with keys of all sorts in chunks and expects
// every row once, in the order of the key's index, with the role's settings
// against it; by range, and by key.
func TestChunksInKeyOrder(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, orderSchema)
	wanted := db.orderTables()
	cfg := leastRole(t, db, "ALL TABLES IN SCHEMA public")
	db.exec("GRANT USAGE ON SCHEMA ext TO l_" + db.name)
	for _, setting := range hostile() {
		db.exec("ALTER ROLE l_" + db.name + " SET " + setting)
	}
	db.exec("CREATE PUBLICATION " + db.name + " FOR ALL TABLES")
	s := newSource(t, cfg, wanted)
	tail(t, s, "").started()
	for _, c := range orderCases() {
		table := public("t_" + c.name)
		want := db.selected(fmt.Sprintf(`SELECT * FROM t_%s ORDER BY %s`, c.name, c.order))
		if c.name == "included" {
			want = db.selected(`SELECT k, qty FROM t_included ORDER BY k`)
		}
		rows := chunks(t, s, table, 77)
		if got := joined(rows); !slices.Equal(got, want) {
			t.Errorf("%s: got %d rows, want %d:\n%.300q\n%.300q", c.name, len(got), len(want), got, want)
			continue
		}
		desc := chunk(t, s, backfill.Request{Table: table, Limit: 1}).Table
		key := func(row cdc.Row) (k backfill.Key) {
			for _, column := range desc.Key {
				k = append(k, row[column].Text())
			}
			return k
		}
		first, last := len(rows)/4, len(rows)/2
		ranged := chunk(t, s, backfill.Request{Table: table, Range: backfill.Range{After: key(rows[first]), Upto: key(rows[last])}, Limit: 1000})
		if got := joined(ranged.Rows); !slices.Equal(got, want[first+1:last+1]) || !slices.Equal(ranged.Last, key(rows[last])) {
			t.Errorf("%s: range: got %d rows up to %q, want %d", c.name, len(got), ranged.Last, last-first)
		}
		listed := chunk(t, s, backfill.Request{Table: table, Keys: []backfill.Key{key(rows[last]), key(rows[first]), key(rows[last])}})
		if got := joined(listed.Rows); !slices.Equal(got, []string{want[first], want[last]}) {
			t.Errorf("%s: by key: got %q, want %q and %q", c.name, got, want[first], want[last])
		}
	}
}

// TestChunkSessions expects connections to be kept, to be used by one Read each,
// and to be gone after Close.
func TestChunkSessions(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; INSERT INTO stock SELECT i, i FROM generate_series(1, 10) i`, "stock")
	cfg := db.config()
	cfg.ApplicationName = db.name
	s := db.source(cfg, "public.stock: qty")
	sessions := func() string {
		return db.value(`SELECT count(*)::text FROM pg_stat_activity WHERE application_name = $1`, db.name)
	}
	tail(t, s, "").started().stop()
	for range 5 {
		chunk(t, s, backfill.Request{Table: public("stock"), Limit: 3})
	}
	if n := sessions(); n != "1" {
		t.Errorf("%s sessions after five chunks, want 1", n)
	}
	// A server that ended the session meanwhile makes no difference.
	db.exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '` + db.name + `'`)
	testenv.Eventually(t, patience, func() bool { return sessions() == "0" }, nil)
	if c := chunk(t, s, backfill.Request{Table: public("stock"), Limit: 3}); len(c.Rows) != 3 {
		t.Errorf("got %d rows, want 3", len(c.Rows))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() bool { return sessions() == "0" }, sessions)
}

// TestChunkIsCancelled expects the server to stop, and the session to be usable.
func TestChunkIsCancelled(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; INSERT INTO stock SELECT i, i FROM generate_series(1, 10) i`, "stock")
	cfg := db.config()
	cfg.ApplicationName = db.name
	s := db.source(cfg, "public.stock: qty")
	tail(t, s, "").started().stop()
	chunk(t, s, backfill.Request{Table: public("stock"), Limit: 3})
	locker := connect(t, db.dsn)
	if _, err := locker.Exec(t.Context(), `BEGIN; LOCK TABLE stock`); err != nil {
		t.Fatal(err)
	}
	waiting := func() bool {
		return db.value(`SELECT count(*)::text FROM pg_stat_activity WHERE application_name = $1 AND wait_event_type = 'Lock'`, db.name) == "1"
	}
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := s.Read(ctx, s.Mark(), backfill.Request{Table: public("stock"), Limit: 3})
		done <- err
	}()
	testenv.Eventually(t, patience, waiting, nil)
	cancel(cause)
	select {
	case err := <-done:
		if !errors.Is(err, cause) {
			t.Errorf("got %v, want the cause", err)
		}
	case <-time.After(patience):
		t.Fatal("Read did not return")
	}
	if waiting() {
		t.Error("the server goes on")
	}
	if _, err := locker.Exec(t.Context(), `ROLLBACK`); err != nil {
		t.Fatal(err)
	}
	if c := chunk(t, s, backfill.Request{Table: public("stock"), Limit: 3}); len(c.Rows) != 3 {
		t.Errorf("got %d rows, want 3", len(c.Rows))
	}
}

// TestChunkFollowsDDL alters and replaces the table between and during chunks.
func TestChunkFollowsDDL(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock+`; INSERT INTO stock SELECT i, i FROM generate_series(1, 10) i`, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tail(t, s, "").started()
	request := backfill.Request{Table: public("stock"), Limit: 100}
	first := chunk(t, s, request)
	if again := chunk(t, s, request); again.Table != first.Table {
		t.Error("the same table has two versions")
	}
	db.exec(`ALTER TABLE stock ALTER COLUMN qty TYPE numeric(10,2)`)
	altered := chunk(t, s, request)
	if got := altered.Rows[9][1].Text(); got != "10.00" || altered.Table.Columns[1].Type != cdc.TypeDecimal {
		t.Errorf("got %s of type %s after the type changed", got, altered.Table.Columns[1].Type)
	}
	// Behind DDL that runs, the chunk waits, and sees what that made.
	for _, test := range []struct{ ddl, want string }{
		{`ALTER TABLE stock ALTER COLUMN qty TYPE bigint`, "[1|1 2|2 3|3 4|4 5|5 6|6 7|7 8|8 9|9 10|10]"},
		{`TRUNCATE stock; INSERT INTO stock VALUES (1, 7)`, "[1|7]"},
		{`ALTER TABLE stock RENAME COLUMN qty TO n; ALTER TABLE stock ADD qty int NOT NULL DEFAULT 5`, "[1|5]"},
		{`ALTER TABLE stock DROP CONSTRAINT stock_pkey; ALTER TABLE stock ADD PRIMARY KEY (n)`, "[7|5]"},
	} {
		locker := connect(t, db.dsn)
		if _, err := locker.Exec(t.Context(), "BEGIN; "+test.ddl); err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			c, err := s.Read(t.Context(), s.Mark(), request)
			if err != nil {
				got <- err.Error()
				return
			}
			got <- fmt.Sprint(joined(c.Rows))
		}()
		waitForLock(db, "stock")
		if _, err := locker.Exec(t.Context(), "COMMIT"); err != nil {
			t.Fatal(err)
		}
		if rows := <-got; rows != test.want {
			t.Errorf("%s: got %s, want %s", test.ddl, rows, test.want)
		}
	}
	db.exec(`ALTER TABLE stock DROP COLUMN qty`)
	var setup *cdc.SetupError
	if _, err := s.Read(t.Context(), s.Mark(), request); !errors.As(err, &setup) {
		t.Errorf("got %v without the column, want a SetupError", err)
	}
}

// waitForLock waits until somebody waits for a lock on a table.
func waitForLock(db *database, table string) {
	db.t.Helper()
	testenv.Eventually(db.t, patience, func() bool {
		return db.value(`SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = $1::regclass`, table) == "1"
	}, nil)
}
