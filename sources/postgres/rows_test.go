package postgres_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
)

// follow runs statements, each a commit of its own unless it says otherwise,
// and returns the changes of n transactions.
func follow(t *testing.T, db *database, tl *tailing, n int, statements ...string) []string {
	t.Helper()
	before := len(tl.transactions())
	for _, s := range statements {
		db.exec(s)
	}
	return lines(tl.take(before + n)[before:])
}

func compare(t *testing.T, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
}

// big is a value that is stored out of line: long, and hard to compress.
func big(seed string) string {
	return fmt.Sprintf("(SELECT string_agg(md5(%s || i::text), '') FROM generate_series(1, 200) i)", seed)
}

// withoutBig replaces long values by their first characters.
func withoutBig(s []string) []string {
	for i := range s {
		fields := strings.Split(s[i], "=")
		for j := range fields {
			if value, rest, _ := strings.Cut(fields[j], ","); len(value) > 100 {
				fields[j] = "big"
				if rest != "" {
					fields[j] += "," + rest
				}
				if k := strings.Index(value, " to "); k > 0 {
					fields[j] = "big" + value[k:]
				}
			}
		}
		s[i] = strings.Join(fields, "=")
	}
	return s
}

func TestValuesThatWereNotSent(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `
		CREATE TABLE part (id int PRIMARY KEY, qty int, doc text);
		CREATE TABLE whole (id int PRIMARY KEY, qty int, doc text);
		CREATE TABLE longkey (id text PRIMARY KEY, qty int, doc text);
		ALTER TABLE whole REPLICA IDENTITY FULL;
		ALTER TABLE longkey ALTER id SET STORAGE EXTERNAL`, "part", "whole", "longkey")
	tl := tail(t, db.source(db.config(), "public.part: qty, doc", "public.whole: qty, doc", "public.longkey: qty"), "").started()

	t.Run("unchanged out-of-line value", func(t *testing.T) {
		got := follow(t, db, tl, 3,
			`INSERT INTO part VALUES (1, 1, `+big("'a'")+`)`,
			`UPDATE part SET qty = 2 WHERE id = 1`,
			`UPDATE part SET id = 5 WHERE id = 1`)
		compare(t, withoutBig(got),
			"insert public.part to id=1,qty=1,doc=big",
			"update public.part to id=1,qty=2,doc=(unchanged)",
			"update public.part from id=1,qty=(unchanged),doc=(unchanged) to id=5,qty=2,doc=(unchanged)")
	})
	t.Run("full identity has it in the old tuple", func(t *testing.T) {
		got := follow(t, db, tl, 3,
			`INSERT INTO whole VALUES (1, NULL, `+big("'a'")+`)`,
			`UPDATE whole SET qty = 2 WHERE id = 1`,
			`DELETE FROM whole WHERE id = 1`)
		compare(t, withoutBig(got),
			"insert public.whole to id=1,qty=NULL,doc=big",
			"update public.whole from id=1,qty=NULL,doc=big to id=1,qty=2,doc=big",
			"delete public.whole from id=1,qty=2,doc=big")
	})
	t.Run("delete has the key alone", func(t *testing.T) {
		compare(t, follow(t, db, tl, 1, `DELETE FROM part WHERE id = 5`),
			"delete public.part from id=5,qty=(unchanged),doc=(unchanged)")
	})
}

