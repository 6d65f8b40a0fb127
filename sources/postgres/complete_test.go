package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

func newSource(t *testing.T, cfg postgres.Config, wanted cdc.Wanted) *postgres.Source {
	t.Helper()
	s, err := postgres.New(cfg, wanted, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// large is SQL for a value that PostgreSQL stores out of line: 64 kB that do not compress.
const large = "(SELECT string_agg(md5(i::text || %s), '') FROM generate_series(1, 2000) i)"

func largeValue(seed string) string { return fmt.Sprintf(large, "'"+seed+"'") }

// incomplete tails until transaction number n and returns it and its net
// changes, all of which lack values.
func incomplete(t *testing.T, s *postgres.Source, tl *tailing, n int) (*cdc.Transaction, []*cdc.NetChange) {
	t.Helper()
	transaction := tl.take(n)[n-1]
	var netter cdc.Netter
	net, err := netter.Net(transaction)
	if err != nil {
		t.Fatal(err)
	}
	var rows []*cdc.NetChange
	for i := range net {
		if net[i].After.Complete() {
			t.Fatalf("row %s lacks nothing, the test is void", net[i].Key)
		}
		rows = append(rows, &net[i])
	}
	return transaction, rows
}

func TestComplete(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, qty int, note text, raw bytea);
		INSERT INTO stock SELECT i, i, `+fmt.Sprintf(large, "g")+`, decode(`+fmt.Sprintf(large, "g")+`, 'hex') FROM generate_series(1, 5) g(i);
		CREATE TABLE child () INHERITS (stock); INSERT INTO child VALUES (1, 1, 'the child has a row of this key as well', '')`, "ONLY stock")
	s := newSource(t, leastRole(t, db, "stock"), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note", "raw"}})
	tl := tail(t, s, "").started()
	db.exec("UPDATE stock SET qty = qty + 100 WHERE id <= 4")
	transaction, rows := incomplete(t, s, tl, 1)

	// What happens since is seen too: it will be delivered after the transaction.
	db.exec("DELETE FROM stock WHERE id = 2; UPDATE stock SET note = 'later', qty = 0 WHERE id = 3; UPDATE stock SET note = NULL WHERE id = 4")
	if err := s.Complete(t.Context(), transaction, rows); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"A", "gone", "later", "NULL"} {
		row := rows[i]
		if want == "gone" {
			if row.After != nil {
				t.Errorf("row %s is gone and has an image: %v", row.Key, row.After)
			}
			continue
		}
		if want == "A" {
			want = db.value("SELECT note FROM stock WHERE id = 1")
		}
		if !row.After.Complete() {
			t.Fatalf("row %s still lacks values", row.Key)
		}
		if qty := row.After[1].Text(); qty != fmt.Sprint(101+i) {
			t.Errorf("row %s: qty is %s, want what the transaction wrote", row.Key, qty)
		}
		if got := row.After[2].String(); got != want {
			t.Errorf("row %s: note is %.40q, want %.40q", row.Key, got, want)
		}
		if got, want := row.After[3].Text(), db.value(fmt.Sprintf("SELECT encode(raw, 'hex') FROM stock WHERE id = %d", i+1)); got != want {
			t.Errorf("row %s: raw is %.40q, want %.40q", row.Key, got, want)
		}
	}
}

// TestCompleteByKey completes by keys of every type that an ERP may have, and
// expects the index to find them, whatever schema the operators live in.
func TestCompleteByKey(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE TYPE color AS ENUM ('red', 'b\"lue'); CREATE DOMAIN code AS varchar(20) CHECK (value <> '')")
	types := []struct{ name, value string }{
		{"smallint", "-3"},
		{"bigint", "9007199254740993"},
		{"numeric(20,4)", "12.5"},
		{"text", `'a "quoted\" {x,y} NULL'`},
		{"char(8)", "'pad'"},
		{"varchar(9)", "'v'"},
		{"uuid", "'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11'"},
		{"bytea", `'\x00ff5c'`},
		{"date", "'infinity'"},
		{"timestamptz", "'2024-02-29 23:59:59.123456+09'"},
		{"boolean", "true"},
		{"double precision", "0.1::float8 + 0.2::float8"},
		{"interval", "'1 year -3 days 04:05'"},
		{"inet", "'10.0.0.1/8'"},
		{"color", `'b"lue'`},
		{"code", "'C'"},
		{"ext.citext", "'MiXed'"},
		{"int[]", "'{1,2}'"},
	}
	var tables []string
	for i, typ := range types {
		db.exec(fmt.Sprintf(`CREATE TABLE k%d (q int, a %s, b int, note text, PRIMARY KEY (b, a));
			INSERT INTO k%d SELECT 1, %s, g, %s FROM generate_series(1, 2) g`, i, typ.name, i, typ.value, largeValue("n")))
		tables = append(tables, fmt.Sprintf("k%d", i))
	}
	db.exec("CREATE PUBLICATION " + db.name + " FOR TABLE " + strings.Join(tables, ", "))
	wanted := make(cdc.Wanted)
	for _, name := range tables {
		wanted[cdc.TableName{Schema: "public", Name: name}] = []string{"q", "note"}
	}
	s := newSource(t, db.config(), wanted)
	tl := tail(t, s, "").started()
	for _, name := range tables {
		db.exec("UPDATE " + name + " SET q = 2 WHERE b = 2")
	}
	want := db.value("SELECT note FROM k0 LIMIT 1")
	for i, typ := range types {
		transaction, rows := incomplete(t, s, tl, i+1)
		if err := s.Complete(t.Context(), transaction, rows); err != nil {
			t.Errorf("key of type %s: %v", typ.name, err)
			continue
		}
		if len(rows) != 1 || rows[0].After == nil || rows[0].After[3].Text() != want {
			t.Errorf("key of type %s, %s: row was not completed", typ.name, rows[0].Key)
		}
	}
}

// TestCompleteUsesIndex asks the server's statistics how the table was read. A
// session's own arrive when it has ended, at the latest.
func TestCompleteUsesIndex(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE stock (id numeric PRIMARY KEY, qty int, note text);
		INSERT INTO stock SELECT i, i, 'n' FROM generate_series(1, 20000) i; ANALYZE stock`, "stock")
	s := newSource(t, db.config(), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note"}})
	tl := tail(t, s, "").started()
	writer := connect(t, db.dsn)
	for _, sql := range []string{"UPDATE stock SET note = " + largeValue("n") + " WHERE id = 77", "UPDATE stock SET qty = 0 WHERE id = 77"} {
		if _, err := writer.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := writer.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	count := func(statistic string) string {
		return db.value("SELECT (" + statistic + ")::text FROM pg_stat_user_tables WHERE relname = 'stock'")
	}
	testenv.Eventually(t, patience, func() bool { return count("n_tup_upd") == "2" && count("n_tup_ins") == "20000" }, nil)
	scans, indexScans := count("seq_scan"), count("idx_scan")
	transaction, rows := incomplete(t, s, tl, 2)
	if err := s.Complete(t.Context(), transaction, rows); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, patience, func() bool { return count("seq_scan + idx_scan") != count(scans+" + "+indexScans) },
		func() string { return "the session that completed has not reported" })
	if after := count("seq_scan"); after != scans {
		t.Errorf("the table was scanned: %s sequential scans before, %s after", scans, after)
	}
}

// TestCompleteWaits expects that a transaction which is streamed but not
// visible yet, because a synchronous standby does not answer, is waited for.
func TestCompleteWaits(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), "CREATE TABLE stock (id int PRIMARY KEY, qty int, note text); INSERT INTO stock VALUES (1, 1, "+largeValue("n")+")", "stock")
	s := newSource(t, db.config(), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note"}})
	tl := tail(t, s, "").started()
	other := openDatabase(t, server.DSN("postgres"), "")
	release := hangCommits(t, server.DSN("postgres"))
	hung := make(chan error, 1)
	go func() {
		// The statement also changes the note, so that the old one would be told from the new.
		_, err := db.conn.Exec(context.WithoutCancel(t.Context()), "UPDATE stock SET qty = 2")
		hung <- err
	}()
	transaction, rows := incomplete(t, s, tl, 1)
	if qty := other.value("SELECT qty::text FROM stock"); qty != "1" {
		t.Fatalf("the update is visible already, qty is %s: the test is void", qty)
	}

	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Complete(short, transaction, rows); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("Complete of an invisible transaction returned %v, want to wait", err)
	}
	if !rows[0].After[2].IsUnchanged() {
		t.Error("a row was completed from before the transaction")
	}
	done := make(chan error, 1)
	go func() { done <- s.Complete(t.Context(), transaction, rows) }()
	release()
	if err := <-hung; err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got, want := rows[0].After[2].Text(), other.value("SELECT note FROM stock"); got != want {
		t.Errorf("note is %.40q, want %.40q", got, want)
	}
}

