package mysql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
)

const stockTable = "CREATE TABLE stock (id INT PRIMARY KEY, sku VARCHAR(40), qty INT)"

// TestXA expects the rows of an XA transaction when it commits, also if that is
// read by a Tail that began after it was prepared, and nothing of one that was
// rolled back.
func TestXA(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newServer(t, f, nil, stockTable) // a decision ends every source that does not know the rows
		s := d.source(d.config(), "stock: qty")
		tl := tail(t, s, "").started()
		d.session("XA START 'a"+d.name+"'", "INSERT INTO stock VALUES (1, 'A', 1)", "XA END 'a"+d.name+"'", "XA PREPARE 'a"+d.name+"'")
		d.session("XA START 'b"+d.name+"', 'branch', 7", "INSERT INTO stock VALUES (2, 'B', 2)", "XA END 'b"+d.name+"', 'branch', 7", "XA PREPARE 'b"+d.name+"', 'branch', 7")
		d.session("XA START 'c"+d.name+"'", "INSERT INTO stock VALUES (3, 'C', 3)", "XA END 'c"+d.name+"'", "XA COMMIT 'c"+d.name+"' ONE PHASE")
		d.exec("INSERT INTO stock VALUES (4, 'D', 4)")
		expect(t, tl.take(2), "insert stock to id=3,qty=3", "insert stock to id=4,qty=4")
		first := tl.token()
		tl.stop()
		if !strings.Contains(string(first), `"again"`) {
			t.Errorf("while two transactions are prepared, the token is %s", first)
		}

		again := tail(t, d.source(d.config(), "stock: qty"), first)
		d.session("XA ROLLBACK 'b" + d.name + "', 'branch', 7")
		d.exec("INSERT INTO stock VALUES (5, 'E', 5)")
		d.session("XA COMMIT 'a" + d.name + "'")
		d.exec("INSERT INTO stock VALUES (6, 'F', 6)")
		got := again.take(3)
		expect(t, got, "insert stock to id=5,qty=5", "insert stock to id=1,qty=1", "insert stock to id=6,qty=6")
		again.stop()
		if token := again.token(); strings.Contains(string(token), `"again"`) {
			t.Errorf("while nothing is prepared, the token is %s", token)
		}
		// From between the decision and what follows it.
		last := tail(t, d.source(d.config(), "stock: qty"), got[1].Resume)
		expect(t, last.take(1), "insert stock to id=6,qty=6")
		last.stop()
		// From before both were decided, a second time.
		repeated := tail(t, d.source(d.config(), "stock: qty"), first)
		expect(t, repeated.take(3), "insert stock to id=5,qty=5", "insert stock to id=1,qty=1", "insert stock to id=6,qty=6")
		repeated.stop()
	})
}

// TestXAUnknown expects a commit of what was prepared before the first token to be
// a gap: nobody has its rows.
func TestXAUnknown(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newServer(t, f, nil, stockTable)
		d.session("XA START 'x'", "INSERT INTO stock VALUES (1, 'A', 1)", "XA END 'x'", "XA PREPARE 'x'")
		tl := d.follow("stock: qty")
		d.session("XA COMMIT 'x'")
		expectGap(t, tl.failed(), cdc.GapSkipped, "was prepared before")
	})
}

// expectGap expects a gap for a reason, whose detail has a text.
func expectGap(t testing.TB, err error, reason cdc.GapReason, text string) {
	t.Helper()
	var gap *cdc.GapError
	if !errors.As(err, &gap) || gap.Reason != reason || !strings.Contains(gap.Detail, text) {
		t.Errorf("got %v, want a GapError for %s with %q", err, reason, text)
	}
}

