package sourcetest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
)

// testOnlyWanted expects no column and no table that nobody asked for.
func testOnlyWanted(t *testing.T, h Harness) {
	r := newRig(t, h,
		"CREATE TABLE stock (cost INT, id INT PRIMARY KEY, secret VARCHAR(20), qty INT, price INT)",
		"CREATE TABLE salary (id INT PRIMARY KEY, amount INT)",
	)
	r.exec("CREATE TABLE unpublished (id INT PRIMARY KEY)")
	st := tail(t, r.source("stock: qty"), "").started()
	r.exec("INSERT INTO salary VALUES (1, 100)", "INSERT INTO unpublished VALUES (1)")
	r.commit("INSERT INTO stock VALUES (1, 1, 'secret', 5, 9)", "UPDATE salary SET amount = 200", "UPDATE stock SET secret = 'more'")
	r.exec("DELETE FROM stock")
	got := st.until(r.mark())
	// An update that touches no wanted column may be delivered or not.
	lines := render(got)
	lines[0] = strings.TrimSuffix(lines[0], "; update stock id=1 qty=5")
	if diff := cmp.Diff([]string{"insert stock id=1 qty=5", "delete stock [1]"}, lines); diff != "" {
		t.Errorf("commits (-want +got):\n%s", diff)
	}
	var names []string
	for _, c := range got[0].changes[0].Table.Columns {
		names = append(names, c.Name)
	}
	if diff := cmp.Diff([]string{"id", "qty"}, names); diff != "" {
		t.Errorf("columns of the table (-want +got):\n%s", diff)
	}
	if shown := fmt.Sprintf("%+v", st.all()); strings.Contains(shown, "secret") {
		t.Error("the value of a column that nobody asked for was delivered")
	}
}

// testSchemaChange expects changes to go on through DDL: a new version of the
// table where its wanted columns changed, the same rows where they did not.
func testSchemaChange(t *testing.T, h Harness) {
	r := newRig(t, h, "CREATE TABLE stock (id INT PRIMARY KEY, note VARCHAR(20), qty INT, sku VARCHAR(20))")
	st := tail(t, r.source("stock: qty sku"), "").started()
	r.exec(
		"INSERT INTO stock VALUES (1, 'n', 1, 'A')",
		"ALTER TABLE stock ADD COLUMN extra INT",
		"INSERT INTO stock VALUES (2, 'n', 2, 'B', 7)",
		"ALTER TABLE stock DROP COLUMN note",
		"INSERT INTO stock VALUES (3, 3, 'C', 7)",
		h.Dialect.AlterType("stock", "qty", "DECIMAL(12,2)"),
		"INSERT INTO stock VALUES (4, 4, 'D', 7)",
		"UPDATE stock SET qty = 5 WHERE id = 1",
	)
	got := st.until(r.mark())
	expectCommits(t, got,
		"insert stock id=1 qty=1 sku=A", "insert stock id=2 qty=2 sku=B", "insert stock id=3 qty=3 sku=C",
		"insert stock id=4 qty=4.00 sku=D", "update stock id=1 qty=5.00 sku=A")
	before, after := got[0].changes[0].Table, got[3].changes[0].Table
	if before == after {
		t.Error("the table has one version before and after its column changed its type")
	}
	column := func(t *cdc.Table) cdc.Type { return t.Columns[t.Column("qty")].Type }
	if column(before) != cdc.TypeInteger || column(after) != cdc.TypeDecimal {
		t.Errorf("qty is %v before and %v after it changed, want integer and decimal", column(before), column(after))
	}
}
