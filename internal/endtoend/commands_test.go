package endtoend_test

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/internal/testenv"
)

// decode reads JSON that a command printed.
func decode(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

// expect checks a command's exit code and that it printed every text, on either stream.
func (r result) expect(t *testing.T, code int, texts ...string) {
	t.Helper()
	if r.code != code {
		t.Errorf("exit code %d, want %d:\n%s%s", r.code, code, r.out, r.err)
	}
	for _, text := range texts {
		if !strings.Contains(r.out+r.err, text) {
			t.Errorf("nothing says %q:\n%s%s", text, r.out, r.err)
		}
	}
}

func TestCommandsWithoutServers(t *testing.T) {
	t.Parallel()
	binary := testenv.Binary(t, buildTags...)
	command := func(args ...string) result { return runBinary(t, binary, nil, args...) }
	command("version").expect(t, 0, "tailstock ", "go1.")
	var version struct{ Version, Go, Platform string }
	decode(t, command("version", "--json").out, &version)
	if version.Version == "" || !strings.HasPrefix(version.Go, "go1.") || !strings.Contains(version.Platform, "/") {
		t.Errorf("version --json: %+v", version)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		command("completion", shell).expect(t, 0, "tailstock")
	}
	command("completion", "tcsh").expect(t, 2, "tcsh")
	help := command("--help")
	help.expect(t, 0, "Exit codes: 0 fine, 1 failed, 2 usage or configuration, 3 problems were found.")
	for _, name := range regexp.MustCompile(`(?m)^  ([a-z]+) +[A-Z]`).FindAllStringSubmatch(help.out, -1) {
		command(name[1], "--help").expect(t, 0, "Usage:\n  tailstock "+name[1])
	}
	command("rum").expect(t, 2, `unknown command "rum"`, "usage: tailstock")
	command("run", "--rolls", "x").expect(t, 2, "unknown flag: --rolls", "usage: tailstock run")
	command("check", "-c", "/nowhere.yaml").expect(t, 2, "/nowhere.yaml")
	var failure struct{ Error string }
	decode(t, command("check", "-c", "/nowhere.yaml", "--json").err, &failure)
	if !strings.Contains(failure.Error, "/nowhere.yaml") {
		t.Errorf("check --json: %+v", failure)
	}
}

// TestBashCompletion has bash itself complete a command.
func TestBashCompletion(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Fatal(err) // scripts need it as well
	}
	dir := t.TempDir()
	if err := os.Symlink(testenv.Binary(t, buildTags...), filepath.Join(dir, "tailstock")); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bash, "-euc", `tailstock completion bash | bash -n; tailstock __complete le ""; tailstock __complete le`)
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "levels\t") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestCommands runs every command beside a daemon.
func TestCommands(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	p := s.started(t)
	erp := s.erp.DSN("postgres")
	execSQL(t, erp, `insert into bin_stock (id, sku, site, bin_type, qty) values
		(1, 'BRK-1', 'DC1', 'PICK', 10), (2, 'BRK-1', 'DC2', 'QC', 2.5), (3, 'BRK-2', 'DC1', 'PICK', 1)`)
	execSQL(t, erp, `insert into order_line values ('SO-1', 1, 'BRK-1', 'DC1', 'open', 4)`)
	s.awaitAgreement(t, p)

	t.Run("check", func(t *testing.T) { checkCommand(t, s) })
	t.Run("map", func(t *testing.T) { mapCommand(t, s) })
	t.Run("explain", func(t *testing.T) { explainCommand(t, s) })
	t.Run("tail", func(t *testing.T) { tailCommand(t, s) })
	t.Run("rebuild", func(t *testing.T) { rebuildCommands(t, s, p) })
	t.Run("roles", func(t *testing.T) {
		s.command(t, "run", "--roles", "oracle").expect(t, 2, `"oracle" is not a role; roles are capture, store, relay`)
		s.command(t, "run", "--roles", "capture/wms").expect(t, 2, `role "capture/wms" is not configured; this configuration has capture/erp`)
	})
	t.Run("second daemon", func(t *testing.T) {
		s.command(t, "run").expect(t, 1, "address already in use")
	})
	t.Run("http", func(t *testing.T) { endpoints(t, s) })
	t.Run("rejects", func(t *testing.T) { rejectedRow(t, s) })
	t.Run("store", func(t *testing.T) { storeCommands(t, s) })

	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
	t.Run("without a daemon", func(t *testing.T) {
		s.command(t, "tail").expect(t, 1, "tailstock: ")
		s.command(t, "explain", "BRK-1").expect(t, 0, "BRK-1") // the store is there
	})
}

