package config_test

import (
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
