package endtoend_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// shopSchema is an ERP that keeps the number of an article, the site of a place and
// the state of an order in tables of their own.
const shopSchema = `
create table brand (id int primary key, name text not null, note text);
create table product (id int primary key, code text, brand_id int, write_date timestamptz);
create table place (id int primary key, parent_id int, kind text not null, site text);
create table quant (id int primary key, product_id int not null, place_id int not null, qty numeric(12,3) not null);
create table orders (id int primary key, state text not null);
create table line (id int primary key, order_id int not null, product_id int not null, qty int not null);
create table move (id int primary key, product_id int not null, qty int not null, starts timestamp, ends timestamptz, note text);
create table shelf (tenant int, code text, site text not null, primary key (tenant, code));
create table variant (id text primary key, product_id int, price numeric);
create table piece (id int primary key, tenant int not null, shelf text not null, product_id int not null, total boolean not null, qty int not null);
create index on piece (tenant, shelf);
create index on quant (product_id);
create index on quant (place_id);
create index on line (order_id);
insert into brand values (1, 'ATE'), (2, 'BOSCH');
insert into product values (1, 'P1', 1), (2, 'P2', 1), (3, 'P3', 2);
insert into place values (10, null, 'view', 'DC1'), (11, 10, 'stock', null), (12, 11, 'bin', null), (13, 10, 'bin', null), (20, null, 'view', 'DC2'), (21, 20, 'bin', null);
insert into quant select n, 1 + n % 3, (array[12, 13, 21])[1 + n % 3], n from generate_series(1, 30) n;
insert into orders values (1, 'open'), (2, 'draft');
insert into line values (1, 1, 1, 4), (2, 1, 2, 5), (3, 2, 1, 6);
insert into shelf select tenant, 'S' || n, 'T' || tenant from generate_series(1, 2) tenant, generate_series(1, 3) n;
insert into variant values ('v1', 1), ('v2', 1), ('v3', 2);
insert into piece select n, 1 + n % 2, 'S' || 1 + n % 3, 1 + n % 3, n % 4 = 0, n from generate_series(1, 24) n;
alter publication tailstock_erp add table brand, product, place, quant, orders, line, move, shelf, variant, piece;
grant select on brand, product, place, quant, orders, line, move, shelf, variant, piece to ` + capturer + `;`

const shopTables = `
    tables:
      public.quant:
        contributes:
          - when: not within(place[place_id], kind == 'scrap')
            sku: brand[product[product_id].brand_id].name + '-' + product[product_id].code
            location: nearest(place[place_id], site != null).site
            on_hand: qty
      public.line:
        contributes:
          - when: orders[order_id].state == 'open'
            sku: brand[product[product_id].brand_id].name + '-' + product[product_id].code
            committed: qty
      public.move:
        contributes:
          - sku: brand[product[product_id].brand_id].name + '-' + product[product_id].code
            incoming: qty
            valid_from: starts
            valid_until: ends
      public.piece:
        contributes:
          - when: not total or not exists(variant[product_id])
            sku: brand[product[product_id].brand_id].name + '-' + product[product_id].code
            location: shelf[tenant, shelf].site
            on_hand: qty
    location: "'WEB'"
    time_zone: Pacific/Kiritimati
    lookups:
      shelf: {table: public.shelf}
      variant: {table: public.variant, key: product_id}
      brand: {table: public.brand}
      product: {table: public.product, key: id}
      place: {table: public.place, parent: parent_id}
      orders: {table: public.orders}
`

// shopLevels is what stores must say, with nothing of ours. Rows that wait for
// another keep what they contributed, so that it is asked for when none does.
const shopLevels = `
with recursive up(id, site, parent_id, scrap) as (
	select id, site, parent_id, kind = 'scrap' from place
	union all
	select u.id, coalesce(u.site, p.site), p.parent_id, u.scrap or p.kind = 'scrap' from up u join place p on p.id = u.parent_id),
home as (select id, max(site) as site, bool_or(scrap) as scrap from up group by id),
item as (select p.id, b.name || '-' || p.code as sku from product p join brand b on b.id = p.brand_id),
counted as (
	select i.sku, h.site as location, q.qty as on_hand, 0 as committed
	from quant q join item i on i.id = q.product_id join home h on h.id = q.place_id where not h.scrap
	union all
	select i.sku, s.site, p.qty, 0 from piece p join item i on i.id = p.product_id join shelf s on s.tenant = p.tenant and s.code = p.shelf
	where not p.total or not exists (select from variant v where v.product_id = p.product_id)
	union all
	select i.sku, 'WEB', 0, l.qty from line l join item i on i.id = l.product_id join orders o on o.id = l.order_id where o.state = 'open')
select coalesce(string_agg(sku || '@' || location || ' ' || on_hand || ' ' || committed, E'\n' order by sku, location), '') from (
	select sku, location, trim_scale(sum(on_hand)) as on_hand, sum(committed) as committed from counted group by 1, 2) as levels
where on_hand <> 0 or committed <> 0`

const storedLevels = `
select coalesce(string_agg(sku || '@' || location || ' ' || trim_scale(on_hand) || ' ' || trim_scale(committed), E'\n' order by sku, location), '')
from stock_level where on_hand <> 0 or committed <> 0`

