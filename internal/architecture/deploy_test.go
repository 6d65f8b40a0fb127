package architecture_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"
	"github.com/nats-io/nats-server/v2/server"

	"tailstock/internal/testenv"
)

// compose is what is looked at in docker-compose.yml.
type compose struct {
	Services map[string]struct {
		Image       string
		Build       string
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
