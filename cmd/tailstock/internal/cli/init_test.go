package cli_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/connector/inventory"
	"tailstock/internal/config"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/testdata/erp"
	"tailstock/testdata/wms"
)

// command runs the program in this process, with one variable in its environment.
func command(t *testing.T, dsn string, args ...string) (code int, out, complaints string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = cli.Main(t.Context(), args, cli.System{Version: "test", Out: &stdout, Err: &stderr, Lookup: func(name string) (string, bool) {
		return dsn, name == "TAILSTOCK_SOURCE_DSN" && dsn != ""
	}})
	return code, stdout.String(), stderr.String()
}

// postgresWith returns the URL of a database with what script makes.
func postgresWith(t *testing.T, script string) string {
	t.Helper()
	dsn := testenv.Database(t)
	execPostgres(t, dsn, script)
	return dsn
}

func execPostgres(t *testing.T, dsn, script string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), script); err != nil {
		t.Fatal(err)
	}
}

// mariaWith returns the data source name of a database of this name, with what
// script makes.
func mariaWith(t *testing.T, name, script string) string {
	t.Helper()
	server := testenv.SharedMySQL(t, privateserver.FlavorMariaDB)
	if err := server.CreateDatabase(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	statements := []string{"USE " + name}
	for statement := range strings.SplitSeq(script, ";\n") {
		if statement = strings.TrimSpace(regexp.MustCompile(`(?m)--.*$`).ReplaceAllString(statement, "")); statement != "" {
			statements = append(statements, strings.TrimSuffix(statement, ";"))
		}
	}
	if err := server.Exec(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
	return server.DSN(name)
}

// A database that nobody has described leads to the configuration that stands beside
// its schema, which reads back, and by which its rows have the levels that stand there.
func TestInitProposes(t *testing.T) {
	t.Parallel()
	schemas, err := filepath.Glob("testdata/init/*/schema.sql")
	if err != nil || len(schemas) == 0 {
		t.Fatal(err, len(schemas))
	}
	for _, file := range schemas {
		dir := filepath.Dir(file)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var dsn string
			if strings.HasPrefix(string(text), "-- MariaDB") {
				dsn = mariaWith(t, name, string(text))
			} else {
				dsn = postgresWith(t, string(text))
			}
			output := filepath.Join(t.TempDir(), "tailstock.yaml")
			code, out, complaints := command(t, dsn, "init", "--output", output, "--source-name", "erp")
			if code != cli.ExitOK {
				t.Fatalf("init ended with %d: %s%s", code, out, complaints)
			}
			written, err := os.ReadFile(output)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(dir, "tailstock.yaml"), stable(string(written)))
			golden(t, filepath.Join(dir, "levels.txt"), levelsByMap(t, dsn, output))
		})
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", file, diff)
	}
}

var (
	product = regexp.MustCompile(`from (PostgreSQL|MariaDB) [^,]*, database \S+ as \S+`)
	setup   = regexp.MustCompile(`(?s)#\n# What is missing at the database.*?\n\n`)
	hides   = regexp.MustCompile(`hidden from \S+ by`)

	aboutVariables = regexp.MustCompile(`(?m)^(      #|#      ).*\n`)
)

// stable takes out of a configuration what differs between servers.
func stable(text string) string {
	text = setup.ReplaceAllString(text, "\n")
	if strings.Contains(text, "    preset: ") { // what it says of its variables is the preset's
		text = aboutVariables.ReplaceAllString(text, "")
	}
	text = hides.ReplaceAllString(text, "hidden from ACCOUNT by")
	return product.ReplaceAllString(text, "from $1 VERSION, database NAME, as ROLE,")
}

