package postgres_test

import (
	"slices"
	"strings"
	"testing"

	"tailstock/connector/cdc"
)

// TestCheckIndex looks for indexes by one column and by several.
func TestCheckIndex(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE bin (id int PRIMARY KEY, product_id int, tenant int, code text, place int, "odd ""name" int, part int);
		CREATE INDEX ON bin (product_id, code); CREATE INDEX ON bin (tenant, code, place); CREATE INDEX ON bin (lower(code), place);
		CREATE INDEX ON bin ("odd ""name") INCLUDE (place); CREATE INDEX ON bin (part) WHERE part > 0;
		INSERT INTO bin VALUES (1, 7, 1, 'a', 1, 1, 1), (2, 7, 2, 'a', NULL, 1, 1), (3, 8, 2, 'b', 1, 1, 1)`, "bin")
	s := db.source(db.config(), "public.bin: product_id tenant code place part")
	for columns, want := range map[string]string{
		"product_id": "ok", "tenant": "ok", "code": "none", "place": "none", `odd "name`: "ok", "part": "none",
		"tenant code": "ok", "code tenant": "ok", "place tenant code": "ok", "code product_id": "ok",
		"tenant place": "a part", "product_id tenant": "a part", "code place": "none", `odd "name,place`: "a part",
	} {
		list := strings.FieldsFunc(columns, func(r rune) bool { return r == ',' || r == ' ' && !strings.Contains(columns, `"`) })
		f, err := s.CheckIndex(t.Context(), public("bin"), list)
		if err != nil {
			t.Fatal(err)
		}
		got := map[bool]string{true: "ok", false: "none"}[f.State == cdc.FindingOK]
		if strings.Contains(f.Detail, "a part") {
			got = "a part"
		}
		if got != want || (got == "ok") != (f.Fix == "") {
			t.Errorf("%s: got %s, want %s: %+v", columns, got, want, f)
		}
	}

	for name, tt := range map[string]struct {
		columns []string
		keys    []cdc.Row
		want    []string
	}{
		"the key":          {nil, []cdc.Row{{cdc.Text("1")}, {cdc.Text("3")}, {cdc.Text("9")}}, []string{"1", "3"}},
		"no keys":          {nil, nil, nil},
		"another":          {[]string{"code"}, []cdc.Row{{cdc.Text("a")}}, []string{"1", "2"}},
		"two":              {[]string{"tenant", "code"}, []cdc.Row{{cdc.Text("2"), cdc.Text("a")}, {cdc.Text("1"), cdc.Text("b")}}, []string{"2"}},
		"one that is NULL": {[]string{"code", "place"}, []cdc.Row{{cdc.Text("a"), cdc.Null}}, []string{"2"}},
	} {
		def, rows, err := s.SampleKeys(t.Context(), public("bin"), tt.columns, tt.keys)
		if err != nil || def.Name != public("bin") {
			t.Fatal(name, err)
		}
		var got []string
		for _, r := range rows {
			got = append(got, r[0].Text())
		}
		if slices.Sort(got); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got rows %q, want %q", name, got, tt.want)
		}
	}
	if _, _, err := s.SampleKeys(t.Context(), public("bin"), []string{"nosuch"}, []cdc.Row{{cdc.Text("1")}}); err == nil {
		t.Error("rows by a column that is not captured are sampled")
	}
}
