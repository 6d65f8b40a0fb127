package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/mysql"
)

// chunkOf reads a chunk, which must succeed.
func chunkOf(t *testing.T, s *mysql.Source, r backfill.Request) *backfill.Chunk {
	t.Helper()
	c, err := s.Read(t.Context(), s.Mark(), r)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// images renders the rows of a chunk.
func images(c *backfill.Chunk) []string {
	out := make([]string, len(c.Rows))
	for i, row := range c.Rows {
		out[i] = image(c.Table, row)
	}
	return out
}

func keyOf(c *backfill.Chunk, row cdc.Row) backfill.Key {
	var key backfill.Key
	for _, i := range c.Table.Key {
		key = append(key, row[i].Text())
	}
	return key
}

// walk reads a table in chunks of at most limit rows, as a load does.
func walk(t *testing.T, s *mysql.Source, r backfill.Request) (rows []string) {
	t.Helper()
	for {
		c := chunkOf(t, s, r)
		rows = append(rows, images(c)...)
		if len(rows) > 10_000 {
			t.Fatalf("the walk does not end: %q", r.After)
		}
		if len(c.Rows) < r.Limit {
			return rows
		}
		r.After, r.Including = c.Last, false
	}
}

// keyCase is a table with a key of some type, and an expression that makes values
// of a number from 1 to 200.
type keyCase struct {
	columns, key, values string
	only                 privateserver.Flavor
}

func keyCases() map[string]keyCase {
	one := func(columnType, value string) keyCase {
		return keyCase{columns: "k " + columnType + " NOT NULL", key: "k", values: value}
	}
	cases := map[string]keyCase{
		"int":       one("int", "n - 100"),
		"bigint":    one("bigint unsigned", "18446744073709551615 - n"),
		"negative":  one("bigint", "-9223372036854775807 + n"),
		"decimal":   one("decimal(30,9)", "n * 1000000000000.000000001 - 50000000000000"),
		"float":     one("float", "n / 7 - 14"),
		"double":    one("double", "exp(n / 3) / 7"),
		"latin1":    one("varchar(40) CHARACTER SET latin1 COLLATE latin1_swedish_ci", "concat(char(64 + n % 26 using latin1), char(0xe0 + n % 20 using latin1), n)"),
		"folding":   one("varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", "concat(if(n % 2, 'Ä', 'a'), if(n % 3, 'b', 'B'), ' ', n)"),
		"unicode":   one("varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", "concat(elt(1 + n % 4, 'ß', 'ss', '東京', 'Ω'), n, '''')"),
		"codes":     one("varchar(40) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", "concat(if(n % 2, 'A', 'a'), n, '\\\\', '\"')"),
		"padded":    one("char(10)", "concat(' ', n)"),
		"ascii":     one("varchar(40) CHARACTER SET ascii", "n"),
		"fixed":     one("binary(16)", "unhex(rpad(lpad(hex(n), 2, '0'), 32, '0'))"),
		"bytes":     one("varbinary(20)", "concat(char(n), char(0))"),
		"date":      one("date", "'2024-02-28' + interval n day"),
		"datetime":  one("datetime(6)", "'2024-02-28 23:59:59.999' + interval n * 333 microsecond"),
		"timestamp": one("timestamp(3) DEFAULT CURRENT_TIMESTAMP(3)", "'2024-03-31 00:00:00' + interval n * 7777 second"),
		"time":      one("time(2)", "sec_to_time((n - 100) * 3000)"),
		"year":      one("year", "1900 + n"),
		"bit":       one("bit(12)", "n * 20"),
		"composite": {
			columns: "`to` varchar(10) NOT NULL, q int, `a``b` int NOT NULL, c decimal(8,2) NOT NULL", key: "`to`, `a``b`, c",
			values: "concat('S', n % 3), n, n % 7, n / 4",
		},
		"descending": {columns: "a int NOT NULL, b varchar(9) NOT NULL", key: "a DESC, b", values: "n % 5, n"},
		"enum":       {columns: "k enum('z', 'a', 'm''x', '') NOT NULL, n int NOT NULL", key: "k, n", values: "elt(1 + n % 4, 'z', 'a', 'm''x', ''), n"},
		"set":        {columns: "k set('z', 'a', 'm') NOT NULL, n int NOT NULL", key: "k, n", values: "n % 8, n"},
		"unique":     {columns: "k int NOT NULL, other int, UNIQUE KEY second (k), KEY (other)", values: "n, n"},
		"prefix":     {columns: "k text NOT NULL", key: "k(200)", values: "concat('x', n)"},
	}
	for name, c := range map[string]keyCase{"uuid": one("uuid", "concat(lpad(hex(n * 77777), 8, '0'), '-9c0b-4ef8-bb6d-6bb9bd380a11')"), "inet": one("inet6", "concat('2001:db8::', hex(n))")} {
		c.only = privateserver.FlavorMariaDB
		cases[name] = c
	}
	return cases
}

// TestChunkKeys walks tables in chunks by keys of every type, and expects every row
// once, in the order of the key, whatever the size of the chunks; and finds rows by
// their keys.
func TestChunkKeys(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f)
		var tables []string
		for name, c := range keyCases() {
			if c.only != 0 && c.only != f {
				continue
			}
			create := "CREATE TABLE `" + name + "` (" + c.columns
			if c.key != "" {
				create += ", PRIMARY KEY (" + c.key + ")"
			}
			d.exec(create+")", "INSERT INTO `"+name+"` WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 200) SELECT "+c.values+" FROM s")
			tables = append(tables, name)
		}
		s := d.source(d.config(), tables...)
		tail(t, s, "").started()
		for _, name := range tables {
			t.Run(name, func(t *testing.T) {
				table := cdc.TableName{Schema: d.name, Name: name}
				all := chunkOf(t, s, backfill.Request{Table: table, Limit: 1000})
				if len(all.Rows) != 200 {
					t.Fatalf("%d rows, want 200", len(all.Rows))
				}
				want := images(all)
				for _, limit := range []int{1, 7, 100, 200} {
					if got := walk(t, s, backfill.Request{Table: table, Limit: limit}); !slices.Equal(got, want) {
						t.Errorf("in chunks of %d: got\n%s\nwant\n%s", limit, strings.Join(got, "\n"), strings.Join(want, "\n"))
					}
				}
				from, to := keyOf(all, all.Rows[50]), keyOf(all, all.Rows[149])
				ranged := backfill.Request{Table: table, Range: backfill.Range{After: from, Including: true, Upto: to}, Limit: 13}
				if got := walk(t, s, ranged); !slices.Equal(got, want[50:150]) {
					t.Errorf("from %q up to %q: got %d rows\n%s\nwant\n%s", from, to, len(got), strings.Join(got, "\n"), strings.Join(want[50:150], "\n"))
				}
				var keys []backfill.Key
				for i := 0; i < len(all.Rows); i += 9 {
					keys = append(keys, keyOf(all, all.Rows[i]))
				}
				found := chunkOf(t, s, backfill.Request{Table: table, Keys: keys})
				for i, row := range found.Rows {
					if got := image(found.Table, row); len(found.Rows) != len(keys) || got != want[9*i] {
						t.Fatalf("by key %q: got %d rows, %s, want %s", keys[i], len(found.Rows), got, want[9*i])
					}
				}
				if len(found.Rows) != len(keys) {
					t.Errorf("by key: %d rows, want %d", len(found.Rows), len(keys))
				}
			})
		}
	})
}

