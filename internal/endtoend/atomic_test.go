package endtoend_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// total is what all SKUs have together before and after every transfer.
const (
	parts = 40
	total = parts * 100
)

// TestWholeCommits moves quantity between SKUs, one transaction each, while the
// daemon is killed, and looks at the store all the time: in every snapshot the sum
// is the same, as it is in the source.
func TestWholeCommits(t *testing.T) {
	t.Parallel()
	rng := random(t)
	s := newSystem(t, false)
	p := s.started(t)
	ctx, stop := context.WithCancel(t.Context())
	watched := make(chan error, 1)
	states := 0
	go func() { watched <- watchSum(ctx, s.storeDSN(), &states) }()

	erp := connect(t, s.erp.DSN("postgres"))
	defer erp.Close(context.WithoutCancel(ctx))
	_, err := erp.Exec(ctx, `insert into bin_stock (id, sku, site, qty)
		select n, 'P' || n, 'DC1', 100 from generate_series(1, $1) n`, parts)
	if err != nil {
		t.Fatal(err)
	}
	s.awaitAgreement(t, p) // nothing is seen of a store before its first load is done
	for range 4 {
		for until := time.Now().Add(500 * time.Millisecond); time.Now().Before(until); {
			if err := transfer(ctx, erp, rng); err != nil {
				t.Fatal(err)
			}
		}
		p.kill()
		p = s.run(t)
	}
	s.awaitAgreement(t, p)
	stop()
	if err := <-watched; err != nil {
		t.Error(err)
	}
	if states < 10 {
		t.Errorf("only %d states of the store were seen", states)
	}
	t.Logf("%d states of the store were seen", states)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}

// transfer moves quantity between several SKUs in one transaction.
func transfer(ctx context.Context, erp *pgx.Conn, rng *rand.Rand) error {
	tx, err := erp.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	for range 1 + rng.IntN(4) {
		from, to, n := 1+rng.IntN(parts), 1+rng.IntN(parts), 1+rng.IntN(20)
		for id, change := range map[int]int{from: -n, to: n} {
			if from == to {
				continue
			}
			if _, err := tx.Exec(ctx, `update bin_stock set qty = qty + $2 where id = $1`, id, change); err != nil {
				return err
			}
		}
	}
	return tx.Commit(ctx)
}

// watchSum reads the store until ctx ends, and fails if a snapshot has another sum
// than none or all. It counts the different states that it saw.
func watchSum(ctx context.Context, dsn string, states *int) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	last := ""
	for ctx.Err() == nil {
		var sum, state string
		err := conn.QueryRow(ctx, `select coalesce(sum(on_hand), 0)::text,
			coalesce(md5(string_agg(sku || '=' || on_hand, ',' order by sku)), '') from stock_level`).Scan(&sum, &state)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return err
		}
		if sum != "0" && sum != fmt.Sprint(total) {
			return fmt.Errorf("a snapshot of the store has %s in total, not 0 and not %d", sum, total)
		}
		if state != last {
			last = state
			*states++
		}
	}
	return nil
}