// TestRowImages expects of images that leave columns out what they have, the key,
// and Unchanged for the rest; Complete fills that.
func TestRowImages(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, "CREATE TABLE stock (id INT PRIMARY KEY, sku VARCHAR(40) DEFAULT 'none', qty INT DEFAULT 5, note TEXT)")
		s := d.source(d.config(), "stock: sku, qty, note")
		tl := tail(t, s, "").started()
		d.session("SET binlog_row_image = MINIMAL", "INSERT INTO stock (id) VALUES (1)", "UPDATE stock SET qty = 7 WHERE id = 1",
			"UPDATE stock SET id = 2", "DELETE FROM stock")
		d.session("SET binlog_row_image = NOBLOB", "INSERT INTO stock VALUES (1, 'A', 1, 'text')", "UPDATE stock SET qty = 2", "UPDATE stock SET note = 'b'")
		got := tl.take(7)
		// A default is logged as what the statement left out.
		expect(t, got[:1], "insert stock to id=1,sku=(unchanged),qty=(unchanged),note=(unchanged)")
		expect(t, got[1:],
			"update stock from id=1,sku=(unchanged),qty=(unchanged),note=(unchanged) to id=1,sku=(unchanged),qty=7,note=(unchanged)",
			"update stock from id=1,sku=(unchanged),qty=(unchanged),note=(unchanged) to id=2,sku=(unchanged),qty=(unchanged),note=(unchanged)",
			"delete stock from id=2,sku=(unchanged),qty=(unchanged),note=(unchanged)",
			"insert stock to id=1,sku=A,qty=1,note=text",
			"update stock from id=1,sku=A,qty=1,note=(unchanged) to id=1,sku=A,qty=2,note=(unchanged)",
			"update stock to id=1,sku=A,qty=2,note=b")
		var netter cdc.Netter
		rows, err := netter.Net(got[5])
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Complete(t.Context(), got[5], []*cdc.NetChange{&rows[0]}); err != nil {
			t.Fatal(err)
		}
		if got, want := image(rows[0].Table, rows[0].After), "id=1,sku=A,qty=2,note=b"; got != want {
			t.Errorf("completed: %s, want %s", got, want)
		}
	})
}

// TestPartialJSON expects a JSON value of which only the difference is logged to
// be left out and completed.
func TestPartialJSON(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, privateserver.FlavorMySQL, "CREATE TABLE doc (id INT PRIMARY KEY, a JSON, b JSON, n INT, c JSON)",
		`INSERT INTO doc VALUES (1, '{"x": 1, "y": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"}', '[1]', 1, '{}')`)
	s := d.source(d.config(), "doc: a, c, n")
	tl := tail(t, s, "").started()
	d.session("SET binlog_row_value_options = PARTIAL_JSON", "UPDATE doc SET a = JSON_SET(a, '$.x', 2), n = 2",
		"SET binlog_row_image = MINIMAL", "UPDATE doc SET a = JSON_SET(a, '$.x', 3), n = 3")
	got := tl.take(2)
	const before = `id=1,a={"x": 1, "y": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},n=1,c={}`
	expect(t, got, "update doc from "+before+" to id=1,a=(unchanged),n=2,c={}",
		"update doc from id=1,a=(unchanged),n=(unchanged),c=(unchanged) to id=1,a=(unchanged),n=3,c=(unchanged)")
	var netter cdc.Netter
	rows, err := netter.Net(got[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Complete(t.Context(), got[1], []*cdc.NetChange{&rows[0]}); err != nil {
		t.Fatal(err)
	}
	if got, want := image(rows[0].Table, rows[0].After), `id=1,a={"x": 3, "y": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"},n=3,c={}`; got != want {
		t.Errorf("completed: %s, want %s", got, want)
	}
}

// TestDefinitions alters, empties, drops and makes a table while it is streamed,
// and again from the beginning with a log that is older than the table.
func TestDefinitions(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, stockTable)
		tl := tail(t, d.source(d.config(), "stock: sku, qty"), "").started()
		first := tl.token()
		d.exec("INSERT INTO stock VALUES (1, 'A', 1)",
			"ALTER TABLE stock ADD COLUMN note TEXT FIRST", "INSERT INTO stock VALUES ('n', 2, 'B', 2)",
			"ALTER TABLE stock MODIFY COLUMN qty DECIMAL(10,2) AFTER note", "INSERT INTO stock VALUES ('n', 3, 3, 'C')",
			"ALTER TABLE stock DROP COLUMN note, ADD INDEX (sku)", "INSERT INTO stock VALUES (4, 4, 'D')",
			"TRUNCATE stock", "INSERT INTO stock VALUES (5, 5, 'E')",
			"DROP TABLE stock", "CREATE TABLE stock (id BIGINT PRIMARY KEY, qty FLOAT, sku CHAR(3))", "INSERT INTO stock VALUES (6, 6, 'F')",
			"ALTER TABLE stock RENAME COLUMN qty TO amount, ADD COLUMN qty INT", "INSERT INTO stock VALUES (7, 8, 'G', 7)",
			"CREATE TABLE copy AS SELECT * FROM stock", "DROP TABLE copy")
		want := []string{
			"insert stock to id=1,sku=A,qty=1", "insert stock to id=2,sku=B,qty=2", "insert stock to qty=3.00,id=3,sku=C", "insert stock to qty=4.00,id=4,sku=D",
			"truncate stock", "insert stock to qty=5.00,id=5,sku=E", "truncate stock", "insert stock to id=6,qty=6,sku=F", "insert stock to id=7,sku=G,qty=7",
		}
		expect(t, tl.take(9), want...)
		tl.stop()
		again := tail(t, d.source(d.config(), "stock: sku, qty"), first)
		expect(t, again.take(9), want...)
		again.stop()
	})
}

