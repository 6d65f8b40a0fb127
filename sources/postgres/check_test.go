package postgres_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

const checkedTable = "CREATE TABLE IF NOT EXISTS stock (id int PRIMARY KEY, qty int)"

// TestCheckOfSoundSource expects every requirement to be looked at and met,
// for a role with no more rights than are asked for.
func TestCheckOfSoundSource(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, checkedTable, "stock")
	cfg := leastRole(t, db, "stock")
	var got []string
	for _, f := range db.source(cfg, "public.stock: qty").Check(t.Context()) {
		got = append(got, string(f.State)+" "+strings.ReplaceAll(f.Requirement, db.name, "NAME"))
	}
	want := []string{
		"ok connection", "ok server version", "ok primary server", "ok wal_level", "ok role", "ok replication connection",
		"ok max_replication_slots", "ok max_wal_senders", `ok slot "NAME"`,
		"warning max_slot_wal_keep_size", "ok wal_sender_timeout", "ok logical_decoding_work_mem", "ok synchronous_standby_names",
		`ok publication "NAME"`, "ok table public.stock", "ok columns of table public.stock", "ok key of table public.stock",
		"ok read access to table public.stock", "ok publication of table public.stock",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
}

// leastRole returns a configuration with a role that may log in, replicate and
// read tables.
func leastRole(t *testing.T, db *database, tables string) postgres.Config {
	t.Helper()
	role := "l_" + db.name
	db.exec(fmt.Sprintf("CREATE ROLE %s LOGIN REPLICATION", role))
	if tables != "" {
		db.exec(fmt.Sprintf("GRANT SELECT ON %s TO %s", tables, role))
	}
	cfg := db.config()
	cfg.DSN = asRole(t, db.dsn, role)
	return cfg
}

// finding returns the one finding about a requirement.
func finding(t *testing.T, s *postgres.Source, requirement string) cdc.Finding {
	t.Helper()
	var all []string
	for _, f := range s.Check(t.Context()) {
		if f.Requirement == requirement {
			return f
		}
		all = append(all, f.Requirement)
	}
	t.Fatalf("no finding about %q, only about %q", requirement, all)
	return cdc.Finding{}
}

// expect fails the test unless f has the state and its detail and fix contain the texts.
func expect(t *testing.T, f cdc.Finding, state cdc.FindingState, detail, fix string) {
	t.Helper()
	if f.State != state || !strings.Contains(f.Detail, detail) || !strings.Contains(f.Fix, fix) {
		t.Errorf("finding %+v: want state %s, detail with %q, fix with %q", f, state, detail, fix)
	}
}

func TestCheckRole(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, checkedTable, "stock")
	cfg := leastRole(t, db, "stock")
	role := "l_" + db.name
	expect(t, finding(t, db.source(db.config()), "role"), cdc.FindingWarning, "superuser", "CREATE ROLE")

	db.exec("ALTER ROLE " + role + " NOREPLICATION")
	f := finding(t, db.source(cfg), "role")
	expect(t, f, cdc.FindingProblem, "lacks REPLICATION", "ALTER ROLE "+role+" REPLICATION;")
	db.exec(f.Fix)
	expect(t, finding(t, db.source(cfg), "role"), cdc.FindingOK, "", "")
	expect(t, finding(t, db.source(cfg), "replication connection"), cdc.FindingOK, "", "")
}

func TestCheckSlot(t *testing.T) {
	t.Parallel()
	// A server of its own, because others would see the slots.
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), checkedTable, "stock")
	s := db.source(db.config(), "public.stock: qty")
	slot := fmt.Sprintf("slot %q", db.name)
	expect(t, finding(t, s, slot), cdc.FindingOK, "does not exist yet", "")

	running := tail(t, s, "").started()
	expect(t, finding(t, s, slot), cdc.FindingOK, "reads it", "")
	running.stop()
	expect(t, finding(t, s, slot), cdc.FindingOK, "nobody reads it", "")

	if err := server.CreateDatabase(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	other := openDatabase(t, server.DSN("other"), checkedTable, "stock")
	cfg := other.config()
	cfg.Slot = db.name
	expect(t, finding(t, other.source(cfg), slot), cdc.FindingProblem, "belongs to the database", "another slot")

	drop := func() { db.exec(fmt.Sprintf("SELECT pg_drop_replication_slot('%s')", db.name)) }
	drop()
	db.exec(fmt.Sprintf("SELECT pg_create_physical_replication_slot('%s')", db.name))
	expect(t, finding(t, s, slot), cdc.FindingProblem, "physical", "another slot")
	drop()
	db.exec(fmt.Sprintf("SELECT pg_create_logical_replication_slot('%s', 'test_decoding')", db.name))
	expect(t, finding(t, s, slot), cdc.FindingProblem, "test_decoding", "another slot")
	drop()
}

func TestCheckLostSlot(t *testing.T) {
	t.Parallel()
	server := testenv.Postgres(t, testenv.Setting("max_slot_wal_keep_size", "40MB"), testenv.Setting("min_wal_size", "32MB"))
	db := openDatabase(t, server.DSN("postgres"), checkedTable, "stock")
	s := db.source(db.config(), "public.stock: qty")
	tail(t, s, "").started().stop()
	slot := fmt.Sprintf("slot %q", db.name)
	expect(t, finding(t, s, "max_slot_wal_keep_size"), cdc.FindingOK, "is 40 MB", "")

	fill := func() { db.exec("SELECT pg_logical_emit_message(false, 'fill', ''), pg_switch_wal()") }
	fill()
	fill()
	expect(t, finding(t, s, slot), cdc.FindingWarning, "% of max_slot_wal_keep_size", "start the capture")
	for range 4 {
		fill()
	}
	db.exec("CHECKPOINT")
	expect(t, finding(t, s, slot), cdc.FindingProblem, "invalidated", "SELECT pg_drop_replication_slot('"+db.name+"');")
}