func newShop(t *testing.T) *system {
	t.Helper()
	s := newSystem(t, false)
	execSQL(t, s.erp.DSN("postgres"), shopSchema)
	s.tables = shopTables
	s.write(t, "tailstock.yaml", s.listen)
	return s
}

// awaitShop waits until the store says what the ERP's tables say.
func (s *system) awaitShop(t *testing.T, p *process) {
	t.Helper()
	var want, got string
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		want, got = queryText(t, s.erp.DSN("postgres"), shopLevels), queryText(t, s.storeDSN(), storedLevels)
		return want == got
	}, func() string {
		return fmt.Sprintf("the source says\n%s\nthe store says\n%s\n%s", want, got, p.recent())
	})
}

// TestLookups changes rows that others look up, in the ways of real ERPs, and kills
// the daemon now and then right behind.
func TestLookups(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	p := s.started(t)
	s.awaitShop(t, p)
	for i, step := range []struct{ what, sql string }{
		{"a SKU is renamed", `update product set code = 'P1-NEW' where id = 1`},
		{"a brand is renamed", `update brand set name = 'ATE/2' where id = 1`},
		{"an order is cancelled", `update orders set state = 'cancelled' where id = 1`},
		{"an order is opened", `update orders set state = 'open' where id = 2`},
		{"a place becomes a scrap place", `update place set kind = 'scrap' where id = 11`},
		{"and one again that counts", `update place set kind = 'stock' where id = 11`},
		{"a place moves", `update place set parent_id = 20 where id = 11`},
		{"a site is renamed", `update place set site = 'DC9' where id = 20`},
		{"a product without a code gets one in the same transaction", `begin; insert into product values (4, null, 2);
			insert into quant values (100, 4, 12, 7); update product set code = 'P4' where id = 4; commit`},
		{"rows stand before what they look up", `insert into quant values (101, 5, 13, 3); insert into line values (4, 3, 5, 2)`},
		{"which arrives", `insert into orders values (3, 'open'); insert into product values (5, 'P5', 3); insert into brand values (3, 'SKF')`},
		{"a product gets another brand", `update product set brand_id = 2 where id = 2`},
		{"order and lines in one transaction", `begin; insert into line values (5, 4, 3, 9); insert into orders values (4, 'open'); commit`},
		{"keys are exchanged", `begin; update product set id = 99 where id = 1; update product set id = 1 where id = 3; update product set id = 3 where id = 99; commit`},
		{"a shelf of one tenant is elsewhere", `update shelf set site = 'T9' where tenant = 1 and code = 'S1'`},
		{"the last variant of a product goes", `delete from variant where id = 'v3'`},
		{"one variant of two becomes another product's", `update variant set product_id = 3 where id = 'v1'`},
		{"shelves are exchanged", `begin; update shelf set code = 'x' where code = 'S2'; update shelf set code = 'S2' where code = 'S3'; update shelf set code = 'S3' where code = 'x'; commit`},
		{"everything at once", `begin; update product set code = code || 'x'; update brand set name = lower(name); update orders set state = 'open'; update quant set qty = qty + 1; commit`},
	} {
		execSQL(t, s.erp.DSN("postgres"), step.sql)
		if i%4 == 3 {
			p.kill()
			p = s.run(t)
		}
		s.awaitShop(t, p)
		if t.Failed() {
			t.Fatalf("after %q", step.what)
		}
	}

	before := queryText(t, s.storeDSN(), `select max(run::numeric * 1e12 + number)::text from contribution`)
	execSQL(t, s.erp.DSN("postgres"), `update product set write_date = now(); update brand set note = 'x'; update variant set price = 1; insert into variant values ('v9', 1)`)
	execSQL(t, s.erp.DSN("postgres"), `insert into bin_stock (id, sku, site, qty) values (1, 'X', 'Y', 1)`)
	execSQL(t, s.erp.DSN("postgres"), `update quant set qty = qty + 1 where id = 30`)
	s.awaitShop(t, p)
	if n := queryText(t, s.storeDSN(), `select count(*)::text from contribution where run::numeric * 1e12 + number > `+before); n != "1" {
		t.Errorf("%s contributions were written after changes that nobody uses and of one row, want 1", n)
	}
	if n := queryText(t, s.storeDSN(), `select count(*)::text from problem`); n != "0" {
		t.Errorf("%s problems are left", n)
	}
	s.checkShopCommands(t)
	s.checkQuiet(t, p)
	p = s.checkMoves(t, p)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// checkShopCommands looks at what commands say of lookups.
func (s *system) checkShopCommands(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		args []string
		want []string
	}{
		{[]string{"check"}, []string{
			`mapping of table public.quant: fits the table's columns`,
			`index on column place_id of table public.quant: there is one`,
			`index on columns tenant, shelf of table public.piece: there is one`,
			`index on column product_id of table public.line: there is none`, `CREATE INDEX CONCURRENTLY ON public.line (product_id);`,
		}},
		{[]string{"map", "--table", "public.quant", "--rows", "1"}, []string{"looks up public.product ", "looks up public.brand ", "looks up public.place 10:", ` site="DC`}},
		{[]string{"map", "--table", "public.quant", "--rows", "1", "--json"}, []string{`"lookups": [`, `"table": "public.brand"`}},
		{[]string{"map", "--table", "public.piece", "--rows", "9"}, []string{`looks up public.shelf ["1","S`, "asks for public.variant by product_id 3: is there", "asks for public.variant by product_id 2: is not there"}},
		{[]string{"explain", queryText(t, s.storeDSN(), `select min(sku) from stock_level where on_hand > 0`)}, []string{"looks up product_id -> product.brand_id -> brand.name"}},
	} {
		r := s.command(t, c.args...)
		for _, want := range c.want {
			if !strings.Contains(r.out, want) {
				t.Errorf("%v does not say %q:\n%s%s", c.args, want, r.out, r.err)
			}
		}
	}
}

