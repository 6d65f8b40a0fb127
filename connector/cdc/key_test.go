package cdc_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tailstock/connector/cdc"
)

var update = flag.Bool("update", false, "write the golden files anew")

// keyed returns a table whose columns, named a, b and so on, are all its key.
func keyed(types ...cdc.Type) *cdc.Table {
	t := &cdc.Table{Name: cdc.TableName{Schema: "s", Name: "t"}}
	for i, ty := range types {
		t.Columns = append(t.Columns, cdc.Column{Name: string(rune('a' + i)), Type: ty})
		t.Key = append(t.Key, i)
	}
	return t
}

func row(texts ...string) cdc.Row {
	var r cdc.Row
	for _, s := range texts {
		r = append(r, cdc.Text(s))
	}
	return r
}

// TestKeyGolden pins the text of keys: stores hold them for ever.
func TestKeyGolden(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789", 60)
	var b strings.Builder
	for _, tt := range []struct {
		table *cdc.Table
		row   cdc.Row
	}{
		{keyed(cdc.TypeInteger), row("42")},
		{keyed(cdc.TypeInteger), row("-9223372036854775808")},
		{keyed(cdc.TypeInteger), row("18446744073709551615")},
		{keyed(cdc.TypeInteger, cdc.TypeText), row("0", "BRK-1234")},
		{keyed(cdc.TypeText, cdc.TypeText), row("DC1", "")},
		{keyed(cdc.TypeText), row("a\"b\\c/d\n\r\t\x00\x1f\x7f é世😀\u2028")},
		{keyed(cdc.TypeDecimal), row("1.50")},
		{keyed(cdc.TypeUUID, cdc.TypeBytes), row("c8b3b1a4-0000-4000-8000-000000000001", "00ff")},
		{keyed(cdc.TypeTimestampTZ, cdc.TypeBool), row("2026-11-23 08:00:00+00", "t")},
		{keyed(cdc.TypeInteger, cdc.TypeInteger), row("-0", "007")},
		{keyed(cdc.TypeInteger), row("")},
		{keyed(cdc.TypeText), row(long[:508])},
		{keyed(cdc.TypeText), row(long[:509])},
		{keyed(cdc.TypeText), row("a" + strings.Repeat("世", 200))},
		{keyed(cdc.TypeText), row(strings.Repeat("\n", 300))},
		{keyed(cdc.TypeText), row("caf\xe9")},
		{keyed(cdc.TypeText), row("caf\ufffd")},
		{keyed(cdc.TypeText), row("\xff" + long)},
	} {
		key, err := tt.table.KeyOf(tt.row)
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(string(key) + "\n")
	}
	path := filepath.Join("testdata", "keys.txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("got\n%swant\n%s", b.String(), want)
	}
}

func TestKeyIncomplete(t *testing.T) {
	t.Parallel()
	table := keyed(cdc.TypeInteger, cdc.TypeText)
	for name, r := range map[string]cdc.Row{
		"null":      {cdc.Text("1"), cdc.Null},
		"unchanged": {cdc.Unchanged, cdc.Text("x")},
		"short":     {cdc.Text("1")},
		"nil":       nil,
	} {
		if key, err := table.KeyOf(r); !errors.Is(err, cdc.ErrKey) {
			t.Errorf("%s: got %s, %v; want ErrKey", name, key, err)
		}
	}
}

// TestKeyTakesKeyColumnsInOrder has other columns around the key.
func TestKeyTakesKeyColumnsInOrder(t *testing.T) {
	t.Parallel()
	table := keyed(cdc.TypeText, cdc.TypeInteger, cdc.TypeText)
	table.Key = []int{2, 1}
	key, err := table.KeyOf(cdc.Row{cdc.Unchanged, cdc.Text("7"), cdc.Text("x")})
	if err != nil || key != `["x",7]` {
		t.Errorf("got %s, %v", key, err)
	}
}

// TestKeysAreEqualExactlyWhenTheValuesAre draws pairs of keys that tend to be
// close: split elsewhere, quoted, overlong, or not UTF-8.
func TestKeysAreEqualExactlyWhenTheValuesAre(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{
		"", "a", "b", ",", `"`, `","`, `\`, "\n", "\xff", "\xfe", "\ufffd", "é", "]", "...", "1", "-1", "0",
		strings.Repeat("x", 300), strings.Repeat(`"`, 230), strings.Repeat("世", 150),
	})
	value := rapid.Custom(func(t *rapid.T) string { return strings.Join(rapid.SliceOfN(piece, 0, 3).Draw(t, "pieces"), "") })
	rapid.Check(t, func(t *rapid.T) {
		table := keyed(rapid.SampledFrom([]cdc.Type{cdc.TypeText, cdc.TypeInteger}).Draw(t, "type"), cdc.TypeText)
		a, b := row(value.Draw(t, "a0"), value.Draw(t, "a1")), row(value.Draw(t, "b0"), value.Draw(t, "b1"))
		if rapid.Bool().Draw(t, "same") {
			b[0] = a[0]
		}
		ka, errA := table.KeyOf(a)
		kb, errB := table.KeyOf(b)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		if same := a[0] == b[0] && a[1] == b[1]; (ka == kb) != same {
			t.Fatalf("%q and %q have the keys\n%s\n%s", a, b, ka, kb)
		}
		if len(ka) > cdc.MaxRowKey || !utf8.ValidString(string(ka)) {
			t.Fatalf("%q: %d bytes, %q", a, len(ka), ka)
		}
	})
}

// FuzzKey reads keys back with encoding/json.
func FuzzKey(f *testing.F) {
	f.Add("DC1", "BRK-1234")
	f.Add("a\"\\\x01", "\xff")
	f.Fuzz(func(t *testing.T, a, b string) {
		key, err := keyed(cdc.TypeText, cdc.TypeText).KeyOf(row(a, b))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		err = json.Unmarshal([]byte(key), &got)
		if whole, _ := json.Marshal([]string{a, b}); utf8.ValidString(a+"\x00"+b) && len(whole) <= cdc.MaxRowKey {
			if err != nil || len(got) != 2 || got[0] != a || got[1] != b {
				t.Fatalf("%q, %q: key %s reads %q, %v", a, b, key, got, err)
			}
		} else if err != nil && !strings.HasSuffix(string(key), "]") {
			t.Fatalf("%q, %q: key %s", a, b, key)
		}
	})
}

// FuzzAppendJSONString reads the text back with encoding/json, which puts
// U+FFFD for bad bytes as well.
func FuzzAppendJSONString(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\\b\f\n\r\t\x00\x7f\u2028\xff\xc3é\xed\xa0\x80")
	f.Fuzz(func(t *testing.T, s string) {
		text := cdc.AppendJSONString([]byte("x"), s)
		var got string
		if err := json.Unmarshal(text[1:], &got); err != nil {
			t.Fatalf("%q: %s: %v", s, text, err)
		}
		if want := strings.ToValidUTF8(s, "\x00"); utf8.ValidString(s) && got != s || len([]rune(got)) != len([]rune(s)) {
			t.Fatalf("%q: read back %q (%q)", s, got, want)
		}
	})
}

func BenchmarkKeyOf(b *testing.B) {
	table := keyed(cdc.TypeInteger, cdc.TypeText)
	r := row("1234567", "BRK-1234")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := table.KeyOf(r); err != nil {
			b.Fatal(err)
		}
	}
}