func where(op cdc.ConditionOp, column string, values ...cdc.Literal) *cdc.Condition {
	return &cdc.Condition{Op: op, Column: column, Values: values}
}

func numeral(text string) cdc.Literal { return cdc.Literal{Type: cdc.TypeDecimal, Text: text} }

func text(text string) cdc.Literal { return cdc.Literal{Type: cdc.TypeText, Text: text} }

// TestChunkWhere has rows left out by conditions on columns of many types, counts
// those that were looked at, and goes on behind them.
func TestChunkWhere(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, `CREATE TABLE stock (id int PRIMARY KEY, q decimal(9,2), x double, name varchar(20) CHARACTER SET latin1,
			state enum('new', 'old'), raw varbinary(9), day date, at timestamp(3) NULL)`,
			`INSERT INTO stock VALUES (1, 1.50, 0.1, 'Äpfel', 'new', 'ab', '2024-02-29', '2024-02-29 10:00:00.5'), (2, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
			(3, -3, 1e20, 'it''s', 'old', 'cd', '2023-01-01', '2023-01-01'), (4, 100, 2.5, 'drop table', 'new', 'ab', '2025-01-01', '2025-01-01')`)
		s := d.source(d.config(), "stock: q x name state raw day at")
		tail(t, s, "").started()
		table := cdc.TableName{Schema: d.name, Name: "stock"}
		and := &cdc.Condition{Op: cdc.ConditionAnd, Args: []*cdc.Condition{where(cdc.ConditionGreater, "id", numeral("1")), where(cdc.ConditionEqual, "state", text("new"))}}
		for i, c := range []struct {
			where *cdc.Condition
			want  string
		}{
			{where(cdc.ConditionEqual, "q", numeral("1.5")), "1"},
			{where(cdc.ConditionLess, "q", numeral("0")), "3"},
			{where(cdc.ConditionGreater, "x", numeral("2")), "3 4"},
			{where(cdc.ConditionEqual, "name", text("Äpfel")), "1"},
			{where(cdc.ConditionEqual, "name", text("äpfel")), ""},
			{where(cdc.ConditionIn, "name", text("it's"), text("drop table"), text("東京")), "3 4"},
			{where(cdc.ConditionNotEqual, "state", text("old")), "1 4"},
			{where(cdc.ConditionEqual, "raw", text("6162")), "1 4"},
			{where(cdc.ConditionGreaterEqual, "day", text("2024-02-29")), "1 4"},
			{where(cdc.ConditionEqual, "at", text("2024-02-29 10:00:00.500+00")), "1"},
			{where(cdc.ConditionNull, "q"), "2"},
			{where(cdc.ConditionNotNull, "name"), "1 3 4"},
			{&cdc.Condition{Op: cdc.ConditionNot, Args: []*cdc.Condition{where(cdc.ConditionLessEqual, "q", numeral("99.99"))}}, "4"},
			{&cdc.Condition{Op: cdc.ConditionOr, Args: []*cdc.Condition{and, where(cdc.ConditionEqual, "id", numeral("2"))}}, "2 4"},
		} {
			chunk := chunkOf(t, s, backfill.Request{Table: table, Limit: 10, Where: c.where})
			var ids []string
			for _, row := range chunk.Rows {
				ids = append(ids, row[0].Text())
			}
			if got := strings.Join(ids, " "); got != c.want || chunk.Scanned != 4 || !slices.Equal(chunk.Last, backfill.Key{"4"}) {
				t.Errorf("condition %d: rows %s of %d up to %q, want %s of 4", i, got, chunk.Scanned, chunk.Last, c.want)
			}
		}
		some := chunkOf(t, s, backfill.Request{Table: table, Limit: 2, Where: where(cdc.ConditionEqual, "id", numeral("4"))})
		if len(some.Rows) != 0 || some.Scanned != 2 || !slices.Equal(some.Last, backfill.Key{"2"}) {
			t.Errorf("a chunk in which no row is wanted: %+v", some)
		}
		for _, wrong := range []*cdc.Condition{
			where(cdc.ConditionEqual, "secret", numeral("1")), where(cdc.ConditionEqual, "q", text("1")), where(cdc.ConditionEqual, "name", numeral("1")),
			where(cdc.ConditionEqual, "q"),
			{Op: cdc.ConditionAnd},
			{Op: 99, Column: "q"},
		} {
			if _, err := s.Read(t.Context(), s.Mark(), backfill.Request{Table: table, Limit: 2, Where: wrong}); err == nil {
				t.Errorf("%+v was accepted", wrong)
			}
		}
	})
}

