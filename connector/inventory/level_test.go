package inventory_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tailstock/connector/inventory"
)

func levels() map[string]inventory.LevelMessage {
	cell := inventory.Cell{SKU: "BRK-1234", Location: "DC1"}
	changed := inventory.LevelMessage{First: 90, After: 1764000000000, Level: inventory.Level{
		Cell: cell, Version: inventory.Version{Session: 1764000000001, Sequence: 91},
		Quantities: inventory.Quantities{12 * inventory.One, 3 * inventory.One, 500_000, 0, 40 * inventory.One},
		UpdatedAt:  committedAt.Add(time.Millisecond), Source: "wms", Transaction: "771", CommittedAt: committedAt,
	}}
	walked := changed
	walked.Source, walked.Transaction, walked.CommittedAt, walked.UpdatedAt = "", "", time.Time{}, time.Time{}
	walked.Gone, walked.Quantities, walked.Namespace, walked.After = true, inventory.Quantities{}, "staging", 0
	extreme := changed
	extreme.Cell = inventory.Cell{SKU: "Öl \"5W\"\\", Location: "a.b*>% c"}
	extreme.Version = inventory.Version{Session: 1<<53 - 1, Sequence: 1<<53 - 1}
	extreme.Quantities = inventory.Quantities{1<<63 - 2, 0, 0, 0, -(1<<63 - 2)}
	return map[string]inventory.LevelMessage{"changed": changed, "gone": walked, "extreme": extreme}
}

func TestLevelGolden(t *testing.T) {
	t.Parallel()
	for name, m := range levels() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := inventory.EncodeLevel(nil, &m)
			want := golden(t, "level_"+name+".json", got)
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("encoded (-want +got):\n%s", diff)
			}
			decoded, err := inventory.DecodeLevel(want)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(m, decoded); diff != "" {
				t.Errorf("decoded (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncodeLevelAppends(t *testing.T) {
	t.Parallel()
	m := levels()["changed"]
	got := inventory.EncodeLevel([]byte("x"), &m)
	if string(got) != "x"+string(inventory.EncodeLevel(nil, &m)) {
		t.Errorf("got %s", got)
	}
}

func TestDecodeLevelIgnoresUnknownFields(t *testing.T) {
	t.Parallel()
	m := levels()["changed"]
	body := string(inventory.EncodeLevel(nil, &m))
	body = strings.Replace(body, `{"specversion"`, `{"traceparent":"00-1-2-01","specversion"`, 1)
	body = strings.Replace(body, `"version":{`, `"held":7,"version":{"epoch":[1],`, 1)
	body = strings.Replace(body, `"cause":{`, `"cause":{"row":null,`, 1)
	got, err := inventory.DecodeLevel([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// badLevels gives edits of the golden "changed" that DecodeLevel must refuse.
func badLevels() []badBody {
	return []badBody{
		{"specversion", `"specversion":"1.0"~"specversion":"2.0"`, `specversion, at byte 20: want "1.0"`, true},
		{"type", `changed"~deleted"`, `want "inventory.level.changed"`, true},
		{"content", `application/json~text/plain`, `datacontenttype, at byte 188: want "application/json"`, true},
		{"source", `"/tailstock"~"/elsewhere"`, `not a source of levels`, true},
		{"source open", `"/tailstock"~"/tailstock/"`, `not a source of levels`, true},
		{"source longer", `"/tailstock"~"/tailstocks"`, `not a source of levels`, true},
		{"no id", `"id":~"xid":`, `want specversion, id`, true},
		{"other id", `1764000000001-91~1764000000001-92`, `id is not that of the version`, false},
		{"other subject", `"subject":"BRK-1234"~"subject":"BRK-1235"`, `subject is not the sku`, false},
		{"available", `"available":8.5~"available":8`, `available does not follow`, false},
		{"no kind", `"incoming":40~"x":40`, `data, at byte`, true},
		{"no version", `"version":{~"x":{`, `want sku, location`, true},
		{"half a version", `"session":1764000000001,~`, `data.version, at byte`, true},
		{"version text", `"session":1764000000001~"session":"1764000000001"`, `data.version.session, at byte`, true},
		{"version beyond", `"sequence":91~"sequence":9007199254740992`, `want an integer from 0 to 2^53-1`, true},
		{"first negative", `"first":90~"first":-90`, `data.first, at byte`, true},
		{"gone and not zero", `"gone":false~"gone":true`, `gone, and yet not zero`, false},
		{"gone text", `"gone":false~"gone":0`, `want true or false`, true},
		{"empty location", `"location":"DC1"~"location":""`, `data.location, at byte`, true},
		{"long location", `"DC1"~"` + strings.Repeat("x", 201) + `"`, `longer than 200 bytes`, true},
		{"control", `"DC1"~"DC\u0001"`, `contains a control character`, false},
		{"sum beyond", `"incoming":40~"incoming":9223372036854.775807`, `number out of range`, false},
		{"cause without source", `"cause":{"source":"wms",~"cause":{`, `data.cause, at byte`, true},
		{"cause without time", `,"committed_at":"2026-11-23T08:00:00.123456Z"~`, `want source, transaction and committed_at`, true},
		{"time", `"updated_at":"2026-11-23T08:00:00.124456Z"~"updated_at":"2026-11-23"`, `data.updated_at, at byte`, true},
		{"cut", `}}~`, `want a comma or the closing bracket`, false},
		{"twice", `"gone":false~"gone":false,"gone":false`, `given twice`, false},
	}
}

// apply makes the edit that a bad level stands for.
func (b badBody) apply(t *testing.T, good string) string {
	t.Helper()
	from, to, _ := strings.Cut(b.body, "~")
	if !strings.Contains(good, from) {
		t.Fatalf("%s is not in %s", from, good)
	}
	return strings.Replace(good, from, to, 1)
}

func TestDecodeLevelErrors(t *testing.T) {
	t.Parallel()
	m := levels()["changed"]
	good := string(inventory.EncodeLevel(nil, &m))
	for _, tt := range badLevels() {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := inventory.DecodeLevel([]byte(tt.apply(t, good)))
			if err == nil {
				t.Fatal("no error")
			}
			if got := err.Error(); !strings.Contains(got, tt.want) || !strings.HasPrefix(got, "decode level: ") {
				t.Errorf("got %q, want it to contain %q", got, tt.want)
			}
		})
	}
	if _, err := inventory.DecodeLevel([]byte("\xff")); err == nil {
		t.Error("took what is not UTF-8")
	}
}

func TestLevelRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := inventory.LevelMessage{Level: inventory.Level{
			Cell:    inventory.Cell{SKU: inventory.SKU(drawName(t, "sku")), Location: inventory.LocationID(drawName(t, "location"))},
			Version: inventory.Version{Session: rapid.Uint64Max(1<<53-1).Draw(t, "session"), Sequence: rapid.Uint64Max(1<<53-1).Draw(t, "sequence")},
			Gone:    rapid.Bool().Draw(t, "gone"),
		}, First: rapid.Uint64Max(1<<53-1).Draw(t, "first"), After: rapid.Uint64Max(1<<53-1).Draw(t, "after"), Namespace: rapid.StringN(0, 5, -1).Draw(t, "namespace")}
		if !m.Gone {
			for k := range m.Quantities {
				m.Quantities[k] = inventory.Quantity(rapid.Int64Range(-1<<61, 1<<61-1).Draw(t, "quantity"))
			}
		}
		if rapid.Bool().Draw(t, "caused") {
			m.UpdatedAt = time.UnixMicro(rapid.Int64Range(0, 1e16).Draw(t, "updated_at")).UTC()
			m.Source, m.Transaction, m.CommittedAt = drawName(t, "source"), rapid.String().Draw(t, "transaction"), m.UpdatedAt
		}
		body := inventory.EncodeLevel(nil, &m)
		if !json.Valid(body) {
			t.Fatalf("not JSON: %s", body)
		}
		got, err := inventory.DecodeLevel(body)
		if err != nil {
			t.Fatalf("%s: %v", body, err)
		}
		if diff := cmp.Diff(m, got); diff != "" {
			t.Fatalf("%s (-want +got):\n%s", body, diff)
		}
	})
}