// TestCompleteDuringRewrite expects that rows are not taken for gone when DDL
// replaces the table while Complete waits for it.
func TestCompleteDuringRewrite(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "CREATE TABLE stock (id int PRIMARY KEY, qty int, note text); INSERT INTO stock VALUES (1, 1, "+largeValue("n")+")", "stock")
	s := newSource(t, db.config(), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note"}})
	tl := tail(t, s, "").started()
	db.exec("UPDATE stock SET qty = 2")
	transaction, rows := incomplete(t, s, tl, 1)
	db.exec("BEGIN; ALTER TABLE stock ALTER qty TYPE bigint")
	done := make(chan error, 1)
	go func() { done <- s.Complete(t.Context(), transaction, rows) }()
	testenv.Eventually(t, patience, func() bool {
		return db.value("SELECT count(*)::text FROM pg_locks WHERE NOT granted AND relation = 'stock'::regclass") == "1"
	}, nil)
	db.exec("COMMIT")
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if rows[0].After == nil || !rows[0].After.Complete() {
		t.Errorf("row was not completed: %v", rows[0].After)
	}
}

func TestCompleteReconnects(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "CREATE TABLE stock (id int PRIMARY KEY, qty int, note text); INSERT INTO stock VALUES (1, 1, "+largeValue("n")+")", "stock")
	s := newSource(t, db.config(), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note"}})
	tl := tail(t, s, "").started()
	for n := 1; n <= 2; n++ {
		db.exec("UPDATE stock SET qty = qty + 1")
		transaction, rows := incomplete(t, s, tl, n)
		if err := s.Complete(t.Context(), transaction, rows); err != nil {
			t.Fatalf("call %d: %v", n, err)
		}
		const completing = ` FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%WITH ORDINALITY AS k(k1%' AND pid <> pg_backend_pid()`
		if killed := db.value("SELECT count(pg_terminate_backend(pid))::text" + completing); killed != "1" {
			t.Fatalf("terminated %s sessions, want the one that completes", killed)
		}
		testenv.Eventually(t, patience, func() bool { return db.value("SELECT count(*)::text"+completing) == "0" }, nil)
	}
}

