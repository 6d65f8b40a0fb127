package postgres_test

import (
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file under testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// setupCase is a database that is not as its source needs it.
type setupCase struct {
	name string
	// schema and publication are SQL; $pub stands for the name of the
	// publication and $role for that of the role, which may read nothing yet.
	schema, publication string
	// grant lists the tables that the role may read.
	grant  string
	tables []string
	// since is the first major version that accepts the SQL; 0 for all.
	since int
	// mended says that the fixes, executed as they are printed, mend everything.
	mended bool
	// application must go on working through all of the fixes.
	application string
}

const setupStock = `CREATE TABLE stock (id int PRIMARY KEY, sku text, qty numeric(12,3), note text); INSERT INTO stock VALUES (1, 'A', 1);`

func setupCases() []setupCase {
	const stock = "public.stock: sku, qty"
	const app = "UPDATE stock SET qty = qty + 1; INSERT INTO stock VALUES (2); DELETE FROM stock WHERE id = 2"
	return []setupCase{
		{name: "all is well", schema: setupStock, publication: "CREATE PUBLICATION $pub FOR TABLE stock", grant: "stock", tables: []string{stock}},
		{
			name: "no publication", schema: setupStock + `CREATE TABLE "Odd ""name" (id int PRIMARY KEY); CREATE TABLE "order" (id int PRIMARY KEY)`,
			grant: `stock, "Odd ""name", "order"`, tables: []string{stock, `public."Odd ""name": id`, "public.order: id"}, mended: true, application: app,
		},
		{
			name: "no publication, and a table without a key", schema: setupStock + "CREATE TABLE heap (a int); INSERT INTO heap VALUES (1)",
			grant: "stock, heap", tables: []string{stock, "public.heap: a"}, application: app + "; UPDATE heap SET a = 2",
		},
		{
			name: "no publication, only a table without a key", schema: "CREATE TABLE heap (a int); INSERT INTO heap VALUES (1)",
			grant: "heap", tables: []string{"public.heap: a"}, application: "UPDATE heap SET a = 2",
		},
		{
			name: "no publication, and partitions", schema: `CREATE TABLE m (id int, at int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
			CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10)`, grant: "m", tables: []string{"public.m: id"},
			mended: true, application: "INSERT INTO m VALUES (1, 1); UPDATE m SET id = 2; DELETE FROM m",
		},
		{
			name: "table not published", schema: setupStock + "CREATE TABLE other (id int PRIMARY KEY)",
			publication: "CREATE PUBLICATION $pub FOR TABLE other", grant: "stock", tables: []string{stock}, mended: true, application: app,
		},
		{
			name: "parent table not published, and its child has no key", schema: setupStock + "CREATE TABLE child () INHERITS (stock); INSERT INTO child VALUES (7)",
			publication: "CREATE PUBLICATION $pub", grant: "stock", tables: []string{stock}, mended: true, application: "UPDATE stock SET qty = 3; DELETE FROM child",
		},
		{
			name: "unknown table", schema: setupStock + "CREATE SCHEMA wms; CREATE TABLE wms.bin_stock (id int PRIMARY KEY)",
			publication: "CREATE PUBLICATION $pub FOR TABLE stock", grant: "stock", tables: []string{"public.stocks: sku", "public.bin_stock: id", "stock: sku", "nowhere.at_all: x"},
		},
		{name: "unknown column", schema: setupStock, publication: "CREATE PUBLICATION $pub FOR TABLE stock", grant: "stock", tables: []string{"public.stock: SKU, qti, zzz"}},
		{
			name: "view", schema: setupStock + "CREATE VIEW v AS SELECT * FROM stock; CREATE MATERIALIZED VIEW m AS SELECT 1 AS a; CREATE SEQUENCE s",
			publication: "CREATE PUBLICATION $pub FOR TABLE stock", tables: []string{"public.v: id", "public.m: a", "public.s: x", "public.stock_pkey: id", "pg_catalog.pg_class: oid"},
		},
		{
			name: "foreign table", schema: "CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw; CREATE FOREIGN TABLE f (id int) SERVER s",
			publication: "CREATE PUBLICATION $pub", tables: []string{"public.f: id"},
		},
		{
			name: "unlogged table", schema: "CREATE UNLOGGED TABLE u (id int PRIMARY KEY)", publication: "CREATE PUBLICATION $pub",
			grant: "u", tables: []string{"public.u: id"}, mended: true, application: "INSERT INTO u VALUES (1); UPDATE u SET id = 2; DELETE FROM u",
		},
		{
			name: "no right to read", schema: setupStock + `CREATE SCHEMA "W"; CREATE TABLE "W".bin (id int PRIMARY KEY, sku text)`,
			publication: `CREATE PUBLICATION $pub FOR TABLE stock, "W".bin`, tables: []string{stock, "W.bin: sku"}, mended: true, application: app,
		},
		{
			name: "right to read the captured columns", schema: setupStock + "GRANT SELECT (id, sku, qty) ON stock TO $role",
			publication: `CREATE PUBLICATION $pub FOR TABLE stock`, tables: []string{stock},
		},
		{
			name: "row-level security", schema: setupStock + "ALTER TABLE stock ENABLE ROW LEVEL SECURITY", publication: "CREATE PUBLICATION $pub FOR TABLE stock",
			grant: "stock", tables: []string{stock}, mended: true, application: app,
		},
		{
			name: "insert only publication", schema: setupStock, publication: "CREATE PUBLICATION $pub FOR TABLE stock WITH (publish = 'insert')",
			grant: "stock", tables: []string{stock}, mended: true, application: app,
		},
		{
			name: "insert only publication of a table without a key", schema: setupStock + "CREATE TABLE audit (a int); INSERT INTO audit VALUES (1)",
			publication: "CREATE PUBLICATION $pub FOR TABLE stock, audit WITH (publish = 'insert')",
			grant:       "stock", tables: []string{stock}, mended: true, application: app + "; UPDATE audit SET a = 2",
		},
		{
			name: "no truncate", schema: setupStock, publication: "CREATE PUBLICATION $pub FOR TABLE stock WITH (publish = 'insert, update, delete')",
			grant: "stock", tables: []string{stock}, mended: true, application: app,
		},
		{
			name: "column list", since: 15, schema: setupStock, publication: "CREATE PUBLICATION $pub FOR TABLE stock (id, sku) WHERE (id > 0)",
			grant: "stock", tables: []string{stock}, mended: true, application: app,
		},
		{name: "row filter", since: 15, schema: setupStock, publication: "CREATE PUBLICATION $pub FOR TABLE stock WHERE (id > 5)", grant: "stock", tables: []string{stock}},
	}
}

func keyCases() []setupCase {
	const a = "public.t: a"
	published := "CREATE PUBLICATION $pub FOR TABLE t"
	app := "INSERT INTO t VALUES (8, 8); UPDATE t SET b = 9 WHERE a = 8; DELETE FROM t WHERE a = 8"
	return []setupCase{
		{name: "key: none", schema: "CREATE TABLE t (a int, b int)", publication: published, grant: "t", tables: []string{a}},
		{name: "key: deferrable primary key", schema: "CREATE TABLE t (a int PRIMARY KEY DEFERRABLE, b int)", publication: published, grant: "t", tables: []string{a}},
		{
			name: "key: unique index", schema: "CREATE TABLE t (a int NOT NULL, b int); CREATE UNIQUE INDEX t_a ON t (a)",
			publication: "CREATE PUBLICATION $pub", grant: "t", tables: []string{a}, mended: true, application: app,
		},
		{
			name: "key: indexes that are none", schema: `CREATE TABLE t (a int NOT NULL, b int); CREATE UNIQUE INDEX t1 ON t (b);
			CREATE UNIQUE INDEX t2 ON t (a) WHERE a > 0; CREATE UNIQUE INDEX t3 ON t ((a + 1)); CREATE INDEX t4 ON t (a)`,
			publication: "CREATE PUBLICATION $pub", grant: "t", tables: []string{a}, application: app,
		},
		{
			name: "key: nothing, with a primary key", schema: "CREATE TABLE t (a int PRIMARY KEY, b int); ALTER TABLE t REPLICA IDENTITY NOTHING",
			publication: "CREATE PUBLICATION $pub", grant: "t", tables: []string{a}, mended: true, application: app,
		},
		{
			name: "key: nothing", schema: "CREATE TABLE t (a int, b int); ALTER TABLE t REPLICA IDENTITY NOTHING",
			publication: "CREATE PUBLICATION $pub", grant: "t", tables: []string{a}, application: app,
		},
		{name: "key: index", schema: `CREATE TABLE t (a int PRIMARY KEY, b int NOT NULL, c int NOT NULL); CREATE UNIQUE INDEX t_cb ON t (c, b) INCLUDE (a);
			ALTER TABLE t REPLICA IDENTITY USING INDEX t_cb`, publication: published, grant: "t", tables: []string{a}},
		{name: "key: index is gone", schema: `CREATE TABLE t (a int NOT NULL, b int); CREATE UNIQUE INDEX t_a ON t (a);
			ALTER TABLE t REPLICA IDENTITY USING INDEX t_a; DROP INDEX t_a`, publication: "CREATE PUBLICATION $pub", grant: "t", tables: []string{a}, application: app},
		{
			name: "key: full with a primary key", schema: "CREATE TABLE t (a int, b int PRIMARY KEY); ALTER TABLE t REPLICA IDENTITY FULL",
			publication: published, grant: "t", tables: []string{a},
		},
		{name: "key: full with unique indexes", schema: `CREATE TABLE t (a int NOT NULL, b int NOT NULL); CREATE UNIQUE INDEX z ON t (a); CREATE UNIQUE INDEX y ON t (b, a);
			ALTER TABLE t REPLICA IDENTITY FULL`, publication: published, grant: "t", tables: []string{a}},
		{
			name: "key: full without", schema: "CREATE TABLE t (a int, b int); ALTER TABLE t REPLICA IDENTITY FULL",
			publication: published, grant: "t", tables: []string{a}, application: app,
		},
	}
}

func partitionCases() []setupCase {
	const parts = `CREATE TABLE m (id int, at int, qty int, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
		CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10);
		CREATE TABLE m2 PARTITION OF m FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id);
		CREATE TABLE m21 PARTITION OF m2 DEFAULT; INSERT INTO m VALUES (1, 1, 1), (1, 11, 1);`
	const app = "UPDATE m SET qty = qty + 1; DELETE FROM m WHERE at = 11; INSERT INTO m VALUES (1, 11, 2)"
	m := []string{"public.m: qty"}
	return []setupCase{
		{name: "partitions: by the root", schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m WITH (publish_via_partition_root)", grant: "m", tables: m},
		{name: "partitions: by themselves", schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m", grant: "m", tables: m},
		{name: "partitions: one is missing", schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m1", grant: "m", tables: m, mended: true, application: app},
		{
			name: "partitions: none yet", schema: "CREATE TABLE m (id int PRIMARY KEY, qty int) PARTITION BY RANGE (id)",
			publication: "CREATE PUBLICATION $pub FOR TABLE m", grant: "m", tables: m, mended: true, application: "SELECT",
		},
		{
			name: "partitions: a foreign one", schema: `CREATE TABLE m (id int, at int, qty int) PARTITION BY RANGE (at);
			CREATE TABLE m1 PARTITION OF m FOR VALUES FROM (0) TO (10); CREATE EXTENSION postgres_fdw; CREATE SERVER s FOREIGN DATA WRAPPER postgres_fdw;
			CREATE FOREIGN TABLE m3 PARTITION OF m FOR VALUES FROM (20) TO (30) SERVER s`,
			publication: "CREATE PUBLICATION $pub FOR TABLE m1", grant: "m", tables: m,
		},
		{
			name: "partitions: another identity", schema: parts + "ALTER TABLE m1 REPLICA IDENTITY NOTHING",
			publication: "CREATE PUBLICATION $pub", grant: "m", tables: m, mended: true, application: app,
		},
		{
			name: "partitions: another index", schema: parts + "ALTER TABLE m1 ALTER qty SET NOT NULL; CREATE UNIQUE INDEX q ON m1 (qty); ALTER TABLE m1 REPLICA IDENTITY USING INDEX q",
			publication: "CREATE PUBLICATION $pub FOR TABLE m", grant: "m", tables: m, mended: true, application: app,
		},
		{
			name: "partitions: a leaf of a root that is published", schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m WITH (publish_via_partition_root)",
			grant: "m1", tables: []string{"public.m1: qty"},
		},
		{name: "partitions: a leaf alone", schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m", grant: "m1", tables: []string{"public.m1: qty"}},
		{name: "partitions: root and leaf", schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m", grant: "m, m1", tables: []string{"public.m: qty", "public.m1: qty"}},
		{
			name: "partitions: column list", since: 15, schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m (id, at) WITH (publish_via_partition_root)",
			grant: "m", tables: m, mended: true, application: app,
		},
		{
			name: "partitions: column list of one", since: 15, schema: parts, publication: "CREATE PUBLICATION $pub FOR TABLE m1 (id, at) WHERE (at > 0), m21",
			grant: "m", tables: m, mended: true, application: app,
		},
	}
}

// setup makes the database of c and a role of the least rights for its source.
func (c *setupCase) setup(t *testing.T) (db *database, role string) {
	t.Helper()
	db = newDatabase(t, "")
	role = "r_" + db.name
	db.exec(fmt.Sprintf("CREATE ROLE %s LOGIN REPLICATION", role))
	t.Cleanup(func() { _, _ = db.conn.Exec(t.Context(), fmt.Sprintf("DROP OWNED BY %s; DROP ROLE %s", role, role)) })
	names := strings.NewReplacer("$pub", db.name, "$role", role)
	db.exec(names.Replace(c.schema))
	db.exec(names.Replace(c.publication))
	if c.grant != "" {
		db.exec(fmt.Sprintf("GRANT SELECT ON %s TO %s", c.grant, role))
	}
	return db, role
}

func asRole(t *testing.T, dsn, role string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.User(role)
	return u.String()
}

// catalogFindings returns what Check says of the publication and the tables.
func catalogFindings(t *testing.T, db *database, publication, role string, tables []string) []cdc.Finding {
	t.Helper()
	cfg := db.config()
	cfg.Publication = publication
	cfg.DSN = asRole(t, db.dsn, role)
	findings := db.source(cfg, tables...).Check(t.Context())
	for i := range findings {
		if strings.HasPrefix(findings[i].Requirement, "publication") {
			return findings[i:]
		}
	}
	t.Fatalf("no finding about the publication in %+v", findings)
	return nil
}

// TestSetup holds the verdict on each setup to a golden file, executes the
// fixes that are said to mend it, and makes sure that nothing is left to mend
// and that the application works before and after each of them.
func TestSetup(t *testing.T) {
	t.Parallel()
	for name, cases := range map[string][]setupCase{"setup": setupCases(), "setup_key": keyCases(), "setup_partition": partitionCases()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sections := make(map[string]string)
			major := serverMajor(t)
			for _, c := range cases {
				if c.since > major {
					t.Logf("%s needs PostgreSQL %d", c.name, c.since)
					continue
				}
				db, role := c.setup(t)
				findings := catalogFindings(t, db, db.name, role, c.tables)
				sections[c.name] = renderFindings(findings, db.name, role)
				if c.application != "" {
					c.followFixes(t, db, role, findings)
				}
			}
			goldenSections(t, name+".golden", cases, sections)
		})
	}
}

// goldenSections compares each section with that of its name in a golden file.
func goldenSections(t *testing.T, name string, cases []setupCase, sections map[string]string) {
	t.Helper()
	const heading = "=== "
	if *update {
		var b strings.Builder
		for _, c := range cases {
			fmt.Fprintf(&b, "%s%s\n%s", heading, c.name, sections[c.name])
		}
		golden(t, name, b.String())
		return
	}
	text, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]string)
	for section := range strings.SplitSeq(strings.TrimPrefix(string(text), heading), "\n"+heading) {
		title, body, _ := strings.Cut(section, "\n")
		want[title] = strings.TrimSuffix(body, "\n") + "\n"
	}
	for title, got := range sections {
		if diff := cmp.Diff(want[title], got); diff != "" {
			t.Errorf("%s: %s (-want +got):\n%s", name, title, diff)
		}
	}
}

// serverMajor returns the major version of the shared server.
func serverMajor(t *testing.T) int {
	t.Helper()
	var version int
	conn := connect(t, testenv.Database(t))
	if err := conn.QueryRow(t.Context(), "SELECT current_setting('server_version_num')::int / 10000").Scan(&version); err != nil {
		t.Fatal(err)
	}
	return version
}

// TestGeneratedColumns expects a wanted generated column to be refused unless
// the server streams it, which PostgreSQL 18 does when it is told to.
func TestGeneratedColumns(t *testing.T) {
	t.Parallel()
	c := setupCase{
		schema:      "CREATE TABLE g (id int PRIMARY KEY, a int, b int GENERATED ALWAYS AS (a * 2) STORED)",
		publication: "CREATE PUBLICATION $pub FOR TABLE g", grant: "g",
	}
	db, role := c.setup(t)
	published := func(tables ...string) cdc.Finding {
		t.Helper()
		for _, f := range catalogFindings(t, db, db.name, role, tables) {
			if f.Requirement == "publication of table public.g" {
				return f
			}
		}
		t.Fatal("no finding about the publication of the table")
		return cdc.Finding{}
	}
	expect(t, published("public.g: a"), cdc.FindingOK, "", "")
	f := published("public.g: a, b")
	if serverMajor(t) < 18 {
		expect(t, f, cdc.FindingProblem, "before 18 cannot", "computed from")
		return
	}
	expect(t, f, cdc.FindingProblem, "leaves out generated column b", "publish_generated_columns = stored")
	db.exec(f.Fix)
	expect(t, published("public.g: a, b"), cdc.FindingOK, "", "")
	db.exec("ALTER TABLE g ADD v int GENERATED ALWAYS AS (a * 3) VIRTUAL")
	expect(t, published("public.g: a, v"), cdc.FindingProblem, "virtual", "computed from")

	tl := tail(t, db.source(db.config(), "public.g: b"), "").started()
	db.exec("INSERT INTO g (id, a) VALUES (1, 21)")
	if got := lines(tl.take(1)); len(got) != 1 || got[0] != "insert public.g to id=1,b=42" {
		t.Errorf("got %q, want the generated value", got)
	}
}

// TestTailNamesEveryProblem expects all problems of a setup in one error, and no
// slot to be made for it.
func TestTailNamesEveryProblem(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, setupStock+"CREATE TABLE heap (a int)")
	err := tail(t, db.source(db.config(), "public.stock: qtty", "public.heap: a"), "").failed()
	var setup *cdc.SetupError
	if !errors.As(err, &setup) {
		t.Fatalf("Tail returned %v, want a SetupError", err)
	}
	got := strings.ReplaceAll(err.Error(), db.name, "PUB")
	want := `publication "PUB": does not exist; to fix: CREATE PUBLICATION PUB FOR TABLE public.stock;
table public.heap: has no primary key, so that UPDATE and DELETE cannot be published; to fix: ALTER TABLE public.heap ADD PRIMARY KEY (the columns that tell its rows apart);
table public.stock: has no column "qtty" (did you mean qty?); to fix: correct the name in the configuration; the table has id, sku, qty, note`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
	if slots := db.value("SELECT count(*)::text FROM pg_replication_slots WHERE slot_name = $1", db.name); slots != "0" {
		t.Error("a slot was made although nothing can be captured")
	}
}

// followFixes executes what the findings propose, as far as it is SQL.
func (c *setupCase) followFixes(t *testing.T, db *database, role string, findings []cdc.Finding) {
	t.Helper()
	db.exec(c.application)
	publication := db.name
	for round := 0; round < 4 && problems(findings) > 0; round++ {
		for _, f := range findings {
			if f.Fix == "" || strings.Contains(f.Fix, "the columns that") {
				continue
			}
			sql, _, _ := strings.Cut(f.Fix, "\nthen ")
			if !strings.HasSuffix(sql, ";") {
				continue
			}
			db.exec(sql)
			db.exec(c.application)
			if strings.Contains(f.Fix, "name this publication") {
				publication += "_stock"
			}
		}
		findings = catalogFindings(t, db, publication, role, c.tables)
	}
	if c.mended && problems(findings) > 0 {
		t.Errorf("%s: after all fixes there is still:\n%s", c.name, renderFindings(findings, db.name, role))
	}
	if !c.mended && problems(findings) == 0 {
		t.Errorf("%s: the fixes mend it, which the case does not say", c.name)
	}
}

func problems(findings []cdc.Finding) (n int) {
	for _, f := range findings {
		if f.State == cdc.FindingProblem {
			n++
		}
	}
	return n
}

func renderFindings(findings []cdc.Finding, publication, role string) string {
	var b strings.Builder
	for _, f := range findings {
		fmt.Fprintf(&b, "%-8s%s: %s\n", f.State, f.Requirement, f.Detail)
		for line := range strings.SplitSeq(f.Fix, "\n") {
			if line != "" {
				fmt.Fprintf(&b, "          | %s\n", line)
			}
		}
	}
	return strings.NewReplacer(role, "ROLE", publication, "PUB").Replace(b.String())
}