// drawName draws a valid SKU or location, odd characters among them.
func drawName(t *rapid.T, label string) string {
	odd := rapid.RuneFrom([]rune(" .*>%{}\"\\/:é世😀aB9-"))
	return rapid.StringOfN(odd, 1, 40, inventory.MaxName).Filter(func(s string) bool { return inventory.ValidName(s) == nil }).Draw(t, label)
}

func FuzzDecodeLevel(f *testing.F) {
	files, err := filepath.Glob("testdata/level_*.json")
	if err != nil || len(files) == 0 {
		f.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := inventory.DecodeLevel(body)
		if err != nil {
			return
		}
		if !json.Valid(body) {
			t.Fatalf("accepted %q, which is not JSON", body)
		}
		again, err := inventory.DecodeLevel(inventory.EncodeLevel(nil, &m))
		if err != nil {
			t.Fatalf("decode what was encoded: %v", err)
		}
		// A cause is written in full, and a zero time as none.
		if diff := cmp.Diff(m, again); diff != "" {
			t.Fatalf("%q (-first +second):\n%s", body, diff)
		}
	})
}

func TestVersionCompare(t *testing.T) {
	t.Parallel()
	order := []inventory.Version{{}, {0, 1}, {1, 0}, {1, 9}, {2, 1}}
	for i, a := range order {
		for j, b := range order {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := a.Compare(b); got != want {
				t.Errorf("%v.Compare(%v) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func BenchmarkEncodeLevel(b *testing.B) {
	m := levels()["changed"]
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = inventory.EncodeLevel(buf[:0], &m)
	}
}

func BenchmarkDecodeLevel(b *testing.B) {
	m := levels()["changed"]
	body := inventory.EncodeLevel(nil, &m)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := inventory.DecodeLevel(body); err != nil {
			b.Fatal(err)
		}
	}
}
