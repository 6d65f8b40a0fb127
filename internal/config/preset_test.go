package config_test

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"tailstock/configs"
	"tailstock/connector/cdc"
	"tailstock/connector/mapping"
	"tailstock/internal/config"
)

// needed gives required variables a value.
func needed(p *config.Preset) []config.PresetValue {
	var out []config.PresetValue
	for _, v := range p.Variables {
		if !v.Required {
			continue
		}
		value := "erp"
		if v.Type == "number" || v.Type == "numbers" {
			value = "11"
		}
		out = append(out, config.PresetValue{Name: v.Name, Value: value})
	}
	return out
}

// using is a file whose source uses a preset, with lines below it.
func using(p *config.Preset, version string, set []config.PresetValue) string {
	section := `postgres: {dsn: "host=erp"}`
	if p.Databases[0] == "mysql" {
		section = `mysql: {dsn: "root@tcp(erp)/", server_id: 7}`
	}
	text := "nats: {embedded: {dir: nats}}\nsources:\n  erp:\n    " + section + "\n    preset: " + p.Name + "@" + version + "\n"
	if len(set) > 0 {
		text += "    variables:\n"
	}
	for _, v := range set {
		text += "      " + v.Name + ": \"" + v.Value + "\"\n"
	}
	return text
}

// What "preset show" prints means what the preset means.
func TestPresetsShowWhatTheyMean(t *testing.T) {
	t.Parallel()
	n := 0
	for _, p := range config.Presets() {
		for _, version := range p.Versions {
			short := parse(t, using(&p, version, needed(&p)))
			shown, use, err := config.ExpandPreset(p.Name+"@"+version, needed(&p))
			if err != nil {
				t.Fatal(err)
			}
			if diff := gocmp.Diff(short.Sources[0].Preset.Variables, use.Variables); diff != "" {
				t.Errorf("%s: variables (-config +shown):\n%s", use, diff)
			}
			plain, _, _ := strings.Cut(using(&p, version, nil), "    preset:")
			long := parse(t, plain+"    "+strings.ReplaceAll(shown, "\n", "\n    "))
			if len(short.Sources[0].Mappings) != len(long.Sources[0].Mappings) {
				t.Fatalf("%s: %d mappings, shown %d", use, len(short.Sources[0].Mappings), len(long.Sources[0].Mappings))
			}
			for i, m := range short.Sources[0].Mappings {
				if got, want := string(long.Sources[0].Mappings[i].Canonical()), string(m.Canonical()); got != want {
					t.Errorf("%s shown:\n%s\nmeans\n%s\nwant\n%s", use, shown, got, want)
				}
			}
			n++
		}
	}
	if n < 15 {
		t.Errorf("%d presets and versions, want more", n)
	}
}

// presetPage is where the presets are explained; their files are ../../configs/presets/*.yaml.
const presetPage = "../../docs/presets.md"

