package endtoend_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// passwords makes a server demand them of everybody but its superuser.
func passwords(t *testing.T) func(*privateserver.PostgresOptions) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pg_hba.conf")
	text := "host all postgres 127.0.0.1/32 trust\nhost all all 127.0.0.1/32 scram-sha-256\nlocal all all trust\n"
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return testenv.Setting("hba_file", path)
}

// mistake is one thing that an operator got wrong, on servers that work.
type mistake struct {
	// sql spoils the source's database, which has erpSchema.
	sql string
	// config changes the text of the configuration.
	config func(text string) string
	// env spoils the environment.
	env map[string]string
	// run says how the daemon ends: its exit code; 0 means that it runs on, and
	// shows a role that cannot.
	run int
	// check says how check ends.
	check int
}

// badSource is where the mistakes are made: one server with a database for each.
type badSource struct {
	s *system
	// closed is an address where nobody listens.
	closed string
	// old is a server that was never told to keep what logical decoding needs.
	old *privateserver.Postgres
}

func replace(old, with string) func(string) string {
	return func(text string) string {
		if !strings.Contains(text, old) {
			panic("the configuration has no " + old)
		}
		return strings.Replace(text, old, with, 1)
	}
}

func (b *badSource) mistakes() map[string]mistake {
	s := b.s
	return map[string]mistake{
		"unknown key":         {config: replace("dsn:", "dns:"), run: 2, check: 2},
		"wrong type":          {config: replace("http: {", "log: {keep: [1]}\nhttp: {"), run: 2, check: 2},
		"unset variable":      {config: replace("${ERP_DSN}", "${ERP_DNS}"), run: 2, check: 2},
		"secret in a value":   {config: replace(`"${ERP_DSN}"`, `"postgres://me:`+secretMark+`@%zz/erp"`), run: 2, check: 2},
		"unknown column":      {config: replace("on_hand: qty", "on_hand: quantity"), run: 1, check: 3},
		"unknown table":       {config: replace("public.order_line", "public.order_lines"), run: 1, check: 3},
		"no key":              {sql: `alter table bin_stock drop constraint bin_stock_pkey`, run: 1, check: 3},
		"no replica identity": {sql: `alter table bin_stock replica identity nothing`, run: 1, check: 3},
		"missing grant":       {sql: `revoke select on bin_stock from ` + capturer, run: 1, check: 3},
		"missing publication": {sql: `drop publication tailstock_erp`, run: 1, check: 3},
		"table not published": {sql: `alter publication tailstock_erp drop table bin_stock`, run: 1, check: 3},
		"no replication":      {env: map[string]string{"ERP_DSN": s.erp.UserDSN("plain", secretMark+"-plain", "DATABASE")}, run: 1, check: 3},
		"no database":         {env: map[string]string{"ERP_DSN": s.erp.UserDSN(capturer, capturerPassword, "nowhere")}, run: 1, check: 3},
		"source password":     {env: map[string]string{"ERP_DSN": s.erp.UserDSN(capturer, secretMark+"-wrong", "DATABASE")}, run: 1, check: 3},
		"source unreachable":  {env: map[string]string{"ERP_DSN": "postgres://" + capturer + ":" + secretMark + "@" + b.closed + "/erp"}, run: 0, check: 3},
		"source not logical":  {env: map[string]string{"ERP_DSN": b.old.UserDSN(capturer, capturerPassword, "postgres")}, run: 1, check: 3},
		"store password":      {env: map[string]string{"STOCK_DSN": s.erp.UserDSN(keeper, secretMark+"-wrong", "postgres")}, run: 0, check: 3},
		"store unreachable":   {env: map[string]string{"STOCK_DSN": "postgres://" + keeper + ":" + secretMark + "@" + b.closed + "/stock"}, run: 0, check: 3},
		"cache password":      {env: map[string]string{"REDIS_URL": strings.Replace(s.redis.URL(), "redis://", "redis://me:"+secretMark+"@", 1)}, run: 0, check: 3},
		"cache unreachable":   {env: map[string]string{"REDIS_URL": "redis://me:" + secretMark + "@" + b.closed}, run: 0, check: 3},
		"nats unreachable": {
			config: replace("{embedded: {dir: nats}}", `{url: "nats://me:`+secretMark+`@`+b.closed+`"}`), run: 0, check: 3,
		},
	}
}

// TestMistakes makes every mistake on its own, and compares what the daemon and
// check say with golden files: one clear error, what to do, and no secret.
func TestMistakes(t *testing.T) {
	t.Parallel()
	b := newBadSource(t)
	for name, m := range b.mistakes() {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) { b.make(t, &m) })
	}
}

func newBadSource(t *testing.T) *badSource {
	t.Helper()
	b := &badSource{
		s:      newSystem(t, false, passwords(t), testenv.Setting("max_replication_slots", "50")),
		closed: testenv.Address(t),
		old:    testenv.Postgres(t, testenv.Setting("wal_level", "replica")),
	}
	execSQL(t, b.s.erp.DSN("postgres"), `create role plain login password '`+secretMark+`-plain'; create role `+keeper+` login password '`+keeperPassword+`'`)
	execSQL(t, b.old.DSN("postgres"), erpSchema+capturerRole)
	return b
}

