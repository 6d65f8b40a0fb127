package stockstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// minPostgres is the oldest server version that works: trim_scale and the views need 13.
const minPostgres = 130_000

// tables are those that the store reads and writes.
func tables() []string {
	return []string{"store_meta", "source_state", "feed", "contribution", "cell", "problem", "outbox"}
}

func (c *check) postgres(ctx context.Context, cfg Config) {
	const requirement = "connection to the stock store"
	pc, err := postgresConfig(cfg) // valid: checked before
	if err != nil {
		c.problem(requirement, err.Error(), "correct store.postgres")
		return
	}
	conn, err := pgx.ConnectConfig(ctx, pc.ConnConfig)
	if err != nil {
		c.problem(requirement, err.Error(), connectFix(err))
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	f, err := readPostgresFacts(ctx, conn)
	if err != nil {
		c.problem(requirement, err.Error(), "")
		return
	}
	c.ok(requirement, fmt.Sprintf("to database %q as role %q", f.database, f.role))
	c.postgresServer(f)
	if err := c.postgresStore(ctx, conn, f); err != nil {
		c.problem("tables of the stock store", err.Error(), "")
	}
}

// connectFix says what to look at after a connection error.
func connectFix(err error) string {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return "check host, port and network of store.postgres, and that the server runs"
	}
	switch pe.Code {
	case "28P01", "28000": // invalid_password, invalid_authorization_specification
		return "correct the user and password of store.postgres, or pg_hba.conf"
	case "3D000": // invalid_catalog_name
		return "create the database that store.postgres names, or correct the name"
	}
	return ""
}

// postgresFacts is what the server says of itself.
type postgresFacts struct {
	version                               int
	versionText, database, role, encoding string
	schema                                *string
	standby, readOnly, mayCreate, found   bool
	fsync, pageWrites, syncCommit         string
}

func readPostgresFacts(ctx context.Context, conn *pgx.Conn) (postgresFacts, error) {
	var f postgresFacts
	err := conn.QueryRow(ctx, `select current_setting('server_version_num')::integer, current_setting('server_version'),
			current_database(), current_user::text, current_setting('server_encoding'), current_schema()::text,
			pg_is_in_recovery(), current_setting('transaction_read_only')::boolean,
			coalesce(has_schema_privilege(current_schema(), 'create'), false), to_regclass('store_meta') is not null,
			current_setting('fsync'), current_setting('full_page_writes'), current_setting('synchronous_commit')`).
		Scan(&f.version, &f.versionText, &f.database, &f.role, &f.encoding, &f.schema,
			&f.standby, &f.readOnly, &f.mayCreate, &f.found, &f.fsync, &f.pageWrites, &f.syncCommit)
	return f, err
}

func (c *check) postgresServer(f postgresFacts) {
	if f.version < minPostgres {
		c.problem("version of the stock store's PostgreSQL", f.versionText+", needs 13 or later", "upgrade the server")
	} else {
		c.ok("version of the stock store's PostgreSQL", f.versionText)
	}
	switch {
	case f.standby:
		c.problem("writable stock store", "the server is a standby", "point store.postgres at the primary")
	case f.readOnly:
		c.problem("writable stock store", "transactions are read-only by default",
			fmt.Sprintf("alter role %s in database %s reset default_transaction_read_only",
				pgx.Identifier{f.role}.Sanitize(), pgx.Identifier{f.database}.Sanitize()))
	default:
		c.ok("writable stock store", "primary")
	}
	if f.encoding != "UTF8" {
		c.problem("encoding of the stock store", f.encoding+", needs UTF8", "create the database with encoding 'UTF8'")
	} else {
		c.ok("encoding of the stock store", f.encoding)
	}
	if f.fsync == "off" || f.pageWrites == "off" {
		c.warn("durability of the stock store", fmt.Sprintf("fsync is %s and full_page_writes is %s: a crash of the machine may damage the store",
			f.fsync, f.pageWrites), "set fsync and full_page_writes to on in postgresql.conf")
	} else {
		c.ok("durability of the stock store", "fsync and full_page_writes are on; synchronous_commit is "+f.syncCommit)
	}
}

// postgresStore looks at the store's tables, or at whether they can be made.
func (c *check) postgresStore(ctx context.Context, conn *pgx.Conn, f postgresFacts) error {
	role := pgx.Identifier{f.role}.Sanitize()
	switch {
	case f.schema == nil && !f.found:
		c.problem("schema for the stock store", "no schema of the search_path exists",
			"create schema tailstock authorization "+role)
		return nil
	case !f.found && !f.mayCreate:
		c.problem("right to make the stock store", fmt.Sprintf("role %q may not create tables in schema %q", f.role, *f.schema),
			fmt.Sprintf("grant usage, create on schema %s to %s", pgx.Identifier{*f.schema}.Sanitize(), role))
		return nil
	case !f.found:
		c.ok("right to make the stock store", fmt.Sprintf("in schema %q; the first start makes it", *f.schema))
		return nil
	}
	if missing, err := missingRights(ctx, conn); err != nil {
		return err
	} else if len(missing) > 0 {
		list := strings.Join(missing, ", ")
		c.problem("rights on the stock store", fmt.Sprintf("role %q may not read and write %s", f.role, list),
			fmt.Sprintf("grant select, insert, update, delete on %s to %s", list, role))
		return nil
	}
	c.ok("rights on the stock store", "to read and write every table")
	version := 0
	if err := conn.QueryRow(ctx, `select schema from store_meta`).Scan(&version); err != nil {
		return err
	}
	c.schema(version)
	return nil
}

// missingRights returns the tables of the store that the role may not read and write.
func missingRights(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := conn.Query(ctx, `select t from unnest($1::text[]) t where to_regclass(t) is null or not (
		has_table_privilege(to_regclass(t), 'select') and has_table_privilege(to_regclass(t), 'insert') and
		has_table_privilege(to_regclass(t), 'update') and has_table_privilege(to_regclass(t), 'delete'))`, tables())
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}
