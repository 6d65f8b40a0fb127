package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	binlog "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	driver "github.com/go-sql-driver/mysql"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/sources/mysql"
)

// BenchmarkDrain reads a backlog of updates, ten rows and one to a transaction,
// with an emit that does nothing; the bare loop of the library, which decodes
// everything, reads the same backlog beside it.
func BenchmarkDrain(b *testing.B) {
	for _, f := range []privateserver.Flavor{privateserver.FlavorMariaDB, privateserver.FlavorMySQL} {
		for _, per := range []int{10, 1} {
			rows := 200_000
			if per == 1 {
				rows = 60_000
			}
			d := inventory(b, f)
			token := d.firstToken()
			d.exec(fmt.Sprintf(`CREATE PROCEDURE work() BEGIN DECLARE i INT DEFAULT 0; WHILE i < %d DO
				UPDATE inventory SET on_hand = on_hand + 1, updated_at = NOW(6) WHERE id BETWEEN (i MOD 10000) * %d + 1 AND (i MOD 10000 + 1) * %d;
				SET i = i + 1; END WHILE; END`, rows/per, per, per), "CALL work()")
			b.Run(fmt.Sprintf("%s/%d/bare", f, per), func(b *testing.B) { d.drainBare(b, f, token, rows) })
			b.Run(fmt.Sprintf("%s/%d/tail", f, per), func(b *testing.B) { d.drain(b, token, rows) })
		}
	}
}

// inventory makes a server with a table of 128,000 rows.
func inventory(t testing.TB, f privateserver.Flavor) *database {
	t.Helper()
	d := newServer(t, f, nil, `CREATE TABLE inventory (id BIGINT PRIMARY KEY, sku VARCHAR(40), location VARCHAR(20),
		on_hand INT, reserved INT, updated_at DATETIME(6))`)
	var values []string
	for i := range 1000 {
		values = append(values, fmt.Sprintf("(%d, 'SKU-%d', 'DC%d', %d, 0, NOW(6))", i+1, i, i%7, i))
	}
	d.exec("INSERT INTO inventory VALUES " + strings.Join(values, ", "))
	for n := 1000; n < 128_000; n *= 2 {
		d.exec(fmt.Sprintf("INSERT INTO inventory SELECT id + %d, CONCAT('SKU-', id + %d), location, on_hand, 0, updated_at FROM inventory", n, n))
	}
	return d
}

// firstToken returns the token of now.
func (d *database) firstToken() (token cdc.Resume) {
	d.t.Helper()
	stop := errors.New("stop")
	err := d.source(d.config(), "inventory: on_hand").Tail(d.t.Context(), "", func(_ context.Context, tx *cdc.Transaction) error {
		token = tx.Resume
		return stop
	})
	if !errors.Is(err, stop) {
		d.t.Fatal(err)
	}
	return token
}

// cpu returns the time that this process has spent, in user and system mode.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (d *database) drain(b *testing.B, token cdc.Resume, rows int) {
	before := cpu(b)
	for b.Loop() {
		cfg := d.config()
		s, err := mysql.New(cfg, cdc.Wanted{{Schema: d.name, Name: "inventory"}: {"sku", "location", "on_hand", "reserved"}}, slog.New(slog.DiscardHandler), nil)
		if err != nil {
			b.Fatal(err)
		}
		done := errors.New("done")
		n := 0
		err = s.Tail(b.Context(), token, func(_ context.Context, t *cdc.Transaction) error {
			if n += len(t.Changes); n >= rows {
				return done
			}
			return nil
		})
		if !errors.Is(err, done) {
			b.Fatal(err)
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)/float64(rows)*1e6, "cpu-s/Mrow")
}

func (d *database) drainBare(b *testing.B, f privateserver.Flavor, token cdc.Resume, rows int) {
	before := cpu(b)
	for b.Loop() {
		config, err := driver.ParseDSN(d.server.DSN(""))
		if err != nil {
			b.Fatal(err)
		}
		host, port, err := net.SplitHostPort(config.Addr)
		if err != nil {
			b.Fatal(err)
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			b.Fatal(err)
		}
		flavor := strings.ToLower(f.String())
		_, gtids, _ := strings.Cut(string(token), `"gtids":"`)
		gtids, _, _ = strings.Cut(gtids, `"`)
		set, err := binlog.ParseGTIDSet(flavor, gtids)
		if err != nil {
			b.Fatal(err)
		}
		syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
			ServerID: 900, Flavor: flavor, Host: host, Port: uint16(number), User: config.User, Password: config.Passwd,
			Logger: slog.New(slog.DiscardHandler), DisableRetrySync: true,
		})
		streamer, err := syncer.StartSyncGTID(set)
		if err != nil {
			b.Fatal(err)
		}
		for n := 0; n < rows; {
			e, err := streamer.GetEvent(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			if r, ok := e.Event.(*replication.RowsEvent); ok {
				n += len(r.Rows) / 2
			}
		}
		syncer.Close()
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric((cpu(b)-before).Seconds()/float64(b.N)/float64(rows)*1e6, "cpu-s/Mrow")
}

// BenchmarkLatency measures the time from the return of a commit to its emit,
// when caught up.
func BenchmarkLatency(b *testing.B) {
	for _, f := range []privateserver.Flavor{privateserver.FlavorMariaDB, privateserver.FlavorMySQL} {
		b.Run(f.String(), func(b *testing.B) {
			d := newDatabase(b, f, stockTable, "INSERT INTO stock VALUES (1, 'A', 0)")
			tl := d.follow("stock: qty")
			times := make([]time.Duration, 0, b.N)
			for b.Loop() {
				before := len(tl.transactions())
				d.exec("UPDATE stock SET qty = qty + 1")
				committed := time.Now()
				for len(tl.transactions()) == before {
					<-tl.changed
				}
				times = append(times, time.Since(committed))
			}
			slices.Sort(times)
			b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-us")
		})
	}
}
