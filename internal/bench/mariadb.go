package main

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	binlog "github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
	_ "github.com/go-sql-driver/mysql" // the driver

	"tailstock/internal/privateserver"
)

// mariaSchema is the source on MariaDB.
var mariaSchema = []string{ //nolint:gochecknoglobals // constant
	`create table erp.inventory (
		id bigint primary key, sku varchar(40) not null, location varchar(20) not null,
		on_hand int not null, reserved int not null, updated_at datetime(6) not null
	)`,
	`create procedure erp.change_rows(transactions bigint, per bigint, total bigint)
	begin
		declare i, first bigint default 0;
		while i < transactions do
			update inventory set on_hand = on_hand + 1, updated_at = now(6) where id between first + 1 and first + per;
			set first = first + per, i = i + 1;
			if first + per > total then set first = 0; end if;
		end while;
	end`,
}

// mariadb follows a MariaDB server in take, in place of the PostgreSQL.
func (b *bench) mariadb(take func(ctx context.Context) error) func(ctx context.Context) error {
	return func(ctx context.Context) error {
		server, err := privateserver.StartMySQL(ctx, privateserver.MySQLOptions{
			Flavor: privateserver.FlavorMariaDB, Dir: filepath.Join(b.dir, fmt.Sprintf("mariadb-%d", b.round)),
			Settings: map[string]string{"innodb-buffer-pool-size": "512M", "innodb-log-file-size": "1G"},
		})
		if err != nil {
			return err
		}
		defer server.Close() //nolint:errcheck // its files are about to be deleted
		db, err := sql.Open("mysql", server.DSN(""))
		if err != nil {
			return err
		}
		defer db.Close()
		m := &maria{server: server}
		postgres := b.source
		defer func() { b.source = postgres }()
		b.source = &source{
			db: db, pid: server.PID, fresh: m.fresh, reference: m.bare, tool: "a bare BinlogSyncer",
			section: fmt.Sprintf(`mysql: {dsn: %q, server_id: 7201}
    tables:
      erp.inventory:`, server.DSN("")) + inventoryRule,
			changeAll: `update erp.inventory set on_hand = on_hand + 1, updated_at = now(6)`,
			change:    `update erp.inventory set on_hand = on_hand + 1, updated_at = now(6) where id = ?`,
			changes:   `call erp.change_rows(%d, %d, %d)`,
			probe:     `update erp.inventory set reserved = reserved + 1 where id = ?`,
			probed:    `select sku, location, reserved from erp.inventory where id = ?`,
			levels:    `select sku, location, on_hand, reserved from erp.inventory order by binary sku`,
			sums:      `select count(*), cast(coalesce(sum(id * (on_hand - reserved)), 0) as signed) from erp.inventory where id between ? and ?`,
		}
		m.source = b.source
		return take(ctx)
	}
}

// maria is a MariaDB server as a source.
type maria struct {
	server *privateserver.MySQL
	source *source
	// from is the place before the backlog.
	from string
}

func (m *maria) fresh(ctx context.Context, rows int) error {
	err := m.source.exec(ctx, append([]string{`drop database if exists erp`, `create database erp`}, mariaSchema...)...)
	if err != nil {
		return err
	}
	err = m.source.exec(ctx, fmt.Sprintf(`insert into erp.inventory select seq, concat('BRK-', seq), concat('DC', seq mod 3), 1000, seq mod 7, now(6) from mysql.seq_1_to_%d`, rows),
		`analyze table erp.inventory`)
	if err != nil {
		return err
	}
	return m.source.db.QueryRowContext(ctx, `select @@global.gtid_binlog_pos`).Scan(&m.from)
}

// bare reads the backlog with the library's loop, which decodes every row and does
// nothing with it.
func (m *maria) bare(ctx context.Context, n int, d drain) (time.Duration, error) {
	set, err := binlog.ParseGTIDSet(binlog.MariaDBFlavor, m.from)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{
		ServerID: uint32(900 + n), Flavor: binlog.MariaDBFlavor, Host: "127.0.0.1", Port: uint16(m.server.Port()), User: "root",
		Logger: slog.New(slog.DiscardHandler), DisableRetrySync: true,
	})
	defer syncer.Close()
	streamer, err := syncer.StartSyncGTID(set)
	if err != nil {
		return 0, fmt.Errorf("read the binary log: %w", err)
	}
	for read := 0; read < d.changes; {
		e, err := streamer.GetEvent(ctx)
		if err != nil {
			return 0, fmt.Errorf("read the binary log: %w", err)
		}
		if rows, ok := e.Event.(*replication.RowsEvent); ok {
			read += len(rows.Rows) / 2 // before and after
		}
	}
	return time.Since(began), nil
}
