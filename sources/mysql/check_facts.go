package mysql

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"
)

// checkFacts are what an account without special rights may read of a server.
type checkFacts struct {
	facts
	// account is 'user'@'host' as the server matched it.
	account string
	cipher  string
	// grants are the texts of the account's grants, its active roles' included.
	grants []string
	// replica says that the server replicates from another.
	replica bool
	// replicas are the server ids of connected replicas; listed is false where the
	// account may not see them.
	replicas []string
	listed   bool
	// ahead is by how much the server's clock is ahead of ours, and unsure how wrong
	// that may be.
	ahead, unsure time.Duration
	// noLogEnd is why the account may not learn where the log ends.
	noLogEnd error
}

func (f *checkFacts) mariaDB() bool { return f.server.flavor == flavorMariaDB }

// on reports whether a variable is set to ON; variables that do not exist are not.
func (f *checkFacts) on(name string) bool {
	v := f.vars[name]
	return v == "1" || strings.EqualFold(v, "ON")
}

func (f *checkFacts) encryption() string {
	if f.cipher == "" {
		return "not encrypted"
	}
	return "encrypted"
}

func readCheckFacts(ctx context.Context, s *readSession) (*checkFacts, error) {
	f := &checkFacts{facts: s.facts}
	f.vars = make(map[string]string)
	err := eachRow(ctx, s, "SHOW GLOBAL VARIABLES", nil, func(rows *sql.Rows) error {
		var name, value string
		err := rows.Scan(&name, &value)
		f.vars[strings.ToLower(name)] = value
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := f.readClock(ctx, s); err != nil {
		return nil, err
	}
	var name string
	err = s.QueryRowContext(ctx, "SHOW STATUS LIKE 'Ssl_cipher'").Scan(&name, &f.cipher)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return nil, err
	}
	if err := f.readGrants(ctx, s); err != nil {
		return nil, err
	}
	if f.on("log_bin") {
		if _, err := readPlace(ctx, s, f.statusQuery()); refused(err) {
			f.noLogEnd = err
		} else if err != nil {
			return nil, err
		}
	}
	return f, f.readReplication(ctx, s)
}

// readClock compares the clocks, in the middle of a round trip.
func (f *checkFacts) readClock(ctx context.Context, q queryer) error {
	var text string
	before := time.Now()
	err := q.QueryRowContext(ctx, "SELECT CURRENT_USER(), CAST(UTC_TIMESTAMP(6) AS CHAR)").Scan(&f.account, &text)
	if err != nil {
		return err
	}
	took := time.Since(before)
	f.account = quoteAccount(f.account)
	theirs, err := time.Parse("2006-01-02 15:04:05.999999", text)
	if err != nil {
		return err
	}
	f.unsure = took / 2
	f.ahead = theirs.Sub(before.Add(f.unsure).UTC())
	return nil
}

func (f *checkFacts) readGrants(ctx context.Context, q queryer) error {
	query := "SHOW GRANTS" // MariaDB's has the active role's, too
	if !f.mariaDB() && f.version >= 8_00_00 {
		var roles string
		if err := q.QueryRowContext(ctx, "SELECT CURRENT_ROLE()").Scan(&roles); err != nil {
			return err
		}
		if roles != "NONE" {
			query = "SHOW GRANTS FOR CURRENT_USER() USING " + roles
		}
	}
	return eachRow(ctx, q, query, nil, func(rows *sql.Rows) error {
		var grant string
		err := rows.Scan(&grant)
		f.grants = append(f.grants, grant)
		return err
	})
}

// granted reports whether the account has a privilege on everything.
func (f *checkFacts) granted(privilege string) bool {
	for _, grant := range f.grants {
		rights, rest, ok := strings.Cut(strings.TrimPrefix(strings.ToUpper(grant), "GRANT "), " ON *.* TO ")
		if !ok || rest == "" {
			continue
		}
		for right := range strings.SplitSeq(rights, ",") {
			if right = strings.TrimSpace(right); right == privilege || right == "ALL PRIVILEGES" {
				return true
			}
		}
	}
	return false
}

// readReplication reads whether the server is a replica, and its replicas, as far
// as the account may know.
func (f *checkFacts) readReplication(ctx context.Context, s *readSession) error {
	status, hosts := "SHOW SLAVE STATUS", "SHOW SLAVE HOSTS"
	if !f.mariaDB() && f.version >= 8_00_22 {
		status, hosts = "SHOW REPLICA STATUS", "SHOW REPLICAS"
	}
	err := eachRow(ctx, s, status, nil, func(*sql.Rows) error {
		f.replica = true
		return nil
	})
	if err != nil && !refused(err) {
		return err
	}
	err = eachRow(ctx, s, hosts, nil, func(rows *sql.Rows) error {
		columns, err := rows.Columns()
		if err != nil {
			return err
		}
		var id string
		into := []any{&id}
		for range columns[1:] {
			into = append(into, new(sql.RawBytes))
		}
		err = rows.Scan(into...)
		f.replicas = append(f.replicas, id)
		return err
	})
	f.listed = err == nil
	if refused(err) {
		return nil
	}
	return err
}
