package endtoend_test

import (
	"cmp"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// frappeSchema is an ERP on MariaDB that keeps the number of an article, the site of
// a place and the state of an order in tables of their own, and names rows by texts
// whose collation ignores letter case and spaces at the end.
func frappeSchema() []string {
	const name = "varchar(140) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci"
	return append(mariaSchema(),
		"create table `tabItem Group` (name "+name+" primary key, prefix varchar(20), note text)",
		"create table `tabItem` (name "+name+" primary key, item_code varchar(140) not null, item_group "+name+", modified datetime(6))",
		"create table `tabWarehouse` (name "+name+" primary key, parent_warehouse "+name+", disabled tinyint not null default 0, site varchar(20))",
		"create table `tabBin Stock` (name bigint auto_increment primary key, item "+name+" not null, warehouse "+name+" not null, actual_qty decimal(21,9) not null, key item (item))",
		"create table `order` (id int unsigned primary key, state enum('open','done') not null)",
		"create table `order line` (id int primary key, order_id decimal(10,0) not null, item "+name+" not null, qty int not null, key (order_id))",
		"insert into `tabItem Group` values ('Brakes', 'ATE', null), ('Tyres', 'CONTI', null)",
		"insert into `tabItem` (name, item_code, item_group) values ('Pad', 'P1', 'Brakes'), ('Disc', 'P2', 'Brakes'), ('Größe 17', 'P3', 'Tyres')",
		"insert into `tabWarehouse` (name, parent_warehouse, site) values ('All', null, null), ('DC', 'All', 'DC1'), ('DC - A', 'DC', null), ('Shop', 'All', 'DC2')",
		"insert into `tabBin Stock` (item, warehouse, actual_qty) values ('Pad', 'DC - A', 5), ('Disc', 'DC', 6.5), ('Größe 17', 'Shop', 7), ('Pad', 'Shop', 1)",
		"insert into `order` values (1, 'open'), (4000000000, 'done')",
		"insert into `order line` values (1, 1, 'Pad', 4), (2, 4000000000, 'Disc', 2)",
		"grant select on `tabItem Group` to "+capturer, "grant select on `tabItem` to "+capturer, "grant select on `tabWarehouse` to "+capturer,
		"grant select on `tabBin Stock` to "+capturer, "grant select on `order` to "+capturer, "grant select on `order line` to "+capturer)
}

const frappeTables = "\n" + `
    tables:
      "erp.` + "`tabBin Stock`" + `":
        contributes:
          - when: not within(place[warehouse], disabled == 1)
            sku: family[item[item].item_group].prefix + '-' + item[item].item_code
            location: nearest(place[warehouse], site != null).site
            on_hand: actual_qty
      "erp.` + "`order line`" + `":
        contributes:
          - when: orders[order_id].state == 'open'
            sku: family[item[item].item_group].prefix + '-' + item[item].item_code
            committed: qty
    location: "'WEB'"
    lookups:
      family: {table: "erp.` + "`tabItem Group`" + `"}
      item: {table: erp.tabItem, key: name}
      place: {table: erp.tabWarehouse, parent: parent_warehouse}
      orders: {table: "erp.` + "`order`" + `"}
`

// frappeLevels is what stores must say, with nothing of ours: names are compared
// byte by byte.
const frappeLevels = `
with recursive up(name, site, above, disabled) as (
	select name, site, parent_warehouse, disabled from tabWarehouse
	union all
	select u.name, coalesce(u.site, w.site), w.parent_warehouse, greatest(u.disabled, w.disabled) from up u join tabWarehouse w on binary w.name = binary u.above),
home as (select name, max(site) as site, max(disabled) as disabled from up group by binary name),
article as (select i.name, concat(g.prefix, '-', i.item_code) as sku from tabItem i join ` + "`tabItem Group`" + ` g on binary g.name = binary i.item_group),
counted as (
	select a.sku, h.site as location, b.actual_qty as on_hand, 0 as committed
	from ` + "`tabBin Stock`" + ` b join article a on binary a.name = binary b.item join home h on binary h.name = binary b.warehouse where h.disabled = 0
	union all
	select a.sku, 'WEB', 0, l.qty from ` + "`order line`" + ` l join article a on binary a.name = binary l.item join ` + "`order`" + ` o on o.id = l.order_id where o.state = 'open')
select concat(sku, '@', location, ' ', cast(sum(on_hand) as decimal(20,3)), ' ', cast(sum(committed) as decimal(20,3))) from counted
group by binary sku, binary location having sum(on_hand) <> 0 or sum(committed) <> 0`

const storedLevelLines = `
select coalesce(string_agg(sku || '@' || location || ' ' || on_hand::numeric(20,3) || ' ' || committed::numeric(20,3), E'\n'), '')
from stock_level where on_hand <> 0 or committed <> 0`

// awaitFrappe waits until the store says what the ERP's tables say.
func (s *system) awaitFrappe(t *testing.T, p *process, erp *sql.DB) {
	t.Helper()
	var want, got []string
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		want = queryLines(t, erp, frappeLevels)
		got = strings.Split(queryText(t, s.storeDSN(), storedLevelLines), "\n")
		slices.Sort(want)
		slices.Sort(got)
		return slices.Equal(want, got)
	}, func() string {
		return fmt.Sprintf("the source says\n%s\nthe store says\n%s\n%s", strings.Join(want, "\n"), strings.Join(got, "\n"), p.recent())
	})
}

