package backfill_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/backfill"
)

// A key is the same after it was written down, whatever bytes it has.
func TestKeyAsJSON(t *testing.T) {
	t.Parallel()
	for want, key := range map[string]backfill.Key{
		`null`:                              nil,
		`[]`:                                {},
		`["42"]`:                            {"42"},
		`["a\"b","é",""]`:                   {`a"b`, "é", ""},
		`["DC1",{"base64":"/wA="}]`:         {"DC1", "\xff\x00"},
		`["{\"base64\":\"/wA=\"}","\\xff"]`: {`{"base64":"/wA="}`, `\xff`},
	} {
		text, err := json.Marshal(key)
		if err != nil || string(text) != want {
			t.Errorf("%q is written %s, %v, want %s", key, text, err, want)
		}
		var again backfill.Key
		if err := json.Unmarshal(text, &again); err != nil || !cmp.Equal(again, key) {
			t.Errorf("%s is read as %q, %v, want %q", text, again, err, key)
		}
	}
	for _, bad := range []string{`"a"`, `[1]`, `[null]`, `[{}]`, `[{"base64":"?"}]`, `[["a"]]`, `{"a":"b"}`} {
		var key backfill.Key
		if err := json.Unmarshal([]byte(bad), &key); err == nil {
			t.Errorf("%s is read as %q", bad, key)
		}
	}
}

func FuzzKeyAsJSON(f *testing.F) {
	f.Add("42", "")
	f.Add("\xff", `{"base64":""}`)
	f.Fuzz(func(t *testing.T, a, b string) {
		key := backfill.Key{a, b}
		text, err := json.Marshal(key)
		if err != nil {
			t.Fatal(err)
		}
		var again backfill.Key
		if err := json.Unmarshal(text, &again); err != nil || !cmp.Equal(again, key) {
			t.Fatalf("%q is written %s and read as %q, %v", key, text, again, err)
		}
	})
}
