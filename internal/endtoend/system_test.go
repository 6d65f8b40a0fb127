package endtoend_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/natslog"
	"tailstock/internal/config"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// system is a source, a store, a cache, and the configuration that joins them.
type system struct {
	erp *privateserver.Postgres
	// mariadb is the source's server in place of erp, if it is not nil.
	mariadb *privateserver.MySQL
	store   *privateserver.Postgres
	redis   *privateserver.Redis
	// nats is nil where the daemon embeds the server.
	nats   *natsServer
	dir    string
	config string
	binary string
	listen string
	// tables is the mapping in the configuration.
	tables string
}

// capturer is the role with which the source is followed: it may do what the
// documentation asks for and nothing else.
const (
	capturer         = "tailstock_reader"
	capturerPassword = secretMark + "-erp"
	keeper           = "stock_keeper"
	keeperPassword   = secretMark + "-store"
)

const capturerRole = `
create role ` + capturer + ` login replication password '` + capturerPassword + `';
alter role ` + capturer + ` set default_transaction_read_only = on;
grant select on bin_stock, order_line to ` + capturer + `;`

// newSystem starts the servers and writes the configuration. With external, the
// NATS server is a process of its own.
func newSystem(t *testing.T, external bool, source ...func(*privateserver.PostgresOptions)) *system {
	t.Helper()
	s := &system{erp: testenv.Postgres(t, source...), tables: erpTables}
	execSQL(t, s.erp.DSN("postgres"), erpSchema+capturerRole)
	s.complete(t, external)
	return s
}

// complete starts what is not the source's, and writes the configuration.
func (s *system) complete(t *testing.T, external bool) {
	t.Helper()
	s.store = testenv.Postgres(t)
	s.redis = testenv.Redis(t, func(o *privateserver.RedisOptions) { o.AppendOnly = true })
	s.dir, s.binary, s.listen = t.TempDir(), testenv.Binary(t, buildTags...), testenv.Address(t)
	if external {
		s.nats = startNATS(t)
	}
	execSQL(t, s.store.DSN("postgres"), `create role `+keeper+` login password '`+keeperPassword+`'`)
	execSQL(t, s.store.DSN("postgres"), `create database stock owner `+keeper)
	s.config = s.write(t, "tailstock.yaml", s.listen)
}

// write writes a configuration of this system that listens on the given address.
func (s *system) write(t *testing.T, name, listen string) string {
	t.Helper()
	nats := "{embedded: {dir: nats}}"
	if s.nats != nil {
		nats = `{url: "${NATS_URL}", confirm_delay: 0s}`
	}
	return s.writeText(t, name, fmt.Sprintf(`
nats: %s
store: {postgres: "${STOCK_DSN}"}
cache: {redis: "${REDIS_URL}"}
http: {listen: %q}
sources:
  erp:
    %s
%s`, nats, listen, s.sourceSection(), s.tables))
}

// sourceSection says which server is followed.
func (s *system) sourceSection() string {
	if s.mariadb != nil {
		return `mysql: {dsn: "${ERP_DSN}", server_id: 7201}`
	}
	return `postgres: {dsn: "${ERP_DSN}"}`
}

// sourceDSN is the address of the source for the account that follows it.
func (s *system) sourceDSN() string {
	if s.mariadb != nil {
		return s.mariadb.UserDSN(capturer, capturerPassword, "")
	}
	return s.erp.UserDSN(capturer, capturerPassword, "postgres")
}

func (s *system) writeText(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// env is the environment that the configuration names.
func (s *system) env() []string {
	env := []string{
		"ERP_DSN=" + s.sourceDSN(),
		"STOCK_DSN=" + s.storeDSN(), "REDIS_URL=" + s.redis.URL(),
		"TAILSTOCK_CONFIG=" + s.config,
	}
	if s.nats != nil {
		env = append(env, "NATS_URL="+s.nats.url())
	}
	return env
}

func (s *system) storeDSN() string { return s.store.UserDSN(keeper, keeperPassword, "stock") }

// lookup finds a variable of env.
func (s *system) lookup(name string) (string, bool) {
	for _, v := range s.env() {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value, true
		}
	}
	return "", false
}

// client connects to the system's NATS server as somebody who only looks.
func (s *system) client(ctx context.Context) (*natslog.Client, error) {
	cfg, err := config.Load(s.config, s.lookup)
	if err != nil {
		return nil, err
	}
	return natslog.Connect(ctx, cfg.NATS, natslog.Options{Role: natslog.RoleOperator, Name: "test"})
}

// run starts the daemon, with more environment.
func (s *system) run(t *testing.T, env ...string) *process {
	t.Helper()
	return start(t, s.binary, append(s.env(), env...), "run", "-c", s.config)
}

// get asks the daemon's HTTP endpoint.
func get(ctx context.Context, listen, path string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+path, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

// readiness is what the daemon says of its roles, for failures.
func (s *system) readiness(t *testing.T) string {
	t.Helper()
	_, body, err := get(context.WithoutCancel(t.Context()), s.listen, "/readyz")
	return fmt.Sprintf("\nreadiness: %s, %v\n", body, err)
}

// awaitReady waits until every role of p does its work.
func (s *system) awaitReady(t *testing.T, p *process, listen string) {
	t.Helper()
	var body string
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		var status int
		status, body, _ = get(t.Context(), listen, "/readyz")
		return status == http.StatusOK
	}, func() string { return "not ready: " + body + "\n" + p.recent() })
}

// started runs the daemon and waits until it is ready.
func (s *system) started(t *testing.T, env ...string) *process {
	t.Helper()
	p := s.run(t, env...)
	s.awaitReady(t, p, s.listen)
	return p
}

func execSQL(t *testing.T, dsn, sql string) {
	t.Helper()
	conn := connect(t, dsn)
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// queryText returns the one text that a query gives.
func queryText(t *testing.T, dsn, sql string, args ...any) string {
	t.Helper()
	conn := connect(t, dsn)
	defer conn.Close(context.WithoutCancel(t.Context()))
	var text string
	if err := conn.QueryRow(t.Context(), sql, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}
