package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

const (
	// readTimeout bounds one statement that reads rows, on the server. Such a
	// statement waits for DDL on its table to end.
	readTimeout = time.Minute
	// sampleTimeout bounds Sample and Describe, also when the server does not answer.
	sampleTimeout = 2 * time.Minute
)

// connectReader opens a connection on which rows of the wanted tables are read.
// Names resolve to the system catalogs alone, so that no function or operator
// of an application is called by mistake; row-level security makes a statement
// fail where it would hide rows; and every statement has a snapshot of its own,
// whatever the role's defaults are.
func (c Config) connectReader(ctx context.Context, options ...func(*pgx.ConnConfig)) (*pgx.Conn, error) {
	conn, err := c.connect(ctx, options...)
	if err != nil {
		return nil, err
	}
	settings := fmt.Sprintf(`SET search_path = pg_catalog, pg_temp; SET row_security = off;
		SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = off;
		SET statement_timeout = %d; SET lock_timeout = 0; SET idle_in_transaction_session_timeout = 0`, readTimeout.Milliseconds())
	if _, err := conn.Exec(ctx, settings); err != nil {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("connect: set up the session: %w", err)
	}
	return conn, nil
}

// readText runs a query with parameters that are arrays of text, and calls f
// with each row in text form; a nil value is NULL. The values are only valid
// during the call.
func readText(ctx context.Context, conn *pgx.Conn, query string, params [][]string, f func(row [][]byte) error) error {
	values := make([][]byte, len(params))
	for i, p := range params {
		values[i] = textArray(p)
	}
	result := conn.PgConn().ExecParams(ctx, query, values, nil, nil, nil)
	var err error
	for err == nil && result.NextRow() {
		err = f(result.Values())
	}
	if _, closeErr := result.Close(); err == nil {
		err = closeErr
	}
	return err
}

// textArray returns the input form of a one-dimensional text[].
func textArray(elements []string) []byte {
	b := []byte{'{'}
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		for {
			special := strings.IndexAny(e, `"\`)
			if special < 0 {
				break
			}
			b = append(b, e[:special]...)
			b = append(b, '\\', e[special])
			e = e[special+1:]
		}
		b = append(b, e...)
		b = append(b, '"')
	}
	return append(b, '}')
}

// textValue returns the Value of a column of type t that was read as text.
func textValue(t cdc.Type, text []byte) cdc.Value {
	if text == nil {
		return cdc.Null
	}
	return cdc.Text(canonical(t, string(text)))
}
