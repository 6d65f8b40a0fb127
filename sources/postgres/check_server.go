package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// serverFacts are what any role may read of a server.
type serverFacts struct {
	database, role  string
	version         int
	versionText     string
	standby         bool
	walLevel        string
	slots, maxSlots int
	// senders counts the replication connections of all databases.
	senders, maxSenders int
	// keepSize is max_slot_wal_keep_size in bytes, negative for no limit.
	keepSize int64
	// idleTimeout is idle_replication_slot_timeout, empty before 18.
	idleTimeout                          string
	senderTimeout, syncStandbys, workMem string
	// superuser, replication and login are attributes of the role.
	superuser, replication, login bool
	// managed says that the server is of a service that grants replication by
	// membership of the role rds_replication; member that the role is one.
	managed, member bool
	// prepared counts the prepared transactions that are older than ten minutes.
	prepared int
	// standbySlots are the physical slots; synchronized is synchronized_standby_slots, empty before 17.
	standbySlots []string
	synchronized string
}

func readServerFacts(ctx context.Context, conn *pgx.Conn) (*serverFacts, error) {
	const query = `
		SELECT current_database()::text, current_user::text,
			current_setting('server_version_num')::int, current_setting('server_version'),
			pg_is_in_recovery(), current_setting('wal_level'),
			(SELECT count(*)::int FROM pg_replication_slots), current_setting('max_replication_slots')::int,
			(SELECT count(*)::int FROM pg_stat_get_wal_senders()), current_setting('max_wal_senders')::int,
			(SELECT CASE WHEN setting::int8 < 0 THEN -1 ELSE setting::int8 * 1024 * 1024 END
				FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),
			coalesce(current_setting('idle_replication_slot_timeout', true), ''),
			current_setting('wal_sender_timeout'), current_setting('synchronous_standby_names'),
			current_setting('logical_decoding_work_mem'),
			r.rolsuper, r.rolreplication, r.rolcanlogin,
			EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication'),
			EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication' AND pg_has_role(oid, 'MEMBER')),
			(SELECT count(*)::int FROM pg_prepared_xacts
				WHERE database = current_database() AND prepared < now() - interval '10 minutes'),
			ARRAY(SELECT slot_name::text FROM pg_replication_slots WHERE slot_type = 'physical' AND NOT temporary ORDER BY 1),
			coalesce(current_setting('synchronized_standby_slots', true), '')
		FROM pg_roles r WHERE r.rolname = current_user`
	var f serverFacts
	err := conn.QueryRow(ctx, query).Scan(&f.database, &f.role, &f.version, &f.versionText, &f.standby, &f.walLevel,
		&f.slots, &f.maxSlots, &f.senders, &f.maxSenders, &f.keepSize, &f.idleTimeout, &f.senderTimeout,
		&f.syncStandbys, &f.workMem, &f.superuser, &f.replication, &f.login, &f.managed, &f.member, &f.prepared,
		&f.standbySlots, &f.synchronized)
	if err != nil {
		return nil, fmt.Errorf("read the server's settings: %w", err)
	}
	return &f, nil
}

// checkServer judges what only an administrator and a restart can change.
func (c *check) checkServer(f *serverFacts) {
	c.checkVersion(f)
	if f.standby {
		c.problem("primary server", "the server is a standby", "name the primary in the dsn")
	} else {
		c.ok("primary server", "the server is not in recovery")
	}
	if f.walLevel != "logical" {
		c.problem("wal_level", fmt.Sprintf("is %s; decoding the log needs logical", f.walLevel),
			"ALTER SYSTEM SET wal_level = 'logical';\nthen restart the server")
	} else {
		c.ok("wal_level", "is logical")
	}
}

// lowestVersion and highestVersion are the major versions that this package is made for.
const (
	lowestVersion  = version13 / 10_000
	highestVersion = version18 / 10_000
)

// lossFixed has, for each major version, the minor release of May 2025. Before
// it, decoding could lose changes of a transaction that was open while a table
// was added to the publication (PostgreSQL commit 4909b38af0). That release
// itself let memory grow with concurrent DDL; the next, of August 2025, does not.
func lossFixed(major int) (minor int, known bool) {
	switch major {
	case 13:
		return 21, true
	case 14:
		return 18, true
	case 15:
		return 13, true
	case 16:
		return 9, true
	case 17:
		return 5, true
	default:
		return 0, false
	}
}

