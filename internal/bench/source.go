package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// schema is the source. change commits transactions of per rows each, going
// through the table again and again; $1 is the number of its rows.
const schema = `
create table inventory (
	id bigint primary key, sku text not null, location text not null,
	on_hand int not null, reserved int not null, updated_at timestamptz not null
);
create publication tailstock_erp for table inventory;
create procedure change(transactions bigint, per bigint, total bigint) language plpgsql as $$
declare first bigint := 1;
begin
	for i in 1..transactions loop
		update inventory set on_hand = on_hand + 1, updated_at = clock_timestamp() where id between first and first + per - 1;
		commit;
		first := first + per;
		if first + per - 1 > total then first := 1; end if;
	end loop;
end $$;`

// referenceSlots are drained by pg_recvlogical, one before and one after the daemon drains its own.
var referenceSlots = [...]string{"reference_before", "reference_after"} //nolint:gochecknoglobals // constant

func (b *bench) makeSource(ctx context.Context, rows int) error {
	return b.exec(ctx, b.erp.DSN("erp"), schema,
		fmt.Sprintf(`insert into inventory select i, 'BRK-' || i, 'DC' || (i %% 3), 1000, i %% 7, now()
			from generate_series(1, %d) i`, rows),
		`vacuum analyze inventory`, `checkpoint`,
		fmt.Sprintf(`select pg_create_logical_replication_slot(n, 'pgoutput') from unnest(array['%s', '%s']) n`,
			referenceSlots[0], referenceSlots[1]))
}

// backlog changes rows in transactions of per rows, behind the slots.
func (b *bench) backlog(ctx context.Context, d drain) error {
	if d.per == d.changes && d.changes == d.rows {
		return b.exec(ctx, b.erp.DSN("erp"), `update inventory set on_hand = on_hand + 1, updated_at = clock_timestamp()`)
	}
	return b.exec(ctx, b.erp.DSN("erp"), fmt.Sprintf(`call change(%d, %d, %d)`, d.changes/d.per, d.per, d.rows))
}

// reference drains the backlog from a slot with pg_recvlogical and returns how long it took.
func (b *bench) reference(ctx context.Context, slot string) (time.Duration, error) {
	var end string
	if err := b.query(ctx, b.erp.DSN("erp"), `select pg_current_wal_flush_lsn()::text`, &end); err != nil {
		return 0, err
	}
	// pg_recvlogical ends by itself at a commit, or keepalive, at or beyond the end.
	if err := b.exec(ctx, b.erp.DSN("erp"), `create table if not exists marker ()`); err != nil {
		return 0, err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, filepath.Join(b.erp.BinDir(), "pg_recvlogical"), "-d", b.erp.DSN("erp"), "--slot", slot,
		"--start", "-o", "proto_version=1", "-o", "publication_names=tailstock_erp", "-f", "/dev/null", "--endpos", end, "--no-loop")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("pg_recvlogical: %w: %s", err, out)
	}
	return time.Since(began), nil
}

// steady commits single-row transactions at the configured rate, for a time.
func (b *bench) steady(ctx context.Context, length time.Duration) error {
	left := int(length.Seconds() * float64(b.rate))
	return b.steadyUntil(ctx, func() bool { left--; return left < 0 })
}

// steadyUntil commits single-row transactions at the configured rate until over
// says so. Transactions that the server is late with are not made up for.
func (b *bench) steadyUntil(ctx context.Context, over func() bool) error {
	conn, err := pgx.Connect(ctx, b.erp.DSN("erp"))
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	tick := time.NewTicker(time.Second / time.Duration(b.rate))
	defer tick.Stop()
	for i := 0; !over(); i++ {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		_, err := conn.Exec(ctx, `update inventory set on_hand = on_hand + 1, updated_at = clock_timestamp() where id = $1`,
			i*7919%b.rows+1)
		if err != nil {
			return err
		}
	}
	return nil
}