// TestChunkAfterDDL reads a table that was altered since its plan was made.
func TestChunkAfterDDL(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, "CREATE TABLE stock (id int PRIMARY KEY, qty int, note varchar(9))", "INSERT INTO stock VALUES (1, 5, 'n')")
		s := d.source(d.config(), "stock: qty note")
		tl := tail(t, s, "").started()
		table := cdc.TableName{Schema: d.name, Name: "stock"}
		r := backfill.Request{Table: table, Limit: 9}
		for _, step := range []struct{ ddl, want string }{
			{"SELECT 1", "id=1,qty=5,note=n"},
			{"ALTER TABLE stock ADD extra int FIRST", "id=1,qty=5,note=n"},
			{"ALTER TABLE stock MODIFY qty decimal(9,2) AFTER note", "id=1,note=n,qty=5.00"},
			{"ALTER TABLE stock MODIFY id varchar(9)", "id=1,note=n,qty=5.00"},
			{"CREATE TABLE other LIKE stock", "id=1,note=n,qty=5.00"},
			{"RENAME TABLE stock TO gone, other TO stock", ""},
		} {
			d.exec(step.ddl)
			if got := strings.Join(images(chunkOf(t, s, r)), "\n"); got != step.want {
				t.Errorf("after %s: got %q, want %q", step.ddl, got, step.want)
			}
		}
		tl.cancel()
		d.exec("ALTER TABLE stock DROP qty")
		var setup *cdc.SetupError
		if _, err := s.Read(t.Context(), s.Mark(), r); !errors.As(err, &setup) || !strings.Contains(err.Error(), `has no column "qty"`) {
			t.Errorf("without a wanted column: %v", err)
		}
	})
}

