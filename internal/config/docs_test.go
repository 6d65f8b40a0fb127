package config_test

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

	"tailstock/internal/config"
)

const (
	reference  = "../../docs/configuration.md"
	schemaFile = "../../configs/schema/config.schema.json"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The table of keys in the reference is that of the decoder.
func TestEveryKeyIsDocumented(t *testing.T) {
	t.Parallel()
	var table strings.Builder
	fmt.Fprint(&table, "\n| key | value | meaning |\n|---|---|---|\n")
	for _, k := range config.Keys() {
		fmt.Fprintf(&table, "| `%s` | %s | %s |\n", k.Path, k.Value, strings.NewReplacer("<", `\<`, "_", `\_`).Replace(k.About))
	}
	text := read(t, reference)
	begin := strings.Index(text, "decoder -->\n") + len("decoder -->\n")
	end := strings.Index(text, "<!-- end of keys -->")
	if begin < len("decoder -->\n") || end < begin {
		t.Fatal("the reference has no place for the keys")
	}
	if *update {
		if err := os.WriteFile(reference, []byte(text[:begin]+table.String()+"\n"+text[end:]), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(table.String()+"\n", text[begin:end]); diff != "" {
		t.Errorf("keys in %s (-want +got):\n%s", reference, diff)
	}
}

// Every key says what it defaults to, that it is required, or what its absence means.
func TestKeysAreExplained(t *testing.T) {
	t.Parallel()
	for _, k := range config.Keys() {
		if k.About == "" || !strings.HasSuffix(k.About, ".") || k.Value == "" {
			t.Errorf("%s: %q is no sentence", k.Path, k.About)
		}
	}
}

// Samples in the reference are right, and so is what it says that errors look like.
func TestReferenceIsTrue(t *testing.T) {
	t.Parallel()
	text := read(t, reference)
	samples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(text, -1)
	for _, s := range samples {
		sample := s[1]
		if strings.HasPrefix(sample, "#") {
			sample += small
		} else if !strings.HasPrefix(sample, "nats:") {
			sample = "nats: {embedded: {dir: nats}}\n" + sample
		}
		parse(t, sample, "ERP_DSN", "host=erp", "NORTH_DSN", "host=north", "SOUTH_DSN", "host=south")
	}
	goldens, err := filepath.Glob("testdata/bad/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for _, golden := range goldens {
		said.WriteString(read(t, golden))
	}
	shown := regexp.MustCompile(`(?m)^tailstock\.yaml(:.*)$`).FindAllStringSubmatch(text, -1)
	for _, line := range shown {
		if !strings.Contains(said.String(), line[1]+"\n") {
			t.Errorf("no file leads to this error: %s", line[0])
		}
	}
	if len(samples) < 3 || len(shown) < 2 {
		t.Errorf("%d samples and %d errors in the reference", len(samples), len(shown))
	}
}

// The JSON Schema for editors is that of the decoder.
func TestSchemaIsTheDecoders(t *testing.T) {
	t.Parallel()
	root := object(config.Keys(), "")
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Configuration of Tailstock"
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(root); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(schemaFile, want.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want.String(), read(t, schemaFile)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", schemaFile, diff)
	}
}

type schema = map[string]any

// object makes the schema of what stands directly below a path, "" or with a dot at its end.
func object(keys []config.Key, below string) schema {
	for _, name := range []string{"<source>", "<table>", "<lookup>", "<map>", "<text>", "<constant>", "<brand>", "<variable>"} {
		for _, k := range keys {
			if k.Path == below+name {
				s := valueSchema(keys, k)
				s["description"] = k.About
				return schema{"type": "object", "minProperties": 1, "additionalProperties": s}
			}
			if strings.HasPrefix(k.Path, below+name+".") {
				return schema{"type": "object", "minProperties": 1, "additionalProperties": object(keys, below+name+".")}
			}
		}
	}
	properties, required := schema{}, []string{}
	for _, k := range keys {
		name, ok := strings.CutPrefix(k.Path, below)
		if !ok || strings.Contains(name, ".") {
			continue
		}
		s := valueSchema(keys, k)
		s["description"] = k.About
		properties[name] = s
		if strings.HasSuffix(k.About, "Required.") {
			required = append(required, name)
		}
	}
	return schema{"type": "object", "additionalProperties": false, "properties": properties, "required": required}
}

func valueSchema(keys []config.Key, k config.Key) schema {
	switch {
	case k.Choices != nil:
		return schema{"enum": k.Choices}
	case k.Value == "a set of keys":
		return object(keys, k.Path+".")
	case k.Value == "a list" && !slices.ContainsFunc(keys, func(below config.Key) bool { return strings.HasPrefix(below.Path, k.Path+"[].") }):
		return schema{"type": "array", "minItems": 1, "items": schema{"type": "string"}}
	case k.Value == "a list":
		return schema{"type": "array", "minItems": 1, "items": object(keys, k.Path+"[].")}
	case k.Value == "an expression", k.Value == "a number, true, false or a text":
		return schema{"type": []string{"string", "number", "boolean"}}
	case k.Value == "a text or a list of texts":
		return schema{"type": []string{"string", "array"}, "minItems": 1, "items": schema{"type": "string"}}
	case k.Value == "a whole number":
		return schema{"type": []string{"integer", "string"}}
	case k.Value == "a number, true, false, a text or a list of such":
		return schema{"type": []string{"string", "number", "boolean", "array"}}
	case strings.HasPrefix(k.Value, "a size"):
		return schema{"type": []string{"integer", "string"}}
	}
	return schema{"type": "string"}
}