// levelsByMap adds up what map says that all rows contribute.
func levelsByMap(t *testing.T, dsn, file string) string {
	t.Helper()
	code, out, complaints := command(t, dsn, "map", "-c", file, "--rows", "10000", "--json", "--check")
	if code != cli.ExitOK {
		t.Fatalf("map ended with %d: %s%s", code, out, complaints)
	}
	var tables []struct {
		Rows []struct {
			Contributions []map[string]any
		}
	}
	if err := json.Unmarshal([]byte(out), &tables); err != nil {
		t.Fatal(err)
	}
	levels := make(map[string]float64)
	for _, table := range tables {
		for _, row := range table.Rows {
			for _, c := range row.Contributions {
				for _, kind := range []string{"on_hand", "committed", "unavailable", "safety_stock", "incoming"} {
					var n float64
					_, _ = fmt.Sscan(fmt.Sprint(c[kind]), &n)
					if n != 0 {
						levels[fmt.Sprintf("%v at %v: %s", c["sku"], c["location"], kind)] += n
					}
				}
			}
		}
	}
	var lines []string
	for cell, n := range levels {
		lines = append(lines, fmt.Sprintf("%s %v\n", cell, n))
	}
	slices.Sort(lines)
	return strings.Join(lines, "")
}

// mappingsOf returns the id of the mapping of each table of the only source.
func mappingsOf(t *testing.T, source *config.Source) map[string]inventory.MappingID {
	t.Helper()
	ids := make(map[string]inventory.MappingID)
	for _, m := range source.Mappings {
		ids[m.Table().String()] = m.ID()
	}
	return ids
}