// TestReplaced expects a gap where rows come or leave without a change each.
func TestReplaced(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		for name, statements := range map[string][]string{
			"swap": {"CREATE TABLE _stock_gho LIKE stock", "INSERT INTO _stock_gho VALUES (1, 'A', 1)", "RENAME TABLE stock TO _stock_del, _stock_gho TO stock"},
			"away": {"ALTER TABLE stock RENAME TO gone"},
			"partition": {
				"ALTER TABLE stock PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN (20))",
				"ALTER TABLE stock DROP PARTITION b",
			},
			"truncated partition": {"ALTER TABLE stock PARTITION BY HASH (id) PARTITIONS 2", "ALTER TABLE stock TRUNCATE PARTITION p0"},
			"statement":           {"SET SESSION binlog_format = 'STATEMENT'", "INSERT INTO stock VALUES (1, 'A', 1)"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				var d *database
				var text string
				if name == "statement" { // which ends every source of the server
					d, text = newServer(t, f, nil, stockTable), "logged a statement (INSERT)"
				} else {
					d = newDatabase(t, f, stockTable)
					text = "table " + d.name + ".stock"
				}
				tl := d.follow("stock: qty")
				d.session(statements...)
				expectGap(t, tl.failed(), cdc.GapSkipped, text)
			})
		}
	})
}

// TestOtherEngines expects rows of an engine without transactions, and of CREATE
// TABLE … SELECT.
func TestOtherEngines(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, stockTable, "CREATE TABLE old (id INT PRIMARY KEY, qty INT) ENGINE=MyISAM")
		cfg := d.config()
		tl := tail(t, d.source(cfg, "stock: qty", "old: qty"), "").started()
		d.exec("INSERT INTO old VALUES (1, 1), (2, 2)", "INSERT INTO stock VALUES (1, 'A', 1)", "DROP TABLE stock",
			"CREATE TABLE stock (PRIMARY KEY (id)) AS SELECT id, qty FROM old", "DELETE FROM old WHERE id = 1")
		expect(t, tl.take(5), "insert old to id=1,qty=1", "insert old to id=2,qty=2", "insert stock to id=1,qty=1", "truncate stock",
			"insert stock to id=1,qty=1", "insert stock to id=2,qty=2", "delete old from id=1,qty=1")
		if f == privateserver.FlavorMySQL {
			return // it refuses to mix engines while it has GTIDs
		}
		// What MyISAM did stays when the rest is rolled back.
		d.session("START TRANSACTION", "INSERT INTO stock VALUES (9, 9)", "INSERT INTO old VALUES (9, 9)", "SAVEPOINT a",
			"INSERT INTO stock VALUES (8, 8)", "INSERT INTO old VALUES (8, 8)", "ROLLBACK TO SAVEPOINT a", "ROLLBACK")
		d.exec("INSERT INTO stock VALUES (7, 7)")
		expect(t, tl.take(8)[5:], "insert old to id=9,qty=9", "insert old to id=8,qty=8", "insert stock to id=7,qty=7")
		tl.stop()
	})
}

// TestCompressed expects the same of compressed transactions and events.
func TestCompressed(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		setting := map[string]string{"log-bin-compress": "ON", "log-bin-compress-min-len": "10"}
		if f == privateserver.FlavorMySQL {
			setting = map[string]string{"binlog-transaction-compression": "ON"}
		}
		d := newServer(t, f, setting, stockTable)
		tl := d.follow("stock: sku, qty")
		var rows []string
		for i := range 5000 {
			rows = append(rows, fmt.Sprintf("(%d, 'SKU', %d)", i, i))
		}
		d.exec("INSERT INTO stock VALUES "+strings.Join(rows, ", "), "UPDATE stock SET qty = qty + 1 WHERE id < 3", "DELETE FROM stock WHERE id > 3")
		n, got := 0, tl.take(3)
		for _, tx := range got {
			n += len(tx.Changes)
		}
		if want := 5000 + 3 + 4996; n != want {
			t.Errorf("%d changes, want %d", n, want)
		}
		expect(t, got[:1], lines(got[:1])...)
		if l := lines(got); l[4999] != "insert stock to id=4999,sku=SKU,qty=4999" || l[5001] != "update stock to id=1,sku=SKU,qty=2" {
			t.Errorf("got %s and %s", l[4999], l[5001])
		}
		tl.stop()
	})
}