// TestChunkIsRefused reads what cannot be read.
func TestChunkIsRefused(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newServer(t, f, nil, "CREATE TABLE stock (id int PRIMARY KEY, qty int)", "CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM", "INSERT INTO stock VALUES (1, 5)")
		d.exec(leastAccount(d.server, "reader", "secret")...)
		d.exec("GRANT SELECT ON stock TO reader", "GRANT SELECT ON old TO reader")
		cfg := d.config()
		cfg.DSN = d.server.UserDSN("reader", "secret", "")
		s := d.source(cfg, "stock: qty", "old:")
		tail(t, s, "").started()
		read := func(name string, r backfill.Request) error {
			r.Table = cdc.TableName{Schema: d.name, Name: name}
			_, err := s.Read(t.Context(), s.Mark(), r)
			return err
		}
		if err := read("stock", backfill.Request{Limit: 1}); err != nil {
			t.Fatal(err)
		}
		var setup *cdc.SetupError
		if err := read("old", backfill.Request{Limit: 1}); !errors.As(err, &setup) || !strings.Contains(err.Error(), "is MyISAM") {
			t.Errorf("MyISAM: %v", err)
		}
		for what, r := range map[string]backfill.Request{
			"no limit": {}, "short key": {Limit: 1, Range: backfill.Range{After: backfill.Key{}}}, "no number": {Limit: 1, Range: backfill.Range{After: backfill.Key{"x"}}},
			"no keys": {Keys: []backfill.Key{}}, "long key": {Keys: []backfill.Key{{"1", "2"}}},
		} {
			if err := read("stock", r); err == nil || errors.As(err, &setup) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := read("elsewhere", backfill.Request{Limit: 1}); err == nil || !strings.Contains(err.Error(), "not one of the captured tables") {
			t.Errorf("another table: %v", err)
		}
		if _, err := s.Read(t.Context(), nil, backfill.Request{Limit: 1}); err == nil {
			t.Error("read without a mark")
		}
		if _, err := s.Read(t.Context(), d.source(cfg, "stock: qty").Mark(), backfill.Request{Limit: 1}); err == nil {
			t.Error("read with the mark of a source that never tailed")
		}
		d.exec("REVOKE SELECT ON stock FROM reader")
		if err := read("stock", backfill.Request{Limit: 1}); !errors.As(err, &setup) || !strings.Contains(err.Error(), "GRANT SELECT ON `shop`.`stock` TO 'reader'@'%'") {
			t.Errorf("without the right: %v", err)
		}
	})
}

