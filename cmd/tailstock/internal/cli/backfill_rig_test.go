package cli_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/connector"
	"tailstock/internal/testenv"
)

// rig is an installation: an ERP with a table of 2,000 rows, each in a cell of its
// own, an embedded NATS server, a store, and a daemon in this process.
type rig struct {
	t      *testing.T
	config string
	store  *sql.DB
	erp    *pgx.Conn

	stop func()
	log  *buffer
}

const rigRows = 2_000

// buffer is a bytes.Buffer for two goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return newRigOn(t, sqliteStore)
}

// openStore makes a store of one kind in dir: what the configuration says of it, and
// a way to look into it and to spoil it.
type openStore func(t *testing.T, dir string) (config string, db *sql.DB)

func sqliteStore(t *testing.T, dir string) (config string, db *sql.DB) {
	t.Helper()
	path := filepath.Join(dir, "stock.db")
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{sqlite: %q}", path), db
}

func postgresStore(t *testing.T, _ string) (config string, db *sql.DB) {
	t.Helper()
	dsn := testenv.Database(t)
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("{postgres: %q}", dsn), db
}

// onEachStore runs f as a test on every kind of store.
func onEachStore(t *testing.T, f func(*rig)) {
	t.Helper()
	for name, open := range map[string]openStore{"sqlite": sqliteStore, "postgres": postgresStore} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(newRigOn(t, open))
		})
	}
}

func newRigOn(t *testing.T, open openStore) *rig {
	t.Helper()
	dsn := testenv.Database(t)
	erp, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = erp.Close(context.Background()) })
	slot := "s_" + dsn[strings.LastIndexByte(dsn[:strings.IndexByte(dsn+"?", '?')], '/')+1:strings.IndexByte(dsn+"?", '?')]
	_, err = erp.Exec(t.Context(), fmt.Sprintf(`CREATE TABLE stock (id int PRIMARY KEY, part text, site text, qty int);
		INSERT INTO stock SELECT i, 'P' || i, 'L' || i %% 2, i FROM generate_series(1, %d) i;
		CREATE PUBLICATION %s FOR TABLE stock`, rigRows, slot))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stored, db := open(t, dir)
	t.Cleanup(func() { _ = db.Close() })
	r := &rig{t: t, store: db, config: filepath.Join(dir, "tailstock.yaml"), erp: erp, log: new(buffer)}
	text := fmt.Sprintf(`nats: {embedded: {dir: %q}}
log: {max_bytes: 1GiB}
store: %s
sources:
  erp:
    postgres: {dsn: %q, slot: %s, publication: %s}
    tables:
      public.stock:
        contributes: [{when: qty >= 0, sku: part, location: site, on_hand: qty}]
`, filepath.Join(dir, "nats"), stored, dsn, slot, slot)
	if err := os.WriteFile(r.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	t.Cleanup(func() {
		r.stop()
		if t.Failed() {
			t.Logf("log of the daemon:\n%s", r.log)
		}
	})
	return r
}

// start runs the daemon until stop is called.
func (r *rig) start() {
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if code := cli.Main(ctx, []string{"run", "-c", r.config}, cli.System{Out: r.log, Err: r.log, Lookup: os.LookupEnv}); code != cli.ExitOK {
			r.t.Errorf("the daemon ended with %d", code)
		}
	})
	r.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
}

// run runs a command and returns what it printed.
func (r *rig) run(args ...string) (code int, out, complaints string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), time.Minute)
	defer cancel()
	o, e := new(buffer), new(buffer)
	code = cli.Main(ctx, append(args, "-c", r.config), cli.System{Out: o, Err: e, Lookup: os.LookupEnv})
	if ctx.Err() != nil {
		r.t.Fatalf("tailstock %q does not end; printed %s %s", args, o, e)
	}
	return code, o.String(), e.String()
}

// must runs a command that must do well.
func (r *rig) must(args ...string) string {
	r.t.Helper()
	code, out, complaints := r.run(args...)
	if code != cli.ExitOK {
		r.t.Fatalf("tailstock %q ended with %d: %s%s", args, code, out, complaints)
	}
	return out
}

// jobs lists the jobs, oldest first.
func (r *rig) jobs() []connector.JobStatus {
	r.t.Helper()
	code, out, _ := r.run("backfill", "list", "--json")
	if code != cli.ExitOK {
		return nil
	}
	var jobs []connector.JobStatus
	if err := json.Unmarshal([]byte(out), &jobs); err != nil {
		r.t.Fatalf("list of jobs: %v: %s", err, out)
	}
	return jobs
}

