package architecture_test

import (
	"database/sql"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
	"tailstock/internal/testenv"
	"tailstock/sources/mysql"
)

// compose is what is looked at in docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Image       string
		Build       string
		Command     []string
		Volumes     []string
		HealthCheck struct{ Test []string }
		DependsOn   map[string]any `yaml:"depends_on"`
	}
	Volumes map[string]any
}

func readCompose(t *testing.T) compose {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	var c compose
	if err := yaml.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if len(c.Services) == 0 {
		t.Fatal("docker-compose.yml has no services")
	}
	return c
}

func TestComposeMountsWhatExists(t *testing.T) {
	t.Parallel()
	c := readCompose(t)
	for name, service := range c.Services {
		for _, mount := range service.Volumes {
			from, _, _ := strings.Cut(mount, ":")
			if !strings.HasPrefix(from, "./") {
				if _, ok := c.Volumes[from]; !ok {
					t.Errorf("%s mounts the volume %s, which is not declared", name, from)
				}
				continue
			}
			// Docker makes a directory of what is missing, without a word.
			if info, err := os.Stat(filepath.Join(root, from)); err != nil || !info.Mode().IsRegular() {
				t.Errorf("%s mounts %s, which is no file: %v", name, from, err)
			}
		}
	}
}

func TestComposeWaitsForHealth(t *testing.T) {
	t.Parallel()
	pinned := regexp.MustCompile(`^[a-z]+:\d+[\d.]*(-[a-z]+)?$`)
	c := readCompose(t)
	for name, service := range c.Services {
		if service.Build == "" && !pinned.MatchString(service.Image) {
			t.Errorf("%s: image %q is not a short name with a version", name, service.Image)
		}
		if service.Build == "" && len(service.HealthCheck.Test) == 0 {
			t.Errorf("%s has no health check", name)
		}
		if name != "tailstock" {
			if _, ok := c.Services["tailstock"].DependsOn[name]; !ok {
				t.Errorf("tailstock does not wait for %s", name)
			}
		}
	}
}

func TestNATSSyncsEveryMessage(t *testing.T) {
	t.Parallel()
	options, err := server.ProcessConfigFile(filepath.Join(root, "configs/docker/nats-server.conf"))
	if err != nil {
		t.Fatal(err)
	}
	if !options.JetStream || !options.SyncAlways {
		t.Errorf("JetStream %t, sync always %t, want both", options.JetStream, options.SyncAlways)
	}
	found := false
	for _, mount := range readCompose(t).Services["nats"].Volumes {
		found = found || strings.HasSuffix(mount, ":"+options.StoreDir)
	}
	if !found {
		t.Errorf("streams are kept in %s, which is no volume", options.StoreDir)
	}
}

// The scripts that prepare the ERP run in the order of docker-compose.yml and give
// Tailstock's role what it needs and no more.
func TestERPScriptsGrantAccess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := testenv.Postgres(t)
	if err := server.CreateDatabase(ctx, "erp"); err != nil {
		t.Fatal(err)
	}
	admin, err := pgx.Connect(ctx, server.DSN("erp"))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(ctx)
	for _, script := range []string{"testdata/erp/schema.sql", "configs/docker/access.sql"} {
		text, err := os.ReadFile(filepath.Join(root, script))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := admin.Exec(ctx, string(text)); err != nil {
			t.Fatalf("%s: %v", script, err)
		}
	}

	reader, err := pgx.Connect(ctx, server.UserDSN("tailstock", "tailstock", "erp"))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close(ctx)
	rows, err := reader.Query(ctx, `select format('%I.%I', schemaname, tablename) as name,
		has_table_privilege(format('%I.%I', schemaname, tablename), 'select') as may_read,
		has_table_privilege(format('%I.%I', schemaname, tablename), 'insert, update, delete, truncate') as may_write
		from pg_publication_tables where pubname = 'tailstock_erp'`)
	if err != nil {
		t.Fatal(err)
	}
	type access struct {
		Name              string
		MayRead, MayWrite bool
	}
	tables, err := pgx.CollectRows(rows, pgx.RowToStructByPos[access])
	if err != nil {
		t.Fatal(err)
	}
	if len(tables) == 0 {
		t.Error("nothing is published")
	}
	for _, table := range tables {
		if !table.MayRead || table.MayWrite {
			t.Errorf("%s: may read %t, may write %t, want true, false", table.Name, table.MayRead, table.MayWrite)
		}
	}
}

// The scripts that prepare the warehouse run on a server with the settings of
// docker-compose.yml, which logs what has to be followed, and give Tailstock's account
// what it needs and no more.
func TestWarehouseScriptsGrantAccess(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	var settings []func(*privateserver.MySQLOptions)
	for _, option := range readCompose(t).Services["wms"].Command {
		name, value, ok := strings.Cut(strings.TrimPrefix(option, "--"), "=")
		if !ok {
			t.Fatalf("option %q of the warehouse has no value", option)
		}
		settings = append(settings, testenv.MySQLSetting(name, value))
	}
	server := testenv.MySQL(t, privateserver.FlavorMariaDB, settings...)
	if err := server.CreateDatabase(ctx, "wms"); err != nil {
		t.Fatal(err)
	}
	for _, script := range []string{"testdata/wms/schema.sql", "configs/docker/wms-access.sql"} {
		text, err := os.ReadFile(filepath.Join(root, script))
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(string(text), ";\n") {
			if strings.TrimSpace(statement) == "" {
				continue
			}
			if err := server.Exec(ctx, "USE wms", statement); err != nil {
				t.Fatalf("%s: %v", script, err)
			}
		}
	}
	wanted := cdc.Wanted{
		{Schema: "wms", Name: "tabBin Stock"}: {"part_no", "hall", "status", "qty"}, {Schema: "wms", Name: "order"}: {"part_no", "hall", "qty", "done"},
	}
	cfg := mysql.Config{DSN: server.UserDSN("tailstock", "tailstock", ""), ServerID: 7201}
	s, err := mysql.New(cfg, wanted, slog.New(slog.DiscardHandler), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, f := range s.Check(ctx) {
		if f.State != cdc.FindingOK {
			t.Errorf("check: %+v", f)
		}
	}
	db, err := sql.Open("mysql", cfg.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, refused := range []string{"DELETE FROM wms.`order`", "SELECT * FROM wms.journal", "INSERT INTO wms.`tabBin Stock` (hall, bin, part_no, qty) VALUES ('', '', '', 0)"} {
		if _, err := db.ExecContext(ctx, refused); err == nil {
			t.Errorf("%s is allowed", refused)
		}
	}
}
