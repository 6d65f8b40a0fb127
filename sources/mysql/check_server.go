package mysql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The versions that this package is made for. Newer ones are named, not refused.
const (
	lowestMySQL, highestMySQL     = 5_07_00, 9
	lowestMariaDB, highestMariaDB = 10_05_00, 11
)

func (c *check) checkServer(f *checkFacts) {
	const requirement = "server version"
	name, lowest, text, highest := "MySQL", lowestMySQL, "5.7", highestMySQL
	if f.mariaDB() {
		name, lowest, text, highest = "MariaDB", lowestMariaDB, "10.5", highestMariaDB
	}
	switch version := f.vars["version"]; {
	case f.version < lowest:
		c.problem(requirement, fmt.Sprintf("%s %s is older than %s", name, version, text), "upgrade the server")
	case f.version/10_000 > highest:
		c.warn(requirement, fmt.Sprintf("%s %s is newer than %d, the newest that was tested", name, version, highest), "")
	default:
		c.ok(requirement, name+" "+version)
	}
	updates := f.on("log_slave_updates") || f.on("log_replica_updates")
	if f.replica && !updates {
		c.problem("log of a replica", "the server is a replica and does not log what it replicates",
			"set log_slave_updates (MySQL 8.0.26 and later: log_replica_updates) = ON in the server's option file and restart it, or name its primary in the dsn")
	}
}

// checkLog judges whether the log has whole rows.
func (c *check) checkLog(f *checkFacts) {
	if !f.on("log_bin") {
		c.problem("log_bin", "is off: the server keeps no log that could be followed",
			"set log_bin = binlog and server_id in the server's option file, then restart it")
		return
	}
	c.ok("log_bin", "is on")
	if format := f.vars["binlog_format"]; !strings.EqualFold(format, "ROW") && format != "" {
		c.problem("binlog_format", fmt.Sprintf("is %s: the log has statements, which nobody can follow without executing them", format),
			"SET GLOBAL binlog_format = 'ROW';  -- and in the server's option file; sessions that are open keep theirs")
	} else {
		c.ok("binlog_format", "is ROW")
	}
	if image := f.vars["binlog_row_image"]; !strings.EqualFold(image, "FULL") {
		c.warn("binlog_row_image", fmt.Sprintf("is %s: what the log leaves out of a row is read from the table again", image),
			"SET GLOBAL binlog_row_image = 'FULL';  -- and in the server's option file")
	} else {
		c.ok("binlog_row_image", "is FULL; sessions that set another are noticed, and their rows completed")
	}
	if options := f.vars["binlog_row_value_options"]; options != "" {
		c.warn("binlog_row_value_options", fmt.Sprintf("is %s: documents of which the log has a part are read from the table again", options),
			"SET GLOBAL binlog_row_value_options = '';  -- and in the server's option file")
	}
	switch metadata, known := f.vars["binlog_row_metadata"]; {
	case !known:
		c.warn("binlog_row_metadata", "does not exist in this version: the log does not name columns, so an ALTER TABLE that is not followed exactly stops its table", "")
	case !strings.EqualFold(metadata, "FULL"):
		c.warn("binlog_row_metadata", fmt.Sprintf("is %s: the log does not name columns, so an ALTER TABLE that is not followed exactly stops its table", metadata),
			"SET GLOBAL binlog_row_metadata = 'FULL';  -- and in the server's option file")
	default:
		c.ok("binlog_row_metadata", "is FULL: the log names columns")
	}
	if strings.EqualFold(f.vars["binlog_checksum"], "NONE") {
		c.warn("binlog_checksum", "is NONE: damage on disk or on the way is not noticed",
			"SET GLOBAL binlog_checksum = 'CRC32';  -- and in the server's option file")
	}
}

func (c *check) checkGTIDs(f *checkFacts) {
	mode := f.vars["gtid_mode"]
	switch {
	case f.mariaDB() && !f.on("gtid_strict_mode"):
		c.warn("gtid_strict_mode", "is OFF: a replica that was written to can take over with another history, unnoticed",
			"SET GLOBAL gtid_strict_mode = ON;  -- and in the server's option file")
	case f.mariaDB():
		c.ok("gtid_strict_mode", "is ON")
	case mode == "ON":
		c.ok("gtid_mode", "is ON")
	case !f.on("binlog_order_commits"):
		c.problem("binlog_order_commits", fmt.Sprintf("is OFF, and gtid_mode is %s: nothing tells which transactions a read of a table sees", mode),
			"SET GLOBAL binlog_order_commits = ON;  -- and in the server's option file, or set gtid_mode to ON")
	default:
		c.warn("gtid_mode", fmt.Sprintf("is %s: the place in the log is a file and an offset, which another server does not share, so that tables are loaded anew when it takes over", mode),
			"set gtid_mode = ON and enforce_gtid_consistency = ON, in the steps of the server's manual")
	}
}

// shortKeeping is how long the log should be kept at least: over a weekend.
const shortKeeping = 72 * time.Hour

