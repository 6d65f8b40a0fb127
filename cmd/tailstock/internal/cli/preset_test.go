package cli_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailstock/cmd/tailstock/internal/cli"
)

// TestPresetCommands calls preset list and preset show, which need no configuration.
func TestPresetCommands(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		says []string
	}{
		{[]string{"preset", "list"}, cli.ExitOK, []string{
			"odoo@16, odoo@17, odoo@18, for postgres\n", "erpnext@13,", "dolibarr@20,", "openboxes@0.9", "idempiere@11", "ofbiz@18.12", "prestashop@8",
			"  client         a whole number, required ",
		}},
		{[]string{"preset", "show", "odoo@17", "--set", "companies=1, 3"}, cli.ExitOK, []string{
			"# preset odoo@17\n", "#   companies: 1, 3\n", "#   incoming: true (default)\n", "  public.stock_quant:\n", "company_id in [1, 3]", "  public.stock_move:\n",
		}},
		{[]string{"preset", "show", "odoo", "--file"}, cli.ExitOK, []string{"# Odoo on PostgreSQL.", "${companies}"}},
		{[]string{"preset", "show", "idempiere@11"}, cli.ExitUsage, []string{"variables.client: is missing: preset idempiere@11 needs it: the id of the client"}},
		{[]string{"preset", "show", "idempiere@11", "--set", "client"}, cli.ExitUsage, []string{"--set client: write NAME=VALUE"}},
		{[]string{"preset", "show", "idempiere@11", "--set", "client=1", "--set", "client=2"}, cli.ExitUsage, []string{"client is given twice"}},
		{[]string{"preset", "show", "odoo@17", "--set", "company=1"}, cli.ExitUsage, []string{"is no variable of preset odoo; did you mean companies?"}},
		{[]string{"preset", "show", "odoo@3"}, cli.ExitUsage, []string{"preset odoo has no version 3; there are odoo@16, odoo@17, odoo@18"}},
		{[]string{"preset", "show", "sap", "--file"}, cli.ExitUsage, []string{"there is no preset sap; there are dolibarr@19"}},
		{[]string{"preset", "show", "odoo", "--file", "--set", "a=b"}, cli.ExitUsage, []string{"--set and --file"}},
	} {
		var out bytes.Buffer
		code := cli.Main(t.Context(), c.args, cli.System{Out: &out, Err: &out, Lookup: os.LookupEnv})
		if code != c.code {
			t.Errorf("%v: exit code %d, want %d", c.args, code, c.code)
		}
		for _, want := range c.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%v does not say %q:\n%s", c.args, want, &out)
			}
		}
	}
	var shown struct {
		Preset, YAML string
		Variables    []struct{ Name, Value string }
	}
	var out bytes.Buffer
	cli.Main(t.Context(), []string{"preset", "show", "ofbiz@24.09", "--json", "--set", "owner=Company"}, cli.System{Out: &out, Err: &out, Lookup: os.LookupEnv})
	if err := json.Unmarshal(out.Bytes(), &shown); err != nil || shown.Preset != "ofbiz@24.09" || len(shown.Variables) != 2 || !strings.Contains(shown.YAML, "owner_party_id == 'Company'") {
		t.Errorf("preset show --json: %v\n%s", err, &out)
	}
}

// check says which preset a source uses, and with what values.
func TestCheckNamesThePreset(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tailstock.yaml")
	const text = `
nats: {url: "nats://127.0.0.1:1"}
sources:
  erp:
    postgres: {dsn: "host=127.0.0.1 port=1 connect_timeout=1"}
    preset: odoo@17
    variables: {companies: [1, 3]}
    tables: {public.stock_move: {contributes: [{sku: product_id, location: location_id, incoming: product_qty}]}}
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	code := cli.Main(t.Context(), []string{"check", "-c", file}, cli.System{Out: &out, Err: &out, Lookup: os.LookupEnv})
	for _, want := range []string{"  ok       preset odoo@17: schema: public (default), ", "companies: 1, 3", "; replaced by the configuration: table public.stock_move\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("check does not say %q:\n%s", want, &out)
		}
	}
	if code != cli.ExitProblems {
		t.Errorf("exit code %d, want %d", code, cli.ExitProblems)
	}
}