// TestCheckServer looks at servers that are set up wrongly.
func TestCheckServer(t *testing.T) {
	t.Parallel()
	type want struct {
		state                    cdc.FindingState
		requirement, detail, fix string
	}
	for name, c := range map[string]struct {
		settings map[string]string
		before   func(t *testing.T, server *privateserver.Postgres, db *database)
		want     []want
	}{
		"wal_level": {
			settings: map[string]string{"wal_level": "replica"},
			want:     []want{{cdc.FindingProblem, "wal_level", "is replica", "ALTER SYSTEM SET wal_level = 'logical';"}},
		},
		"no slot free": {
			settings: map[string]string{"max_replication_slots": "1", "max_wal_senders": "0"},
			before: func(_ *testing.T, _ *privateserver.Postgres, db *database) {
				db.exec("SELECT pg_create_physical_replication_slot('standby1')")
			},
			want: []want{
				{cdc.FindingProblem, "max_replication_slots", "all of 1 slots", "ALTER SYSTEM SET max_replication_slots = 6;"},
				{cdc.FindingProblem, "max_wal_senders", "all of 0", "ALTER SYSTEM SET max_wal_senders = 5;"},
				{cdc.FindingWarning, "failover", "standby", ""},
			},
		},
		"synchronous to us": {
			settings: map[string]string{"synchronous_standby_names": "*", "max_prepared_transactions": "2"},
			want:     []want{{cdc.FindingProblem, "synchronous_standby_names", "would wait", "list the standbys"}},
		},
		"synchronous to a standby": {
			settings: map[string]string{"synchronous_standby_names": "FIRST 1 (s1)"},
			want:     []want{{cdc.FindingOK, "synchronous_standby_names", "invisible", ""}},
		},
		"standby": {
			before: func(t *testing.T, server *privateserver.Postgres, db *database) {
				db.exec("COPY (SELECT 1) TO PROGRAM 'touch standby.signal'")
				restart(t, server)
			},
			want: []want{{cdc.FindingProblem, "primary server", "is a standby", "primary"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := testenv.Postgres(t, func(o *privateserver.PostgresOptions) { o.Settings = c.settings })
			db := openDatabase(t, server.DSN("postgres"), "SET synchronous_commit = local; "+checkedTable)
			if c.before != nil {
				c.before(t, server, db)
			}
			s := db.source(db.config(), "public.stock: qty")
			for _, w := range c.want {
				expect(t, finding(t, s, w.requirement), w.state, w.detail, w.fix)
			}
		})
	}
}

func restart(t *testing.T, server *privateserver.Postgres) {
	t.Helper()
	if err := server.Stop(t.Context(), privateserver.Fast); err != nil {
		t.Fatal(err)
	}
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// TestCheckConnection looks at connections that cannot be made: one finding
// each, with the way out and without the password.
func TestCheckConnection(t *testing.T) {
	t.Parallel()
	const secret = "s3cr3t"
	server := testenv.Postgres(t)
	db := openDatabase(t, server.DSN("postgres"), "CREATE ROLE pw LOGIN REPLICATION PASSWORD 'right'")
	db.exec(`COPY (SELECT unnest(ARRAY['local all all trust', 'host all pw 127.0.0.1/32 scram-sha-256',
		'host all barred 127.0.0.1/32 reject', 'host all all 127.0.0.1/32 trust'])) TO '` + db.value("SHOW hba_file") + `'`)
	db.exec("CREATE ROLE barred LOGIN; SELECT pg_reload_conf()")
	testenv.Eventually(t, patience, func() bool {
		_, err := pgx.Connect(context.Background(), server.UserDSN("barred", "", "postgres"))
		return err != nil
	}, nil)
	closed := strings.Replace(server.UserDSN("pw", secret, "postgres"), fmt.Sprint(server.Port()), "1", 1)
	for _, c := range []struct{ dsn, detail, fix string }{
		{server.UserDSN("pw", secret, "postgres"), "password authentication failed", "user and password"},
		{server.UserDSN("nobody", secret, "postgres"), `role "nobody" does not exist`, "pg_hba.conf"},
		{server.UserDSN("barred", secret, "postgres"), "pg_hba.conf", "pg_hba.conf"},
		{server.UserDSN("postgres", secret, "nowhere"), `database "nowhere" does not exist`, "database in the dsn"},
		{closed, "connect", "names its host and port"},
		{"host=127.0.0.1 port=1 user=pw password='" + secret + "' dbname=x sslmode=disable", "connect", "names its host and port"},
	} {
		cfg := db.config()
		cfg.DSN = c.dsn
		findings := db.source(cfg, "public.stock: qty").Check(t.Context())
		if len(findings) != 1 {
			t.Fatalf("%s: got %d findings, want 1: %+v", c.detail, len(findings), findings)
		}
		expect(t, findings[0], cdc.FindingProblem, c.detail, c.fix)
		if strings.Contains(fmt.Sprintf("%+v", findings), secret) {
			t.Errorf("the finding tells the password: %+v", findings)
		}
	}
}
