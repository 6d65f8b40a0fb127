package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// TestChunkIsWhatIsPublished reads tables of every build by chunks and expects
// what the stream would bring: of partitioned tables all partitions under the
// root's name, of parents their own rows, of a publication with a filter or a
// list of columns no more than it says.
func TestChunkIsWhatIsPublished(t *testing.T) {
	t.Parallel()
	const partitioned = `CREATE TABLE bin (site text, id int, qty int, PRIMARY KEY (site, id)) PARTITION BY LIST (site);
		CREATE TABLE bin_a PARTITION OF bin FOR VALUES IN ('A', 'C');
		CREATE TABLE bin_b PARTITION OF bin FOR VALUES IN ('B') PARTITION BY RANGE (id);
		CREATE TABLE bin_b1 (note text, qty int, id int NOT NULL, site text NOT NULL); ALTER TABLE bin_b1 DROP COLUMN note;
		ALTER TABLE bin_b ATTACH PARTITION bin_b1 FOR VALUES FROM (0) TO (100);
		INSERT INTO bin SELECT chr(65 + i % 3), i, i * 10 FROM generate_series(1, 30) i;`
	for name, test := range map[string]struct {
		schema, publish, table, columns string
		key                             []string
		// rows is a query for the rows that are expected, in their order.
		rows string
		// since is the least server version.
		since int
	}{
		"via root": {
			partitioned, "TABLE bin WITH (publish_via_partition_root)", "bin", "qty",
			[]string{"site", "id"},
			"SELECT site, id, qty FROM bin ORDER BY site, id", 13,
		},
		"by leaf": {
			partitioned, "TABLE bin", "bin", "qty",
			[]string{"site", "id"},
			"SELECT site, id, qty FROM bin ORDER BY site, id", 13,
		},
		"inheritance": {
			plainStock + `; CREATE TABLE child () INHERITS (stock); INSERT INTO stock VALUES (1, 1), (3, 3); INSERT INTO child VALUES (1, 5), (2, 2)`,
			"TABLE ONLY stock", "stock", "qty",
			[]string{"id"},
			"SELECT * FROM ONLY stock ORDER BY id", 13,
		},
		"full": {
			`CREATE TABLE stock (qty int, id int, code text NOT NULL UNIQUE, PRIMARY KEY (id)); ALTER TABLE stock REPLICA IDENTITY FULL;
			INSERT INTO stock SELECT i, 100 - i, i::text FROM generate_series(1, 30) i`,
			"TABLE stock", "stock", "qty",
			[]string{"id"},
			"SELECT qty, id FROM stock ORDER BY id", 13,
		},
		"full without a primary key": {
			`CREATE TABLE stock (qty int, code text NOT NULL UNIQUE); ALTER TABLE stock REPLICA IDENTITY FULL;
			INSERT INTO stock SELECT i, i::text FROM generate_series(1, 30) i`,
			"TABLE stock", "stock", "qty",
			[]string{"code"},
			"SELECT qty, code FROM stock ORDER BY code", 13,
		},
		"filter and columns": {
			`CREATE SCHEMA app; CREATE FUNCTION app.lower(text) RETURNS text LANGUAGE sql IMMUTABLE AS 'SELECT ''no''';
			CREATE TABLE stock (id int PRIMARY KEY, k1 text, secret text, qty int);
			INSERT INTO stock SELECT i, 'x', 'x', i FROM generate_series(1, 30) i; UPDATE stock SET k1 = NULL WHERE id = 22`,
			"TABLE stock (id, k1, qty) WHERE (id > 20 AND k1 = 'x')", "stock", "qty k1",
			[]string{"id"},
			"SELECT id, k1, qty FROM stock WHERE id > 20 AND k1 = 'x' ORDER BY id", 15,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if serverMajor(t) < test.since {
				t.Skipf("PostgreSQL %d lacks this", serverMajor(t))
			}
			db := newDatabase(t, test.schema)
			db.exec("CREATE PUBLICATION " + db.name + " FOR " + test.publish)
			s := newSource(t, leastRole(t, db, test.table), cdc.Wanted{public(test.table): strings.Fields(test.columns)})
			tail(t, s, "").started()
			want := db.selected(test.rows)
			if got := joined(chunks(t, s, public(test.table), 4)); !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("got %q, want %q", got, want)
			}
			c := chunk(t, s, backfill.Request{Table: public(test.table), Limit: 100})
			var key []string
			for _, column := range c.Table.Key {
				key = append(key, c.Table.Columns[column].Name)
			}
			if !slices.Equal(key, test.key) {
				t.Errorf("the key is %q, want %q", key, test.key)
			}
			var keys []backfill.Key
			for _, row := range c.Rows {
				var k backfill.Key
				for _, column := range c.Table.Key {
					k = append(k, row[column].Text())
				}
				keys = append(keys, k)
			}
			keys = append(keys, slices.Repeat([]string{"22"}, len(test.key))) // which is not published, or is there already
			listed := chunk(t, s, backfill.Request{Table: public(test.table), Keys: keys})
			if got := joined(listed.Rows); !slices.Equal(got, want) {
				t.Errorf("by key: got %q, want %q", got, want)
			}
		})
	}
}

// TestPartitionedChunkWaitsForDDL truncates a partitioned table while a chunk of
// it is read: it must not see the partitions empty that were filled since.
func TestPartitionedChunkWaitsForDDL(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE bin (id int PRIMARY KEY, qty int) PARTITION BY RANGE (id);
		CREATE TABLE bin_a PARTITION OF bin FOR VALUES FROM (0) TO (10); CREATE TABLE bin_b PARTITION OF bin FOR VALUES FROM (10) TO (20);
		INSERT INTO bin SELECT i, i FROM generate_series(0, 19) i`, "bin")
	s := db.source(db.config(), "public.bin: qty")
	tail(t, s, "").started()
	chunk(t, s, backfill.Request{Table: public("bin"), Limit: 1}) // so that how to read it is known
	locker := connect(t, db.dsn)
	if _, err := locker.Exec(t.Context(), "BEGIN; ALTER TABLE bin_b ALTER qty SET NOT NULL; TRUNCATE bin_b; INSERT INTO bin VALUES (15, 99)"); err != nil {
		t.Fatal(err)
	}
	got := make(chan string, 1)
	go func() {
		c, err := s.Read(t.Context(), s.Mark(), backfill.Request{Table: public("bin"), Range: backfill.Range{After: backfill.Key{"7"}}, Limit: 100})
		if err != nil {
			got <- err.Error()
			return
		}
		got <- fmt.Sprint(joined(c.Rows))
	}()
	waitForLock(db, "bin_b")
	if _, err := locker.Exec(t.Context(), "COMMIT"); err != nil {
		t.Fatal(err)
	}
	if rows := <-got; rows != "[8|8 9|9 15|99]" {
		t.Errorf("got %s", rows)
	}
}
