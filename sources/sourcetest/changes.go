package sourcetest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

const stockTable = "CREATE TABLE stock (id INT PRIMARY KEY, sku VARCHAR(40), qty DECIMAL(12,3))"

// expectCommits compares commits with the lines that render makes of them.
func expectCommits(t testing.TB, got []commit, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, render(got), cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
}

// testFirstToken expects the first token at once, before any commit; what was
// committed before it stays out, what is committed after it is delivered.
func testFirstToken(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	r.exec("INSERT INTO stock VALUES (1, 'early', 1)")
	st := tail(t, r.source("stock: sku qty"), "").started()
	first := st.all()[0]
	if !first.Progress() || first.Resume == "" || len(first.Changes) != 0 {
		t.Errorf("the first thing emitted is %+v, want progress with a token", first)
	}
	r.exec("INSERT INTO stock VALUES (2, 'late', 1)")
	expectCommits(t, st.until(r.mark()), "insert stock id=2 sku=late qty=1.000")
}

// testValues expects exact values, NULLs and empty strings, of plain changes.
func testValues(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: sku qty"), "").started()
	r.exec(
		"INSERT INTO stock VALUES (-1, '', -12.5)",
		"INSERT INTO stock VALUES (2147483647, 'ä€ it''s \"q\" 50%', 999999999.999)",
		"INSERT INTO stock (id) VALUES (3)",
		"UPDATE stock SET qty = 0.001, sku = NULL WHERE id = -1",
		"UPDATE stock SET sku = ' padded ' WHERE id = 3",
		"DELETE FROM stock WHERE id = 2147483647",
	)
	expectCommits(t, st.until(r.mark()),
		"insert stock id=-1 sku= qty=-12.500",
		"insert stock id=2147483647 sku=ä€ it's \"q\" 50% qty=999999999.999",
		"insert stock id=3 sku=NULL qty=NULL",
		"update stock id=-1 sku=NULL qty=0.001",
		"update stock id=3 sku= padded  qty=NULL",
		"delete stock [2147483647]",
	)
}

// testKeys expects rows to be known by keys of several columns and types.
func testKeys(t *testing.T, h Harness) {
	r := newRig(t, h,
		"CREATE TABLE bin (qty INT, bin INT NOT NULL, site VARCHAR(10) NOT NULL, PRIMARY KEY (site, bin))",
		"CREATE TABLE part (part_no VARCHAR(80) PRIMARY KEY, qty INT)",
		"CREATE TABLE lot (id "+h.Dialect.UUID+" PRIMARY KEY, qty INT)",
	)
	st := tail(t, r.source("bin: qty", "part: qty", "lot: qty"), "").started()
	const uuid = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
	r.exec(
		"INSERT INTO bin VALUES (1, 7, 'DC1')", "UPDATE bin SET qty = 2", "DELETE FROM bin",
		"INSERT INTO part VALUES ('O''Neill \"5/8\" ä', 1)", "UPDATE part SET qty = 2", "DELETE FROM part",
		"INSERT INTO lot VALUES ('"+uuid+"', 1)", "UPDATE lot SET qty = 2", "DELETE FROM lot",
	)
	expectCommits(t, st.until(r.mark()),
		"insert bin qty=1 bin=7 site=DC1", "update bin qty=2 bin=7 site=DC1", `delete bin ["DC1",7]`,
		"insert part part_no=O'Neill \"5/8\" ä qty=1", "update part part_no=O'Neill \"5/8\" ä qty=2", `delete part ["O'Neill \"5/8\" ä"]`,
		"insert lot id="+uuid+" qty=1", "update lot id="+uuid+" qty=2", `delete lot ["`+uuid+`"]`,
	)
}

// testKeyChange expects both keys of a row that changed its key, also when keys
// are handed on within a commit.
func testKeyChange(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: sku qty"), "").started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1), (2, 'B', 2)", "UPDATE stock SET id = 9, qty = 5 WHERE id = 1")
	r.commit("UPDATE stock SET id = 1 WHERE id = 2", "UPDATE stock SET id = 2 WHERE id = 9")
	expectCommits(t, st.until(r.mark()),
		"insert stock id=1 sku=A qty=1.000; insert stock id=2 sku=B qty=2.000",
		"update stock [1] to id=9 sku=A qty=5.000",
		"update stock [2] to id=1 sku=B qty=2.000; update stock [9] to id=2 sku=A qty=5.000",
	)
}

// testTruncate expects one truncation per table, and the rows after it.
func testTruncate(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: sku qty"), "").started()
	r.exec("INSERT INTO stock VALUES (1, 'A', 1)", "TRUNCATE TABLE stock", "INSERT INTO stock VALUES (1, 'B', 2)")
	expectCommits(t, st.until(r.mark()),
		"insert stock id=1 sku=A qty=1.000", "truncate stock", "insert stock id=1 sku=B qty=2.000")
}

func testTruncateInTransaction(t *testing.T, h Harness) {
	requireFeature(t, h.Features.TruncateInTransaction, "TRUNCATE within a transaction")
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: sku qty"), "").started()
	r.commit("INSERT INTO stock VALUES (1, 'A', 1)", "TRUNCATE TABLE stock", "INSERT INTO stock VALUES (2, 'B', 2)")
	r.rollback("TRUNCATE TABLE stock")
	expectCommits(t, st.until(r.mark()), "insert stock id=1 sku=A qty=1.000; truncate stock; insert stock id=2 sku=B qty=2.000")
}

// testRollback expects nothing of what was rolled back, whole or to a savepoint.
func testRollback(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable)
	st := tail(t, r.source("stock: sku qty"), "").started()
	r.rollback("INSERT INTO stock VALUES (1, 'never', 1)")
	r.commit(
		"INSERT INTO stock VALUES (2, 'A', 1)",
		"SAVEPOINT a", "INSERT INTO stock VALUES (3, 'never', 1)", "UPDATE stock SET qty = 99", "ROLLBACK TO SAVEPOINT a",
		"SAVEPOINT b", "INSERT INTO stock VALUES (4, 'B', 1)",
		"SAVEPOINT c", "DELETE FROM stock", "ROLLBACK TO SAVEPOINT c", "RELEASE SAVEPOINT c", "RELEASE SAVEPOINT b",
		"INSERT INTO stock VALUES (5, 'C', 1)",
	)
	expectCommits(t, st.until(r.mark()),
		"insert stock id=2 sku=A qty=1.000; insert stock id=4 sku=B qty=1.000; insert stock id=5 sku=C qty=1.000")
}

// testSeveralTables expects the changes of one commit together, in the order in
// which they were made.
func testSeveralTables(t *testing.T, h Harness) {
	r := newRig(t, h, stockTable, "CREATE TABLE move (id INT PRIMARY KEY, qty INT)")
	st := tail(t, r.source("stock: qty", "move: qty"), "").started()
	r.commit("INSERT INTO stock VALUES (1, 'A', 1)", "INSERT INTO move VALUES (1, -1)", "UPDATE stock SET qty = 0", "INSERT INTO move VALUES (2, 1)")
	got := st.until(r.mark())
	expectCommits(t, got, "insert stock id=1 qty=1.000; insert move id=1 qty=-1; update stock id=1 qty=0.000; insert move id=2 qty=1")
	c := got[0]
	if len(c.parts) != 1 || c.parts[0].ID == "" || c.parts[0].CommittedAt.IsZero() || c.parts[0].At == "" || !c.parts[0].Last {
		t.Errorf("a small commit came as %+v, want one part with id, time and place", c.parts)
	}
	if c.changes[0].Table != c.changes[2].Table {
		t.Error("one version of a table came as two")
	}
}
