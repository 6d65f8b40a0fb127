package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/internal/config"
)

// sampleFiles returns every configuration of configs/, by these patterns:
// configs/*.yaml, docker/*.yaml.
func sampleFiles(t *testing.T) []string {
	t.Helper()
	var files []string
	for _, pattern := range []string{"*.yaml", "docker/*.yaml"} {
		found, err := filepath.Glob("../../configs/" + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	return files
}

// load reads a sample beside the files of secrets that it names. Each variable has
// a sound value for what it is named after.
func load(t *testing.T, file string) *config.Config {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "secrets", "wms.dsn"), []byte("host=wms\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Parse(filepath.Join(dir, "sample.yaml"), text, func(name string) (string, bool) {
		switch {
		case name == "DEMO_WMS", name == "WMS_DSN":
			return "root@tcp(demo)/", true
		case strings.HasSuffix(name, "_DSN"), name == "DEMO_ERP":
			return "host=" + strings.ToLower(name), true
		case name == "DEMO_REDIS":
			return "redis://cache", true
		case strings.HasSuffix(name, "_PASSWORD"), name == "DEMO_DIR":
			return "somewhere", true
		}
		return "", false
	})
	if err != nil {
		t.Fatalf("%s:\n%v", file, err)
	}
	return c
}

func TestEverySampleIsRight(t *testing.T) {
	t.Parallel()
	for _, file := range sampleFiles(t) {
		if c := load(t, file); c.Store == nil {
			t.Errorf("%s has no store", file)
		}
	}
}

// erp holds the columns of testdata/erp/schema.sql that mappings name.
var erp = columns{
	"public.bin_stock":  {"site": cdc.TypeText, "part_no": cdc.TypeText, "bin_type": cdc.TypeText, "qty": cdc.TypeDecimal},
	"public.part_site":  {"site": cdc.TypeText, "part_no": cdc.TypeText, "min_stock": cdc.TypeInteger},
	"public.order_line": {"site": cdc.TypeText, "part_no": cdc.TypeText, "status": cdc.TypeText, "qty": cdc.TypeInteger, "qty_shipped": cdc.TypeInteger},
	"public.transfer":   {"from_site": cdc.TypeText, "to_site": cdc.TypeText, "part_no": cdc.TypeText, "status": cdc.TypeText, "qty": cdc.TypeInteger},
	"public.basket":     {"site": cdc.TypeText, "part_no": cdc.TypeText, "qty": cdc.TypeInteger},
}

// warehouse holds the columns of testdata/wms/schema.sql that mappings name.
var warehouse = columns{
	"wms.tabBin Stock": {"hall": cdc.TypeText, "part_no": cdc.TypeText, "status": cdc.TypeText, "qty": cdc.TypeDecimal},
	"wms.order":        {"part_no": cdc.TypeText, "hall": cdc.TypeText, "qty": cdc.TypeInteger, "done": cdc.TypeInteger},
}

// columns holds the types of the columns of tables.
type columns map[string]map[string]cdc.Type

// The mappings of samples fit the types that the tables have.
func TestSamplesFitTheirTables(t *testing.T) {
	t.Parallel()
	bound := 0
	for _, file := range sampleFiles(t) {
		c := load(t, file)
		for i := range c.Sources {
			for _, m := range c.Sources[i].Mappings {
				types := erp[m.Table().String()]
				if c.Sources[i].MySQL != nil {
					types = warehouse[m.Table().String()]
				}
				table := &cdc.Table{Name: m.Table(), Key: []int{0}}
				for name, kind := range types {
					table.Columns = append(table.Columns, cdc.Column{Name: name, Type: kind})
				}
				if _, err := m.Bind(table, nil); err != nil {
					t.Errorf("%s: %v", file, err)
				}
				bound++
			}
		}
	}
	if bound < 10 {
		t.Errorf("%d mappings, want more", bound)
	}
}

// What testdata/erp/levels.sql says of the demo's mapping holds for that of
// docker-compose.yml, and for the tables that the first sample has.
func TestSamplesAgree(t *testing.T) {
	t.Parallel()
	ids := func(file string) map[string]inventory.MappingID {
		out := make(map[string]inventory.MappingID)
		for _, s := range load(t, "../../configs/"+file).Sources {
			for _, m := range s.Mappings {
				out[s.Name+" "+m.Table().String()] = m.ID()
			}
		}
		return out
	}
	demo := ids("demo.yaml")
	for file, tables := range map[string]int{"docker/tailstock.yaml": len(demo), "tailstock.yaml": 2} {
		got := ids(file)
		if len(got) != tables {
			t.Errorf("%s maps %d tables, want %d", file, len(got), tables)
		}
		for table, id := range got {
			if id != demo[table] {
				t.Errorf("%s: table %s has mapping %s, want %s as in demo.yaml", file, table, id, demo[table])
			}
		}
	}
}
