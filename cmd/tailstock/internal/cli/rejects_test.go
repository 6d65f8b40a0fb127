package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
)

// rejectsRig is a rig with tables whose keys are of all sorts, on PostgreSQL and on
// MariaDB, and with one that looks into another.
type rejectsRig struct {
	*rig
	wms  *privateserver.MySQL
	name string // of the database on it
}

func newRejectsRig(t *testing.T) *rejectsRig {
	t.Helper()
	r := &rejectsRig{rig: newRig(t)}
	r.settled(none)
	r.stop()
	r.wms, r.name = testenv.MySQLDatabase(t, privateserver.FlavorMariaDB)
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	publication := regexp.MustCompile(`publication: (\w+)`).FindStringSubmatch(string(text))[1]
	r.erpDo(`CREATE TABLE bins (site text, code uuid, at timestamptz, raw bytea, n numeric(12,3), sku varchar(20), qty int, PRIMARY KEY (site, code, at, raw, n))`,
		`CREATE TABLE product (id int PRIMARY KEY, code text)`, `INSERT INTO product VALUES (1, 'PROD')`,
		`CREATE TABLE move (id int PRIMARY KEY, product_id int, qty int, how text DEFAULT 'wait')`,
		`INSERT INTO bins VALUES ('ready', gen_random_uuid(), now(), '', 0, 'READY', 1)`,
		`ALTER PUBLICATION `+publication+` ADD TABLE bins, product, move`)
	r.wmsDo("CREATE TABLE bins (site varchar(20), raw varbinary(16), at datetime(6), n decimal(12,3), sku varchar(20), qty int, PRIMARY KEY (site, raw, at, n))",
		"INSERT INTO bins VALUES ('ready', '', '2026-11-27 01:02:03', 1, 'READY', 1)")
	config := "sum: [on_hand]\n" + strings.Replace(string(text), "    tables:\n", "    lookups:\n      product: {table: public.product}\n      strict: {table: public.product, missing: reject}\n"+
		"      soft: {table: public.product, missing: default}\n    tables:\n", 1) +
		"      public.bins:\n        contributes: [{sku: sku, location: \"'L'\", on_hand: qty}]\n" +
		"      public.move:\n        contributes:\n" +
		"          - {when: \"how == 'wait'\", sku: \"product[product_id].code\", location: \"'L'\", on_hand: qty}\n" +
		"          - {leg: strict, when: \"how == 'reject'\", sku: \"strict[product_id].code\", location: \"'L'\", on_hand: qty}\n" +
		"          - {leg: soft, when: \"how == 'default'\", sku: \"soft[product_id].code ?? 'NONE'\", location: \"'L'\", on_hand: qty}\n" +
		fmt.Sprintf("  wms:\n    mysql: {dsn: %q, server_id: 7301}\n    tables:\n      %s.bins:\n        contributes: [{sku: sku, location: \"'W'\", on_hand: qty}]\n",
			r.wms.DSN(""), r.name)
	if err := os.WriteFile(r.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	r.start()
	r.wantLevel("READY", "2")
	return r
}

func (r *rejectsRig) erpDo(statements ...string) {
	r.t.Helper()
	for _, s := range statements {
		if _, err := r.erp.Exec(r.t.Context(), s); err != nil {
			r.t.Fatalf("%v: %s", err, s)
		}
	}
}

func (r *rejectsRig) wmsDo(statements ...string) {
	r.t.Helper()
	if err := r.wms.Exec(r.t.Context(), append([]string{"USE " + r.name}, statements...)...); err != nil {
		r.t.Fatal(err)
	}
}

// kept is a reject as commands show it.
type kept struct {
	ID                                                uint64
	State, Source, Table, Row, Rule, Reason, Position string
	Key                                               []string
	Values                                            []struct{ Column, Value string }
	Counts                                            []struct{ SKU string }
}

// rejects lists rejects until there are n that are open.
func (r *rejectsRig) rejects(n int, args ...string) []kept {
	r.t.Helper()
	var list struct {
		Rejects  []kept
		Next     uint64
		Resolved int
	}
	var out string
	testenv.Eventually(r.t, 30*time.Second, func() bool {
		out = r.must(append([]string{"rejects", "list", "--json"}, args...)...)
		if err := json.Unmarshal([]byte(out), &list); err != nil {
			r.t.Fatalf("%v: %s", err, out)
		}
		return len(list.Rejects) == n && !slices.ContainsFunc(list.Rejects, func(k kept) bool { return k.State != "open" })
	}, func() string { return fmt.Sprintf("want %d rejects that are open: %s", n, out) })
	return list.Rejects
}

// retried is a line that retry prints as JSON.
type retried struct {
	ID, As          uint64
	Outcome, Reason string
}

// retry tries rejects again, and returns what came of them.
func (r *rejectsRig) retry(code int, args ...string) (out []retried) {
	r.t.Helper()
	got, text, complaints := r.run(append([]string{"rejects", "retry", "--json"}, args...)...)
	if got != code {
		r.t.Fatalf("retry %q ended with %d, want %d: %s%s", args, got, code, text, complaints)
	}
	d := json.NewDecoder(strings.NewReader(text))
	for d.More() {
		var line retried
		if err := d.Decode(&line); err != nil {
			r.t.Fatalf("%v: %s", err, text)
		}
		out = append(out, line)
	}
	return out[:len(out)-1]
}

// says checks what a command prints, on either stream, and its exit code.
func (r *rejectsRig) says(code int, command string, texts ...string) {
	r.t.Helper()
	got, out, complaints := r.run(strings.Fields(command)...)
	for _, text := range texts {
		if !strings.Contains(out+complaints, text) {
			r.t.Errorf("%s: nothing says %q", command, text)
		}
	}
	if got != code || r.t.Failed() {
		r.t.Errorf("%s: code %d, want %d: %s%s", command, got, code, out, complaints)
	}
}

// TestRejects takes rejects of rows whose keys are of all sorts through everything
// that an operator can do with them.
func TestRejects(t *testing.T) {
	t.Parallel()
	r := newRejectsRig(t)
	r.says(cli.ExitOK, "rejects list", "no row is kept as rejected")
	r.erpDo(`INSERT INTO bins SELECT 'S"' || i || E'\\ \u00dc\t', gen_random_uuid(), now() + i * interval '1.5 s', '\xff00'::bytea || int4send(i), i / 8.0, NULL, 1
			FROM generate_series(1, 3) i`,
		`INSERT INTO bins VALUES (repeat('long', 200), gen_random_uuid(), now(), '', 0, NULL, 1)`)
	r.wmsDo(`INSERT INTO bins VALUES ('DC''1', x'ff00c3', '2026-11-27 01:02:03.000004', -1.5, NULL, 1), ('dc ü', '', '2026-11-27 01:02:03', 0, NULL, 1)`)
	all := r.rejects(6)

	// Every row is found by its key: none is taken for gone.
	again := r.retry(cli.ExitProblems, "--all")
	if len(again) != 6 {
		t.Fatalf("retried %+v", again)
	}
	for _, x := range again {
		if x.Outcome != "rejected" || x.As <= x.ID || x.Reason == "" {
			t.Errorf("a row as bad as before came to %+v", x)
		}
	}
	now := r.rejects(6)
	for i := range now {
		if now[i].ID <= all[5].ID {
			t.Errorf("after the retry there is still reject %d", now[i].ID)
		}
	}
	r.wantRefused(now[0].ID)
	r.wantShown(now)

	// The stream hears of nothing of this.
	r.erpDo(`ALTER TABLE bins ALTER sku TYPE text USING coalesce(sku, 'OK')`)
	r.wmsDo("SET SESSION sql_log_bin = 0", "UPDATE bins SET sku = 'OK' WHERE n = 0", "DELETE FROM bins WHERE n < 0")
	one := fmt.Sprint(now[0].ID)
	if got := r.retry(cli.ExitOK, one); len(got) != 1 || got[0].Outcome != "mended" {
		t.Errorf("retry of reject %s came to %+v", one, got)
	}
	r.says(cli.ExitFailed, "rejects retry "+one, "there is no such reject")
	r.says(cli.ExitOK, "rejects retry --table bins --source wms", "2 mended, 0 rejected again, 0 kept")
	var jobs []struct{ ID, Kind, Source string }
	if out := r.must("rejects", "retry", "--all", "--detach", "--json"); json.Unmarshal([]byte(out), &jobs) != nil || len(jobs) != 1 || jobs[0].Kind != "retry" {
		t.Errorf("detached: %s", out)
	}
	r.rejects(0, "--all")
	r.wantLevel("OK", "5") // four of PostgreSQL, one of MariaDB
	r.says(cli.ExitOK, "explain OK --rows", `row ["dc ü","",`, "its key is too long to be found by", "contributes[0] applies", `sku: sku => "OK"`)
	r.says(cli.ExitOK, "rejects retry --all", "0 mended")

	r.resolved()
	r.unresolved()
	r.stop()
	r.says(cli.ExitFailed, "rejects list", "no daemon runs")
}

// wantRefused: what makes no sense is refused.
func (r *rejectsRig) wantRefused(id uint64) {
	r.t.Helper()
	for command, want := range map[string]string{
		"rejects retry":                           "which ones?",
		"rejects drop":                            "which ones?",
		fmt.Sprintf("rejects drop %d", id):        "say --yes",
		"rejects drop --all 1 --yes":              "not both",
		"rejects show x":                          "not the id of a reject",
		"rejects show 0":                          "not the id of a reject",
		"rejects list --source other":             `no source "other"`,
		"rejects list --limit 0":                  "--limit 0",
		"rejects list --older -1h":                "not negative",
		"rejects list --unresolved --reason none": "--unresolved goes with",
	} {
		r.says(cli.ExitUsage, command, want)
	}
	r.says(cli.ExitFailed, "rejects show 999999", "reject 999999: there is no such reject")
	r.says(cli.ExitOK, "rejects drop --reason nosuch --yes", "0 rejects dropped")
	r.rejects(6)
}

// wantShown: rejects are listed, shown and completed.
func (r *rejectsRig) wantShown(all []kept) {
	r.t.Helper()
	t := r.t
	for filter, n := range map[string]int{
		"--source wms": 2, "--table bins": 6, "--table public.bins": 4, "--table move": 0, "--reason NULL": 6, "--reason [0].sku": 6,
		"--reason other": 0, "--older 1h": 0, "--newer 1h": 6, "--source erp --table nosuch": 0,
	} {
		r.rejects(n, strings.Fields(filter)...)
	}
	// Page by page it is the same list.
	var paged []uint64
	after := uint64(0)
	for range all {
		var list struct {
			Rejects []kept
			Next    uint64
		}
		if err := json.Unmarshal([]byte(r.must("rejects", "list", "--json", "--limit", "1", "--after", fmt.Sprint(after))), &list); err != nil {
			t.Fatal(err)
		}
		paged, after = append(paged, list.Rejects[0].ID), list.Rejects[0].ID
		if (list.Next != 0) != (after != all[len(all)-1].ID) {
			t.Errorf("behind %d the list goes on with %d", after, list.Next)
		}
	}
	if want := []uint64{all[0].ID, all[1].ID, all[2].ID, all[3].ID, all[4].ID, all[5].ID}; !slices.Equal(paged, want) {
		t.Errorf("page by page there are %v, want %v", paged, want)
	}
	r.says(cli.ExitOK, "rejects list --limit 1", "ID ", "open", "contributes[0].sku: is NULL", "go on with --after")
	k := all[slices.IndexFunc(all, func(k kept) bool { return k.Source == "wms" && strings.Contains(k.Row, "ü") })]
	r.says(cli.ExitOK, fmt.Sprint("rejects show ", k.ID), fmt.Sprintf("reject %d: open", k.ID), "sku = NULL", `qty = "1"`,
		"cannot be mapped: contributes[0].sku: is NULL", "position "+k.Position, "nothing counts of the row")
	var shown kept
	if err := json.Unmarshal([]byte(r.must("rejects", "show", fmt.Sprint(k.ID), "--json")), &shown); err != nil {
		t.Fatal(err)
	}
	if shown.ID != k.ID || len(shown.Key) != 4 || shown.Key[0] != "dc ü" || len(shown.Values) < 2 {
		t.Errorf("shown as %+v", shown)
	}
	if _, out, _ := r.completed("rejects", "show", ""); !strings.Contains(out, fmt.Sprintf("%d\t%s", k.ID, k.Table)) {
		t.Errorf("completed: %s", out)
	}
	r.says(cli.ExitOK, "status", "source erp: 4 rows could not be mapped", "tailstock rejects list")
}

// completed has cobra complete a command, as shells do.
func (r *rejectsRig) completed(args ...string) (code int, out, complaints string) {
	r.t.Helper()
	o, e := new(buffer), new(buffer)
	lookup := func(name string) (string, bool) {
		if name == "TAILSTOCK_CONFIG" {
			return r.config, true
		}
		return os.LookupEnv(name)
	}
	code = cli.Main(r.t.Context(), append([]string{"__complete"}, args...), cli.System{Out: o, Err: e, Lookup: lookup})
	return code, o.String(), e.String()
}

// wantLevel waits until a SKU has so much on hand, or is gone.
func (r *rejectsRig) wantLevel(sku, want string) {
	r.t.Helper()
	var got []string
	testenv.Eventually(r.t, 30*time.Second, func() bool {
		got = r.texts(`select cast(coalesce(sum(on_hand), 0) as integer) || '' from stock_level where sku = '` + sku + `'`)
		return strings.Join(got, " ") == want
	}, func() string { return fmt.Sprintf("%s has %q on hand, want %q", sku, got, want) })
}

// resolved: a row that the stream mends leaves a reject that needs nobody, one that is
// dropped keeps its row marked, and a row keeps its last good contribution meanwhile.
func (r *rejectsRig) resolved() {
	r.t.Helper()
	t := r.t
	r.erpDo(`INSERT INTO bins VALUES ('A', gen_random_uuid(), now(), '', 1, 'GOOD', 7), ('B', gen_random_uuid(), now(), '', 1, 'GOOD', 1)`)
	r.wantLevel("GOOD", "8")
	r.erpDo(`UPDATE bins SET sku = NULL, qty = 70 WHERE site = 'A'`, `UPDATE bins SET sku = NULL WHERE site = 'B'`)
	two := r.rejects(2)
	r.wantLevel("GOOD", "8")
	r.says(cli.ExitOK, fmt.Sprint("rejects show ", two[0].ID), "what counts of the row:", "GOOD at L: on_hand 7")
	r.erpDo(`UPDATE bins SET sku = 'GOOD' WHERE site = 'A'`)
	r.wantLevel("GOOD", "71")
	left := r.rejects(1)
	r.says(cli.ExitOK, "rejects list", "1 resolved reject left out")
	r.says(cli.ExitOK, "rejects list --all", "resolved", "open")
	r.says(cli.ExitOK, "rejects drop --resolved --yes", "1 reject dropped\n")
	r.says(cli.ExitOK, "rejects drop --yes "+fmt.Sprint(left[0].ID), "1 reject dropped", "not right yet, and counting as before: 1 row;")
	r.rejects(0, "--all")
	r.wantLevel("GOOD", "71") // no number changes by that
	r.says(cli.ExitOK, "explain GOOD", "last good value; since transaction", "position ")
	var answered bytes.Buffer
	if code := cli.Main(t.Context(), []string{"rejects", "drop", "--all", "-c", r.config},
		cli.System{In: strings.NewReader("y\n"), Out: &answered, Err: &answered, Lookup: os.LookupEnv}); code != cli.ExitUsage {
		t.Errorf("an answer that no terminal gave was taken: %d: %s", code, &answered)
	}
}

// unresolved: rows that wait are listed by what they wait for, and follow by themselves.
// Others do without, or are rejected, as their lookups say.
func (r *rejectsRig) unresolved() {
	r.t.Helper()
	r.says(cli.ExitOK, "rejects list --unresolved", "no row waits")
	r.erpDo(`INSERT INTO move VALUES (1, 9, 1, 'wait'), (2, 9, 2, 'wait'), (3, 8, 4, 'wait'), (4, 1, 1, 'wait'), (5, 9, 16, 'reject'), (6, 9, 32, 'default')`)
	var list []struct {
		Table, Rule, Reason string
		Rows                int
		Examples            []string
	}
	testenv.Eventually(r.t, 30*time.Second, func() bool {
		list = nil
		if err := json.Unmarshal([]byte(r.must("rejects", "list", "--unresolved", "--json")), &list); err != nil {
			r.t.Fatal(err)
		}
		return len(list) == 2
	}, func() string { return fmt.Sprintf("what waits: %+v", list) })
	if l := list[0]; l.Rows != 2 || !slices.Equal(l.Examples, []string{"[1]", "[2]"}) || l.Table != "public.move" || l.Rule != "contributes[0].sku" ||
		l.Reason != `lookup product: table public.product has no row "9" yet` {
		r.t.Errorf("what waits: %+v", list)
	}
	r.says(cli.ExitOK, "rejects list --unresolved --table move --limit 1", "[1] [2]", `has no row "9" yet`)
	if strict := r.rejects(1, "--all"); strict[0].Reason != `lookup strict: table public.product has no row "9"` || strict[0].Row != "[5]" {
		r.t.Errorf("rejected: %+v", strict)
	}
	r.wantLevel("NONE", "32")
	r.erpDo(`INSERT INTO product VALUES (9, 'NINE'), (8, 'EIGHT')`)
	r.wantLevel("NINE", "51")
	r.wantLevel("NONE", "0")
	r.says(cli.ExitOK, "rejects list", "1 resolved reject left out")
	r.says(cli.ExitOK, "rejects list --unresolved", "no row waits")
}
