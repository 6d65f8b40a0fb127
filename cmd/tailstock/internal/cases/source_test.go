package cases_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"tailstock/connector/inventory"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// The servers that a case may name.
const (
	serverPostgres = "postgres"
	serverMariaDB  = "mariadb"
	serverMySQL    = "mysql"
)

// markerSKU is the SKU of the marker: a row that is changed in a commit of its own
// behind each commit of a case, so that its level tells that the one before is there.
const (
	markerSKU   = "tailstock case"
	markerTable = "tailstock_case"
)

// publication is the one of every database of a case.
const publication = "tailstock_case"

// source is a database of a case.
type source struct {
	name, server, dir string
	// schema is "public", or the database on MariaDB and MySQL, for which the files of
	// a case say "public" too.
	schema string
	dsn    string
	db     *sql.DB
	oracle string
}

// newSource makes the database and fills it with the case's schema.
func newSource(t *testing.T, name, server, dir string) *source {
	t.Helper()
	s := &source{name: name, server: server, dir: dir}
	begin := []string{`create table ` + markerTable + ` (id int primary key, n int not null)`, `insert into ` + markerTable + ` values (1, 0)`}
	if server == serverPostgres {
		s.openPostgres(t)
		begin = append(begin, `create publication `+publication+` for all tables`)
	} else {
		s.openMySQL(t)
	}
	t.Cleanup(func() { _ = s.db.Close() })
	for _, statement := range begin {
		if _, err := s.db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	schema, path := s.read(t, "schema.sql")
	if err := s.run(t.Context(), schema); err != nil {
		t.Fatalf("%s%v", path, located(err, schema, 1))
	}
	s.oracle, _ = s.read(t, "oracle.sql")
	return s
}

func (s *source) openPostgres(t *testing.T) {
	t.Helper()
	var err error
	s.dsn, s.schema = testenv.Database(t), "public"
	if s.db, err = sql.Open("pgx", s.dsn); err != nil {
		t.Fatal(err)
	}
}

func (s *source) openMySQL(t *testing.T) {
	t.Helper()
	flavor := privateserver.FlavorMariaDB
	if s.server == serverMySQL {
		flavor = privateserver.FlavorMySQL
	}
	var m *privateserver.MySQL
	m, s.schema = testenv.MySQLDatabase(t, flavor)
	s.dsn = m.DSN("")
	c, err := mysql.ParseDSN(m.DSN(s.schema))
	if err != nil {
		t.Fatal(err)
	}
	c.MultiStatements, c.Logger = true, &mysql.NopLogger{}
	if s.db, err = sql.Open("mysql", c.FormatDSN()); err != nil {
		t.Fatal(err)
	}
}

// read returns a file of the source, the one for its server if there is one, or
// nothing if there is neither.
func (s *source) read(t *testing.T, name string) (text, path string) {
	t.Helper()
	base, ext := strings.TrimSuffix(name, filepath.Ext(name)), filepath.Ext(name)
	for _, path = range []string{filepath.Join(s.dir, base+"."+s.server+ext), filepath.Join(s.dir, name)} {
		b, err := os.ReadFile(path)
		if err == nil {
			return string(b), path
		}
		if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return "", path
}

// run runs statements as one transaction.
func (s *source) run(ctx context.Context, statements string) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// mark changes the marker to n.
func (s *source) mark(ctx context.Context, n int) error {
	_, err := s.db.ExecContext(ctx, fmt.Sprintf(`update %s set n = %d`, markerTable, n))
	return err
}

// located says in which line of a text that begins in the given one an error of the
// database is, as far as the database tells.
func located(err error, text string, line int) error {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) && refusal.Position > 0 {
		line += strings.Count(string([]rune(text)[:refusal.Position-1]), "\n")
	}
	var maria *mysql.MySQLError
	if errors.As(err, &maria) {
		var n int
		if _, at, ok := strings.Cut(maria.Message, "at line "); ok {
			if _, scanErr := fmt.Sscan(at, &n); scanErr == nil {
				line += n - 1
			}
		}
	}
	return fmt.Errorf(":%d: %w", line, err)
}

// ask runs the oracle and adds what it says to levels.
func (s *source) ask(ctx context.Context, levels stock) error {
	rows, err := s.db.QueryContext(ctx, s.oracle)
	if err != nil {
		return err
	}
	defer rows.Close()
	return addRows(rows, levels)
}

// addRows adds rows of a query to levels. Its columns are sku, location and kinds.
func addRows(rows *sql.Rows, levels stock) error {
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	values, targets := make([]sql.NullString, len(columns)), make([]any, len(columns))
	for i := range values {
		targets[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		var cell inventory.Cell
		var q inventory.Quantities
		for i, name := range columns {
			kind, isKind := inventory.ParseKind(name)
			switch {
			case name == "sku":
				cell.SKU = inventory.SKU(values[i].String)
			case name == "location":
				cell.Location = inventory.LocationID(values[i].String)
			case !isKind:
				return fmt.Errorf("column %q is not sku, location or a kind of quantity", name)
			case values[i].Valid:
				if q[kind], err = inventory.ParseQuantity(values[i].String); err != nil {
					return fmt.Errorf("%s of %s: %w", name, cellText(cell), err)
				}
			}
		}
		if cell.SKU != markerSKU {
			levels.add(cell, q)
		}
	}
	return rows.Err()
}

// serial numbers what must differ within a server: slots, server ids, namespaces.
var serial atomic.Int64

// connection is the part of the configuration that says where the source is, for a
// daemon whose number is given.
func (s *source) connection(n int64) string {
	if s.server == serverPostgres {
		return fmt.Sprintf("postgres: {dsn: %q, slot: %s, publication: %s}", s.dsn, s.slot(n), publication)
	}
	return fmt.Sprintf("mysql: {dsn: %q, server_id: %d}", s.dsn, 7000+n)
}

func (s *source) slot(n int64) string { return fmt.Sprintf("case_%s_%d", s.name, n) }

// dropSlot drops the slot of a daemon that has ended, for there are few of them.
func (s *source) dropSlot(t *testing.T, n int64) {
	t.Helper()
	if s.server != serverPostgres {
		return
	}
	ctx := context.WithoutCancel(t.Context())
	var err error
	testenv.Eventually(t, patience, func() bool {
		_, err = s.db.ExecContext(ctx, `select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = $1`, s.slot(n))
		return err == nil
	}, func() string { return err.Error() })
}
