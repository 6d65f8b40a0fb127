package cases_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/connector/inventory"
	"tailstock/internal/testenv"
)

// patience bounds every wait, on a machine that may be busy with other tests.
const patience = time.Minute

// shared is the NATS server of this binary.
var shared struct {
	once   sync.Once
	server *server.Server
	dir    string
	err    error
}

// natsURL is the address of the NATS server of this binary.
func natsURL(t *testing.T) string {
	t.Helper()
	shared.once.Do(func() {
		shared.dir, shared.err = os.MkdirTemp("", "tailstock-cases-nats-") //nolint:usetesting // the server outlives the test that starts it
		if shared.err != nil {
			return
		}
		shared.server, shared.err = server.NewServer(&server.Options{
			Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: shared.dir, NoSigs: true,
		})
		if shared.err != nil {
			return
		}
		shared.server.Start()
		if !shared.server.ReadyForConnections(patience) {
			shared.err = errors.New("the NATS server is not ready")
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.server.ClientURL()
}

// stopNATS ends the NATS server, if there is one.
func stopNATS() {
	if shared.server != nil {
		shared.server.Shutdown()
		shared.server.WaitForShutdown()
	}
	if shared.dir != "" {
		_ = os.RemoveAll(shared.dir)
	}
}

// daemon is a whole installation that follows the sources of a case: capture,
// store and relay, with a store and a namespace of its own.
type daemon struct {
	// name says when it was started, for failures.
	name    string
	sources []*source
	store   *sql.DB
	levels  *tap
	log     *buffer
	stop    func()
	// before is what was expected after the last commit that it was compared at, nil
	// before the first.
	before *expectation
}

// startDaemon starts a daemon, which loads what is there and then follows.
func startDaemon(t *testing.T, name, store string, sources []*source) *daemon {
	t.Helper()
	n := serial.Add(1)
	d := &daemon{name: name, sources: sources, log: new(buffer)}
	dir := t.TempDir()
	var section string
	section, d.store = openStore(t, store, dir)
	namespace := fmt.Sprintf("c%d", n)
	d.levels = newTap(t, namespace)

	text := newConfigText()
	if len(sources) > 1 {
		addTopLevel(t, text, filepath.Join(filepath.Dir(sources[0].dir), "tailstock.yaml"))
	}
	text.add("", "", fmt.Sprintf(`namespace: %s
nats: {url: %q, confirm_delay: 0s}
log: {max_bytes: 16MiB}
rejects: {max_bytes: 16MiB}
store: %s
sources:
`, namespace, natsURL(t), section))
	for _, s := range sources {
		text.add("", "", fmt.Sprintf("  %s:\n    %s\n", s.name, s.connection(n)))
		mapping, path := s.read(t, "tailstock.yaml")
		if mapping == "" {
			t.Fatalf("%s: there is no such file, or nothing in it", path)
		}
		text.add(path, "    ", withMarker(publicName.ReplaceAllLiteralString(mapping, s.schema), s))
	}
	path := filepath.Join(dir, "tailstock.yaml")
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	text.path = path
	d.run(t, text)
	t.Cleanup(func() {
		d.stop()
		for _, s := range sources {
			s.dropSlot(t, n)
		}
	})
	return d
}

// addTopLevel adds what a case with several sources says beside these, if it does.
func addTopLevel(t *testing.T, text *configText, path string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if len(b) > 0 {
		text.add(path, "", string(b))
	}
}

// run runs the daemon until stop is called.
func (d *daemon) run(t *testing.T, text *configText) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		code := cli.Main(ctx, []string{"run", "-c", text.path}, cli.System{Out: d.log, Err: d.log, Lookup: os.LookupEnv})
		if code != cli.ExitOK {
			d.levels.fail(fmt.Errorf("the daemon ended with %d:\n%s", code, text.relocate(d.log.String())))
		}
	})
	d.stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
}