// make makes one mistake.
func (b *badSource) make(t *testing.T, m *mistake) {
	name := filepath.Base(t.Name())
	database := strings.ReplaceAll(name, "-", "_")
	execSQL(t, b.s.erp.DSN("postgres"), "create database "+database)
	execSQL(t, b.s.store.DSN("postgres"), "create database "+database+" owner "+keeper)
	execSQL(t, b.s.erp.DSN(database), erpSchema+`grant select on bin_stock, order_line to `+capturer+`, plain;`+m.sql)

	own := *b.s
	own.dir, own.listen = t.TempDir(), testenv.Address(t)
	own.config = own.write(t, "tailstock.yaml", own.listen)
	text, err := os.ReadFile(own.config)
	if err != nil {
		t.Fatal(err)
	}
	// Slots belong to the whole server.
	config := strings.Replace(string(text), `"${ERP_DSN}"`, `"${ERP_DSN}", slot: `+database+`, publication: tailstock_erp`, 1)
	if m.config != nil {
		config = m.config(config)
	}
	own.writeText(t, "tailstock.yaml", config)
	env := append(own.env(), "ERP_DSN="+own.erp.UserDSN(capturer, capturerPassword, database),
		"STOCK_DSN="+own.store.UserDSN(keeper, keeperPassword, database))
	for name, value := range m.env {
		env = append(env, name+"="+strings.Replace(value, "DATABASE", database, 1))
	}
	got := "$ tailstock run\n" + b.tryRun(t, &own, env, m.run) + "\n$ tailstock check\n" + b.tryCheck(t, &own, env, m.check)
	golden(t, filepath.Join("mistakes", name+".txt"), own.normal(got))
}

// tryRun runs the daemon and returns what it says: its end, or what it shows of
// the role that cannot run.
func (b *badSource) tryRun(t *testing.T, s *system, env []string, code int) string {
	t.Helper()
	p := start(t, s.binary, env, "run", "-c", s.config)
	if code != 0 {
		p.expectExit(t, code)
		return fmt.Sprintf("exit code %d\n%s", code, withoutLog(p.output.String()))
	}
	var shown string
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		_, body, err := get(t.Context(), s.listen, "/readyz")
		shown = failingRoles(body)
		return err == nil && shown != ""
	}, p.recent)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
	return shown
}

// withoutLog leaves out the lines of the log, and keeps what the command says.
func withoutLog(out string) string {
	return regexp.MustCompile(`(?m)^time=.*\n`).ReplaceAllString(out, "")
}

// failingRoles lists the roles of /readyz that failed, one kind of error once.
func failingRoles(body string) string {
	var report struct {
		Waiting string
		Roles   []struct{ Role, State, Error string }
	}
	if json.Unmarshal([]byte(body), &report) != nil {
		return ""
	}
	var out strings.Builder
	if strings.Contains(report.Waiting, "connect") {
		fmt.Fprintf(&out, "not ready: %s\n", report.Waiting)
	}
	for _, r := range report.Roles {
		// Roles that use the same server say the same.
		if r.Error != "" && r.Role != "sweep" && r.Role != "relay" {
			fmt.Fprintf(&out, "%s is %s: %s\n", r.Role, r.State, r.Error)
		}
	}
	return out.String()
}

// tryCheck runs check and returns the problems that it finds.
func (b *badSource) tryCheck(t *testing.T, s *system, env []string, code int) string {
	t.Helper()
	r := runBinary(t, s.binary, env, "check", "-c", s.config)
	if r.code != code {
		t.Errorf("check ends with exit code %d, want %d:\n%s%s", r.code, code, r.out, r.err)
	}
	if code == 2 {
		return fmt.Sprintf("exit code %d\n%s%s", r.code, r.out, r.err)
	}
	return fmt.Sprintf("exit code %d\n%s", r.code, problems(r.out))
}

// problems leaves what is in order out of what check prints.
func problems(out string) string {
	var kept strings.Builder
	keep := true
	for line := range strings.Lines(out) {
		switch {
		case strings.HasPrefix(line, "  ok "), strings.HasPrefix(line, "  warning "):
			keep = false
		case strings.HasPrefix(line, "  problem "), !strings.HasPrefix(line, " "):
			keep = true
		}
		if keep {
			kept.WriteString(line)
		}
	}
	// A subject without a problem, and the count of the rest.
	text := regexp.MustCompile(`(?m)^[a-z]+( [a-z_]+)?\n(?:(  )|)`).ReplaceAllStringFunc(kept.String(), func(m string) string {
		if strings.HasSuffix(m, "  ") {
			return m
		}
		return ""
	})
	return regexp.MustCompile(`(?m), \d+ warnings?, \d+ ok$`).ReplaceAllString(text, "")
}

// normal replaces what differs from run to run.
func (s *system) normal(text string) string {
	text = strings.ReplaceAll(text, s.dir, "DIR")
	for _, r := range []struct{ pattern, with string }{
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`\b\d{15}-\d{12}\b`, "POSITION"},
		{`\b[0-9A-F]+/[0-9A-F]{6,8}\b`, "LSN"},
		{`\b[0-9a-f]{16}\b`, "ID"},
	} {
		text = regexp.MustCompile(r.pattern).ReplaceAllString(text, r.with)
	}
	return text
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
