package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pglogrepl"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

// BenchmarkDrain reads a backlog of 200,000 updates, ten to a transaction, with
// an emit that does nothing; the bare loop of pglogrepl, which only parses,
// reads the same backlog beside it.
func BenchmarkDrain(b *testing.B) {
	const rows, perTransaction = 200_000, 10
	for _, link := range []string{"tcp", "unix"} {
		server := testenv.Postgres(b)
		dsn := server.DSN("postgres")
		if link == "unix" {
			dsn = server.SocketDSN("postgres")
		}
		db := openDatabase(b, server.DSN("postgres"), `CREATE TABLE inventory (id bigint PRIMARY KEY, sku text, location text,
			on_hand int, reserved int, updated_at timestamptz);
			INSERT INTO inventory SELECT i, 'SKU-' || i, 'DC' || i % 7, i % 1000, 0, now() FROM generate_series(1, 100000) i`, "inventory")
		slots := []string{"bare", "eager", "gulps"}
		for _, slot := range slots {
			db.exec(`SELECT pg_create_logical_replication_slot('` + slot + `', 'pgoutput')`)
		}
		db.exec(fmt.Sprintf(`DO $$ BEGIN FOR i IN 0..%d LOOP
			UPDATE inventory SET on_hand = on_hand + 1, updated_at = clock_timestamp() WHERE id BETWEEN i %% 10000 * 10 + 1 AND i %% 10000 * 10 + 10;
			COMMIT; END LOOP; END $$`, rows/perTransaction-1))
		b.Run(link+"/pglogrepl", func(b *testing.B) { drainBare(b, dsn, db.name, rows) })
		for _, slot := range slots[1:] {
			cfg := postgres.Config{DSN: dsn, Slot: slot, Publication: db.name}
			if slot == "eager" {
				cfg.GulpWait = -1
			}
			b.Run(link+"/tail-"+slot, func(b *testing.B) { drain(b, cfg, rows) })
		}
	}
}

func drain(b *testing.B, cfg postgres.Config, rows int) {
	wanted := cdc.Wanted{{Schema: "public", Name: "inventory"}: {"sku", "location", "on_hand", "reserved"}}
	for b.Loop() {
		s, err := postgres.New(cfg, wanted, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			b.Fatal(err)
		}
		done := errors.New("done")
		n := 0
		err = s.Tail(b.Context(), "", func(_ context.Context, t *cdc.Transaction) error {
			if n += len(t.Changes); n >= rows {
				return done
			}
			return nil
		})
		if !errors.Is(err, done) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

func drainBare(b *testing.B, dsn, publication string, rows int) {
	for b.Loop() {
		config, err := pgconn.ParseConfig(dsn)
		if err != nil {
			b.Fatal(err)
		}
		config.RuntimeParams["replication"] = "database"
		conn, err := pgconn.ConnectConfig(b.Context(), config)
		if err != nil {
			b.Fatal(err)
		}
		err = pglogrepl.StartReplication(b.Context(), conn, "bare", 0, pglogrepl.StartReplicationOptions{
			PluginArgs: []string{"proto_version '1'", "publication_names '" + publication + "'"},
		})
		for n := 0; err == nil && n < rows; {
			var m pgproto3.BackendMessage
			if m, err = conn.ReceiveMessage(b.Context()); err != nil {
				break
			}
			data, ok := m.(*pgproto3.CopyData)
			if !ok || data.Data[0] != pglogrepl.XLogDataByteID {
				continue
			}
			var x pglogrepl.XLogData
			if x, err = pglogrepl.ParseXLogData(data.Data[1:]); err != nil {
				break
			}
			var change pglogrepl.Message
			if change, err = pglogrepl.Parse(x.WALData); err == nil && change.Type() == pglogrepl.MessageTypeUpdate {
				n++
			}
		}
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_ = conn.Close(ctx)
		cancel()
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkLatency measures the time from the return of a commit to its emit,
// when caught up.
func BenchmarkLatency(b *testing.B) {
	db := newDatabase(b, plainStock, "stock")
	db.exec(`INSERT INTO stock VALUES (1, 0)`)
	tl := tail(b, db.source(db.config(), "public.stock: qty"), "").started()
	times := make([]time.Duration, 0, b.N)
	update := connect(b, db.dsn)
	for b.Loop() {
		before := len(tl.transactions())
		if _, err := update.Exec(b.Context(), `UPDATE stock SET qty = qty + 1`); err != nil {
			b.Fatal(err)
		}
		committed := time.Now()
		for len(tl.transactions()) == before {
			<-tl.changed
		}
		times = append(times, time.Since(committed))
	}
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
}
