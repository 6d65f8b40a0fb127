package mysql_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/mysql"
)

// checked returns what a source of the tables finds, by requirement.
func checked(t *testing.T, cfg mysql.Config, wanted cdc.Wanted) map[string]cdc.Finding {
	t.Helper()
	s, err := mysql.New(cfg, wanted, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	found := make(map[string]cdc.Finding)
	for _, f := range s.Check(t.Context()) {
		if _, twice := found[f.Requirement]; twice {
			t.Errorf("two findings about %s", f.Requirement)
		}
		found[f.Requirement] = f
	}
	return found
}

// expectFinding asserts the state of a finding, what it says and how to mend it.
func expectFinding(t *testing.T, found map[string]cdc.Finding, requirement string, state cdc.FindingState, detail, fix string) {
	t.Helper()
	f, ok := found[requirement]
	if !ok || f.State != state || !strings.Contains(f.Detail, detail) || !strings.Contains(f.Fix, fix) {
		t.Errorf("%s: got %+v, want %s with %q and the fix %q", requirement, f, state, detail, fix)
	}
}

// checkServer starts a server with a database shop and an account of a source.
func checkServer(t *testing.T, f privateserver.Flavor, settings map[string]string, statements ...string) (*privateserver.MySQL, mysql.Config) {
	t.Helper()
	var options []func(*privateserver.MySQLOptions)
	for name, value := range settings {
		options = append(options, testenv.MySQLSetting(name, value))
	}
	server := testenv.MySQL(t, f, options...)
	all := append([]string{"CREATE DATABASE shop", "USE shop"}, statements...)
	all = append(all, leastAccount(server, "reader", "secret")...)
	if err := server.Exec(t.Context(), all...); err != nil {
		t.Fatal(err)
	}
	return server, mysql.Config{DSN: server.UserDSN("reader", "secret", ""), ServerID: 77}
}

func shop(name string) cdc.TableName { return cdc.TableName{Schema: "shop", Name: name} }

// The statements that check prints are what makes the account right, no more is needed.
func TestCheckGrants(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		server, cfg := checkServer(t, f,
			map[string]string{"sync-binlog": "1", "innodb-flush-log-at-trx-commit": "1", "binlog-expire-logs-seconds": "604800"},
			"CREATE TABLE stock (id int PRIMARY KEY, qty int)")
		if err := server.Exec(t.Context(), "CREATE USER nobody IDENTIFIED BY 'secret'"); err != nil {
			t.Fatal(err)
		}
		cfg.DSN = server.UserDSN("nobody", "secret", "")
		wanted := cdc.Wanted{shop("stock"): {"qty"}}
		found := checked(t, cfg, wanted)
		expectFinding(t, found, "account", cdc.FindingProblem, "'nobody'@'%' lacks REPLICATION SLAVE and ", "ON *.* TO 'nobody'@'%';")
		expectFinding(t, found, "read access to table shop.stock", cdc.FindingProblem, "may not read it", "GRANT SELECT ON `shop`.`stock` TO 'nobody'@'%';")
		for _, requirement := range []string{"account", "read access to table shop.stock"} {
			if err := server.Exec(t.Context(), strings.TrimSuffix(found[requirement].Fix, ";")); err != nil {
				t.Fatal(err)
			}
		}
		for requirement, finding := range checked(t, cfg, wanted) {
			if finding.State != cdc.FindingOK {
				t.Errorf("%s: %+v", requirement, finding)
			}
		}
	})
}

func TestCheckSettings(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		settings := map[string]string{
			"binlog-format": "MIXED", "binlog-row-image": "MINIMAL", "binlog-row-metadata": "MINIMAL", "binlog-checksum": "NONE",
			"binlog-expire-logs-seconds": "3600", "server-id": "77",
		}
		if f == privateserver.FlavorMariaDB {
			settings["gtid-strict-mode"] = "OFF"
		} else {
			settings["gtid-mode"], settings["enforce-gtid-consistency"] = "OFF", "OFF"
			settings["binlog-order-commits"], settings["binlog-row-value-options"] = "OFF", "PARTIAL_JSON"
		}
		_, cfg := checkServer(t, f, settings)
		found := checked(t, cfg, nil)
		expectFinding(t, found, "binlog_format", cdc.FindingProblem, "is MIXED", "SET GLOBAL binlog_format = 'ROW';")
		expectFinding(t, found, "binlog_row_image", cdc.FindingWarning, "is MINIMAL", "SET GLOBAL binlog_row_image = 'FULL';")
		expectFinding(t, found, "binlog_row_metadata", cdc.FindingWarning, "is ", "SET GLOBAL binlog_row_metadata = 'FULL';")
		expectFinding(t, found, "binlog_checksum", cdc.FindingWarning, "is NONE", "CRC32")
		expectFinding(t, found, "binary log retention", cdc.FindingWarning, "removed after 1h0m0s", "binlog_expire_logs_seconds = 604800")
		expectFinding(t, found, "crash safety", cdc.FindingWarning, "sync_binlog is 0", "SET GLOBAL sync_binlog = 1;")
		expectFinding(t, found, "server_id", cdc.FindingProblem, "77 is the server's own", "set another server_id")
		expectFinding(t, found, "clocks", cdc.FindingOK, "differ by", "")
		if f == privateserver.FlavorMariaDB {
			expectFinding(t, found, "gtid_strict_mode", cdc.FindingWarning, "is OFF", "SET GLOBAL gtid_strict_mode = ON;")
		} else {
			expectFinding(t, found, "binlog_order_commits", cdc.FindingProblem, "gtid_mode is OFF", "SET GLOBAL binlog_order_commits = ON;")
			expectFinding(t, found, "binlog_row_value_options", cdc.FindingWarning, "is PARTIAL_JSON", "binlog_row_value_options = ''")
		}
	})
}

