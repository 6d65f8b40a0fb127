package sourcetest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailstock/connector/cdc"
)

// patience is how long a test waits for what must happen.
const patience = 60 * time.Second

// rig is a server with the tables of one test.
type rig struct {
	*Server
	t *testing.T
	// marks counts the rows of the table mark.
	marks int
}

// newRig starts a server, makes the tables by their SQL, and publishes them.
// Each rig has a table mark(n) beside them, see rig.mark.
func newRig(t *testing.T, h Harness, tables ...string) *rig {
	t.Helper()
	r := &rig{Server: h.Start(t), t: t}
	var names []string
	for _, create := range append([]string{"CREATE TABLE mark (n INT PRIMARY KEY)"}, tables...) {
		r.exec(create)
		names = append(names, strings.Fields(create)[2])
	}
	r.Publish(t, names...)
	return r
}

// exec executes statements, each in a transaction of its own.
func (r *rig) exec(statements ...string) {
	r.t.Helper()
	for _, s := range statements {
		if _, err := r.DB.ExecContext(r.t.Context(), s); err != nil {
			r.t.Fatalf("%.200s: %v", s, err)
		}
	}
}

// commit executes statements in one transaction.
func (r *rig) commit(statements ...string) {
	r.t.Helper()
	if err := inTransaction(r.t.Context(), r.DB, true, statements...); err != nil {
		r.t.Fatal(err)
	}
}

// session is one connection, or a pool of them.
type session interface {
	BeginTx(ctx context.Context, opts *sql.TxOptions) (*sql.Tx, error)
}

// rollback executes statements in one transaction and rolls it back.
func (r *rig) rollback(statements ...string) {
	r.t.Helper()
	if err := inTransaction(r.t.Context(), r.DB, false, statements...); err != nil {
		r.t.Fatal(err)
	}
}

func inTransaction(ctx context.Context, db session, commit bool, statements ...string) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			_ = tx.Rollback()
			return fmt.Errorf("%.200s: %w", s, err)
		}
	}
	if !commit {
		return tx.Rollback()
	}
	return tx.Commit()
}

// name returns the full name of a table.
func (r *rig) name(table string) cdc.TableName {
	return cdc.TableName{Schema: r.Schema, Name: table}
}

// source opens a source of tables, each given as "table: column column", and of
// the table mark.
func (r *rig) source(tables ...string) Source {
	r.t.Helper()
	wanted := cdc.Wanted{r.name("mark"): {"n"}}
	for _, t := range tables {
		table, columns, _ := strings.Cut(t, ":")
		wanted[r.name(table)] = strings.Fields(columns)
	}
	return r.Open(r.t, wanted)
}

// mark commits the next row of the table mark. Once it is delivered, so is
// everything that was committed before.
func (r *rig) mark() int {
	r.t.Helper()
	r.marks++
	r.exec(fmt.Sprintf("INSERT INTO mark VALUES (%d)", r.marks))
	return r.marks
}

// quote returns s as an SQL string. It must not contain a backslash, which
// databases take differently.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// eventually polls until condition holds, and fails the test if it does not in time.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	deadline := time.After(patience)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}