// TestChunkFromAnotherServer refuses a session that leads to another server than
// the stream's.
func TestChunkFromAnotherServer(t *testing.T) {
	t.Parallel()
	const create = "CREATE TABLE stock (id int PRIMARY KEY, qty int)"
	a := newServer(t, privateserver.FlavorMariaDB, nil, create)
	b := newServer(t, privateserver.FlavorMariaDB, map[string]string{"server-id": "2"}, create)
	one, other := a.source(a.config(), "stock: qty"), b.source(b.config(), "stock: qty")
	tail(t, one, "").started()
	_, err := other.Read(t.Context(), one.Mark(), backfill.Request{Table: cdc.TableName{Schema: "shop", Name: "stock"}, Limit: 1})
	if err == nil || !strings.Contains(err.Error(), "leads to the mariadb server 2, and the stream comes from the mariadb server 1") {
		t.Errorf("got %v", err)
	}
}

// TestChunkView reads a chunk that sees more than the stream had delivered when the
// window opened: it is reached behind all of that, and denies it.
func TestChunkView(t *testing.T) {
	t.Parallel()
	for name, server := range map[string]stress{
		"MariaDB": {privateserver.FlavorMariaDB, nil}, "GTID": {privateserver.FlavorMySQL, nil}, "places": {privateserver.FlavorMySQL, withoutGTIDs()},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newServer(t, server.flavor, server.settings, "CREATE TABLE stock (id int PRIMARY KEY, qty int)")
			s := d.source(d.config(), "stock: qty")
			tl := tail(t, s, "").started()
			d.exec("INSERT INTO stock VALUES (1, 5)")
			first := tl.take(1)[0]
			mark := s.Mark()
			d.exec("UPDATE stock SET qty = 6", "FLUSH BINARY LOGS", "INSERT INTO stock VALUES (2, 7)")
			c, err := s.Read(t.Context(), mark, backfill.Request{Table: cdc.TableName{Schema: d.name, Name: "stock"}, Limit: 9})
			if err != nil || fmt.Sprint(images(c)) != "[id=1,qty=6 id=2,qty=7]" {
				t.Fatalf("chunk: %v, %v", images(c), err)
			}
			got := tl.take(3)
			if !c.View.Sees(first) || c.View.Sees(got[1]) || c.View.Sees(got[2]) {
				t.Error("the view sees another part of the log than what was delivered when the window opened")
			}
			if c.View.Reached(got[0].Resume) || c.View.Reached(got[1].Resume) {
				t.Error("reached before everything that it sees was delivered")
			}
			// MariaDB notes in its log, a moment later, that the file before is not needed any more.
			tl.wait("place behind the view", func() bool { return c.View.Reached(tl.token()) })
			if c.View.Reached("") || c.View.Reached(cdc.Resume(strings.Replace(string(got[2].Resume), `"server":"`, `"server":"x`, 1))) {
				t.Error("reached by the token of another server")
			}
		})
	}
}

// TestChunkAwaitsXA reads a table beside an XA transaction whose commit is streamed
// and hangs before the storage engine has it: its order there is none.
func TestChunkAwaitsXA(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		if got := chunkBesideXA(t, f); got != "[id=1,qty=6]" {
			t.Errorf("got %s, which the stream does not correct any more", got)
		}
	})
}

