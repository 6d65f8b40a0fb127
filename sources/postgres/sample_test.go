package postgres_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
)

func TestSample(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `
		CREATE TABLE stock (secret text, "Q ty" numeric(12,3), id int, sku text, PRIMARY KEY (sku, id));
		CREATE TABLE child () INHERITS (stock);
		CREATE TABLE m (id int PRIMARY KEY, qty int) PARTITION BY RANGE (id);
		CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10);
		CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) TO (20);
		INSERT INTO stock VALUES ('x', 1.5, 1, 'A'), ('x', NULL, 2, 'A'), ('x', 3, 3, 'B');
		INSERT INTO child VALUES ('x', 9, 9, 'child');
		INSERT INTO m VALUES (1, 10), (11, 20)`)
	cfg := leastRole(t, db, "stock, m")
	s := db.source(cfg, `public.stock: Q_ty`, "public.m: qty")
	if _, _, err := s.Sample(t.Context(), cdc.TableName{Schema: "public", Name: "stock"}, 1); err == nil {
		t.Error("sampled a table of which a wanted column does not exist")
	}
	wanted := cdc.Wanted{{Schema: "public", Name: "stock"}: {"Q ty"}, {Schema: "public", Name: "m"}: {"qty"}}
	s = newSource(t, cfg, wanted)

	sample := func(name string, n int) (*cdc.Table, []string) {
		t.Helper()
		table, rows, err := s.Sample(t.Context(), cdc.ParseTableName(name), n)
		if err != nil {
			t.Fatal(err)
		}
		var lines []string
		for _, row := range rows {
			lines = append(lines, image(table, row))
		}
		slices.Sort(lines)
		return table, lines
	}
	table, got := sample("public.stock", 10)
	if diff := cmp.Diff([]string{"Q ty=1.500,id=1,sku=A", "Q ty=3.000,id=3,sku=B", "Q ty=NULL,id=2,sku=A"}, got); diff != "" {
		t.Errorf("rows, before there is a publication (-want +got):\n%s", diff)
	}
	want := &cdc.Table{
		Name: cdc.TableName{Schema: "public", Name: "stock"},
		Columns: []cdc.Column{
			{Name: "Q ty", Type: cdc.TypeDecimal, SourceType: "numeric(12,3)"},
			{Name: "id", Type: cdc.TypeInteger, SourceType: "integer"},
			{Name: "sku", Type: cdc.TypeText, SourceType: "text"},
		},
		Key: []int{2, 1},
	}
	if diff := cmp.Diff(want, table); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if _, got := sample("public.stock", 2); len(got) != 2 {
		t.Errorf("asked for 2 rows, got %q", got)
	}
	if _, got := sample("public.m", 10); !slices.Equal(got, []string{"id=1,qty=10", "id=11,qty=20"}) {
		t.Errorf("rows of the partitioned table: %q", got)
	}
	if serverMajor(t) < 15 {
		return // no row filters yet
	}
	db.exec("CREATE PUBLICATION " + db.name + " FOR TABLE stock WHERE (id > 1)")
	if _, got := sample("public.stock", 10); !slices.Equal(got, []string{"Q ty=3.000,id=3,sku=B", "Q ty=NULL,id=2,sku=A"}) {
		t.Errorf("rows through the row filter: %q", got)
	}
}

// TestSampleRefuses expects an error instead of fewer rows than there are.
func TestSampleRefuses(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, "CREATE TABLE stock (id int PRIMARY KEY, qty int); INSERT INTO stock VALUES (1, 1)")
	cfg := leastRole(t, db, "")
	s := db.source(cfg, "public.stock: qty")
	stock := cdc.TableName{Schema: "public", Name: "stock"}
	for _, step := range []string{
		"SELECT",
		"GRANT SELECT ON stock TO l_" + db.name + "; ALTER TABLE stock ENABLE ROW LEVEL SECURITY",
		"ALTER TABLE stock DISABLE ROW LEVEL SECURITY; ALTER TABLE stock DROP CONSTRAINT stock_pkey",
	} {
		db.exec(step)
		var setup *cdc.SetupError
		if _, rows, err := s.Sample(t.Context(), stock, 5); !errors.As(err, &setup) {
			t.Errorf("after %q: got %v and error %v, want a SetupError", step, rows, err)
		}
	}
	if _, _, err := s.Sample(t.Context(), cdc.TableName{Schema: "public", Name: "other"}, 5); err == nil {
		t.Error("sampled a table that is not captured")
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE DOMAIN qty AS numeric(12,3); CREATE TYPE color AS ENUM ('red');
		CREATE TABLE stock (a color, b qty, c bytea, d timestamptz(3), id bigint PRIMARY KEY, e int[]); CREATE TABLE heap (a int)`)
	s := db.source(leastRole(t, db, ""), "public.stock: b")
	got, err := s.Describe(t.Context(), cdc.TableName{Schema: "public", Name: "stock"})
	if err != nil {
		t.Fatal(err)
	}
	want := &cdc.Table{
		Name: cdc.TableName{Schema: "public", Name: "stock"},
		Columns: []cdc.Column{
			{Name: "a", Type: cdc.TypeText, SourceType: "public.color"},
			{Name: "b", Type: cdc.TypeDecimal, SourceType: "public.qty"},
			{Name: "c", Type: cdc.TypeBytes, SourceType: "bytea"},
			{Name: "d", Type: cdc.TypeTimestampTZ, SourceType: "timestamp(3) with time zone"},
			{Name: "id", Type: cdc.TypeInteger, SourceType: "bigint"},
			{Name: "e", Type: cdc.TypeOther, SourceType: "integer[]"},
		},
		Key: []int{4},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	for _, name := range []string{"public.stok", "public.heap"} {
		var setup *cdc.SetupError
		if _, err := s.Describe(t.Context(), cdc.ParseTableName(name)); !errors.As(err, &setup) {
			t.Errorf("Describe(%s): got %v, want a SetupError", name, err)
		}
	}
}
