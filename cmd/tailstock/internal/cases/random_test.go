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
	rng := random(t)
	src := newSource(t, theSource, serverPostgres, "testdata/random")
	whole := &script{path: "testdata/random", steps: []step{{want: expectation{oracle: true}}}, store: "sqlite"}
	p := &play{script: whole, sources: []*source{src}, marks: map[string]int{theSource: 0}}
	settle(t, src)
	p.start(t, 0)
	p.compareState(t)
	for round := range *rounds {
		var done strings.Builder
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
		t.Cleanup(func() {
			if t.Failed() && round == *rounds-1 {
				t.Logf("transactions of the last round:\n%s", done.String())
			}
		})
		p.compareState(t)
	}
}

// settle gives every line its order: those that wait for one keep what they were, in
// a daemon that knew them before.
func settle(t *testing.T, src *source) {
	t.Helper()
	if err := src.run(t.Context(), `insert into orders select distinct order_id, 'draft' from line on conflict do nothing`); err != nil {
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
func randomTransaction(rng *rand.Rand) string {
	n := func(most int) int { return 1 + rng.IntN(most) }
	maybe := func(value string) string {
		if rng.IntN(5) == 0 {
			return "null"
		}
		return value
	}
	statements := []func() string{
		func() string { return fmt.Sprintf(`update brand set name = 'B%d' where id = %d`, n(4), n(3)) },
		func() string { return fmt.Sprintf(`update brand set note = 'x' where id = %d`, n(3)) },
		func() string { return fmt.Sprintf(`delete from brand where id = %d`, n(3)) },
		func() string {
			return fmt.Sprintf(`insert into brand values (%d, 'N%d') on conflict (id) do update set name = excluded.name`, n(3), n(4))
		},
		func() string {
			return fmt.Sprintf(`update product set code = %s where id = %d`, maybe(fmt.Sprintf("'C%d'", n(6))), n(7))
		},
		func() string {
			return fmt.Sprintf(`update product set brand_id = %s where id = %d`, maybe(fmt.Sprint(n(4))), n(7))
		},
		func() string { return fmt.Sprintf(`update product set write_date = %d`, n(9)) },
		func() string { return fmt.Sprintf(`delete from product where id = %d`, n(7)) },
		func() string {
			return fmt.Sprintf(`insert into product values (%d, %s, %s) on conflict do nothing`, n(7), maybe(fmt.Sprintf("'N%d'", n(6))), maybe(fmt.Sprint(n(4))))
		},
		func() string {
			return fmt.Sprintf(`update product set id = %d where id = %d and not exists (select from product where id = %[1]d)`, n(7), n(7))
		},
		func() string {
			return fmt.Sprintf(`update place set kind = (array['bin', 'scrap', 'rack'])[%d] where id = (array[11, 12, 13, 21, 22])[%d]`, n(3), n(5))
		},
		func() string {
			return fmt.Sprintf(`update place set parent_id = (array[10, 20])[%d] where id = (array[11, 21])[%d]`, n(2), n(2))
		},
		func() string {
			return fmt.Sprintf(`update place set parent_id = (array[10, 11, 20, 21])[%d] where id = (array[12, 13, 22])[%d]`, n(4), n(3))
		},
		func() string {
			return fmt.Sprintf(`update place set site = %s where id = (array[11, 12, 13, 21, 22])[%d]`, []string{"null", "'DC3'"}[rng.IntN(2)], n(5))
		},
		func() string { return fmt.Sprintf(`update place set site = 'DC%d' where id = 10`, n(4)) },
		func() string {
			return fmt.Sprintf(`update quant set qty = %s where id %% 7 = %d`, maybe(fmt.Sprint(n(50)-10)), n(6))
		},
		func() string {
			return fmt.Sprintf(`update quant set product_id = %s where id = %d`, maybe(fmt.Sprint(n(8))), n(40))
		},
		func() string {
			return fmt.Sprintf(`update quant set place_id = (array[10, 11, 12, 13, 21, 22])[%d] where id = %d`, n(6), n(40))
		},
		func() string { return fmt.Sprintf(`delete from quant where id = %d`, n(40)) },
		func() string {
			return fmt.Sprintf(`insert into quant values (%d, %s, 12, %d) on conflict (id) do update set qty = excluded.qty`, n(40), maybe(fmt.Sprint(n(8))), n(20))
		},
		func() string {
			return fmt.Sprintf(`update orders set state = (array['open', 'done'])[%d] where id = %d`, n(2), n(5))
		},
		func() string { return fmt.Sprintf(`delete from orders where id = %d`, n(5)) },
		func() string {
			return fmt.Sprintf(`insert into orders values (%d, 'open') on conflict do nothing`, n(5))
		},
		func() string {
			return fmt.Sprintf(`insert into line values (%d, %d, %d, %d) on conflict (order_id, no) do update set qty = excluded.qty, product_id = excluded.product_id`, n(6), n(14), n(8), n(9))
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
