package main

import (
	"context"
	"database/sql"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver

	"tailstock/internal/privateserver"
)

// postgresSchema is the source on PostgreSQL.
const postgresSchema = `
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

// postgres starts the source's PostgreSQL.
func (b *bench) postgres(ctx context.Context) (err error) {
	b.erp, err = privateserver.StartPostgres(ctx, privateserver.PostgresOptions{
		Dir:      filepath.Join(b.dir, "erp"),
		Settings: map[string]string{"max_wal_size": "16GB", "shared_buffers": "512MB", "autovacuum": "off"},
	})
	if err != nil {
		return err
	}
	db, err := sql.Open("pgx", b.erp.DSN("erp"))
	if err != nil {
		return err
	}
	db.SetMaxIdleConns(0) // the database is dropped between measurements
	b.source = &source{
		db: db, pid: b.erp.PID, fresh: b.freshPostgres, reference: b.recvlogical, tool: "pg_recvlogical",
		section: fmt.Sprintf(`postgres: {dsn: %q, slot: tailstock_erp, publication: tailstock_erp}
    tables:
      public.inventory:`, b.erp.DSN("erp")) + inventoryRule,
		changeAll: `update inventory set on_hand = on_hand + 1, updated_at = clock_timestamp()`,
		change:    `update inventory set on_hand = on_hand + 1, updated_at = clock_timestamp() where id = $1`,
		changes:   `call change(%d, %d, %d)`,
		levels:    `select sku, location, on_hand::bigint, reserved::bigint from inventory order by sku collate "C"`,
		sums:      `select count(*), coalesce(sum(id * (on_hand - reserved)), 0)::bigint from inventory where id between $1 and $2`,
	}
	return nil
}

func (b *bench) freshPostgres(ctx context.Context, rows int) error {
	err := b.exec(ctx, b.erp.DSN("postgres"),
		`select pg_drop_replication_slot(slot_name) from pg_replication_slots`,
		`drop database if exists erp with (force)`, `create database erp`)
	if err != nil {
		return err
	}
	return b.exec(ctx, b.erp.DSN("erp"), postgresSchema,
		fmt.Sprintf(`insert into inventory select i, 'BRK-' || i, 'DC' || (i %% 3), 1000, i %% 7, now()
			from generate_series(1, %d) i`, rows),
		`vacuum analyze inventory`, `checkpoint`,
		fmt.Sprintf(`select pg_create_logical_replication_slot(n, 'pgoutput') from unnest(array['%s', '%s']) n`,
			referenceSlots[0], referenceSlots[1]))
}

// recvlogical drains the backlog from a slot with pg_recvlogical.
func (b *bench) recvlogical(ctx context.Context, n int, _ drain) (time.Duration, error) {
	var end string
	if err := b.query(ctx, b.erp.DSN("erp"), `select pg_current_wal_flush_lsn()::text`, &end); err != nil {
		return 0, err
	}
	// pg_recvlogical ends by itself at a commit, or keepalive, at or beyond the end.
	if err := b.exec(ctx, b.erp.DSN("erp"), `create table if not exists marker ()`); err != nil {
		return 0, err
	}
	began := time.Now()
	cmd := exec.CommandContext(ctx, filepath.Join(b.erp.BinDir(), "pg_recvlogical"), "-d", b.erp.DSN("erp"), "--slot", referenceSlots[n],
		"--start", "-o", "proto_version=1", "-o", "publication_names=tailstock_erp", "-f", "/dev/null", "--endpos", end, "--no-loop")
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("pg_recvlogical: %w: %s", err, out)
	}
	return time.Since(began), nil
}
