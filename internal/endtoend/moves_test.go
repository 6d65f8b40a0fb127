package endtoend_test

import (
	"strings"
	"testing"
)

// count is how many levels were published so far.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.seen)
}

// checkQuiet changes rows of the shop so that they contribute what they did, also by
// rows that they look up, and then one that does not: of all of it, one level is
// published.
func (s *system) checkQuiet(t *testing.T, p *process) {
	t.Helper()
	execSQL(t, s.erp.DSN("postgres"), `insert into move values (1, 1, 5, null, null, 'counts'), (2, 1, 5, 'infinity', null, 'never does')`)
	s.awaitCounted(t, p, `select count(*) = 2 from contribution c join feed f on f.id = c.feed where f.table_name = 'public.move'`)
	r := s.record(t)
	mark := `update quant set qty = qty + 1 where id = 30`
	execSQL(t, s.erp.DSN("postgres"), mark)
	s.awaitShop(t, p)
	settled := 0
	eventually(t, func() bool { // what the broker holds has come, and the level of the mark
		before := settled
		settled = r.count()
		return before == settled && before >= 2
	}, func() string { return p.recent() })
	execSQL(t, s.erp.DSN("postgres"), `update quant set qty = qty; update line set qty = qty; update move set note = note || '!'`)
	execSQL(t, s.erp.DSN("postgres"), `begin; update quant set qty = qty + 7; update quant set qty = qty - 7; commit`)
	execSQL(t, s.erp.DSN("postgres"), `update product set code = code; update brand set name = name, note = 'y'; update orders set state = state`)
	execSQL(t, s.erp.DSN("postgres"), `begin; update product set code = code || '?'; update product set code = replace(code, '?', ''); commit`)
	before := r.count()
	execSQL(t, s.erp.DSN("postgres"), mark)
	s.awaitShop(t, p)
	eventually(t, func() bool { return r.count() > before }, func() string { return p.recent() })
	if n := r.count() - settled; n != 1 {
		t.Errorf("%d levels were published for changes of which one changes a level", n)
	}
}

// checkMoves has moves begin and end by the clock, also while no daemon runs, and
// changes when they do.
func (s *system) checkMoves(t *testing.T, p *process) *process {
	t.Helper()
	erp, store := s.erp.DSN("postgres"), s.storeDSN()
	incoming := func(want string) {
		t.Helper()
		got := ""
		eventually(t, func() bool {
			got = queryText(t, store, `select coalesce(sum(incoming), 0)::int::text from stock_level`)
			return got == want
		}, func() string { return "incoming is " + got + ", want " + want + "\n" + p.recent() })
	}
	// The clocks of the source's zone are 14 hours ahead of UTC all year.
	const clock = `(clock_timestamp() at time zone 'UTC' + interval '14 hours')`
	passed := func(bound string) string {
		return queryText(t, erp, `select (`+bound+`)::text from move where id = 3`)
	}
	incoming("5")
	execSQL(t, erp, `insert into move values (3, 2, 100, `+clock+` + interval '1200 ms', clock_timestamp() + interval '2400 ms')`)
	incoming("105")
	if passed(clock+` >= starts`) != "true" {
		t.Error("a move counts before it starts")
	}
	incoming("5")
	if passed(`clock_timestamp() >= ends`) != "true" {
		t.Error("a move ceases to count before it ends")
	}
	execSQL(t, erp, `update move set ends = null where id = 3`)
	incoming("105")
	execSQL(t, erp, `update move set starts = starts + interval '1 hour' where id = 3`)
	incoming("5")
	if r := s.command(t, "verify", "--levels"); r.code != 0 {
		t.Errorf("verify --levels: %s%s", r.out, r.err)
	}
	if r := s.command(t, "explain", queryText(t, store, `select sku from contribution where incoming = 100000000`)); !strings.Contains(r.out, "incoming 100, from 20") ||
		!strings.Contains(r.out, "does not count now") {
		t.Errorf("explain does not say when the move counts:\n%s%s", r.out, r.err)
	}
	execSQL(t, erp, `update move set starts = `+clock+` + interval '1 second' where id = 3`)
	s.awaitCounted(t, p, `select due < (extract(epoch from now()) + 60) * 1000 from contribution where incoming = 100000000`)
	p.kill()
	eventually(t, func() bool { return passed(clock+` > starts`) == "true" }, func() string { return "the clock stands still" })
	p = s.run(t)
	incoming("105")
	s.awaitShop(t, p)
	return p
}
