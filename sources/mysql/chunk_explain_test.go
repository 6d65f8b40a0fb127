package mysql

import (
	"database/sql"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// TestChunkUsesTheIndex looks at how the server executes the statement that reads
// a chunk: by the index of the key from the cursor on, without sorting.
func TestChunkUsesTheIndex(t *testing.T) {
	t.Parallel()
	for _, f := range []privateserver.Flavor{privateserver.FlavorMariaDB, privateserver.FlavorMySQL} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			explainChunks(t, f)
		})
	}
}

func explainChunks(t *testing.T, f privateserver.Flavor) {
	t.Helper()
	server, name := testenv.MySQLDatabase(t, f)
	cases := map[string]struct{ columns, values string }{
		"ints":      {"k int PRIMARY KEY", "n"},
		"positive":  {"k bigint unsigned PRIMARY KEY", "n"},
		"decimals":  {"k decimal(20,4) PRIMARY KEY", "n / 3"},
		"latin":     {"k varchar(20) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY", "concat('SKU-', n)"},
		"utf":       {"k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY", "concat('SKU-', n)"},
		"codes":     {"k varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PRIMARY KEY", "concat('SKU-', n)"},
		"uuids":     {"k binary(16) PRIMARY KEY", "unhex(left(sha2(n, 256), 32))"},
		"times":     {"k timestamp(3) DEFAULT CURRENT_TIMESTAMP(3) PRIMARY KEY", "'2024-01-01' + interval n second"},
		"dates":     {"k datetime(6) PRIMARY KEY", "'2024-01-01' + interval n second"},
		"composite": {"site varchar(9), bin int, part varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, PRIMARY KEY (site, bin, part)", "concat('DC', n % 3), n % 100, concat('P', n)"},
		"secondary": {"other int PRIMARY KEY, k int", "n, n"},
		"wide":      {"k int PRIMARY KEY, pad text", "n, repeat('x', 300)"},
		"referring": {
			"k int PRIMARY KEY, number int, big bigint unsigned, amount decimal(20,4), utf varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, " +
				"latin varchar(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci, memo text, raw binary(16), " +
				"KEY (number), KEY (big), KEY (amount), KEY (utf), KEY (latin), KEY memo (memo(8)), KEY (raw)",
			"n, n % 100, n % 100, n % 100, concat('C', n % 100), concat('C', n % 100), concat('C', n % 100), unhex(left(sha2(n % 100, 256), 32))",
		},
	}
	statements := []string{"USE " + name}
	wanted := make(cdc.Wanted)
	for table, c := range cases {
		statements = append(statements, "CREATE TABLE "+table+" ("+c.columns+")",
			"INSERT INTO "+table+" WITH RECURSIVE s AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM s WHERE n < 1000) SELECT "+c.values+" FROM s",
			"ANALYZE TABLE "+table)
		wanted[cdc.TableName{Schema: name, Name: table}] = nil
	}
	wanted[cdc.TableName{Schema: name, Name: "referring"}] = []string{"number", "big", "amount", "utf", "latin", "memo", "raw"}
	if err := server.Exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{DSN: server.DSN(""), ServerID: 4711}, wanted, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	err = s.reads.use(t.Context(), s.cfg, func(session *readSession) error {
		for table := range cases {
			plan, err := s.plan(t.Context(), session, cdc.TableName{Schema: name, Name: table})
			if err != nil {
				return err
			}
			explainChunk(t, session, plan)
			if table == "referring" {
				explainReferring(t, session, plan)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// explainChunk explains the first chunk of a table, the one after it, a bounded
// one and rows by their keys.
func explainChunk(t *testing.T, s *readSession, p *chunkPlan) {
	t.Helper()
	first := backfill.Request{Limit: 100}
	var c backfill.Chunk
	if err := p.read(t.Context(), s, &first, &c); err != nil || len(c.Rows) != 100 {
		t.Fatalf("%s: read %d rows: %v", p.table.Name, len(c.Rows), err)
	}
	next, bounded := first, first
	next.After = c.Last
	bounded.After, bounded.Upto = p.keyOf(c.Rows[10]), p.keyOf(c.Rows[50])
	listed := backfill.Request{Keys: []backfill.Key{p.keyOf(c.Rows[3]), c.Last}}
	for what, r := range map[string]*backfill.Request{"first": &first, "next": &next, "bounded": &bounded, "listed": &listed} {
		query, args, err := p.rowsSQL(r)
		if err != nil {
			t.Fatal(err)
		}
		plan := explained(t, s, query, args)
		access := map[string]bool{"range": true, "const": what == "listed", "index": what == "first", "eq_ref": what == "listed"}
		// Listed rows are few, and may be sorted after they were found.
		sorts := what != "listed" && strings.Contains(plan["Extra"], "filesort") || strings.Contains(plan["Extra"], "temporary")
		if !access[plan["type"]] || plan["key"] != "PRIMARY" || sorts {
			t.Errorf("%s, %s chunk:\n%s\n%v", p.table.Name.Name, what, query, plan)
		}
	}
}

// explainReferring explains statements that read rows which refer to others: by the
// index of the column, however many of its values and rows are asked for.
func explainReferring(t *testing.T, s *readSession, p *chunkPlan) {
	t.Helper()
	for column, format := range map[string]string{
		"number": "%d", "big": "%d", "amount": "%d", "utf": "C%d", "latin": "C%d", "memo": "C%d", "raw": "%032d",
	} {
		for _, count := range []int{1, 5, backfill.MaxReferring} {
			for _, limit := range []int{10, 10_000} {
				r := backfill.Request{Limit: limit, Referring: backfill.ByColumn(column)}
				r.After = backfill.Key{"5"}
				for i := range count {
					r.Referring.Values = append(r.Referring.Values, []string{fmt.Sprintf(format, 7+i)})
				}
				query, args, err := p.rowsSQL(&r)
				if err != nil {
					t.Fatal(err)
				}
				plan := explained(t, s, query, args)
				if plan["key"] != column || plan["type"] != "range" && plan["type"] != "ref" {
					t.Errorf("%d rows by %d values of %s:\n%.300s\n%v", limit, count, column, query, plan)
				}
			}
		}
	}
}

// explained returns the only row of a statement's EXPLAIN by column.
func explained(t *testing.T, s *readSession, query string, args []any) map[string]string {
	t.Helper()
	explain := "EXPLAIN FORMAT=TRADITIONAL "
	if s.isMariaDB() {
		explain = "EXPLAIN " // it has no other that is a table
	}
	stmt, err := s.PrepareContext(t.Context(), explain+query)
	if err != nil {
		t.Fatal(err)
	}
	defer stmt.Close()
	rows, err := stmt.QueryContext(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	plan := make(map[string]string)
	for n := 0; rows.Next(); n++ {
		values := make([]sql.NullString, len(columns))
		into := make([]any, len(columns))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		for i, c := range columns {
			plan[c] = values[i].String
		}
		if n > 0 {
			plan["type"] = fmt.Sprint(n + 1)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
