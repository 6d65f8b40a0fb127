package postgres

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tailstock/internal/testenv"
)

// recording is where messages of a real server are kept, one a line, in
// hexadecimal. TAILSTOCK_RECORD=1 records them anew.
const recording = "testdata/pgoutput.hex"

// recordedSchema and recordedStatements are what was recorded: every kind of
// message and tuple of protocol version 1. The slot is made between the two.
const recordedSchema = `
	CREATE TABLE stock (id int PRIMARY KEY, sku varchar(40), qty numeric(12,3), doc text, secret text);
	CREATE TABLE whole (id int PRIMARY KEY, qty int, doc text);
	ALTER TABLE whole REPLICA IDENTITY FULL;
	CREATE TABLE pair (b text, a int, raw bytea, seen timestamptz, PRIMARY KEY (a, b));
	CREATE TABLE empty ();
	CREATE TYPE state AS ENUM ('open', 'closed');
	CREATE TABLE other (id int PRIMARY KEY, state state);
	CREATE PUBLICATION recorded FOR ALL TABLES`

func recordedStatements() []string {
	const big = `(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 100) i)`
	return []string{
		`INSERT INTO stock VALUES (1, 'BRK-1234', 12.5, ` + big + `, 's'), (2, NULL, NULL, NULL, NULL), (3, '', 'NaN', 'ÄÖ 漢', 's')`,
		`UPDATE stock SET qty = 13 WHERE id = 1`,
		`UPDATE stock SET id = 10 WHERE id = 1`,
		`DELETE FROM stock WHERE id = 2`,
		`INSERT INTO whole VALUES (1, 1, ` + big + `)`,
		`UPDATE whole SET qty = NULL`,
		`DELETE FROM whole`,
		`INSERT INTO pair VALUES ('x', 1, '\x00ff', '2026-11-23 08:00:00.123456+09')`,
		`UPDATE pair SET b = 'y', raw = NULL`,
		`INSERT INTO empty DEFAULT VALUES`,
		`INSERT INTO other VALUES (1, 'open')`,
		`TRUNCATE stock, whole RESTART IDENTITY CASCADE`,
		`ALTER TABLE stock DROP secret`,
		`BEGIN; INSERT INTO stock VALUES (7, 'a', 1, NULL); SAVEPOINT s; DELETE FROM stock; ROLLBACK TO s; UPDATE stock SET qty = 2; COMMIT`,
		`SELECT pg_replication_origin_create('elsewhere')`,
		`SELECT pg_replication_origin_session_setup('elsewhere')`,
		`BEGIN; SELECT pg_replication_origin_xact_setup('0/1234', '2026-11-23 08:00:00+00'); INSERT INTO stock VALUES (8, 'b', 1, NULL); COMMIT`,
		`SELECT pg_logical_emit_message(true, 'tailstock', 'content')`,
		`INSERT INTO stock VALUES (9, 'last', 1, NULL)`,
	}
}

// recorded returns the recorded messages.
func recorded(tb testing.TB) [][]byte {
	tb.Helper()
	if os.Getenv("TAILSTOCK_RECORD") != "" {
		record(tb)
	}
	f, err := os.Open(recording)
	if err != nil {
		tb.Fatal(err)
	}
	defer f.Close()
	var messages [][]byte
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m, err := hex.DecodeString(lines.Text())
		if err != nil {
			tb.Fatal(err)
		}
		messages = append(messages, m)
	}
	if lines.Err() != nil || len(messages) < 50 {
		tb.Fatalf("%d recorded messages, %v", len(messages), lines.Err())
	}
	return messages
}

func record(tb testing.TB) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cfg := Config{DSN: testenv.Database(tb), Slot: "recorded", Publication: "recorded"}.WithDefaults()
	conn, err := cfg.connect(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	defer conn.Close(ctx)
	exec := func(sql string) {
		if _, err := conn.Exec(ctx, sql); err != nil {
			tb.Fatalf("%s: %v", sql, err)
		}
	}
	exec(`SET default_transaction_read_only = off`)
	exec(recordedSchema)
	exec(`SELECT pg_create_logical_replication_slot('recorded', 'pgoutput')`)
	for _, s := range recordedStatements() {
		exec(s)
	}
	repl, err := cfg.connectWALSender(ctx)
	if err != nil {
		tb.Fatal(err)
	}
	st, err := newStream(ctx, repl)
	if err != nil {
		tb.Fatal(err)
	}
	defer st.conn.Close()
	// The recording has logical messages too, which we never ask for.
	if err := st.begin(ctx, cfg, startSQL(cfg, "messages 'true'")); err != nil {
		tb.Fatal(err)
	}
	var out strings.Builder
	for !strings.Contains(out.String(), hex.EncodeToString([]byte("last"))) || !strings.HasPrefix(lastLine(out.String()), "43") {
		m, ok, err := st.next()
		if err != nil {
			tb.Fatal(err)
		}
		if !ok {
			if err := st.fill(ctx, time.Now().Add(5*time.Second)); err != nil {
				tb.Fatal(err)
			}
		} else if m.kind == 'd' && m.body[0] == 'w' {
			fmt.Fprintln(&out, hex.EncodeToString(m.body[25:]))
		}
	}
	if err := os.WriteFile(recording, []byte(out.String()), 0o644); err != nil {
		tb.Fatal(err)
	}
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