// TestCompleteIsRefused expects an error, and no row taken for gone, when the
// role loses the right to see it.
func TestCompleteIsRefused(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "CREATE TABLE stock (id int PRIMARY KEY, qty int, note text); INSERT INTO stock VALUES (1, 1, "+largeValue("n")+")", "stock")
	s := newSource(t, leastRole(t, db, "stock"), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note"}})
	tl := tail(t, s, "").started()
	db.exec("UPDATE stock SET qty = 2")
	transaction, rows := incomplete(t, s, tl, 1)
	for _, ddl := range []string{"ALTER TABLE stock ENABLE ROW LEVEL SECURITY", "REVOKE SELECT ON stock FROM l_" + db.name} {
		db.exec(ddl)
		var setup *cdc.SetupError
		if err := s.Complete(t.Context(), transaction, rows); !errors.As(err, &setup) || rows[0].After == nil {
			t.Errorf("after %q: got %v and row %v, want a SetupError and the row as it was", ddl, err, rows[0].After)
		}
	}
}

// TestCompletePartition expects old tuples of a partition not to be taken for
// whole, although the root, under whose name they come, has replica identity
// full: the values that they lack are read again.
func TestCompletePartition(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, qty int, note text) PARTITION BY RANGE (id);
		CREATE TABLE stock1 PARTITION OF stock FOR VALUES FROM (0) TO (10); ALTER TABLE stock REPLICA IDENTITY FULL;
		INSERT INTO stock VALUES (1, 1, `+largeValue("n")+")")
	db.exec("CREATE PUBLICATION " + db.name + " FOR TABLE stock WITH (publish_via_partition_root)")
	s := newSource(t, leastRole(t, db, "stock"), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note"}})
	tl := tail(t, s, "").started()
	db.exec("UPDATE stock SET id = 2, qty = 2")
	transaction := tl.take(1)[0]
	var netter cdc.Netter
	net, err := netter.Net(transaction)
	if err != nil {
		t.Fatal(err)
	}
	last := &net[len(net)-1]
	if !last.After[2].IsUnchanged() {
		t.Fatalf("note is %.40q, want it to be unchanged", last.After[2])
	}
	if err := s.Complete(t.Context(), transaction, []*cdc.NetChange{last}); err != nil {
		t.Fatal(err)
	}
	if got, want := last.After[2].Text(), db.value("SELECT note FROM stock"); got != want {
		t.Errorf("note is %.40q, want %.40q", got, want)
	}
}

func TestCompleteFails(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "CREATE TABLE stock (id int PRIMARY KEY, qty int, note text); INSERT INTO stock VALUES (1, 1, "+largeValue("n")+")", "stock")
	s := newSource(t, db.config(), cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty", "note"}})
	tl := tail(t, s, "").started()
	db.exec("UPDATE stock SET qty = 2")
	transaction, rows := incomplete(t, s, tl, 1)
	for _, ddl := range []string{"ALTER TABLE stock RENAME note TO remark", "ALTER TABLE stock RENAME id TO ident", "DROP TABLE stock"} {
		db.exec(ddl)
		var setup *cdc.SetupError
		if err := s.Complete(t.Context(), transaction, rows); !errors.As(err, &setup) {
			t.Errorf("after %q: got %v, want a SetupError", ddl, err)
		}
	}
	if err := s.Complete(t.Context(), &cdc.Transaction{ID: "0-1-2"}, rows); err == nil {
		t.Error("completed a transaction that has no id of PostgreSQL")
	}
	if err := s.Complete(t.Context(), &cdc.Transaction{ID: "0-1-2"}, nil); err != nil {
		t.Errorf("nothing to complete: %v", err)
	}
	keyless := *rows[0]
	keyless.After = cdc.Row{cdc.Null, cdc.Unchanged, cdc.Unchanged}
	if err := s.Complete(t.Context(), transaction, []*cdc.NetChange{&keyless}); !errors.Is(err, cdc.ErrKey) {
		t.Errorf("row without a key: got %v, want %v", err, cdc.ErrKey)
	}
	if diff := cmp.Diff("(unchanged)", rows[0].After[2].String()); diff != "" {
		t.Errorf("a failed call changed the row (-want +got):\n%s", diff)
	}
}