func TestLongKeyIsNeverUnchanged(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE longkey (a text, b text, qty int, PRIMARY KEY (a, b));
		ALTER TABLE longkey ALTER a SET STORAGE EXTERNAL`, "longkey")
	tl := tail(t, db.source(db.config(), "public.longkey: qty"), "").started()
	follow(t, db, tl, 2,
		`INSERT INTO longkey VALUES (repeat('k', 2100), 'x', 1)`,
		`UPDATE longkey SET b = 'y'`)
	c := tl.transactions()[1].Changes[0]
	before, err1 := c.Table.KeyOf(c.Before)
	after, err2 := c.Table.KeyOf(c.After)
	if err := errors.Join(err1, err2); err != nil || before == after {
		t.Errorf("keys %q and %q, %v; want two different ones", before, after, err)
	}
}

func TestTruncate(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `
		CREATE TABLE a (id int PRIMARY KEY); CREATE TABLE b (id int PRIMARY KEY, a int REFERENCES a);
		CREATE TABLE unwanted (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY)`, "a", "b", "c", "unwanted")
	tl := tail(t, db.source(db.config(), "public.a", "public.b", "public.c"), "").started()
	compare(t, follow(t, db, tl, 1, `TRUNCATE a CASCADE`), "truncate public.a", "truncate public.b")
	compare(t, follow(t, db, tl, 1, `TRUNCATE c, unwanted RESTART IDENTITY`), "truncate public.c")
	compare(t, follow(t, db, tl, 1, `BEGIN; INSERT INTO a VALUES (1); TRUNCATE c, a CASCADE; INSERT INTO a VALUES (2); COMMIT`),
		"insert public.a to id=1", "truncate public.c", "truncate public.a", "truncate public.b", "insert public.a to id=2")
}

func TestSchemaChanges(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE DOMAIN quantity AS numeric(12,3);
		CREATE TABLE stock (junk text, id int PRIMARY KEY, qty int, sku text)`, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty, sku"), "").started()
	follow(t, db, tl, 1, `INSERT INTO stock VALUES ('j', 1, 1, 'a')`)
	db.exec(`ALTER TABLE stock DROP junk`)
	db.exec(`ALTER TABLE stock ADD note text DEFAULT 'n'`)
	follow(t, db, tl, 1, `UPDATE stock SET note = 'm'`)
	db.exec(`ALTER TABLE stock ALTER qty TYPE quantity`)
	follow(t, db, tl, 1, `UPDATE stock SET qty = 2.5`)
	db.exec(`ANALYZE stock`)
	follow(t, db, tl, 1, `UPDATE stock SET qty = 3`)

	got := tl.transactions()
	compare(t, lines(got),
		"insert public.stock to id=1,qty=1,sku=a",
		"update public.stock to id=1,qty=1,sku=a",
		"update public.stock to id=1,qty=2.500,sku=a",
		"update public.stock to id=1,qty=3.000,sku=a")
	tables := make([]*cdc.Table, len(got))
	for i, tx := range got {
		tables[i] = tx.Changes[0].Table
	}
	if tables[0] != tables[1] {
		t.Error("a change of columns that nobody wants made a new Table")
	}
	if tables[1] == tables[2] || tables[2].Columns[1].Type != cdc.TypeDecimal {
		t.Errorf("column after its type changed to a domain over numeric: %+v", tables[2].Columns[1])
	}
	if tables[2] != tables[3] {
		t.Error("a relation announced again without a difference made a new Table")
	}
}