// TestRenameOfManyRows renames an article in which 10,000 rows are, and tells how
// long that takes.
func TestRenameOfManyRows(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	execSQL(t, s.erp.DSN("postgres"), `insert into quant select n, 1, 12, 1 from generate_series(1000, 10999) n`)
	p := s.started(t)
	s.awaitShop(t, p)
	for i := range 3 {
		began := time.Now()
		execSQL(t, s.erp.DSN("postgres"), fmt.Sprintf(`update product set code = 'R%d' where id = 1`, i))
		s.awaitCounted(t, p, fmt.Sprintf(`select sum(on_hand) >= 10000 from stock_level where sku = 'ATE-R%d'`, i))
		t.Logf("10,000 rows of a renamed article are in the store after %s", time.Since(began).Round(time.Millisecond))
	}
	s.awaitShop(t, p)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// TestLookupsAtRandom works on all tables at random, while the daemon is killed, and
// compares when it is quiet.
func TestLookupsAtRandom(t *testing.T) {
	t.Parallel()
	rng := random(t)
	s := newShop(t)
	p := s.started(t)
	s.awaitShop(t, p)
	erp := connect(t, s.erp.DSN("postgres"))
	defer erp.Close(context.WithoutCancel(t.Context()))
	for range 5 {
		for until := time.Now().Add(time.Second); time.Now().Before(until); {
			if err := shopWork(t.Context(), erp, rng); err != nil {
				t.Fatal(err)
			}
		}
		if rng.IntN(2) == 0 {
			p.kill()
			p = s.run(t)
		}
		// What waits for a row that is not there would differ for good reason.
		execSQL(t, s.erp.DSN("postgres"), `insert into product select n, 'M' || n, 1 from generate_series(1, 6) n on conflict do nothing`)
		s.awaitShop(t, p)
		if t.Failed() {
			return
		}
	}
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// shopWork is one transaction of a few random statements.
func shopWork(ctx context.Context, erp *pgx.Conn, rng *rand.Rand) error {
	n := func(most int) string { return fmt.Sprint(1 + rng.IntN(most)) }
	statements := []func() string{
		func() string { return `update product set code = 'C` + n(9) + `' where id = ` + n(6) },
		func() string { return `update product set brand_id = ` + n(2) + ` where id = ` + n(6) },
		func() string { return `update brand set name = 'B` + n(9) + `' where id = ` + n(2) },
		func() string { return `delete from product where id = ` + n(6) },
		func() string {
			return `insert into product values (` + n(6) + `, 'N' || ` + n(9) + `, ` + n(2) + `) on conflict do nothing`
		},
		func() string {
			return `update place set kind = (array['bin', 'scrap', 'stock'])[` + n(3) + `] where id = (array[11, 12, 13, 21])[` + n(4) + `]`
		},
		func() string { return `update place set parent_id = (array[10, 20])[` + n(2) + `] where id = 11` },
		func() string {
			return `update place set parent_id = (array[10, 11, 20])[` + n(3) + `] where id in (12, 13, 21)`
		},
		func() string {
			return `update orders set state = (array['open', 'done'])[` + n(2) + `] where id = ` + n(2)
		},
		func() string { return `update quant set qty = ` + n(50) + ` where id % 7 = ` + n(6) },
		func() string { return `update quant set product_id = ` + n(6) + ` where id = ` + n(30) },
		func() string {
			return `update shelf set site = 'T` + n(3) + `' where tenant = ` + n(2) + ` and code = 'S` + n(3) + `'`
		},
		func() string {
			return `update piece set shelf = 'S` + n(3) + `', tenant = ` + n(2) + ` where id = ` + n(24)
		},
		func() string { return `delete from variant where id = 'v` + n(6) + `'` },
		func() string {
			return `insert into variant values ('v` + n(6) + `', ` + n(6) + `) on conflict (id) do update set product_id = excluded.product_id`
		},
		func() string { return `update line set qty = ` + n(9) + ` where id = ` + n(3) },
	}
	var b strings.Builder
	b.WriteString("begin;")
	for range 1 + rng.IntN(4) {
		b.WriteString(statements[rng.IntN(len(statements))]() + ";")
	}
	b.WriteString("commit")
	_, err := erp.Exec(ctx, b.String())
	return err
}
