package mysql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
)

// TestTaggedGTIDs follows transactions whose GTIDs have tags beside others, goes on
// from every token, and reads chunks and omitted values behind them.
func TestTaggedGTIDs(t *testing.T) {
	t.Parallel()
	d := newServer(t, privateserver.FlavorMySQL, nil, stockTable)
	s := d.source(d.config(), "stock: qty")
	tl := tail(t, s, "").started()
	first := tl.token()
	d.session("SET gtid_next = 'AUTOMATIC:erp'", "INSERT INTO stock VALUES (1, 'A', 1)", "INSERT INTO stock VALUES (2, 'B', 2)")
	d.exec("INSERT INTO stock VALUES (3, 'C', 3)")
	d.session("SET gtid_next = 'AUTOMATIC:_x9'", "SET binlog_row_image = MINIMAL", "UPDATE stock SET sku = 'D' WHERE id = 1")
	want := []string{"insert stock to id=1,qty=1", "insert stock to id=2,qty=2", "insert stock to id=3,qty=3", "update stock from id=1,qty=(unchanged) to id=1,qty=(unchanged)"}
	got := tl.take(4)
	expect(t, got, want...)
	for i, tag := range []string{":erp:1", ":erp:2", "", ":_x9:1"} {
		if id := got[i].ID; !strings.Contains(id, tag) || tag == "" && strings.Count(id, ":") != 1 {
			t.Errorf("transaction %d is called %s", i, id)
		}
	}
	if c := chunkOf(t, s, backfill.Request{Table: cdc.TableName{Schema: d.name, Name: "stock"}, Limit: 9}); len(c.Rows) != 3 || !c.View.Sees(got[3]) {
		t.Errorf("the chunk has %v, and sees the last transaction: %v", images(c), c.View.Sees(got[3]))
	}
	var netter cdc.Netter
	rows, err := netter.Net(got[3])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Complete(t.Context(), got[3], []*cdc.NetChange{&rows[0]}); err != nil || image(rows[0].Table, rows[0].After) != "id=1,qty=1" {
		t.Errorf("completed: %v, %v", rows[0].After, err)
	}
	tl.stop()
	for i, token := range append([]cdc.Resume{first}, resumes(got)...) {
		if i == len(want) {
			break
		}
		again := tail(t, d.source(d.config(), "stock: qty"), token)
		expect(t, again.take(len(want)-i), want[i:]...)
		again.stop()
	}
	// A tag that is gone from the log is missed like anything else.
	d.exec("FLUSH BINARY LOGS", "INSERT INTO stock VALUES (9, 'Z', 9)")
	files := d.files()
	d.exec("PURGE BINARY LOGS TO '" + files[len(files)-1] + "'")
	expectGap(t, tail(t, d.source(d.config(), "stock: qty"), got[0].Resume).failed(), cdc.GapLogPurged, "")
}

// TestXABeyondLimit expects the rows of prepared XA transactions to take no more
// memory than they may: the stream ends with an error that says so, and one that may
// take more goes on from the same token.
func TestXABeyondLimit(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newServer(t, f, nil, "CREATE TABLE stock (id INT PRIMARY KEY, doc TEXT)")
		cfg := d.config()
		cfg.XABytes = 20_000
		tl := tail(t, d.source(cfg, "stock: doc"), "").started()
		prepare := func(xid string, from int) {
			statements := []string{"XA START '" + xid + "'"}
			for i := range 30 {
				statements = append(statements, fmt.Sprintf("INSERT INTO stock VALUES (%d, REPEAT('x', 300))", from+i))
			}
			d.session(append(statements, "XA END '"+xid+"'", "XA PREPARE '"+xid+"'")...)
		}
		prepare("a", 100) // which there is room for
		d.exec("INSERT INTO stock VALUES (1, 'between')")
		expect(t, tl.take(1), "insert stock to id=1,doc=between")
		token := tl.token()
		prepare("b", 200)
		prepare("c", 300)
		var setup *cdc.SetupError
		if err := tl.failed(); !errors.As(err, &setup) || !strings.Contains(err.Error(), "raise xa_bytes") {
			t.Fatalf("got %v, want a SetupError that says what to do", err)
		}
		if err := tail(t, d.source(cfg, "stock: doc"), token).failed(); !errors.As(err, &setup) {
			t.Fatalf("again: %v", err)
		}
		cfg.XABytes = 200_000
		again := tail(t, d.source(cfg, "stock: doc"), token)
		d.session("XA ROLLBACK 'b'")
		d.session("XA COMMIT 'a'")
		d.session("XA COMMIT 'c'")
		got := again.take(2)
		if len(got[0].Changes) != 30 || len(got[len(got)-1].Changes) != 30 || image(got[0].Changes[0].Table, got[0].Changes[0].After)[:6] != "id=100" {
			t.Errorf("got %.300s", strings.Join(lines(got), "\n"))
		}
	})
}