// TestChunkAwaitsXARecover reads a chunk while the server lists an XA transaction as
// prepared whose commit was streamed, as MariaDB does for a moment that nothing can
// stretch: an unlogged one of the same name stands for it.
func TestChunkAwaitsXARecover(t *testing.T) {
	t.Parallel()
	xa := func(v int) []string {
		return []string{"XA START 'a'", fmt.Sprintf("INSERT INTO stock VALUES (%d, 1)", v), "XA END 'a'", "XA PREPARE 'a'"}
	}
	for name, sabotage := range map[string]func(*mysql.Source){"waits": nil, "no wait on XA RECOVER": (*mysql.Source).AwaitNoXA} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newServer(t, privateserver.FlavorMariaDB, nil, "CREATE TABLE stock (id int PRIMARY KEY, qty int)")
			s := d.source(d.config(), "stock: qty")
			if sabotage != nil {
				sabotage(s)
			}
			tl := tail(t, s, "").started()
			d.session(append(xa(1), "XA COMMIT 'a'")...)
			tl.take(1)
			d.session(append([]string{"SET sql_log_bin = 0"}, xa(2)...)...)
			mark := s.Mark()
			ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
			defer cancel()
			r := backfill.Request{Table: cdc.TableName{Schema: d.name, Name: "stock"}, Limit: 9}
			if _, err := s.Read(ctx, mark, r); (err == nil) != (sabotage != nil) {
				t.Errorf("while it is listed: %v", err)
			}
			d.session("XA ROLLBACK 'a'")
			if c, err := s.Read(t.Context(), mark, r); err != nil || len(c.Rows) != 1 {
				t.Errorf("when it is not: %v, %v", c, err)
			}
		})
	}
}

// chunkBesideXA reads a chunk while the commit of an XA transaction hangs for a while.
func chunkBesideXA(t *testing.T, f privateserver.Flavor) string {
	t.Helper()
	d := newServer(t, f, nil, "CREATE TABLE stock (id int PRIMARY KEY, qty int)", "INSERT INTO stock VALUES (1, 5)")
	s := d.source(d.config(), "stock: qty")
	tl := tail(t, s, "").started()
	d.session("XA START 'a','b',7", "UPDATE stock SET qty = 6", "XA END 'a','b',7", "XA PREPARE 'a','b',7")
	release := hangCommits(t, d.server)
	var group sync.WaitGroup
	defer group.Wait()
	defer release()
	group.Go(func() { _, _ = d.db.ExecContext(context.WithoutCancel(t.Context()), "XA COMMIT 'a','b',7") })
	expect(t, tl.take(1), "update stock to id=1,qty=6")
	released := time.AfterFunc(300*time.Millisecond, release)
	defer released.Stop()
	return fmt.Sprint(images(chunkOf(t, s, backfill.Request{Table: cdc.TableName{Schema: d.name, Name: "stock"}, Limit: 9})))
}

// TestLowerCaseTableNames captures a table under the name that its owner wrote,
// where the server keeps names in lower case.
func TestLowerCaseTableNames(t *testing.T) {
	t.Parallel()
	d := newServer(t, privateserver.FlavorMariaDB, map[string]string{"lower-case-table-names": "1"},
		"CREATE TABLE `Stock Ledger` (ID int PRIMARY KEY, Qty int)", "INSERT INTO `Stock Ledger` VALUES (1, 5)")
	wanted := cdc.Wanted{{Schema: "Shop", Name: "Stock Ledger"}: {"Qty"}}
	s := d.source(d.config())
	s.Want(wanted)
	twice := d.source(d.config())
	twice.Want(cdc.Wanted{{Schema: "Shop", Name: "Stock Ledger"}: {"Qty"}, {Schema: "shop", Name: "stock ledger"}: {"Qty"}})
	if err := twice.Tail(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "is the same table as Shop.Stock Ledger") {
		t.Errorf("with two names for one table: %v", err)
	}
	tl := tail(t, s, "").started()
	c := chunkOf(t, s, backfill.Request{Table: cdc.TableName{Schema: "Shop", Name: "Stock Ledger"}, Limit: 9})
	if got := fmt.Sprint(images(c)); got != "[ID=1,Qty=5]" {
		t.Errorf("chunk: %s", got)
	}
	d.exec("UPDATE `STOCK LEDGER` SET qty = 6")
	got := tl.take(1)
	if len(got[0].Changes) != 1 || got[0].Changes[0].Table != c.Table || got[0].Changes[0].After[1].Text() != "6" {
		t.Errorf("stream: %v, of the table %v, want %v", lines(got), got[0].Changes[0].Table, c.Table)
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, "CREATE TABLE few (id int PRIMARY KEY)", "INSERT INTO few VALUES (1), (2), (3)", "CREATE TABLE many (id int PRIMARY KEY, pad char(100))")
		d.session(map[privateserver.Flavor]string{
			privateserver.FlavorMariaDB: "SET SESSION max_recursive_iterations = 100000", privateserver.FlavorMySQL: "SET SESSION cte_max_recursion_depth = 100000",
		}[f], "INSERT INTO many WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 30000) SELECT n, '' FROM s", "ANALYZE TABLE many")
		s := d.source(d.config(), "few:", "many:")
		for table, limits := range map[string][2]int64{"few": {3, 3}, "many": {15_000, 60_000}} {
			n, err := s.Estimate(t.Context(), cdc.TableName{Schema: d.name, Name: table})
			if err != nil || n < limits[0] || n > limits[1] {
				t.Errorf("%s: about %d rows, %v, want %v", table, n, err, limits)
			}
		}
		if _, err := s.Estimate(t.Context(), cdc.TableName{Schema: d.name, Name: "none"}); err == nil {
			t.Error("estimated a table that is not there")
		}
	})
}

