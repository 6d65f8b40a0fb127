package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// catalogLookup answers from the catalog on a connection of its own. The reader
// waits for the answer, so the time for it is short.
type catalogLookup struct {
	// ask runs f with a connection, within the time that the reader can spare.
	ask func(f func(context.Context, *pgx.Conn) error) error
}

// newLookup asks on conn, each time for no longer than the reader may be silent.
func newLookup(ctx context.Context, conn *lazyConn, cfg Config) catalogLookup {
	return catalogLookup{ask: func(f func(context.Context, *pgx.Conn) error) error {
		ctx, cancel := context.WithTimeout(ctx, cfg.WALSenderTimeout/2)
		defer cancel()
		return conn.use(ctx, func(c *pgx.Conn) error { return f(ctx, c) })
	}}
}

func (l catalogLookup) ancestors(oid uint32) (oids []uint32, err error) {
	const query = `SELECT relid::oid FROM pg_catalog.pg_partition_ancestors($1::oid::regclass)`
	err = l.ask(func(ctx context.Context, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, query, oid)
		if err != nil {
			return err
		}
		oids, err = pgx.CollectRows(rows, pgx.RowTo[uint32])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for the table of partition %d: %w", oid, err)
	}
	return oids, nil
}

func (l catalogLookup) family(typeOID uint32) (family cdc.Type, err error) {
	err = l.ask(func(ctx context.Context, conn *pgx.Conn) error {
		types, err := resolveTypes(ctx, conn, []uint32{typeOID})
		family = types[typeOID]
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("look for type %d: %w", typeOID, err)
	}
	return family, nil
}