// TestSystemVersioned refuses tables whose history MariaDB logs along with them,
// from the start and when they become such.
func TestSystemVersioned(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, privateserver.FlavorMariaDB, stockTable, "INSERT INTO stock VALUES (1, 'A', 1)",
		"CREATE TABLE versioned (id INT PRIMARY KEY, qty INT) WITH SYSTEM VERSIONING")
	const text = "is system-versioned"
	var setup *cdc.SetupError
	s := d.source(d.config(), "versioned: qty")
	if err := s.Tail(t.Context(), "", nil); !errors.As(err, &setup) || !strings.Contains(err.Error(), text) {
		t.Errorf("Tail: %v", err)
	}
	found := false
	for _, f := range s.Check(t.Context()) {
		found = found || f.State == cdc.FindingProblem && strings.Contains(f.Detail, text) && strings.Contains(f.Fix, "DROP SYSTEM VERSIONING")
	}
	if !found {
		t.Error("check does not say so")
	}
	tl := d.follow("stock: qty")
	d.exec("UPDATE stock SET qty = 2")
	expect(t, tl.take(1), "update stock to id=1,qty=2")
	d.exec("ALTER TABLE stock ADD SYSTEM VERSIONING", "UPDATE stock SET qty = 3", "DELETE FROM stock")
	expectGap(t, tl.failed(), cdc.GapSkipped, "became system-versioned")
	expect(t, tl.transactions(), "update stock to id=1,qty=2")
	// Not even when it is none any more.
	d.exec("ALTER TABLE stock DROP SYSTEM VERSIONING")
	expectGap(t, tail(t, d.source(d.config(), "stock: qty"), tl.token()).failed(), cdc.GapSkipped, "became system-versioned")
}

// TestSettingsForStatements follows statements for which alone MariaDB's sessions set
// variables: the server logs them with that before them.
func TestSettingsForStatements(t *testing.T) {
	t.Parallel()
	d := newDatabase(t, privateserver.FlavorMariaDB, stockTable)
	tl := d.follow("stock: qty")
	const set = "SET STATEMENT max_statement_time = 100, lock_wait_timeout = 5 FOR "
	d.exec(set+"INSERT INTO stock VALUES (1, 'A', 1)", set+"TRUNCATE TABLE stock", set+"ALTER TABLE stock ADD COLUMN x INT FIRST",
		"INSERT INTO stock VALUES (9, 2, 'B', 2)")
	expect(t, tl.take(3), "insert stock to id=1,qty=1", "truncate stock", "insert stock to id=2,qty=2")
	d.exec(set + "RENAME TABLE stock TO former")
	expectGap(t, tl.failed(), cdc.GapSkipped, "was renamed")
}

// TestRewritten doubts a table whose captured columns get other values by an ALTER
// TABLE, which logs no row, and no other; a column that others look up ends the
// stream, and so does another key.
func TestRewritten(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, "CREATE TABLE stock (id INT PRIMARY KEY, sku VARCHAR(40), qty DECIMAL(9,3), note TEXT)",
			"CREATE TABLE item (id INT PRIMARY KEY, code VARCHAR(40), note TEXT)", "INSERT INTO stock VALUES (1, 'A', 1.555, '')")
		cfg := d.config()
		cfg.Lookups = []cdc.TableName{{Schema: d.name, Name: "item"}}
		s := d.source(cfg, "stock: qty", "item: code")
		tl := tail(t, s, "").started()
		if tables := s.TakeDoubted(); len(tables) > 0 {
			t.Errorf("at the beginning, %v is doubted", tables)
		}
		d.exec("ALTER TABLE stock ADD COLUMN x INT AFTER qty, DROP COLUMN note, ADD INDEX (qty)", "ALTER TABLE item DROP COLUMN note", "INSERT INTO stock (id, qty) VALUES (2, 2)")
		tl.take(1)
		if tables := s.TakeDoubted(); len(tables) > 0 {
			t.Errorf("after changes of other columns, %v is doubted", tables)
		}
		d.exec("ALTER TABLE stock MODIFY qty DECIMAL(9,1)")
		tl.wait("doubt", func() bool { return len(s.TakeDoubted()) == 1 })
		d.exec("ALTER TABLE item MODIFY code VARCHAR(2)")
		expectGap(t, tl.failed(), cdc.GapSkipped, "had a column altered that others look up")
		tl = tail(t, d.source(d.config(), "stock: qty"), "").started()
		d.exec("ALTER TABLE stock DROP PRIMARY KEY, ADD PRIMARY KEY (id, qty)")
		expectGap(t, tl.failed(), cdc.GapSkipped, "got another primary key")
	})
}
