package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"tailstock/connector/cdc"
)

// columnType returns the family of a built-in type, by the fixed OIDs of
// pg_type.dat, and TypeOther for every other OID; resolveTypes knows domains,
// enums and the types of extensions.
//
// TypeOther are, among others: money (its text is a currency amount in the
// locale's form, "$1,234.50", also under lc_monetary=C), interval, bit strings,
// network addresses, xml, ranges, composites and all arrays. A mapping may read
// them as text.
//
// char(n) is TypeText with its padding: the blanks are part of what the server
// prints, and of what it streams.
func columnType(oid uint32) cdc.Type {
	switch oid {
	case pgtype.BoolOID:
		return cdc.TypeBool
	case pgtype.Int2OID, pgtype.Int4OID, pgtype.Int8OID, pgtype.OIDOID:
		return cdc.TypeInteger
	case pgtype.NumericOID:
		return cdc.TypeDecimal
	case pgtype.Float4OID, pgtype.Float8OID:
		return cdc.TypeFloat
	case pgtype.TextOID, pgtype.VarcharOID, pgtype.BPCharOID, pgtype.NameOID, pgtype.QCharOID:
		return cdc.TypeText
	case pgtype.ByteaOID:
		return cdc.TypeBytes
	case pgtype.DateOID:
		return cdc.TypeDate
	case pgtype.TimeOID, pgtype.TimetzOID:
		return cdc.TypeTime
	case pgtype.TimestampOID:
		return cdc.TypeTimestamp
	case pgtype.TimestamptzOID:
		return cdc.TypeTimestampTZ
	case pgtype.UUIDOID:
		return cdc.TypeUUID
	case pgtype.JSONOID, pgtype.JSONBOID:
		return cdc.TypeJSON
	default:
		return cdc.TypeOther
	}
}

// byteaPrefix is what bytea_output=hex puts before the digits.
const byteaPrefix = `\x`

// canonical returns the canonical text of a value of type t that a session
// with the canonical settings printed as text. Those settings do all the work
// but one: bytea loses its prefix. It does not allocate.
//
// Values outside a family's usual form keep PostgreSQL's: "infinity" and
// "-infinity" for dates and timestamps, and a " BC" at the end, behind the
// "+00" of a timestamptz.
func canonical(t cdc.Type, text string) string {
	if t == cdc.TypeBytes {
		return strings.TrimPrefix(text, byteaPrefix)
	}
	return text
}

// literal is the inverse of canonical: the text as PostgreSQL takes it for input.
func literal(t cdc.Type, text string) string {
	if t == cdc.TypeBytes {
		return byteaPrefix + text
	}
	return text
}

// resolveTypes returns the family of each of oids. Domains, also over other
// domains, have that of their base type; enums and the string types of
// extensions, such as citext, are text.
func resolveTypes(ctx context.Context, conn *pgx.Conn, oids []uint32) (map[uint32]cdc.Type, error) {
	types := make(map[uint32]cdc.Type, len(oids))
	var unknown []uint32
	for _, oid := range oids {
		types[oid] = columnType(oid)
		if types[oid] == cdc.TypeOther {
			unknown = append(unknown, oid)
		}
	}
	if len(unknown) == 0 {
		return types, nil
	}
	const query = `
		WITH RECURSIVE chain AS (
			SELECT t.oid AS id, t.oid, t.typtype, t.typbasetype, t.typcategory
			FROM pg_catalog.pg_type t WHERE t.oid = ANY ($1::oid[])
			UNION ALL
			SELECT c.id, t.oid, t.typtype, t.typbasetype, t.typcategory
			FROM chain c JOIN pg_catalog.pg_type t ON t.oid = c.typbasetype WHERE c.typtype = 'd')
		SELECT id, oid, typtype = 'e' OR typtype = 'b' AND typcategory = 'S' FROM chain WHERE typtype <> 'd'`
	rows, err := conn.Query(ctx, query, unknown)
	if err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	var id, base uint32
	var text bool
	_, err = pgx.ForEachRow(rows, []any{&id, &base, &text}, func() error {
		types[id] = columnType(base)
		if text {
			types[id] = cdc.TypeText
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read types: %w", err)
	}
	return types, nil
}
