package mysql_test

import (
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// withoutGTIDs are the settings of a MySQL that is read by places.
func withoutGTIDs() map[string]string {
	return map[string]string{"gtid-mode": "OFF", "enforce-gtid-consistency": "OFF"}
}

// TestPlaces follows a MySQL without GTIDs over rotations, and goes on from every token.
func TestPlaces(t *testing.T) {
	t.Parallel()
	d := newServer(t, privateserver.FlavorMySQL, withoutGTIDs(), stockTable, "INSERT INTO stock VALUES (99, 'early', 1)")
	tl := tail(t, d.source(d.config(), "stock: qty"), "").started()
	first := tl.token()
	var want []string
	for i := range 9 {
		d.exec(fmt.Sprintf("INSERT INTO stock VALUES (%d, 'A', %d)", i, i))
		want = append(want, fmt.Sprintf("insert stock to id=%d,qty=%d", i, i))
		if i%4 == 3 {
			d.exec("FLUSH BINARY LOGS")
		}
	}
	got := tl.take(9)
	expect(t, got, want...)
	if strings.Contains(string(got[8].Resume), "gtids") || got[8].ID != got[8].At {
		t.Errorf("transaction %s at %s has the token %s, want places", got[8].ID, got[8].At, got[8].Resume)
	}
	tl.stop()
	for i, token := range append([]cdc.Resume{first}, resumes(got)...) {
		if i == 9 {
			break
		}
		again := tail(t, d.source(d.config(), "stock: qty"), token)
		expect(t, again.take(9-i), want[i:]...)
		again.stop()
	}
}

func resumes(transactions []*cdc.Transaction) (tokens []cdc.Resume) {
	for _, t := range transactions {
		tokens = append(tokens, t.Resume)
	}
	return tokens
}

// TestPlacesComplete expects a chunk of a MySQL without GTIDs to wait for the locks of
// what was delivered, and Complete to work.
func TestPlacesComplete(t *testing.T) {
	t.Parallel()
	d := newServer(t, privateserver.FlavorMySQL, withoutGTIDs(), stockTable)
	s := d.source(d.config(), "stock: sku, qty")
	tl := tail(t, s, "").started()
	d.session("SET binlog_row_image = MINIMAL", "INSERT INTO stock VALUES (1, 'A', 1)", "UPDATE stock SET qty = 2")
	got := tl.take(2)
	var netter cdc.Netter
	rows, err := netter.Net(got[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Complete(t.Context(), got[1], []*cdc.NetChange{&rows[0]}); err != nil {
		t.Fatal(err)
	}
	if got, want := image(rows[0].Table, rows[0].After), "id=1,sku=A,qty=2"; got != want {
		t.Errorf("completed: %s, want %s", got, want)
	}
}

// TestUnnamed follows servers that do not log the names of columns: definitions
// that are known are used, others end the stream of the table.
func TestUnnamed(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		metadata := "MINIMAL"
		if f == privateserver.FlavorMariaDB {
			metadata = "NO_LOG"
		}
		d := newServer(t, f, map[string]string{"binlog-row-metadata": metadata},
			"CREATE TABLE stock (id INT UNSIGNED PRIMARY KEY, sku VARCHAR(40) CHARACTER SET latin1, kind ENUM('a','é'), raw BINARY(4), qty DECIMAL(8,2), n SMALLINT UNSIGNED)")
		tl := tail(t, d.source(d.config(), "stock: sku, kind, raw, qty, n"), "").started()
		first := tl.token()
		d.exec("INSERT INTO stock VALUES (4000000000, 'é', 'é', X'01', 1.5, 65535)",
			"ALTER TABLE stock ADD COLUMN x INT FIRST", "INSERT INTO stock VALUES (1, 2, 'B', 'a', X'02', 2, 2)")
		want := []string{
			"insert stock to id=4000000000,sku=é,kind=é,raw=01000000,qty=1.50,n=65535",
			"insert stock to id=2,sku=B,kind=a,raw=02000000,qty=2.00,n=2",
		}
		got := tl.take(2)
		expect(t, got, want...)
		// The definition is that of the token from after the change.
		after := got[1].Resume
		d.exec("INSERT INTO stock VALUES (1, 3, 'C', 'a', X'02', 2, 2)")
		tl.take(3)
		tl.stop()
		again := tail(t, d.source(d.config(), "stock: sku, kind, raw, qty, n"), after)
		expect(t, again.take(1), "insert stock to id=3,sku=C,kind=a,raw=02000000,qty=2.00,n=2")
		again.stop()
		// From before, it is not.
		expectGap(t, tail(t, d.source(d.config(), "stock: sku, kind, raw, qty, n"), first).failed(), cdc.GapSkipped, "table shop.stock")
		// Nor is one that only gave columns of the same type each other's names.
		d.exec("CREATE TABLE pair (id INT PRIMARY KEY, a INT, b INT)")
		tl = tail(t, d.source(d.config(), "pair: a, b"), "").started()
		token := tl.token()
		d.exec("INSERT INTO pair VALUES (1, 2, 3)")
		expect(t, tl.take(1), "insert pair to id=1,a=2,b=3")
		tl.stop()
		d.exec("ALTER TABLE pair RENAME COLUMN a TO c, RENAME COLUMN b TO a, ADD COLUMN d INT", "ALTER TABLE pair RENAME COLUMN c TO b, DROP COLUMN d")
		expectGap(t, tail(t, d.source(d.config(), "pair: a, b"), token).failed(), cdc.GapSkipped, "table shop.pair")
	})
}

// files returns the names of the binary log's files.
func (d *database) files() (files []string) {
	d.t.Helper()
	rows, err := d.db.QueryContext(d.t.Context(), "SHOW BINARY LOGS")
	if err != nil {
		d.t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		d.t.Fatal(err)
	}
	for rows.Next() {
		var name string
		into := []any{&name}
		for range columns[1:] {
			into = append(into, new(any))
		}
		if err := rows.Scan(into...); err != nil {
			d.t.Fatal(err)
		}
		files = append(files, name)
	}
	if err := rows.Err(); err != nil {
		d.t.Fatal(err)
	}
	return files
}

// TestGaps expects a typed error for each way in which a server can lose what was not read.
func TestGaps(t *testing.T) {
	t.Parallel()
	type server struct {
		name     string
		flavor   privateserver.Flavor
		settings map[string]string
	}
	for _, c := range []server{
		{"MariaDB", privateserver.FlavorMariaDB, nil},
		{"MySQL", privateserver.FlavorMySQL, nil},
		{"MySQL without GTIDs", privateserver.FlavorMySQL, withoutGTIDs()},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := newServer(t, c.flavor, c.settings, stockTable)
			tl := d.follow("stock: qty")
			d.exec("INSERT INTO stock VALUES (1, 'A', 1)")
			tl.take(1)
			early := tl.token()
			tl.stop()
			d.exec("FLUSH BINARY LOGS", "INSERT INTO stock VALUES (2, 'A', 1)", "FLUSH BINARY LOGS")
			// A file that the last Tail's session has not let go of yet is not removed.
			testenv.Eventually(t, patience, func() bool {
				files := d.files()
				d.exec("PURGE BINARY LOGS TO '" + files[len(files)-1] + "'")
				return len(d.files()) == 1
			}, nil)
			expectGap(t, tail(t, d.source(d.config(), "stock: qty"), early).failed(), cdc.GapLogPurged, "")

			tl = d.follow("stock: qty")
			d.exec("INSERT INTO stock VALUES (3, 'A', 1)")
			tl.take(1)
			token := tl.token()
			tl.stop()
			if c.flavor == privateserver.FlavorMariaDB {
				d.exec("RESET MASTER")
			} else {
				d.exec("RESET BINARY LOGS AND GTIDS")
			}
			expectGap(t, tail(t, d.source(d.config(), "stock: qty"), token).failed(), cdc.GapDiverged, "")
		})
	}
}