func (c *check) checkVersion(f *serverFacts) {
	const requirement = "server version"
	major, minor := f.version/10_000, f.version%10_000
	fixed, known := lossFixed(major)
	update := fmt.Sprintf("update the server to %d.%d or later", major, fixed+1)
	switch {
	case major < lowestVersion:
		c.problem(requirement, fmt.Sprintf("%s is older than %d", f.versionText, lowestVersion), "upgrade the server")
	case major > highestVersion:
		c.warn(requirement, fmt.Sprintf("%s is newer than %d, the newest that was tested", f.versionText, highestVersion), "")
	case known && minor < fixed:
		c.warn(requirement, fmt.Sprintf("%s can lose changes of transactions that are open while a table is added to a publication", f.versionText), update)
	case known && minor == fixed:
		c.warn(requirement, fmt.Sprintf("%s can use much memory while it decodes transactions that run beside DDL", f.versionText), update)
	default:
		c.ok(requirement, f.versionText)
	}
}

// checkRetention judges what keeps the server's log, and what limits that.
func (c *check) checkRetention(f *serverFacts) {
	if f.keepSize < 0 {
		c.warn("max_slot_wal_keep_size", "is -1: while nobody reads the slot, its log grows until the disk is full",
			"ALTER SYSTEM SET max_slot_wal_keep_size = '50GB';  -- about half of what is free on the disk of pg_wal\nSELECT pg_reload_conf();")
	} else {
		c.ok("max_slot_wal_keep_size", "is "+bytesText(f.keepSize))
	}
	if f.idleTimeout != "" && f.idleTimeout != "0" {
		c.warn("idle_replication_slot_timeout",
			fmt.Sprintf("is %s: a capture that is stopped for longer loses its slot, and tables must be loaded anew", f.idleTimeout),
			"ALTER SYSTEM SET idle_replication_slot_timeout = 0;\nSELECT pg_reload_conf();")
	}
	if f.prepared > 0 {
		c.warn("prepared transactions",
			fmt.Sprintf("%d are older than ten minutes: they hold the slot's log, and a new slot waits for them", f.prepared),
			"SELECT gid, prepared, owner FROM pg_prepared_xacts;  -- then COMMIT PREPARED or ROLLBACK PREPARED each")
	}
}

// checkSettings judges settings that change how a source behaves.
func (c *check) checkSettings(f *serverFacts) {
	c.ok("wal_sender_timeout", fmt.Sprintf("is %s on the server; our connection sets %v for itself", f.senderTimeout, c.cfg.WALSenderTimeout))
	c.ok("logical_decoding_work_mem", "is "+f.workMem+"; larger transactions wait in files of the server")
	switch {
	case f.syncStandbys == "":
		c.ok("synchronous_standby_names", "is empty: no commit waits for a standby")
	case namesStandby(f.syncStandbys, c.cfg.ApplicationName):
		c.problem("synchronous_standby_names", fmt.Sprintf("is %q, which includes our connection (application_name %q): commits of the "+
			"applications would wait until we have confirmed them", f.syncStandbys, c.cfg.ApplicationName),
			"list the standbys by their names in synchronous_standby_names, or set another application_name")
	default:
		c.ok("synchronous_standby_names", fmt.Sprintf("is %q; while no such standby answers, commits stay invisible, "+
			"nothing is confirmed, and log is kept", f.syncStandbys))
	}
}

// namesStandby reports whether a value of synchronous_standby_names includes
// application: the names are compared without regard to case, and * means all.
func namesStandby(setting, application string) bool {
	inside, _, _ := strings.Cut(setting, ")")
	if _, list, ok := strings.Cut(inside, "("); ok {
		inside = list
	}
	for name := range strings.SplitSeq(inside, ",") {
		name = strings.ReplaceAll(strings.Trim(strings.TrimSpace(name), `"`), `""`, `"`)
		if name == "*" || strings.EqualFold(name, application) {
			return true
		}
	}
	return false
}