// job returns a job as it stands.
func (r *rig) job(id string) connector.JobStatus {
	r.t.Helper()
	for _, j := range r.jobs() {
		if j.ID == id {
			return j
		}
	}
	return connector.JobStatus{}
}

// await waits until a job is as wanted.
func (r *rig) await(id string, what string, wanted func(connector.JobStatus) bool) {
	r.t.Helper()
	testenv.Eventually(r.t, 30*time.Second, func() bool { return wanted(r.job(id)) },
		func() string { return fmt.Sprintf("job %s is not %s: %+v", id, what, r.jobs()) })
}

// detached starts a job and returns its id.
func (r *rig) detached(args ...string) string {
	r.t.Helper()
	var job connector.JobStatus
	out := r.must(append([]string{"backfill", "--detach", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &job); err != nil {
		r.t.Fatalf("started job: %v: %s", err, out)
	}
	return job.ID
}

// left follows a job until it reads, leaves it to itself as Ctrl-C does, and returns its id.
func (r *rig) left(args ...string) string {
	r.t.Helper()
	ctx, interrupt := context.WithCancel(r.t.Context())
	defer interrupt()
	before := len(r.jobs())
	o, e := new(buffer), new(buffer)
	code := make(chan int)
	go func() {
		code <- cli.Main(ctx, append(args, "-c", r.config), cli.System{Out: o, Err: e, Lookup: os.LookupEnv})
	}()
	testenv.Eventually(r.t, 30*time.Second, func() bool {
		jobs := r.jobs()
		return len(jobs) > before && strings.Contains(o.String(), jobs[len(jobs)-1].ID)
	}, func() string { return o.String() + e.String() })
	interrupt()
	id := r.jobs()[before].ID
	if c := <-code; c != cli.ExitOK || !strings.Contains(e.String(), "tailstock backfill cancel "+id) {
		r.t.Errorf("interrupted, the command ended with %d: %s", c, e)
	}
	return id
}

// spoil makes every row that counts in the store one too much.
func (r *rig) spoil() {
	r.t.Helper()
	for _, statement := range []string{
		`update contribution set on_hand = on_hand + 1000000 where feed in (select id from feed where state = 'active')`,
		`update cell set on_hand = on_hand + 1000000 where feed in (select id from feed where state = 'active')`,
	} {
		if _, err := r.store.ExecContext(r.t.Context(), statement); err != nil {
			r.t.Fatal(err)
		}
	}
}

// wrong returns the keys of the rows whose contribution or level is not what the
// source says, in order; -1 stands for rows that are missing or too many.
func (r *rig) wrong() []int {
	r.t.Helper()
	rows, err := r.store.QueryContext(r.t.Context(), `select cast(trim(c.row_key, '[]') as integer), c.on_hand, l.on_hand
		from contribution c join feed f on f.id = c.feed and f.state = 'active'
		left join cell l on l.feed = c.feed and l.sku = c.sku and l.location = c.location order by 1`)
	if err != nil {
		return []int{-1} // the store is not there yet
	}
	defer rows.Close()
	out := []int{}
	n := 0
	for rows.Next() {
		var id, contribution, level int
		if err := rows.Scan(&id, &contribution, &level); err != nil {
			r.t.Fatal(err)
		}
		n++
		if contribution != id*1_000_000 || level != contribution {
			out = append(out, id)
		}
	}
	if err := rows.Err(); err != nil {
		r.t.Fatal(err)
	}
	if n != rigRows {
		out = append(out, -1)
	}
	return out
}

// settled waits until just the rows of which wanted holds are wrong.
func (r *rig) settled(wanted func(id int) bool) {
	r.t.Helper()
	want := []int{}
	for id := 1; id <= rigRows; id++ {
		if wanted(id) {
			want = append(want, id)
		}
	}
	var got []int
	testenv.Eventually(r.t, 30*time.Second, func() bool {
		got = r.wrong()
		return fmt.Sprint(got) == fmt.Sprint(want)
	}, func() string {
		return fmt.Sprintf("%d rows are wrong, want %d: %.100s", len(got), len(want), fmt.Sprint(got))
	})
}

func none(int) bool { return false }
func all(int) bool  { return true }
