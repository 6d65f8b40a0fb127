package mysql

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

var record = flag.Bool("record", false, "record the streams of testdata/streams anew")

// TestRecord records what servers send for some transactions.
//
//nolint:paralleltest // it runs alone
func TestRecord(t *testing.T) {
	if !*record {
		t.Skip("without -record")
	}
	for _, f := range []privateserver.Flavor{privateserver.FlavorMariaDB, privateserver.FlavorMySQL} {
		var options []func(*privateserver.MySQLOptions)
		kind := "TEXT"
		if f == privateserver.FlavorMySQL {
			kind = "JSON"
		} else {
			options = append(options, testenv.MySQLSetting("log-bin-compress", "ON"), testenv.MySQLSetting("log-bin-compress-min-len", "10"))
		}
		server := testenv.MySQL(t, f, options...)
		if err := server.CreateDatabase(t.Context(), "shop"); err != nil {
			t.Fatal(err)
		}
		db, err := sql.Open("mysql", server.DSN("shop"))
		if err != nil {
			t.Fatal(err)
		}
		db.SetMaxOpenConns(1)
		for _, s := range []string{
			"CREATE TABLE stock (id INT PRIMARY KEY, sku VARCHAR(40), qty DECIMAL(12,3), doc " + kind + ", kind SET('a','b'), at DATETIME(3))",
			`INSERT INTO stock VALUES (1, 'A', 1.5, '{"a": [1, 2.5, "x"]}', 'a,b', '2024-02-29 01:02:03.5'), (2, NULL, -1, NULL, '', NULL)`,
			"UPDATE stock SET qty = 2", "UPDATE stock SET id = 3 WHERE id = 2",
			"SET binlog_row_image = MINIMAL", "UPDATE stock SET sku = 'B' WHERE id = 1", "DELETE FROM stock WHERE id = 3",
			"TRUNCATE stock", "ALTER TABLE stock ADD COLUMN n INT FIRST", "SET binlog_row_image = FULL",
			"INSERT INTO stock VALUES (7, 4, 'C', 1, NULL, 'a', '2024-01-01')",
			"XA START 'x'", "INSERT INTO stock VALUES (7, 5, 'D', 1, NULL, 'a', '2024-01-01')", "XA END 'x'", "XA PREPARE 'x'", "XA COMMIT 'x'",
			"FLUSH BINARY LOGS",
		} {
			if _, err := db.ExecContext(t.Context(), s); err != nil && !strings.Contains(s, "transaction_compression") {
				t.Fatalf("%s: %v", s, err)
			}
		}
		if f == privateserver.FlavorMySQL {
			for _, s := range []string{"SET SESSION binlog_transaction_compression = ON", "UPDATE stock SET qty = qty + 1"} {
				if _, err := db.ExecContext(t.Context(), s); err != nil {
					t.Fatal(err)
				}
			}
		}
		facts, err := readFacts(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		to, err := readPlace(t.Context(), db, facts.statusQuery())
		if err != nil {
			t.Fatal(err)
		}
		from := token{server: facts.server, place: place{"binlog.000001", 4}}
		name := filepath.Join("testdata", "streams", string(facts.server.flavor)+".bin")
		if err := os.WriteFile(name, recordStream(t, server.DSN(""), from, to), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func recordStream(t *testing.T, dsn string, from token, to place) (out []byte) {
	t.Helper()
	at := &decoder{at: from.place}
	done := errors.New("all is recorded")
	s := &stream{cfg: Config{DSN: dsn, ServerID: 77}.WithDefaults(), idle: func() error { return nil }}
	s.event = func(raw []byte) error {
		w := &wire{b: raw}
		h := w.header()
		at.advance(&h)
		if h.kind == eventRotate {
			if err := at.rotate(&h, w.b); err != nil {
				return err
			}
		}
		out = append(binary.LittleEndian.AppendUint32(out, uint32(len(raw))), raw...)
		if at.at.compare(to) >= 0 {
			return done
		}
		return nil
	}
	if err := s.run(context.WithoutCancel(t.Context()), from); !errors.Is(err, done) {
		t.Fatal(err)
	}
	return out
}