// Both databases of the demo are proposed as configs/demo.yaml maps them, by the ids
// of the mappings, although nothing but their schemas is there to see.
func TestInitProposesTheDemo(t *testing.T) {
	t.Parallel()
	demo, err := config.Load("../../../../configs/demo.yaml", func(name string) (string, bool) {
		return map[string]string{"DEMO_DIR": "d", "DEMO_REDIS": "redis://r", "DEMO_ERP": "host=e", "DEMO_WMS": "root@tcp(w)/"}[name], true
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, dsn := range []string{postgresWith(t, erp.Schema), mariaWith(t, "wms", wms.Schema)} {
		code, out, complaints := command(t, dsn, "init")
		if code != cli.ExitOK {
			t.Fatalf("init ended with %d: %s%s", code, out, complaints)
		}
		if strings.Contains(out, dsn) {
			t.Errorf("the configuration has the connection string %s", dsn)
		}
		cfg, err := config.Parse("out.yaml", []byte(out), func(string) (string, bool) { return dsn, true })
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(mappingsOf(t, &demo.Sources[i]), mappingsOf(t, &cfg.Sources[0])); diff != "" {
			t.Errorf("mappings (-demo +proposed):\n%s\n%s", diff, out)
		}
	}
}

// What stands in comments as an alternative means something when they are taken away.
func TestInitAlternativesReadBack(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/init/*/tailstock.yaml")
	if err != nil {
		t.Fatal(err)
	}
	more, err := filepath.Glob("../../../../internal/propose/testdata/proposals/*.yaml")
	if err != nil || len(files) < 6 || len(more) < 10 {
		t.Fatal(err, len(files), len(more))
	}
	alternatives := 0
	for _, file := range slices.Concat(files, more) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		head, sources, ok := strings.Cut(string(text), "\nsources:\n")
		if !ok || !strings.Contains(sources, "contributes:") {
			continue // a preset, or nothing
		}
		alternatives += strings.Count(sources, "\n#")
		sources = strings.ReplaceAll("\n"+sources, "\n#", "\n")
		if _, err := config.Parse(file, []byte(head+"\nsources:"+sources), func(string) (string, bool) {
			if strings.Contains(sources, "mysql:") {
				return "root@tcp(erp)/", true
			}
			return "host=erp", true
		}); err != nil {
			t.Errorf("without comments: %v\n%s", err, sources)
		}
	}
	if alternatives < 50 {
		t.Errorf("%d lines of alternatives", alternatives)
	}
}

// A file that is there is replaced only on demand; what is printed for scripts has
// everything in it; and the connection string is in none of it.
func TestInitWrites(t *testing.T) {
	t.Parallel()
	dsn := postgresWith(t, `CREATE TABLE stock (sku text, site text, on_hand integer NOT NULL, PRIMARY KEY (sku, site));
		CREATE SCHEMA other; CREATE TABLE other.stock (sku text, site text, on_hand integer NOT NULL, PRIMARY KEY (sku, site))`)
	secret := regexp.MustCompile(`password=[^ ]*|://[^@]*@`).FindString(dsn)
	file := filepath.Join(t.TempDir(), "tailstock.yaml")
	code, out, complaints := command(t, "", "init", "--dsn", dsn, "-o", file, "--schema", "other")
	if code != cli.ExitOK || !strings.Contains(out, "wrote "+file) || !strings.Contains(out, "proposed  other.stock") || strings.Contains(out, "public.stock") {
		t.Fatalf("init ended with %d: %s%s", code, out, complaints)
	}
	first, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"CREATE PUBLICATION", "FOR TABLE other.stock;", "GRANT SELECT ON other.stock TO tailstock;", `dsn: "${TAILSTOCK_SOURCE_DSN}"`} {
		if !strings.Contains(string(first), want) {
			t.Errorf("the file lacks %s:\n%s", want, first)
		}
	}
	if code, _, complaints := command(t, dsn, "init", "-o", file); code != cli.ExitUsage || !strings.Contains(complaints, "--force replaces it") {
		t.Errorf("init over a file ended with %d: %s", code, complaints)
	}
	if again, err := os.ReadFile(file); err != nil || string(again) != string(first) {
		t.Errorf("the file was replaced: %v", err)
	}
	code, out, complaints = command(t, dsn, "init", "-o", file, "--force", "--json", "--table", "public.stock", "--source-name", "shop_2")
	if code != cli.ExitOK {
		t.Fatalf("init ended with %d: %s", code, complaints)
	}
	var report struct {
		OK                        bool
		Source, Kind, Output      string
		Config, Product, Database string
		Tables                    []struct{ Name string }
		Findings                  []struct{ Subject, State string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !report.OK || report.Source != "shop_2" || report.Kind != "postgres" || report.Output != file || report.Config != string(written) ||
		len(report.Tables) != 1 || report.Tables[0].Name != "public.stock" || len(report.Findings) == 0 {
		t.Errorf("report: %+v", report)
	}
	if secret != "" && strings.Contains(out+string(written)+string(first), secret) {
		t.Errorf("%s is in the output", secret)
	}
}

// Variables and files stay what the configuration says.
func TestInitKeepsHowTheDSNIsGiven(t *testing.T) {
	t.Parallel()
	dsn := postgresWith(t, "CREATE TABLE stock (sku text, site text, on_hand integer NOT NULL, PRIMARY KEY (sku, site))")
	path := filepath.Join(t.TempDir(), "dsn")
	if err := os.WriteFile(path, []byte(dsn+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for given, kept := range map[string]string{
		"file:" + path:            "postgres: {dsn: 'file:" + path + "'}",
		"${TAILSTOCK_SOURCE_DSN}": `postgres: {dsn: "${TAILSTOCK_SOURCE_DSN}"}`,
		"":                        `postgres: {dsn: "${TAILSTOCK_SOURCE_DSN}"}`,
	} {
		code, out, complaints := command(t, dsn, "init", "--dsn", given)
		if code != cli.ExitOK || !strings.Contains(out, kept) {
			t.Errorf("--dsn %q ended with %d, want %s: %s%s", given, code, kept, out, complaints)
		}
	}
}

// Every mistake says what to do, and ends with the code for its kind.
func TestInitRefuses(t *testing.T) {
	t.Parallel()
	dsn := postgresWith(t, "CREATE TABLE users (id integer PRIMARY KEY, email text)")
	empty := postgresWith(t, "SELECT 1")
	ledger := postgresWith(t, `CREATE TABLE stock_journal (id bigserial PRIMARY KEY, sku text, site text, type text, qty integer);
		INSERT INTO stock_journal (sku, site, type, qty) VALUES ('A', 'X', 'receipt', 5), ('A', 'X', 'count', 4)`)
	client := postgresWith(t, `CREATE TABLE m_locator (m_locator_id numeric(10,0) PRIMARY KEY, m_warehouse_id numeric(10,0));
		CREATE TABLE m_storagereservation (m_product_id numeric(10,0) PRIMARY KEY, issotrx char(1), qty numeric);
		CREATE TABLE m_storageonhand (m_product_id numeric(10,0) PRIMARY KEY, m_locator_id numeric(10,0), ad_client_id numeric(10,0), qtyonhand numeric)`)
	for _, c := range []struct {
		dsn  string
		args []string
		code int
		says []string
	}{
		{"", nil, cli.ExitUsage, []string{"--dsn", "TAILSTOCK_SOURCE_DSN", "postgres://user:password@host"}},
		{"", []string{"--dsn", "mysql://root:s3cret@host/db"}, cli.ExitUsage, []string{"user:password@tcp(host:3306)/database"}},
		{"", []string{"--dsn", "${UNSET}"}, cli.ExitUsage, []string{"UNSET"}},
		{"", []string{"--dsn", "file:/nowhere/dsn"}, cli.ExitUsage, []string{"/nowhere/dsn"}},
		{dsn, []string{"--source-name", "Shop"}, cli.ExitUsage, []string{"--source-name", "lower-case"}},
		{dsn, []string{"extra"}, cli.ExitUsage, []string{"extra"}},
		{"postgres://u:s3cret@127.0.0.1:1/db", nil, cli.ExitFailed, []string{"see that the server runs"}},
		{"u:s3cret@tcp(127.0.0.1:1)/db", nil, cli.ExitFailed, []string{"see that the server runs"}},
		{empty, nil, cli.ExitFailed, []string{"no tables", "may see"}},
		{dsn, []string{"--table", "stock"}, cli.ExitFailed, []string{"no such table", "--table"}},
		{dsn, nil, cli.ExitProblems, []string{"looks like stock", "docs/mapping.md"}},
		{ledger, nil, cli.ExitProblems, []string{"set the stock instead of adding to it", "type count"}},
		{client, nil, cli.ExitProblems, []string{"must be told client", "preset: idempiere@"}},
	} {
		code, out, complaints := command(t, c.dsn, append([]string{"init"}, c.args...)...)
		if code != c.code {
			t.Errorf("init %v of %q ended with %d, want %d: %s%s", c.args, c.dsn, code, c.code, out, complaints)
		}
		for _, text := range c.says {
			if !strings.Contains(out+complaints, text) {
				t.Errorf("init %v of %q does not say %q: %s%s", c.args, c.dsn, text, out, complaints)
			}
		}
		if strings.Contains(out+complaints, "s3cret") {
			t.Errorf("init %v shows the password: %s%s", c.args, out, complaints)
		}
	}
}

// A role that may read one table only proposes that, and says what it may not see.
func TestInitWithSelectAlone(t *testing.T) {
	t.Parallel()
	dsn := postgresWith(t, `
		CREATE TABLE stock (sku text, site text, on_hand integer NOT NULL, secret text, PRIMARY KEY (sku, site));
		CREATE TABLE order_line (id bigserial PRIMARY KEY, sku text, site text, qty integer NOT NULL, status text);
		INSERT INTO stock VALUES ('A', 'X', 4, 'x');
		DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'init_reader') THEN CREATE ROLE init_reader LOGIN; END IF; END $$;
		GRANT SELECT (sku, site, on_hand) ON stock TO init_reader`)
	dsn = strings.Replace(dsn, "//postgres", "//init_reader", 1)
	code, out, complaints := command(t, dsn, "init")
	if code != cli.ExitOK {
		t.Fatalf("init ended with %d: %s%s", code, out, complaints)
	}
	for _, want := range []string{
		"problem: table public.order_line: role init_reader lacks SELECT on it", "GRANT SELECT ON public.order_line TO init_reader;",
		"has columns that the role may not read: secret", "on_hand: on_hand", "as init_reader",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("the configuration lacks %q:\n%s", want, out)
		}
	}
}