// openStore makes a store: what the configuration says of it, and a way to look into it.
func openStore(t *testing.T, kind, dir string) (section string, db *sql.DB) {
	t.Helper()
	path := filepath.Join(dir, "stock.db")
	driver, dsn, section := "sqlite", "file:"+path+"?mode=ro&_pragma=busy_timeout(10000)", fmt.Sprintf("{sqlite: %q}", path)
	if kind == "postgres" {
		dsn = testenv.Database(t)
		driver, section = "pgx", fmt.Sprintf("{postgres: %q}", dsn)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return section, db
}

// publicName is what stands for the database on MariaDB and MySQL.
var publicName = regexp.MustCompile(`\bpublic\b`)

// withMarker adds the table of the marker to the tables of a mapping.
func withMarker(mapping string, s *source) string {
	marker := fmt.Sprintf(`  %s.%s: {contributes: [{sku: "'%s'", location: "'%s'", safety_stock: n}]}`, s.schema, markerTable, markerSKU, s.name)
	begin := regexp.MustCompile(`(?m)^tables:[ \t]*(#.*)?\n`).FindStringIndex(mapping)
	if begin == nil {
		return mapping + "\ntables:\n" + marker + "\n"
	}
	return mapping[:begin[1]] + marker + "\n" + mapping[begin[1]:]
}

// problems lists the problems of the store, as a script does.
func (d *daemon) problems(ctx context.Context) ([]string, error) {
	rows, err := d.store.QueryContext(ctx, `select p.kind, f.source, f.table_name, p.row_key from problem p join feed f on f.id = p.feed where f.state in ('active', 'stale')`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var kind, name, table, row string
		if err := rows.Scan(&kind, &name, &table, &row); err != nil {
			return nil, err
		}
		at := slices.IndexFunc(d.sources, func(s *source) bool { return s.name == name })
		out = append(out, kind+" "+strings.Replace(table, d.sources[at].schema+".", "public.", 1)+" "+row)
	}
	slices.Sort(out)
	return out, rows.Err()
}

// stored are the levels of the store.
func (d *daemon) stored(ctx context.Context) (stock, error) {
	rows, err := d.store.QueryContext(ctx, `select sku, location, on_hand, committed, unavailable, safety_stock, incoming from stock_level`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := make(stock)
	return out, addRows(rows, out)
}

// tap hears every level that is published, also those that others replace at once.
type tap struct {
	mu     sync.Mutex
	err    error
	heard  []inventory.LevelMessage
	judged int
	marks  map[string]inventory.Quantity
}

func newTap(t *testing.T, namespace string) *tap {
	t.Helper()
	nc, err := nats.Connect(natsURL(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	l := &tap{marks: make(map[string]inventory.Quantity)}
	_, err = nc.Subscribe(namespace+".inventory.level.>", func(m *nats.Msg) {
		level, err := inventory.DecodeLevel(m.Data)
		if err != nil {
			l.fail(err)
			return
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		if level.SKU == markerSKU {
			l.marks[string(level.Location)] = level.Quantities[inventory.SafetyStock]
			return
		}
		l.heard = append(l.heard, level)
	})
	if err == nil {
		err = nc.Flush()
	}
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (l *tap) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = errors.Join(l.err, err)
}

// reached reports whether the marks of all sources were heard of.
func (l *tap) reached(marks map[string]int) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for source, n := range marks {
		want, err := inventory.ParseQuantity(strconv.Itoa(n))
		if err != nil {
			return false, err
		}
		if got, ok := l.marks[source]; !ok || got != want {
			return false, l.err
		}
	}
	return true, l.err
}

// published are the newest levels.
func (l *tap) published() stock {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(stock)
	for i := range l.heard {
		out[l.heard[i].Cell] = l.heard[i].Quantities
		if l.heard[i].Quantities.IsZero() {
			delete(out, l.heard[i].Cell)
		}
	}
	return out
}

// next returns what was heard since it was last called.
func (l *tap) next() []inventory.LevelMessage {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := l.heard[l.judged:]
	l.judged = len(l.heard)
	return out
}

// configText is a configuration that is made of several files.
type configText struct {
	path  string
	b     strings.Builder
	lines []string // of each line, the file and the line there
}

func newConfigText() *configText { return &configText{} }

func (c *configText) String() string { return c.b.String() }

// add adds the lines of a file, indented. Lines with the marker are not counted.
func (c *configText) add(path, indent, text string) {
	n := 0
	for line := range strings.Lines(strings.TrimRight(text, "\n") + "\n") {
		if !strings.Contains(line, markerTable) {
			n++
		}
		c.b.WriteString(indent + line)
		c.lines = append(c.lines, fmt.Sprintf("%s:%d", path, n))
	}
}

// relocate makes places in the configuration those in its files.
func (c *configText) relocate(text string) string {
	return regexp.MustCompile(regexp.QuoteMeta(c.path)+`:(\d+)`).ReplaceAllStringFunc(text, func(at string) string {
		n, err := strconv.Atoi(at[len(c.path)+1:])
		if err != nil || n < 1 || n > len(c.lines) || strings.HasPrefix(c.lines[n-1], ":") {
			return at
		}
		return c.lines[n-1]
	})
}

// buffer is a bytes.Buffer for several goroutines.
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
