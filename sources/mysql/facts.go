package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"tailstock/connector/cdc"
)

// facts are what a server says of itself.
type facts struct {
	server server
	// version is major*10000 + minor*100 + patch.
	version int
	// vars are the global variables that matter, by name.
	vars map[string]string
}

// readFacts asks the server who it is.
func readFacts(ctx context.Context, q queryer) (facts, error) {
	rows, err := q.QueryContext(ctx, `SHOW GLOBAL VARIABLES WHERE Variable_name IN ('version', 'server_id', 'server_uuid',
		'log_bin', 'binlog_format', 'gtid_mode', 'gtid_executed', 'gtid_purged', 'gtid_binlog_state', 'lower_case_table_names',
		'binlog_row_metadata', 'binlog_order_commits', 'max_connections', 'replica_parallel_workers', 'slave_parallel_workers')`)
	if err != nil {
		return facts{}, fmt.Errorf("identify the server: %w", err)
	}
	defer rows.Close()
	f := facts{vars: make(map[string]string)}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return facts{}, fmt.Errorf("identify the server: %w", err)
		}
		f.vars[strings.ToLower(name)] = value
	}
	if err := rows.Err(); err != nil {
		return facts{}, fmt.Errorf("identify the server: %w", err)
	}
	f.version = versionNumber(f.vars["version"])
	f.server = server{flavorMySQL, strings.ToLower(f.vars["server_uuid"])}
	if strings.Contains(f.vars["version"], "MariaDB") {
		f.server = server{flavorMariaDB, f.vars["server_id"]}
	}
	if f.server.id == "" {
		return facts{}, fmt.Errorf("identify the server: it has no server_uuid")
	}
	return f, nil
}

// gtids reports whether every transaction of the server has a GTID.
func (f *facts) gtids() bool {
	return f.server.flavor == flavorMariaDB || f.vars["gtid_mode"] == "ON"
}

// folded reports whether names of tables differ by more than case.
func (f *facts) folded() bool { return f.vars["lower_case_table_names"] != "0" }

// named reports whether the log names the columns of tables, by the server's present setting.
func (f *facts) named() bool { return strings.EqualFold(f.vars["binlog_row_metadata"], "FULL") }

// statusQuery is the statement that tells where the log ends.
func (f *facts) statusQuery() string {
	if f.server.flavor == flavorMySQL && f.version >= 80200 {
		return "SHOW BINARY LOG STATUS"
	}
	return "SHOW MASTER STATUS"
}

// requireLog makes sure that the server logs rows.
func (f *facts) requireLog() error {
	if on := f.vars["log_bin"]; on != "ON" && on != "1" {
		return &cdc.SetupError{Object: "server", Problem: "has no binary log", Fix: "start it with log_bin, and binlog_format=ROW"}
	}
	if format := f.vars["binlog_format"]; format != "" && format != "ROW" {
		return &cdc.SetupError{
			Object: "binlog_format", Problem: "is " + format + ", which logs statements instead of the rows that they change",
			Fix: "SET GLOBAL binlog_format = 'ROW' (sessions that are open keep what they have)",
		}
	}
	return nil
}

// readPlace asks where the log ends.
func readPlace(ctx context.Context, q queryer, query string) (place, error) {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return place{}, fmt.Errorf("%s: %w", query, err)
	}
	if len(columns) < 2 || !rows.Next() {
		if err := rows.Err(); err != nil {
			return place{}, fmt.Errorf("%s: %w", query, err)
		}
		return place{}, &cdc.SetupError{Object: "server", Problem: "has no binary log", Fix: "start it with log_bin"}
	}
	var p place
	into := []any{&p.file, &p.pos}
	for range columns[2:] {
		into = append(into, new(sql.RawBytes))
	}
	if err := rows.Scan(into...); err != nil {
		return place{}, fmt.Errorf("%s: %w", query, err)
	}
	return p, nil
}

// readXA lists the XA transactions that are prepared, see delivered.
func readXA(ctx context.Context, q queryer) ([]string, error) {
	rows, err := q.QueryContext(ctx, "XA RECOVER")
	if err != nil {
		return nil, fmt.Errorf("XA RECOVER: %w", err)
	}
	defer rows.Close()
	var xids []string
	for rows.Next() {
		var format int64
		var gtrid, bqual int
		var data []byte
		if err := rows.Scan(&format, &gtrid, &bqual, &data); err != nil {
			return nil, fmt.Errorf("XA RECOVER: %w", err)
		}
		if gtrid < 0 || gtrid > len(data) {
			return nil, fmt.Errorf("XA RECOVER: a name of %d bytes in %d", gtrid, len(data))
		}
		xids = append(xids, fmt.Sprintf("%x,%x,%d", data[:gtrid], data[gtrid:], format))
	}
	return xids, rows.Err()
}
