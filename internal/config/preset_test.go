package config_test

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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
			if diff := cmp.Diff(short.Sources[0].Preset.Variables, use.Variables); diff != "" {
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
		if diff := cmp.Diff(table.String(), text[begin:max(begin, end)]); diff != "" && !*update {
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
	if diff := cmp.Diff([]string{"lookup warehouse", "table public.stock_move"}, s.Preset.Overrides); diff != "" {
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
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lookups (-want +got):\n%s", diff)
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