// The tables of variables in the documentation are those of the presets.
func TestPresetsAreDocumented(t *testing.T) {
	t.Parallel()
	text := read(t, presetPage)
	for _, p := range config.Presets() {
		var table strings.Builder
		fmt.Fprintf(&table, "\n`%s@%s`, for %s.\n\n| variable | value | if it is left out | meaning |\n|---|---|---|---|\n",
			p.Name, strings.Join(p.Versions, "`, `"+p.Name+"@"), strings.Join(p.Databases, " and "))
		for _, v := range p.Variables {
			fmt.Fprintf(&table, "| `%s` | %s | %s | %s |\n", v.Name, v.What(), v.Absent(), strings.NewReplacer("_", `\_`, "<", `\<`).Replace(v.About))
		}
		mark := "<!-- variables of " + p.Name + " -->\n"
		begin := strings.Index(text, mark)
		if begin < 0 {
			t.Errorf("%s says nothing of preset %s", presetPage, p.Name)
			continue
		}
		begin += len(mark)
		end := begin + strings.Index(text[begin:], "\n<!-- end of variables -->")
		if *update {
			text = text[:begin] + table.String() + text[end:]
			if err := os.WriteFile(presetPage, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if diff := gocmp.Diff(table.String(), text[begin:max(begin, end)]); diff != "" && !*update {
			t.Errorf("variables of %s in %s (-want +got):\n%s", p.Name, presetPage, diff)
		}
	}
}

// The examples of the documentation are right.
func TestPresetExamplesAreRight(t *testing.T) {
	t.Parallel()
	samples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(read(t, presetPage), -1)
	for _, s := range samples {
		c := parse(t, "nats: {embedded: {dir: nats}}\n"+s[1], "ERP_DSN", "host=erp")
		if c.Sources[0].Preset == nil || len(c.Sources[0].Mappings) < 2 {
			t.Errorf("%s\nuses no preset", s[1])
		}
	}
	if len(samples) < 2 {
		t.Errorf("%d examples", len(samples))
	}
}

// What a source says itself stands beside the preset, and replaces what has the same name.
func TestSourcesReplaceWhatPresetsSay(t *testing.T) {
	t.Parallel()
	const beside = `nats: {embedded: {dir: nats}}
sources:
  erp:
    postgres: {dsn: host=erp}
    preset: odoo@17
    lookups:
      warehouse: {table: own.warehouse}
      shelf: {table: own.shelf}
    tables:
      '"public".stock_move': {contributes: [{sku: product_id, location: "shelf[location_id].name", incoming: product_qty}]}
      own.extra: {contributes: [{sku: "product[product_id].default_code", location: "'X'", on_hand: n}]}
`
	s := &parse(t, beside).Sources[0]
	if diff := gocmp.Diff([]string{"lookup warehouse", "table public.stock_move"}, s.Preset.Overrides); diff != "" {
		t.Errorf("replaced (-want +got):\n%s", diff)
	}
	var got []string
	for _, m := range s.Mappings {
		for _, l := range m.Lookups() {
			got = append(got, m.Table().String()+" "+l.Name+" "+l.Table.String())
		}
	}
	want := []string{
		"public.stock_quant location public.stock_location", "public.stock_quant product public.product_product", "public.stock_quant warehouse own.warehouse",
		"public.stock_move shelf own.shelf", "own.extra product public.product_product",
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("lookups (-want +got):\n%s", diff)
	}
}

// A ledger that cannot be added up is refused beside its preset, see
// testdata/bad/preset_ledgers.yaml, but not where the file says that it can.
func TestLedgerThatAddsUp(t *testing.T) {
	t.Parallel()
	c := parse(t, `
nats: {embedded: {dir: nats}}
sources:
  erp:
    mysql: {dsn: "root@tcp(erp)/", server_id: 7}
    preset: erpnext@15
    variables: {database: site1}
    tables:
      site1.tabStock Ledger Entry:
        reset: false
        contributes: [{sku: item_code, location: warehouse, incoming: actual_qty}]
`)
	if n := len(c.Sources[0].Mappings); n != 2 {
		t.Errorf("%d mappings, want the bins and the ledger", n)
	}
}

// Whatever a variable holds, it is one value in the expressions.
func TestValuesOfPresetsStayValues(t *testing.T) {
	t.Parallel()
	shown, _, err := config.ExpandPreset("prestashop@8", []config.PresetValue{{Name: "database", Value: "shop"}, {Name: "location", Value: `O'Neill\' + reference + "`}})
	if err != nil {
		t.Fatal(err)
	}
	c := parse(t, "nats: {embedded: {dir: nats}}\nsources:\n  erp:\n    mysql: {dsn: root@tcp(erp)/, server_id: 7}\n    "+strings.ReplaceAll(shown, "\n", "\n    "))
	if text := string(c.Sources[0].Mappings[0].Canonical()); !strings.Contains(text, "Neill") || slices.Contains(c.Sources[0].Mappings[0].Columns(), "reference") {
		t.Errorf("the mapping is %s", text)
	}
	for name, value := range map[string]string{"prefix": "ps`_", "database": "a.b", "shop": "1 or true", "shop_group": "", "location": "a\nb", "nothing": "1"} {
		set := []config.PresetValue{{Name: name, Value: value}}
		if name != "database" {
			set = append(set, config.PresetValue{Name: "database", Value: "shop"})
		}
		_, _, err := config.ExpandPreset("prestashop@8", set)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%q: error %v", name, value, err)
		}
	}
}

// presetTables holds the columns of what presets read, the key first, with d for
// decimal, i for integer, f for float and b for bool; others are text.
var presetTables = map[string]string{
	"product_product": "id:i product_tmpl_id:i default_code barcode", "product_template": "id:i type is_storable:b",
	"stock_location": "id:i usage warehouse_id:i", "stock_warehouse": "id:i code",
	"stock_quant":  "id:i product_id:i location_id:i owner_id:i company_id:i quantity:d reserved_quantity:d",
	"stock_move":   "id:i product_id:i location_id:i location_dest_id:i company_id:i state product_qty:d",
	"tabWarehouse": "name company",
	"tabBin": "name item_code warehouse actual_qty:d reserved_qty:d reserved_qty_for_production:d reserved_qty_for_sub_contract:d " +
		"reserved_qty_for_production_plan:d ordered_qty:d indented_qty:d planned_qty:d",
	"llx_product": "rowid:i ref entity:i fk_product_type:i", "llx_entrepot": "rowid:i ref statut:i", "llx_product_stock": "rowid:i fk_product:i fk_entrepot:i reel:f",
	"llx_commande": "rowid:i fk_statut:i", "llx_commandedet": "rowid:i fk_commande:i fk_product:i qty:f", "llx_expedition": "rowid:i fk_statut:i",
	"llx_expeditiondet": "rowid:i fk_expedition:i fk_origin_line:i fk_elementdet:i element_type qty:f",
	"location":          "id name location_number", "product_availability": "id location_id product_code quantity_on_hand:i quantity_allocated:i quantity_on_hold:i",
	"m_product": "m_product_id:d value upc sku", "m_locator": "m_locator_id:d m_warehouse_id:d m_locatortype_id:d",
	"m_locatortype": "m_locatortype_id:d isavailableforreservation", "m_warehouse": "m_warehouse_id:d value",
	"m_storageonhand":      "m_storageonhand_uu m_product_id:d m_locator_id:d ad_client_id:d ad_org_id:d isactive qtyonhand:d",
	"m_storagereservation": "m_storagereservation_uu m_product_id:d m_warehouse_id:d ad_client_id:d ad_org_id:d isactive issotrx qty:d",
	"inventory_item":       "inventory_item_id inventory_item_type_id product_id owner_party_id status_id facility_id quantity_on_hand_total:d available_to_promise_total:d",
	"ps_product":           "id_product:i reference", "ps_product_attribute": "id_product_attribute:i id_product:i reference",
	"ps_stock_available": "id_stock_available:i id_product:i id_product_attribute:i id_shop:i id_shop_group:i quantity:i reserved_quantity:i",
}

// bindPreset fits a mapping to the columns of its tables.
func bindPreset(m *mapping.Mapping) error {
	var lookups []*mapping.LookupTable
	for _, l := range m.Lookups() {
		lookups = append(lookups, &mapping.LookupTable{Def: presetTable(l.Table)})
	}
	_, err := m.Bind(presetTable(m.Table()), mapping.NewLookups(lookups...))
	return err
}

func presetTable(name cdc.TableName) *cdc.Table {
	types := map[string]cdc.Type{"d": cdc.TypeDecimal, "i": cdc.TypeInteger, "f": cdc.TypeFloat, "b": cdc.TypeBool, "": cdc.TypeText}
	table := &cdc.Table{Name: name, Key: []int{0}}
	for column := range strings.FieldsSeq(presetTables[name.Name]) {
		c, kind, _ := strings.Cut(column, ":")
		table.Columns = append(table.Columns, cdc.Column{Name: c, Type: types[kind]})
	}
	return table
}

// What does not fit the tables points into the preset's file.
func TestErrorsOfTablesPointIntoPresets(t *testing.T) {
	t.Parallel()
	s := &parse(t, "nats: {embedded: {dir: nats}}\nsources: {erp: {postgres: {dsn: host=erp}, preset: odoo@17}}\n").Sources[0]
	for _, m := range s.Mappings {
		table := presetTable(m.Table())
		table.Columns[table.Column("location_id")].Name = "place_id"
		_, err := m.Bind(table, nil)
		text, readErr := configs.Presets.ReadFile("presets/odoo.yaml")
		if err == nil || readErr != nil {
			t.Fatalf("%v, %v", err, readErr)
		}
		at := regexp.MustCompile(`^configs/presets/odoo\.yaml:(\d+):\d+: table (\S+): contributes\[0\]\.when: `).FindStringSubmatch(err.Error())
		if at == nil || at[2] != m.Table().String() {
			t.Fatalf("error %v", err)
		}
		line, _ := strconv.Atoi(at[1])
		if said := strings.Split(string(text), "\n")[line-1]; !strings.Contains(said, "when:") {
			t.Errorf("the line of %v is %q", err, said)
		}
	}
}

// Whatever a variable is told, the preset is a mapping that fits the tables.
func TestEveryValueOfAPresetIsUnderstood(t *testing.T) {
	t.Parallel()
	samples := map[string]string{"text": "Ä 'x'", "texts": "a, b", "name": "other", "number": "-7", "numbers": "1, 2", "truth": "true"}
	for _, p := range config.Presets() {
		for _, v := range p.Variables {
			values := slices.Clone(v.Choices)
			if values == nil {
				values = []string{cmp.Or(samples[v.Type], v.Default)}
			}
			if v.Type == "truth" {
				values = append(values, "false")
			}
			for _, value := range values {
				set := slices.DeleteFunc(needed(&p), func(n config.PresetValue) bool { return n.Name == v.Name })
				set = append(set, config.PresetValue{Name: v.Name, Value: value})
				for _, version := range p.Versions {
					shown, use, err := config.ExpandPreset(p.Name+"@"+version, set)
					if err != nil {
						t.Errorf("%s with %s=%q: %v", p.Name, v.Name, value, err)
						continue
					}
					source, _, _ := strings.Cut(using(&p, version, nil), "    preset:")
					c := parse(t, source+"    "+strings.ReplaceAll(shown, "\n", "\n    "))
					if len(c.Sources[0].Mappings) == 0 {
						t.Errorf("%s with %s=%q maps nothing", use, v.Name, value)
					}
					for _, m := range c.Sources[0].Mappings {
						if err := bindPreset(m); err != nil {
							t.Errorf("%s with %s=%q: %v", use, v.Name, value, err)
						}
					}
				}
			}
		}
	}
}

// Each preset keeps the mappings that it has: a table whose mapping changes is
// loaded anew by everybody who uses it. Change the file with that in mind.
func TestPresetsKeepTheirMappings(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, p := range config.Presets() {
		for _, version := range p.Versions {
			for _, m := range parse(t, using(&p, version, needed(&p))).Sources[0].Mappings {
				fmt.Fprintf(&got, "%s@%s %s %s\n", p.Name, version, m.Table(), m.ID())
			}
		}
	}
	const golden = "testdata/presets.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := gocmp.Diff(read(t, golden), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// Whatever a variable is told, it is refused, or the preset reads as a mapping.
func FuzzPresetValue(f *testing.F) {
	for _, s := range []string{"", "1", "a'b", `\`, "${schema}", "${value}", "1) or (1", "a, b", "true", "id", "\x00", "\u2028", "null", "- x: y", strings.Repeat("x", 300)} {
		f.Add(s, uint(0))
		f.Add(s, uint(17))
	}
	presets := config.Presets()
	f.Fuzz(func(t *testing.T, value string, which uint) {
		p := &presets[which%uint(len(presets))]
		v := &p.Variables[which/uint(len(presets))%uint(len(p.Variables))]
		set := slices.DeleteFunc(needed(p), func(n config.PresetValue) bool { return n.Name == v.Name })
		shown, _, err := config.ExpandPreset(p.Name+"@"+p.Versions[0], append(set, config.PresetValue{Name: v.Name, Value: value}))
		if err != nil {
			return
		}
		source, _, _ := strings.Cut(using(p, p.Versions[0], nil), "    preset:")
		c := parse(t, source+"    "+strings.ReplaceAll(shown, "\n", "\n    "))
		for _, m := range c.Sources[0].Mappings {
			if err := bindPreset(m); err != nil && v.Type != "name" && v.Type != "prefix" {
				t.Errorf("%s with %s=%q: %v", p.Name, v.Name, value, err)
			}
		}
	})
}