// queryLines returns the texts that a query yields.
func queryLines(t *testing.T, db *sql.DB, query string) (lines []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

// TestLookupsOnMariaDB changes rows that others look up, in the ways of ERPs on
// MariaDB, and kills the daemon now and then right behind.
func TestLookupsOnMariaDB(t *testing.T) {
	t.Parallel()
	s := &system{mariadb: testenv.MySQL(t, privateserver.FlavorMariaDB), tables: frappeTables}
	if err := s.mariadb.Exec(t.Context(), frappeSchema()...); err != nil {
		t.Fatal(err)
	}
	s.complete(t, false)
	erp, err := sql.Open("mysql", s.mariadb.DSN("erp"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = erp.Close() })
	p := s.started(t)
	s.awaitFrappe(t, p, erp)
	for i, step := range []struct {
		what       string
		statements []string
		// unresolved is how many rows wait for another, and keep what they contributed.
		unresolved string
	}{
		{"a SKU is renamed", []string{"update tabItem set item_code = 'P1-NEW' where name = 'Pad'"}, ""},
		{"by a session that logs the least", []string{
			"set session binlog_row_image = minimal", "update tabItem set item_code = 'P1-MIN' where name = 'Pad'",
			"update `tabItem Group` set note = 'x'",
		}, ""},
		{"a group is renamed", []string{"update `tabItem Group` set prefix = 'ATE/2' where name = 'Brakes'"}, ""},
		{"in two phases", []string{"xa start 'x'", "update tabItem set item_code = 'P1-XA' where name = 'Pad'", "xa end 'x'", "xa prepare 'x'", "xa commit 'x'"}, ""},
		{"a key is written in other letters, and what refers to it is not", []string{"update tabItem set name = 'PAD' where name = 'Pad'"}, "3"},
		{"and now it is", []string{"update `tabBin Stock` set item = 'PAD' where item = 'pad'", "update `order line` set item = 'PAD' where item = 'pad'"}, ""},
		{"a document is renamed", []string{
			"begin", "update tabItem set name = 'Pad 2' where name = 'PAD'", "update `tabBin Stock` set item = 'Pad 2' where item = 'PAD'",
			"update `order line` set item = 'Pad 2' where item = 'PAD'", "commit",
		}, ""},
		{"a row refers with a space at its end", []string{"insert into `tabBin Stock` (item, warehouse, actual_qty) values ('Disc ', 'DC', 9)"}, "1"},
		{"which is mended", []string{"update `tabBin Stock` set item = 'Disc' where item = 'disc'"}, ""},
		{"a warehouse is disabled", []string{"update tabWarehouse set disabled = 1 where name = 'DC'"}, ""},
		{"and another moves below it", []string{"update tabWarehouse set disabled = 0 where name = 'DC'", "update tabWarehouse set parent_warehouse = 'Shop' where name = 'DC - A'"}, ""},
		{"an order is done, and a large one opens", []string{"update `order` set state = 'done' where id = 1", "update `order` set state = 'open' where id = 4000000000"}, ""},
		{"rows stand before what they look up, which arrives", []string{
			"insert into `tabBin Stock` (item, warehouse, actual_qty) values ('Ölfilter', 'Ost', 3)",
			"insert into tabWarehouse (name, parent_warehouse, site) values ('Ost', null, 'DC9')", "insert into tabItem (name, item_code, item_group) values ('Ölfilter', 'P9', 'Filter')",
			"insert into `tabItem Group` values ('Filter', 'MANN', null)",
		}, ""},
		{"everything at once", []string{
			"begin", "update tabItem set item_code = concat(item_code, 'x')", "update `tabItem Group` set prefix = lower(prefix)",
			"update `tabBin Stock` set actual_qty = actual_qty + 1", "commit",
		}, ""},
		{"the tables of others are altered", []string{
			"alter table tabItem add column barcode varchar(20) first, drop column modified",
			"update tabItem set item_code = 'ALTERED' where name = 'Disc'",
		}, ""},
	} {
		if err := s.mariadb.Exec(t.Context(), append([]string{"use erp"}, step.statements...)...); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if i%4 == 3 {
			p.kill()
			p = s.run(t)
		}
		s.awaitCounted(t, p, `select count(*) = `+cmp.Or(step.unresolved, "0")+` from problem where kind = 'unresolved'`)
		if step.unresolved == "" {
			s.awaitFrappe(t, p, erp)
		}
		if t.Failed() {
			t.Fatalf("after %q", step.what)
		}
	}
	if n := queryText(t, s.storeDSN(), `select count(*)::text from problem`); n != "0" {
		t.Errorf("%s problems are left", n)
	}
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"check"}, []string{
			"mapping of table erp.tabBin Stock: fits the table's columns", "index on column `item` of table erp.tabBin Stock: there is one",
			"index on column `warehouse` of table erp.tabBin Stock: there is none", "CREATE INDEX `warehouse` ON `erp`.`tabBin Stock` (`warehouse`);",
		}},
		{[]string{"map", "--table", "erp.tabBin Stock", "--rows", "1"}, []string{"looks up erp.tabItem ", "looks up erp.tabItem Group Brakes:", ` site="DC`}},
		{[]string{"explain", "ate/2-ALTERED"}, []string{"looks up item -> item.item_group -> family.prefix"}},
	} {
		r := s.command(t, c.args...)
		for _, want := range c.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%v does not say %q:\n%s%s", c.args, want, r.out, r.err)
			}
		}
	}
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}
