package cases_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// transactionsOfRound is how many random transactions there are at most between two
// comparisons: where there are many, one derives again what was lost by another.
const transactionsOfRound = 10

// TestRandomWorkload works at random on tables of which two look into others over two
// hops and up a tree, and compares what daemons say with a query over the tables
// whenever it is quiet. One daemon is there from the start, another comes in the
// middle.
func TestRandomWorkload(t *testing.T) {
	t.Parallel()
	for _, server := range randomServers {
		t.Run(server, func(t *testing.T) {
			t.Parallel()
			workAtRandom(t, server)
		})
	}
}

// randomServers are one of each kind of source.
var randomServers = []string{serverPostgres, serverMariaDB}

func workAtRandom(t *testing.T, server string) {
	t.Helper()
	rng := random(t)
	src := newSource(t, theSource, server, "testdata/random")
	whole := &script{path: "testdata/random", steps: []step{{want: expectation{oracle: true}}}, store: "sqlite"}
	p := &play{script: whole, sources: []*source{src}, marks: map[string]int{theSource: 0}}
	settle(t, src)
	p.start(t, 0)
	p.compareState(t)
	var done strings.Builder
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("transactions of the last round:\n%s", done.String())
		}
	})
	for round := range *rounds {
		done.Reset()
		for range 1 + rng.IntN(transactionsOfRound) {
			sql := randomTransaction(rng)
			done.WriteString(sql + "\n")
			if _, err := src.db.ExecContext(t.Context(), sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		settle(t, src)
		p.mark(t, src)
		if round == *rounds/2 {
			p.start(t, 0)
		}
		p.compareState(t)
	}
}

// settle gives every line its order: those that wait for one keep what they were, in
// a daemon that knew them before.
func settle(t *testing.T, src *source) {
	t.Helper()
	if err := src.run(t.Context(), `
		insert into orders select distinct order_id, 'draft' from line where order_id not in (select id from orders)`); err != nil {
		t.Fatal(err)
	}
}

// compareState waits until every daemon says what the oracle says. What is seen on
// the way is not judged: many transactions are.
func (p *play) compareState(t *testing.T) {
	t.Helper()
	want := p.script.steps[0].want
	if err := p.consult(t.Context(), &want); err != nil {
		t.Fatal(err)
	}
	for _, d := range p.daemons {
		p.await(t, d, 0, &want)
	}
}

// randomTransaction is a few random statements, which are rolled back now and then.
// All servers understand them.
func randomTransaction(rng *rand.Rand) string {
	n := func(most int) int { return 1 + rng.IntN(most) }
	of := func(values ...int) int { return values[rng.IntN(len(values))] }
	maybe := func(value string) string {
		if rng.IntN(5) == 0 {
			return "null"
		}
		return value
	}
	text := func(prefix string, most int) string { return fmt.Sprintf("'%s%d'", prefix, n(most)) }
	// missing is the condition that a row is not there, for an insert that selects its values.
	missing := func(table string, id int) string {
		return fmt.Sprintf(`from (select 1 as one) as d where not exists (select 1 from %s where id = %d)`, table, id)
	}
	statements := []func() string{
		func() string { return fmt.Sprintf(`update brand set name = %s where id = %d`, text("B", 4), n(3)) },
		func() string { return fmt.Sprintf(`update brand set note = 'x' where id = %d`, n(3)) },
		func() string { return fmt.Sprintf(`delete from brand where id = %d`, n(3)) },
		func() string {
			id := n(3)
			return fmt.Sprintf(`delete from brand where id = %d; insert into brand (id, name) values (%[1]d, %s)`, id, text("N", 4))
		},
		func() string {
			return fmt.Sprintf(`update product set code = %s where id = %d`, maybe(text("C", 6)), n(7))
		},
		func() string {
			return fmt.Sprintf(`update product set brand_id = %s where id = %d`, maybe(fmt.Sprint(n(4))), n(7))
		},
		func() string { return fmt.Sprintf(`update product set write_date = %d`, n(9)) },
		func() string { return fmt.Sprintf(`delete from product where id = %d`, n(7)) },
		func() string {
			id := n(7)
			return fmt.Sprintf(`insert into product (id, code, brand_id) select %d, %s, %s `, id, maybe(text("N", 6)), maybe(fmt.Sprint(n(4)))) + missing("product", id)
		},
		func() string {
			from, to := n(7), n(7)
			return fmt.Sprintf(`delete from product where id = %d; update product set id = %[1]d where id = %d`, to, from)
		},
		func() string {
			return fmt.Sprintf(`update place set kind = '%s' where id = %d`, []string{"bin", "scrap", "rack"}[rng.IntN(3)], of(11, 12, 13, 21, 22))
		},
		func() string {
			return fmt.Sprintf(`update place set parent_id = %d where id = %d`, of(10, 20), of(11, 21))
		},
		func() string {
			return fmt.Sprintf(`update place set parent_id = %d where id = %d`, of(10, 11, 20, 21), of(12, 13, 22))
		},
		func() string {
			return fmt.Sprintf(`update place set site = %s where id = %d`, []string{"null", "'DC3'"}[rng.IntN(2)], of(11, 12, 13, 21, 22))
		},
		func() string { return fmt.Sprintf(`update place set site = %s where id = 10`, text("DC", 4)) },
		func() string {
			return fmt.Sprintf(`update quant set qty = %s where id %% 7 = %d`, maybe(fmt.Sprint(n(50)-10)), n(6))
		},
		func() string {
			return fmt.Sprintf(`update quant set product_id = %s where id = %d`, maybe(fmt.Sprint(n(8))), n(40))
		},
		func() string {
			return fmt.Sprintf(`update quant set place_id = %d where id = %d`, of(10, 11, 12, 13, 21, 22), n(40))
		},
		func() string { return fmt.Sprintf(`delete from quant where id = %d`, n(40)) },
		func() string {
			id := n(40)
			return fmt.Sprintf(`insert into quant select %d, %s, 12, %d `, id, maybe(fmt.Sprint(n(8))), n(20)) + missing("quant", id)
		},
		func() string {
			return fmt.Sprintf(`update orders set state = '%s' where id = %d`, []string{"open", "done"}[rng.IntN(2)], n(5))
		},
		func() string { return fmt.Sprintf(`delete from orders where id = %d`, n(5)) },
		func() string {
			id := n(5)
			return fmt.Sprintf(`insert into orders select %d, 'open' `, id) + missing("orders", id)
		},
		func() string {
			order, no := n(6), n(14)
			return fmt.Sprintf(`delete from line where order_id = %d and no = %d; insert into line values (%[1]d, %[2]d, %d, %d)`, order, no, n(8), n(9))
		},
		func() string { return fmt.Sprintf(`delete from line where no = %d`, n(14)) },
	}
	var b strings.Builder
	b.WriteString("begin; ")
	for range 1 + rng.IntN(5) {
		b.WriteString(statements[rng.IntN(len(statements))]() + "; ")
	}
	return b.String() + []string{"commit", "commit", "commit", "commit", "commit", "rollback"}[rng.IntN(6)]
}
