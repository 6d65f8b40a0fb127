package privateserver_test

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// flavors runs a test on each.
func flavors(t *testing.T, test func(*testing.T, privateserver.Flavor)) {
	t.Helper()
	for _, f := range []privateserver.Flavor{privateserver.FlavorMariaDB, privateserver.FlavorMySQL} {
		t.Run(f.String(), func(t *testing.T) {
			t.Parallel()
			test(t, f)
		})
	}
}

// ask returns what a query answers with, a single value.
func ask(ctx context.Context, dsn, query string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return "", err
	}
	defer db.Close()
	var s string
	err = db.QueryRowContext(ctx, query).Scan(&s)
	return s, err
}

func TestMySQLComesBackWithItsData(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		m := testenv.MySQL(t, f)
		if err := m.CreateDatabase(t.Context(), "odd `name"); err != nil {
			t.Fatal(err)
		}
		if err := m.Exec(t.Context(), "use `odd ``name`", "create table kept (n varchar(9))"); err != nil {
			t.Fatal(err)
		}
		dsn, id := m.DSN("odd `name"), ""
		for i, end := range []func() error{
			func() error { return m.Stop(t.Context()) },
			func() error { m.Kill(); return nil },
			func() error {
				err := m.Pause()
				m.Kill()
				return err
			},
		} {
			if err := m.Exec(t.Context(), "insert into `odd ``name`.kept values ('seven')"); err != nil {
				t.Fatal(err)
			}
			if err := end(); err != nil {
				t.Fatal(err)
			}
			if pid := m.PID(); pid != 0 {
				t.Errorf("still runs as %d", pid)
			}
			if err := m.Start(t.Context()); err != nil {
				t.Fatal(err)
			}
			if got := m.DSN("odd `name"); got != dsn {
				t.Errorf("came back as %s, was %s", got, dsn)
			}
			n, err := ask(t.Context(), m.SocketDSN("odd `name"), "select count(*) from kept")
			if err != nil || n != string(rune('1'+i)) {
				t.Errorf("after end %d: %s rows, %v", i, n, err)
			}
			if f == privateserver.FlavorMySQL {
				got, err := ask(t.Context(), dsn, "select @@server_uuid")
				if err != nil || id != "" && got != id {
					t.Errorf("server id %s, %v, was %s", got, err, id)
				}
				id = got
			}
		}
	})
}

func TestMySQLServersDiffer(t *testing.T) {
	t.Parallel()
	a, b := testenv.MySQL(t, privateserver.FlavorMySQL), testenv.MySQL(t, privateserver.FlavorMySQL)
	one, err := ask(t.Context(), a.DSN(""), "select @@server_uuid")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ask(t.Context(), b.DSN(""), "select @@server_uuid")
	if err != nil || one == other {
		t.Errorf("two servers with one identity: %s and %s, %v", one, other, err)
	}
}

func TestMySQLSettings(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		m := testenv.MySQL(t, f, testenv.MySQLSetting("server-id", "7"))
		want := map[string]string{
			"server_id": "7", "log_bin": "1", "binlog_format": "ROW", "binlog_row_image": "FULL", "binlog_row_metadata": "FULL",
		}
		if f == privateserver.FlavorMySQL {
			want["gtid_mode"] = "ON"
		} else {
			want["gtid_strict_mode"] = "1"
		}
		for name, value := range want {
			if got, err := ask(t.Context(), m.DSN(""), "select @@global."+name); err != nil || got != value {
				t.Errorf("%s: got %q, %v, want %q", name, got, err, value)
			}
		}
		version, err := ask(t.Context(), m.DSN(""), "select version()")
		if err != nil || strings.Contains(version, "MariaDB") != (f == privateserver.FlavorMariaDB) {
			t.Errorf("version %q, %v", version, err)
		}
	})
}

func TestMySQLUserDSN(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		m, database := testenv.MySQLDatabase(t, f)
		const name, password = "a b", "p@ss/w:rd?"
		err := m.Exec(t.Context(), "create user `a b` identified by 'p@ss/w:rd?'", "grant all on "+database+".* to `a b`")
		if err != nil {
			t.Fatal(err)
		}
		got, err := ask(t.Context(), m.UserDSN(name, password, database), "select concat(current_user(), ' on ', database())")
		if err != nil || got != "a b@% on "+database {
			t.Errorf("got %q, %v", got, err)
		}
		if m.Flavor() != f {
			t.Errorf("flavor %s", m.Flavor())
		}
	})
}

func TestPausedMySQLDoesNotAnswer(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		m := testenv.MySQL(t, f)
		if err := m.Pause(); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t.Context(), m.DSN(""), "select ''"); err == nil {
			t.Error("a paused server answered")
		}
		if err := m.Continue(); err != nil {
			t.Fatal(err)
		}
		if _, err := ask(t.Context(), m.DSN(""), "select ''"); err != nil {
			t.Errorf("after Continue: %v", err)
		}
	})
}

func TestMySQLStartFailsWithTheServersOwnWords(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		testenv.SharedMySQL(t, f) // skips without it
		_, err := privateserver.StartMySQL(t.Context(), privateserver.MySQLOptions{
			Flavor: f, Dir: filepath.Join(t.TempDir(), "x"), Settings: map[string]string{"quantum-mode": "on", "socket": "x.sock"},
		})
		if err == nil || !strings.Contains(err.Error(), "quantum-mode") {
			t.Errorf("unknown setting: got %v", err)
		}
	})
}
