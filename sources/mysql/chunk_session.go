package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// readTimeout bounds one statement that reads rows, and the wait for DDL on its
	// table, on the server.
	readTimeout = time.Minute
	// idleTimeout is after how long the server ends a session that nobody uses, in the
	// middle of a transaction too, whose lock holds up DDL.
	idleTimeout = 10 * time.Minute
	// closeTimeout bounds saying good-bye to the server.
	closeTimeout = 2 * time.Second
)

// readSession is a session on which chunks are read, one at a time.
type readSession struct {
	*sql.Conn
	facts facts
	// statements are the prepared ones by their text.
	statements map[string]*sql.Stmt
}

// maxStatements is how many prepared statements a session keeps.
const maxStatements = 64

// prepared returns the prepared statement of a text.
func (s *readSession) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.statements[query]; ok {
		return stmt, nil
	}
	if len(s.statements) >= maxStatements {
		s.forget()
	}
	stmt, err := s.PrepareContext(ctx, query)
	if err != nil {
		return nil, err
	}
	s.statements[query] = stmt
	return stmt, nil
}

// forget closes the prepared statements.
func (s *readSession) forget() {
	for query, stmt := range s.statements {
		_ = stmt.Close() // the session's end closes it as well
		delete(s.statements, query)
	}
}

func (s *readSession) isMariaDB() bool { return s.facts.server.flavor == flavorMariaDB }

// openReads returns a pool of sessions that are set up for reading rows.
func (c Config) openReads() (*sql.DB, error) {
	db, err := c.open()
	if err != nil {
		return nil, err
	}
	db.SetMaxIdleConns(0) // idle sessions are kept by chunkReads, set up
	return db, nil
}

func newReadSession(ctx context.Context, db *sql.DB) (*readSession, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	s := &readSession{Conn: conn, statements: make(map[string]*sql.Stmt)}
	if err := s.setUp(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("connect: set up the session: %w", err), conn.Close())
	}
	return s, nil
}

// setUp makes statements end in time, and a session end on which a stopped
// process holds a lock.
func (s *readSession) setUp(ctx context.Context) error {
	var err error
	if s.facts, err = readFacts(ctx, s); err != nil {
		return err
	}
	seconds := int(readTimeout.Seconds())
	settings := fmt.Sprintf("lock_wait_timeout = %d, innodb_lock_wait_timeout = %d, wait_timeout = %d",
		seconds, seconds, int(idleTimeout.Seconds()))
	if s.isMariaDB() {
		// Long lists stay lists, which are looked up in an index.
		settings += fmt.Sprintf(", max_statement_time = %d, idle_transaction_timeout = %d, in_predicate_conversion_threshold = 0", seconds, seconds)
	} else {
		settings += fmt.Sprintf(", max_execution_time = %d", readTimeout.Milliseconds())
	}
	if _, err := s.ExecContext(ctx, "SET SESSION "+settings); err != nil {
		return err
	}
	// Reads of chunks say otherwise for themselves.
	if _, err := s.ExecContext(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"); err != nil {
		return err
	}
	if s.isMariaDB() || s.facts.version < 8_00_00 {
		return nil
	}
	// Otherwise statistics are up to a day old.
	_, err = s.ExecContext(ctx, "SET SESSION information_schema_stats_expiry = 0")
	return err
}

// versionNumber returns 80036 for "8.0.36-28", 0 for what is no version.
func versionNumber(version string) int {
	var major, minor, patch int
	if n, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); n < 3 || err != nil {
		return 0
	}
	return major*10_000 + minor*100 + patch
}

// broken reports whether a session is of no use after an error: not where the
// server refused a statement.
func broken(err error) bool {
	var network net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, mysql.ErrInvalidConn) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, sql.ErrConnDone) || errors.As(err, &network) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