// TestSampleAndDescribe reads a table before anything is captured.
func TestSampleAndDescribe(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, "CREATE TABLE stock (id int PRIMARY KEY, qty decimal(9,3) NOT NULL, `order` varchar(9), secret int)", "INSERT INTO stock VALUES (1, 1.5, 'x', 7), (2, 2, NULL, 7)")
		s := d.source(d.config(), "stock: qty order")
		name := cdc.TableName{Schema: d.name, Name: "stock"}
		table, rows, err := s.Sample(t.Context(), name, 1)
		if err != nil || len(rows) != 1 || image(table, rows[0]) != "id=1,qty=1.500,order=x" {
			t.Errorf("sample: %v, %v", rows, err)
		}
		described, err := s.Describe(t.Context(), name)
		if err != nil || len(described.Columns) != 4 || described.Columns[1].SourceType != "decimal(9,3)" || !slices.Equal(described.Key, []int{0}) {
			t.Errorf("describe: %+v, %v", described, err)
		}
		var setup *cdc.SetupError
		if _, err := s.Describe(t.Context(), cdc.TableName{Schema: d.name, Name: "stok"}); !errors.As(err, &setup) || !strings.Contains(err.Error(), "did you mean") {
			t.Errorf("describe a missing table: %v", err)
		}
	})
}

// TestTLS follows MySQL by an encrypted connection, with its default way to log in.
func TestTLS(t *testing.T) {
	t.Parallel()
	server := testenv.SharedMySQL(t, privateserver.FlavorMySQL)
	d := newDatabase(t, privateserver.FlavorMySQL, "CREATE TABLE stock (id int PRIMARY KEY, qty int)",
		"CREATE USER encrypted IDENTIFIED WITH caching_sha2_password BY 'p@ss/w:rd' REQUIRE SSL",
		"GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO encrypted")
	d.exec("GRANT SELECT ON stock TO encrypted")
	cfg := d.config()
	cfg.DSN = server.UserDSN("encrypted", "p@ss/w:rd", "")
	s := d.source(cfg, "stock: qty")
	if err := s.Tail(t.Context(), "", nil); err == nil || !strings.Contains(err.Error(), "Access denied") {
		t.Errorf("without encryption: %v", err)
	}
	cfg.DSN += "?tls=skip-verify"
	s = d.source(cfg, "stock: qty")
	tl := tail(t, s, "").started()
	d.exec("INSERT INTO stock VALUES (1, 5)")
	expect(t, tl.take(1), "insert stock to id=1,qty=5")
	if c := chunkOf(t, s, backfill.Request{Table: cdc.TableName{Schema: d.name, Name: "stock"}, Limit: 9}); len(c.Rows) != 1 {
		t.Errorf("chunk: %v", images(c))
	}
	for _, finding := range s.Check(t.Context()) {
		if finding.Requirement == "connection" && !strings.HasSuffix(finding.Detail, ", encrypted") {
			t.Errorf("check says %q", finding.Detail)
		}
	}
}