// checkKeeping judges what the server does with its log.
func (c *check) checkKeeping(f *checkFacts) {
	const requirement = "binary log retention"
	var kept time.Duration
	if seconds, err := strconv.ParseFloat(f.vars["binlog_expire_logs_seconds"], 64); err == nil {
		kept = time.Duration(seconds * float64(time.Second))
	}
	if days, err := strconv.ParseFloat(f.vars["expire_logs_days"], 64); err == nil && kept == 0 {
		kept = time.Duration(days * 24 * float64(time.Hour))
	}
	switch {
	case kept == 0 || f.vars["binlog_expire_logs_auto_purge"] == "OFF":
		c.ok(requirement, "the server removes no log by itself")
	case kept < shortKeeping:
		c.warn(requirement, fmt.Sprintf("log is removed after %v: a capture that is stopped for longer must load its tables anew", kept),
			"SET GLOBAL binlog_expire_logs_seconds = 604800;  -- and in the server's option file, if its disk has room for a week")
	default:
		c.ok(requirement, fmt.Sprintf("log is kept for %v", kept))
	}
	if size := f.vars["max_binlog_total_size"]; size != "" && size != "0" {
		c.warn("max_binlog_total_size", fmt.Sprintf("is %s bytes: log is removed by size as well, however long the capture was stopped", size), "")
	}
	if f.vars["sync_binlog"] != "1" || f.vars["innodb_flush_log_at_trx_commit"] != "1" {
		c.warn("crash safety", fmt.Sprintf("sync_binlog is %s and innodb_flush_log_at_trx_commit is %s: after a power cut the server can lack what was captured, and tables must be loaded anew",
			f.vars["sync_binlog"], f.vars["innodb_flush_log_at_trx_commit"]),
			"SET GLOBAL sync_binlog = 1; SET GLOBAL innodb_flush_log_at_trx_commit = 1;  -- and in the server's option file")
	}
}

// largeSkew is a difference between clocks that makes measured delays meaningless.
const largeSkew = time.Second

func (c *check) checkClock(f *checkFacts) {
	ahead := f.ahead.Round(time.Millisecond)
	if f.ahead.Abs() > largeSkew+f.unsure {
		c.warn("clocks", fmt.Sprintf("the server's clock is ahead of this machine's by %v: delays are measured wrong by that", ahead),
			"let both follow a time server")
		return
	}
	c.ok("clocks", fmt.Sprintf("differ by %v or less", (f.ahead.Abs()+f.unsure).Round(time.Millisecond)))
}

// checkAccount judges the rights beside those to tables.
func (c *check) checkAccount(f *checkFacts) {
	var missing []string
	if !f.granted("REPLICATION SLAVE") && !f.granted("REPLICATION REPLICA") {
		missing = append(missing, "REPLICATION SLAVE")
	}
	if f.noLogEnd != nil {
		if f.mariaDB() {
			missing = append(missing, "BINLOG MONITOR")
		} else {
			missing = append(missing, "REPLICATION CLIENT")
		}
	}
	requirement := "account"
	switch {
	case len(missing) > 0:
		c.problem(requirement, fmt.Sprintf("%s lacks %s", f.account, strings.Join(missing, " and ")),
			fmt.Sprintf("GRANT %s ON *.* TO %s;", strings.Join(missing, ", "), f.account))
	case f.granted("SUPER") || f.granted("INSERT"):
		c.warn(requirement, f.account+" may do more than a source needs", c.accountFix(f))
	default:
		c.ok(requirement, f.account+" may follow the log")
	}
	// Between these versions an XA transaction commits in the log before the storage
	// engine, and listing what is prepared takes a privilege.
	if !f.mariaDB() && f.version >= 8_00_00 && f.version < orderedXA && !f.granted("XA_RECOVER_ADMIN") {
		c.warn("XA transactions", f.account+" lacks XA_RECOVER_ADMIN, without which tables cannot be read beside XA transactions in this version",
			fmt.Sprintf("GRANT XA_RECOVER_ADMIN ON *.* TO %s;", f.account))
	}
}

// accountFix makes an account with nothing but what a source needs.
func (c *check) accountFix(f *checkFacts) string {
	monitor := "REPLICATION CLIENT"
	if f.mariaDB() {
		monitor = "BINLOG MONITOR"
	}
	return "CREATE USER tailstock IDENTIFIED BY '…';\nGRANT REPLICATION SLAVE, " + monitor +
		" ON *.* TO tailstock;\nGRANT SELECT ON each captured table TO tailstock;  -- and name it in the dsn"
}

// checkServerID judges the id that our connection has among the replicas.
func (c *check) checkServerID(f *checkFacts) {
	const requirement = "server_id"
	ours := strconv.FormatUint(uint64(c.cfg.ServerID), 10)
	switch {
	case f.vars["server_id"] == "0":
		c.problem(requirement, "the server's own is 0: it accepts no replicas", "SET GLOBAL server_id = 1;  -- and in the server's option file")
	case f.vars["server_id"] == ours:
		c.problem(requirement, fmt.Sprintf("%s is the server's own", ours), "set another server_id in the source's configuration")
	case slices.Contains(f.replicas, ours):
		c.warn(requirement, fmt.Sprintf("a replica with the id %s is connected; if that is not this source, as its daemon runs it, both throw each other out for ever", ours),
			"set a server_id in the source's configuration that nobody else has")
	case !f.listed:
		c.ok(requirement, fmt.Sprintf("is %s; which replicas are connected, %s may not see: nobody else may have this id", ours, f.account))
	default:
		c.ok(requirement, fmt.Sprintf("is %s, which no connected replica has", ours))
	}
}