func TestSchemaChangesThatStopTheSource(t *testing.T) {
	t.Parallel()
	setup := func(err error) string {
		var e *cdc.SetupError
		if errors.As(err, &e) {
			return e.Object + ": " + e.Problem
		}
		return fmt.Sprintf("%T: %v", err, err)
	}
	gap := func(err error) string {
		var e *cdc.GapError
		if errors.As(err, &e) {
			return string(e.Reason)
		}
		return fmt.Sprintf("%T: %v", err, err)
	}
	for name, test := range map[string]struct {
		statements string
		kind       func(error) string
		want       string
	}{
		"wanted column dropped": {
			`ALTER TABLE stock DROP qty; INSERT INTO stock VALUES (1)`,
			setup, `table public.stock: column "qty" is gone, or no longer published`,
		},
		"wanted column renamed": {
			`ALTER TABLE stock RENAME qty TO quantity; INSERT INTO stock VALUES (1)`,
			setup, `table public.stock: column "qty" is gone, or no longer published`,
		},
		"primary key replaced": {
			`ALTER TABLE stock DROP CONSTRAINT stock_pkey; ALTER TABLE stock ADD PRIMARY KEY (id, sku);
			 INSERT INTO stock VALUES (1, 1, 'a'); UPDATE stock SET qty = 2`,
			setup, `table public.stock: its rows are known by (id), and changes come with the key (id, sku)`,
		},
		"primary key dropped": {
			`ALTER TABLE stock DROP CONSTRAINT stock_pkey; INSERT INTO stock VALUES (1, 1, 'a')`,
			setup, `table public.stock: its key (id) is gone: changes come without one`,
		},
		"table renamed": {
			`ALTER TABLE stock RENAME TO old_stock; INSERT INTO old_stock VALUES (1, 1, 'a')`,
			setup, `table public.stock: was called public.old_stock when these changes were made, and is another table under another name`,
		},
		"table replaced": {
			`DROP TABLE stock; CREATE TABLE stock (id int PRIMARY KEY, qty int, sku text);
			 ALTER PUBLICATION %s ADD TABLE stock; INSERT INTO stock VALUES (1, 1, 'a')`,
			gap, string(cdc.GapSkipped),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, qty int, sku text NOT NULL DEFAULT 's')`, "stock")
			tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
			for _, s := range strings.Split(test.statements, ";") {
				if strings.Contains(s, "%s") {
					s = fmt.Sprintf(s, db.name)
				}
				db.exec(s)
			}
			if got := test.kind(tl.failed()); got != test.want {
				t.Errorf("Tail failed with\n%s\nwant\n%s", got, test.want)
			}
			if n := len(tl.transactions()); n != 0 {
				t.Errorf("%d transactions were emitted before the failure", n)
			}
		})
	}
}

func TestPartitions(t *testing.T) {
	t.Parallel()
	const schema = `CREATE TABLE stock (id int, qty int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
		CREATE TABLE stock_1 PARTITION OF stock FOR VALUES FROM (0) TO (100);
		CREATE TABLE stock_2 PARTITION OF stock FOR VALUES FROM (100) TO (200)`
	t.Run("by leaf", func(t *testing.T) {
		t.Parallel()
		db := newDatabase(t, schema, "stock")
		tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
		compare(t, follow(t, db, tl, 4,
			`INSERT INTO stock VALUES (1, 1), (101, 2)`,
			`UPDATE stock SET id = 102 WHERE id = 1`,
			`CREATE TABLE stock_3 PARTITION OF stock FOR VALUES FROM (200) TO (300)`,
			`INSERT INTO stock VALUES (201, 3)`,
			`TRUNCATE stock`),
			"insert public.stock to id=1,qty=1", "insert public.stock to id=101,qty=2",
			"delete public.stock from id=1,qty=(unchanged)", "insert public.stock to id=102,qty=1",
			"insert public.stock to id=201,qty=3",
			"truncate public.stock")
		db.exec(`TRUNCATE stock_2`)
		var gap *cdc.GapError
		if err := tl.failed(); !errors.As(err, &gap) || gap.Reason != cdc.GapSkipped {
			t.Errorf("truncation of one partition: %v, want a gap", err)
		}
	})
	t.Run("by root", func(t *testing.T) {
		t.Parallel()
		db := newDatabase(t, schema)
		db.exec(`CREATE PUBLICATION ` + db.name + ` FOR TABLE stock WITH (publish_via_partition_root)`)
		tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
		compare(t, follow(t, db, tl, 4,
			`INSERT INTO stock VALUES (1, 1), (101, 2)`,
			`UPDATE stock SET id = 102 WHERE id = 1`,
			`DELETE FROM stock_2 WHERE id = 101`,
			`TRUNCATE stock`),
			"insert public.stock to id=1,qty=1", "insert public.stock to id=101,qty=2",
			"delete public.stock from id=1,qty=(unchanged)", "insert public.stock to id=102,qty=1",
			"delete public.stock from id=101,qty=(unchanged)",
			"truncate public.stock")
	})
}

func TestUnwantedTablesAreIgnored(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, qty int); CREATE TABLE other (id int PRIMARY KEY, doc text);
		CREATE TABLE empty ()`)
	db.exec(`CREATE PUBLICATION ` + db.name + ` FOR ALL TABLES`)
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()
	compare(t, follow(t, db, tl, 1,
		`INSERT INTO other VALUES (1, 'x')`,
		`INSERT INTO empty DEFAULT VALUES`,
		`BEGIN; INSERT INTO other VALUES (2, 'x'); INSERT INTO empty DEFAULT VALUES; INSERT INTO stock VALUES (1, 1);
		 TRUNCATE other; COMMIT`),
		"insert public.stock to id=1,qty=1")
}
