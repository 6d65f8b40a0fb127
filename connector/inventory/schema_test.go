package inventory_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tailstock/connector/inventory"
)

const schemaDir = "../../configs/schema"

// schema checks JSON values against the part of JSON Schema 2020-12 that the
// project's schemas use. An unknown keyword is an error, so that nothing is
// left unchecked.
type schema struct{ root map[string]any }

func loadSchema(t testing.TB, name string) schema {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(schemaDir, name))
	if err != nil {
		t.Fatal(err)
	}
	var s schema
	if err := json.Unmarshal(b, &s.root); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s schema) validate(body []byte) error {
	var v any
	if err := json.NewDecoder(bytes.NewReader(body)).Decode(&v); err != nil {
		return err
	}
	return s.check(s.root, v)
}

func (s schema) check(rules map[string]any, v any) error {
	for _, keyword := range slices.Sorted(maps.Keys(rules)) {
		if err := s.keyword(keyword, rules, v); err != nil {
			return err
		}
	}
	return nil
}

func (s schema) keyword(keyword string, rules map[string]any, v any) error {
	rule := rules[keyword]
	switch keyword {
	case "$schema", "$id", "$defs", "title", "description":
		return nil
	case "$ref":
		name := strings.TrimPrefix(rule.(string), "#/$defs/")
		return s.check(s.root["$defs"].(map[string]any)[name].(map[string]any), v)
	case "type":
		return checkType(rule.(string), v)
	case "const":
		return unless(v == rule, "%v is not %v", v, rule)
	case "enum":
		return unless(slices.Contains(rule.([]any), v), "%v is none of %v", v, rule)
	case "oneOf", "anyOf":
		return s.some(keyword, rule.([]any), v)
	case "not":
		return unless(s.check(rule.(map[string]any), v) != nil, "matches what it must not")
	}
	applies, ok := keywords[keyword]
	if !ok {
		panic("unknown keyword " + keyword)
	}
	if checkType(applies, v) != nil {
		return nil //nolint:nilerr // the keyword is for another type
	}
	switch v := v.(type) {
	case map[string]any:
		return s.object(keyword, rules, v)
	case []any:
		return s.items(rule.(map[string]any), v)
	case string:
		return checkText(keyword, rule, v)
	default:
		return checkNumber(keyword, rule.(float64), v.(float64))
	}
}

// keywords says to which type each keyword applies; values of others it ignores.
var keywords = map[string]string{
	"required": "object", "properties": "object", "additionalProperties": "object", "items": "array",
	"pattern": "string", "minLength": "string", "maxLength": "string",
	"minimum": "number", "maximum": "number", "exclusiveMinimum": "number", "exclusiveMaximum": "number",
}

func (s schema) some(keyword string, choices []any, v any) error {
	n := 0
	for _, choice := range choices {
		if s.check(choice.(map[string]any), v) == nil {
			n++
		}
	}
	return unless(n == 1 || (n > 1 && keyword == "anyOf"), "matches %d of %s", n, keyword)
}

func (s schema) object(keyword string, rules, v map[string]any) error {
	switch keyword {
	case "required":
		for _, name := range rules[keyword].([]any) {
			if _, ok := v[name.(string)]; !ok {
				return fmt.Errorf("no %s", name)
			}
		}
	case "properties":
		for name, rule := range rules[keyword].(map[string]any) {
			if member, ok := v[name]; ok {
				if err := s.check(rule.(map[string]any), member); err != nil {
					return fmt.Errorf("%s: %w", name, err)
				}
			}
		}
	case "additionalProperties":
		for name := range v {
			if _, ok := rules["properties"].(map[string]any)[name]; !ok {
				return fmt.Errorf("%s is not allowed", name)
			}
		}
	}
	return nil
}

func (s schema) items(rule map[string]any, v []any) error {
	for i, e := range v {
		if err := s.check(rule, e); err != nil {
			return fmt.Errorf("[%d]: %w", i, err)
		}
	}
	return nil
}

func checkType(want string, v any) error {
	got := map[string]bool{}
	switch v := v.(type) {
	case map[string]any:
		got["object"] = true
	case []any:
		got["array"] = true
	case string:
		got["string"] = true
	case bool:
		got["boolean"] = true
	case float64:
		got["number"], got["integer"] = true, v == float64(int64(v))
	}
	return unless(got[want], "not of type %s", want)
}

func checkText(keyword string, rule any, v string) error {
	switch keyword {
	case "pattern":
		return unless(regexp.MustCompile(rule.(string)).MatchString(v), "%q does not match %s", v, rule)
	case "minLength":
		return unless(utf8.RuneCountInString(v) >= int(rule.(float64)), "%q is too short", v)
	default:
		return unless(utf8.RuneCountInString(v) <= int(rule.(float64)), "%q is too long", v)
	}
}

func checkNumber(keyword string, rule, v float64) error {
	switch keyword {
	case "minimum":
		return unless(v >= rule, "%v is too small", v)
	case "maximum":
		return unless(v <= rule, "%v is too large", v)
	case "exclusiveMinimum":
		return unless(v > rule, "%v is too small", v)
	default:
		return unless(v < rule, "%v is too large", v)
	}
}

func unless(ok bool, format string, args ...any) error {
	if ok {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func TestGoldenFilesFollowTheSchemas(t *testing.T) {
	t.Parallel()
	for pattern, name := range map[string]string{"body_*.json": "inventory-log.schema.json", "level_*.json": "inventory-level.schema.json"} {
		s := loadSchema(t, name)
		files, err := filepath.Glob(filepath.Join("testdata", pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: no golden files: %v", pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.validate(b); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestSchemasRefuseWhatDecodersRefuse holds schema and decoder to one set of
// rules, as far as a schema can express them.
func TestSchemasRefuseWhatDecodersRefuse(t *testing.T) {
	t.Parallel()
	body := loadSchema(t, "inventory-log.schema.json")
	for _, bad := range badBodies() {
		if err := body.validate([]byte(bad.body)); bad.schemaToo && err == nil {
			t.Errorf("%s: the schema takes %s", bad.name, bad.body)
		}
	}
	m := levels()["changed"]
	good := string(inventory.EncodeLevel(nil, &m))
	level := loadSchema(t, "inventory-level.schema.json")
	for _, bad := range badLevels() {
		if edited := bad.apply(t, good); bad.schemaToo && level.validate([]byte(edited)) == nil {
			t.Errorf("%s: the schema takes %s", bad.name, edited)
		}
	}
}

// TestSchemaTakesWhatIsWritten draws messages and has the schema read them.
func TestSchemaTakesWhatIsWritten(t *testing.T) {
	t.Parallel()
	s := loadSchema(t, "inventory-log.schema.json")
	rapid.Check(t, func(t *rapid.T) {
		m := drawMessage(t)
		m.Source = "wms"
		b := encode(inventory.NewBodyWriter(m.Source), &m)
		if err := s.validate(b); err != nil {
			t.Fatalf("%s: %v", b, err)
		}
	})
}