func TestCheckWithoutLog(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		settings := map[string]string{"skip-log-bin": ""}
		if f == privateserver.FlavorMySQL {
			settings["gtid-mode"], settings["enforce-gtid-consistency"] = "OFF", "OFF"
		}
		_, cfg := checkServer(t, f, settings)
		found := checked(t, cfg, nil)
		expectFinding(t, found, "log_bin", cdc.FindingProblem, "is off", "log_bin = binlog")
		if _, ok := found["account"]; !ok {
			t.Error("without a log, nothing is said of the account")
		}
	})
}

func TestCheckTables(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		_, cfg := checkServer(t, f, nil,
			"CREATE TABLE `tabStock Ledger Entry` (`name` varchar(20) PRIMARY KEY, `order` int, `a``b` int)",
			"CREATE TABLE keyless (id int UNIQUE, qty int)",
			"CREATE TABLE byunique (id int NOT NULL UNIQUE, part varchar(200) NOT NULL, qty int, UNIQUE KEY a_part (part(20)))",
			"CREATE TABLE old (id int PRIMARY KEY) ENGINE=MyISAM",
			"CREATE VIEW seen AS SELECT 1 AS id",
			"CREATE TABLE product (id int PRIMARY KEY)",
			"CREATE TABLE bin (id int PRIMARY KEY, product int, supplier int, "+
				"CONSTRAINT `odd ``name` FOREIGN KEY (product) REFERENCES product (id) ON DELETE CASCADE ON UPDATE SET NULL, "+
				"FOREIGN KEY (supplier) REFERENCES product (id) ON DELETE RESTRICT)",
			"CREATE USER admin IDENTIFIED BY 'secret'", "GRANT SELECT ON shop.* TO admin",
			fmt.Sprintf("GRANT REPLICATION SLAVE, %s ON *.* TO admin",
				map[privateserver.Flavor]string{privateserver.FlavorMariaDB: "BINLOG MONITOR", privateserver.FlavorMySQL: "REPLICATION CLIENT"}[f]),
		)
		cfg.DSN = strings.Replace(cfg.DSN, "reader:", "admin:", 1)
		wanted := cdc.Wanted{
			shop("tabStock Ledger Entry"): {"order", "a`b"}, shop("keyless"): {"qty"}, shop("byunique"): {"qty"}, shop("old"): nil,
			shop("seen"): nil, shop("bin"): {"product"}, shop("prodct"): nil, shop("product"): {"qqty"},
			{Schema: "mysql", Name: "user"}: nil, {Name: "unqualified"}: nil,
		}
		found := checked(t, cfg, wanted)
		const odd = "table shop.tabStock Ledger Entry"
		expectFinding(t, found, "key of "+odd, cdc.FindingOK, "primary key (name)", "")
		expectFinding(t, found, "columns of "+odd, cdc.FindingOK, "has all", "")
		expectFinding(t, found, "key of table shop.keyless", cdc.FindingProblem, "no primary key", "ALTER TABLE `shop`.`keyless` ADD PRIMARY KEY")
		expectFinding(t, found, "key of table shop.byunique", cdc.FindingOK, "unique index `id` (id)", "")
		expectFinding(t, found, "storage engine of table shop.old", cdc.FindingProblem, "is MyISAM", "ALTER TABLE `shop`.`old` ENGINE=InnoDB;")
		expectFinding(t, found, "table shop.seen", cdc.FindingProblem, "is a view", "")
		expectFinding(t, found, "table shop.prodct", cdc.FindingProblem, "did you mean shop.product", "")
		expectFinding(t, found, "columns of table shop.product", cdc.FindingProblem, `has no column "qqty"`, "the table has id")
		expectFinding(t, found, "read access to table mysql.user", cdc.FindingProblem, "may not read", "GRANT SELECT")
		expectFinding(t, found, "table unqualified", cdc.FindingProblem, "has no database", "database.table")
		const keys = "foreign keys of table shop.bin"
		if f == privateserver.FlavorMySQL { // 9.6 and later log what foreign keys do
			expectFinding(t, found, keys, cdc.FindingOK, "the server logs what they do: `odd ``name` (ON DELETE CASCADE ON UPDATE SET NULL of shop.product)", "")
			return
		}
		expectFinding(t, found, keys, cdc.FindingProblem, "`odd ``name` (ON DELETE CASCADE ON UPDATE SET NULL of shop.product)", "set cascades to verify")
		cfg.Cascades, cfg.Lookups = mysql.CascadesVerify, []cdc.TableName{shop("bin")}
		expectFinding(t, checked(t, cfg, wanted), keys, cdc.FindingProblem, "rows that others look up are not compared", "set cascades to accept")
		cfg.Lookups = nil
		for _, policy := range []string{mysql.CascadesVerify, mysql.CascadesAccept} {
			cfg.Cascades = policy
			expectFinding(t, checked(t, cfg, wanted), keys, cdc.FindingWarning, "without a word", "")
		}
	})
}

func TestCheckConnection(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		server := testenv.SharedMySQL(t, f)
		found := checked(t, mysql.Config{DSN: server.UserDSN("nosuch", "hunter2", ""), ServerID: 77}, nil)
		expectFinding(t, found, "connection", cdc.FindingProblem, "Access denied", "correct the user and password")
		if strings.Contains(fmt.Sprint(found), "hunter2") {
			t.Errorf("the password is shown: %v", found)
		}
		address := testenv.Address(t)
		found = checked(t, mysql.Config{DSN: "root@tcp(" + address + ")/", ServerID: 77}, nil)
		expectFinding(t, found, "connection", cdc.FindingProblem, "connect", "see that the server runs")
	})
}