type checkFinding struct{ Subject, Requirement, State, Detail, Fix string }

func checkCommand(t *testing.T, s *system) {
	s.command(t, "check").expect(t, 0, "source erp\n", "nats\n", "store\n", "cache\n", "0 problems, ")
	var report struct {
		OK       bool
		Findings []checkFinding
	}
	decode(t, s.command(t, "check", "--json").out, &report)
	if !report.OK || len(report.Findings) < 20 {
		t.Errorf("check --json: %+v", report)
	}
	bad := s.writeText(t, "bad.yaml", strings.Replace(readFile(t, s.config), "order_line:", "order_lines:", 1))
	r := s.command(t, "check", "-c", bad, "--json")
	r.expect(t, 3)
	decode(t, r.out, &report)
	var problems []string
	for _, f := range report.Findings {
		if f.State == "problem" {
			problems = append(problems, f.Subject+": "+f.Requirement)
		}
	}
	if diff := cmp.Diff([]string{"source erp: table public.order_lines"}, problems); report.OK || diff != "" {
		t.Errorf("problems (-want +got):\n%s", diff)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func mapCommand(t *testing.T, s *system) {
	s.command(t, "map").expect(t, 0, "table public.bin_stock", `row [1]: `, "BRK-1 at DC1: on_hand 10", "committed 4")
	var tables []struct {
		Source, Table, Mapping string
		Rows                   []struct {
			Row           string
			Columns       map[string]*string
			Contributions []map[string]any
		}
	}
	decode(t, s.command(t, "map", "--json", "--table", "public.bin_stock", "--rows", "2").out, &tables)
	if len(tables) != 1 || len(tables[0].Rows) != 2 || len(tables[0].Mapping) != 16 {
		t.Fatalf("map --json: %+v", tables)
	}
	want := map[string]any{"leg": "stock", "sku": "BRK-1", "location": "DC2", "on_hand": 2.5, "unavailable": 2.5}
	got := tables[0].Rows[1].Contributions
	if len(got) != 1 {
		t.Fatalf("row 2 contributes %v", got)
	}
	for k, v := range want {
		if got[0][k] != v {
			t.Errorf("row 2 contributes %v, want %s %v", got[0], k, v)
		}
	}
	s.command(t, "map", "--check").expect(t, 0)
	s.command(t, "map", "--table", "public.audit").expect(t, 2, "public.audit")
	s.command(t, "map", "--source", "wms").expect(t, 2, `no source "wms"`)
	s.command(t, "map", "--rows", "0").expect(t, 2, "--rows 0")
}

func explainCommand(t *testing.T, s *system) {
	s.command(t, "explain", "BRK-1").expect(t, 0, "DC1  available 6 = on_hand 10 - committed 4",
		"public.bin_stock [1]: on_hand 10", `public.order_line ["SO-1",1]: committed 4`, "DC2  available 0 = on_hand 2.5 - unavailable 2.5")
	var e struct {
		SKU           string
		Levels        []struct{ Location string }
		Contributions []struct{ Table, Row, Transaction string }
	}
	decode(t, s.command(t, "explain", "BRK-1", "--json").out, &e)
	if e.SKU != "BRK-1" || len(e.Levels) != 2 || len(e.Contributions) != 3 || e.Contributions[0].Transaction == "" {
		t.Errorf("explain --json: %+v", e)
	}
	s.command(t, "explain", "NOTHING").expect(t, 0, "NOTHING: no source row speaks of it")
	s.command(t, "explain").expect(t, 2, "usage: tailstock explain SKU")
}

func tailCommand(t *testing.T, s *system) {
	people := start(t, s.binary, s.env(), "tail", "--all")
	await(t, people, "BRK-1  DC1  available 6 = on_hand 10 - committed 4")
	events := start(t, s.binary, s.env(), "tail", "--json", "--sku", "BRK-2")
	// It shows changes from now on; when that is cannot be seen, so change on.
	eventually(t, func() bool {
		execSQL(t, s.erp.DSN("postgres"), `update bin_stock set qty = qty + 1 where id in (1, 3)`)
		return strings.Count(events.output.String(), "\n") >= 2
	}, events.recent)
	for line := range strings.Lines(events.output.String()) {
		if !strings.HasSuffix(line, "\n") {
			continue
		}
		var e struct {
			Type, Subject, Specversion string
			Data                       struct{ SKU, Location string }
		}
		decode(t, line, &e)
		if e.Type != "inventory.level.changed" || e.Subject != "BRK-2" || e.Specversion != "1.0" || e.Data.SKU != "BRK-2" {
			t.Errorf("tail --json: %s", line)
		}
	}
	// Several changes of a cell may become one level, but the last one is always there.
	await(t, people, "BRK-2  DC1  available "+queryText(t, s.erp.DSN("postgres"), `select trim_scale(qty)::text from bin_stock where id = 3`)+" ")
	for _, p := range []*process{people, events} {
		p.signal(t, syscall.SIGINT)
		p.expectExit(t, 0)
	}
	s.command(t, "tail", "--sku", "a\x01b").expect(t, 2)
}

// await waits until a process has printed text.
func await(t *testing.T, p *process, text string) {
	t.Helper()
	eventually(t, func() bool { return strings.Contains(p.output.String(), text) },
		func() string { return "nothing says " + text + ":\n" + p.recent() })
}

// rebuildCommands spoils the cache, and has it and the levels made anew.
func rebuildCommands(t *testing.T, s *system, p *process) {
	if _, err := s.redis.Do(t.Context(), "HSET", "stock:{BRK-1}", "available", "999"); err != nil {
		t.Fatal(err)
	}
	before, err := s.streamLevels(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s.command(t, "levels", "rebuild").expect(t, 0, "published anew")
	s.command(t, "cache", "rebuild", "--json").expect(t, 0, `"asked"`)
	eventually(t, func() bool {
		after, err := s.streamLevels(t.Context())
		if err != nil {
			return false
		}
		for cell, l := range before {
			if after[cell].Version.Compare(l.Version) <= 0 {
				return false
			}
		}
		return true
	}, func() string { return "not every level has a newer version\n" + p.recent() })
	s.awaitAgreement(t, p)
}

// endpoints reads the daemon's HTTP endpoint.
func endpoints(t *testing.T, s *system) {
	for path, texts := range map[string][]string{
		"/healthz": {`"alive": true`},
		"/readyz":  {`"ready": true`, `"capture/erp"`, `"store/erp"`, `"relay"`, `"sweep"`, `"cache"`, `"position"`},
		"/metrics": {
			"tailstock_build_info{", "go_goroutines", "process_resident_memory_bytes",
			`tailstock_capture_events_total{source="erp"}`, `tailstock_log_bytes{source="erp"}`, "tailstock_relay_levels_total",
		},
	} {
		status, body, err := get(t.Context(), s.listen, path)
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: %d, %v", path, status, err)
		}
		for _, text := range texts {
			if !strings.Contains(body, text) {
				t.Errorf("%s lacks %q:\n%s", path, text, body)
			}
		}
		checkOutput(t, body)
	}
	if status, _, err := get(t.Context(), s.listen, "/nothing"); err != nil || status != http.StatusNotFound {
		t.Errorf("/nothing: %d, %v", status, err)
	}
	resp, err := http.Post("http://"+s.listen+"/readyz", "text/plain", strings.NewReader("x"))
	if err != nil || resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST /readyz: %v, %v", resp, err)
	}
	resp.Body.Close()
}

// rejectedRow changes a row so that it cannot be mapped: it is counted and kept as
// a reject, and its last good numbers stay, marked, until it is good again.
func rejectedRow(t *testing.T, s *system) {
	erp := s.erp.DSN("postgres")
	execSQL(t, erp, `update bin_stock set sku = null, qty = 77 where id = 2`)
	const marked = "last good value; since transaction "
	var r result
	eventually(t, func() bool {
		r = s.command(t, "explain", "BRK-1")
		return strings.Contains(r.out, marked)
	}, func() string { return r.out + r.err })
	r.expect(t, 0, "on_hand 2.5", "the row is rejected: contributes[0].sku")
	_, body, err := get(t.Context(), s.listen, "/metrics")
	if err != nil || !strings.Contains(body, `tailstock_capture_rejects_total{source="erp"} 1`) {
		t.Errorf("the reject is not counted: %v\n%s", err, body)
	}
	s.command(t, "map", "--check").expect(t, 3, "cannot be mapped: contributes[0].sku")
	execSQL(t, erp, `update bin_stock set sku = 'BRK-3' where id = 2`)
	eventually(t, func() bool {
		r = s.command(t, "explain", "BRK-3")
		return strings.Contains(r.out, "on_hand 77")
	}, func() string { return r.out + r.err })
	if strings.Contains(s.command(t, "explain", "BRK-1").out, marked) {
		t.Error("the row is marked although it is good again")
	}
}

func storeCommands(t *testing.T, s *system) {
	s.command(t, "store", "list").expect(t, 0, "STORE", "erp", "2 active")
	var stores []struct {
		Store, Source, Position string
		Feeds                   []struct{ Table, State string }
	}
	decode(t, s.command(t, "store", "list", "--json").out, &stores)
	if len(stores) != 1 || stores[0].Source != "erp" || len(stores[0].Feeds) != 2 {
		t.Fatalf("store list --json: %+v", stores)
	}
	id := stores[0].Store
	s.command(t, "store", "forget", id).expect(t, 1, "it is not gone", "--force")
	s.command(t, "store", "forget", "nobody").expect(t, 1, `"nobody" is not registered`)
	s.command(t, "store", "forget", id, "--force").expect(t, 0, "is forgotten")
	// It is alive, and says so.
	eventually(t, func() bool {
		r := s.command(t, "store", "list", "--json")
		return strings.Contains(r.out, id)
	}, nil)
}

// TestSignals: the first signal drains, and the second ends the daemon at once,
// also while the drain cannot end.
func TestSignals(t *testing.T) {
	t.Parallel()
	s := newSystem(t, false)
	p := s.started(t)
	if err := s.erp.Pause(); err != nil { // the drain waits for the source's answer
		t.Fatal(err)
	}
	p.signal(t, syscall.SIGINT)
	if p.waitFor(200 * time.Millisecond) {
		t.Fatalf("the first signal ended the daemon before the source had answered:\n%s", p.recent())
	}
	p.signal(t, syscall.SIGINT)
	p.expectExit(t, 1)
	if err := s.erp.Continue(); err != nil {
		t.Fatal(err)
	}
	p = s.started(t)
	execSQL(t, s.erp.DSN("postgres"), `insert into bin_stock (id, sku, site, qty) values (1, 'A', 'DC1', 5)`)
	s.awaitAgreement(t, p)
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
	// A daemon that waits for its NATS server ends as well.
	waits := s.writeText(t, "waits.yaml", strings.Replace(readFile(t, s.config), "{embedded: {dir: nats}}",
		`{url: "nats://`+testenv.Address(t)+`"}`, 1))
	p = start(t, s.binary, s.env(), "run", "-c", waits)
	await(t, p, "nats cannot be reached")
	p.signal(t, syscall.SIGTERM)
	p.expectExit(t, 0)
}
