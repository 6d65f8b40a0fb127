package cdc_test

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tailstock/connector/cdc"
)

func TestParseTableName(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]cdc.TableName{
		"":               {},
		"t":              {Name: "t"},
		"s.t":            {Schema: "s", Name: "t"},
		"s.":             {Schema: "s"},
		"s.t.u":          {Schema: "s", Name: "t.u"},
		`"s.x".t`:        {Schema: "s.x", Name: "t"},
		`s."t.u"`:        {Schema: "s", Name: "t.u"},
		"`s`.`t``u`":     {Schema: "s", Name: "t`u"},
		`"a""b"."c"`:     {Schema: `a"b`, Name: "c"},
		`"t.u"`:          {Name: "t.u"},
		`"`:              {Name: `"`},
		`"open.t`:        {Schema: `"open`, Name: "t"},
		`"a"b.c`:         {Schema: `"a"b`, Name: "c"},
		`s."t"u`:         {Schema: "s", Name: `"t"u`},
		`s."open`:        {Schema: "s", Name: `"open`},
		"Mixed.Case Ünï": {Schema: "Mixed", Name: "Case Ünï"},
	} {
		if got := cdc.ParseTableName(in); got != want {
			t.Errorf("%s: got %#v, want %#v", in, got, want)
		}
	}
}

func TestTableNameRoundTrip(t *testing.T) {
	t.Parallel()
	part := rapid.StringOfN(rapid.RuneFrom([]rune("ab.\"` é")), 0, 5, -1)
	rapid.Check(t, func(t *rapid.T) {
		n := cdc.TableName{Schema: part.Draw(t, "schema"), Name: part.Draw(t, "name")}
		if got := cdc.ParseTableName(n.String()); got != n {
			t.Fatalf("%#v is written %s and read %#v", n, n, got)
		}
	})
}

func FuzzParseTableName(f *testing.F) {
	f.Add(`"a""b".c`)
	f.Add("`x`.")
	f.Fuzz(func(t *testing.T, s string) {
		n := cdc.ParseTableName(s)
		if again := cdc.ParseTableName(n.String()); again != n {
			t.Fatalf("%q is %#v, written %s and read %#v", s, n, n, again)
		}
	})
}

func TestTableColumn(t *testing.T) {
	t.Parallel()
	table := keyed(cdc.TypeText, cdc.TypeInteger)
	if a, b, none := table.Column("a"), table.Column("b"), table.Column("A"); a != 0 || b != 1 || none != -1 {
		t.Errorf("got %d, %d, %d", a, b, none)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for ty := cdc.TypeText; ty <= cdc.TypeOther; ty++ {
		seen[ty.String()] = true
	}
	if len(seen) != 13 || seen["unknown"] || seen[""] {
		t.Errorf("types: %v", seen)
	}
	if cdc.Type(0).String() != "unknown" || cdc.Type(200).String() != "unknown" {
		t.Error("a type that is none has a name")
	}
	for op, name := range []string{"unknown", "insert", "update", "delete", "truncate", "read", "unknown"} {
		if got := cdc.Op(op).String(); got != name {
			t.Errorf("op %d: got %s, want %s", op, got, name)
		}
		parsed, ok := cdc.ParseOp(name)
		if ok != (name != "unknown") || (ok && int(parsed) != op) {
			t.Errorf("%s: got %d, %t", name, parsed, ok)
		}
	}
	if _, ok := cdc.ParseOp(""); ok {
		t.Error("an empty op")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		v               cdc.Value
		null, unchanged bool
		text, shown     string
	}{
		{cdc.Value{}, true, false, "", "NULL"},
		{cdc.Null, true, false, "", "NULL"},
		{cdc.Unchanged, false, true, "", "(unchanged)"},
		{cdc.Text(""), false, false, "", ""},
		{cdc.Text("x"), false, false, "x", "x"},
	} {
		if tt.v.IsNull() != tt.null || tt.v.IsUnchanged() != tt.unchanged || tt.v.Text() != tt.text || tt.v.String() != tt.shown {
			t.Errorf("%#v: got %t, %t, %q, %q", tt.v, tt.v.IsNull(), tt.v.IsUnchanged(), tt.v.Text(), tt.v.String())
		}
	}
	if !(cdc.Row{cdc.Null, cdc.Text("")}).Complete() || (cdc.Row{cdc.Null, cdc.Unchanged}).Complete() {
		t.Error("Complete")
	}
}

func TestErrorsNameTheFix(t *testing.T) {
	t.Parallel()
	setup := &cdc.SetupError{Object: "table s.t", Problem: "no key", Fix: "ALTER", Err: cdc.ErrKey}
	if got := setup.Error(); got != "table s.t: no key: incomplete row key; to fix: ALTER" {
		t.Error(got)
	}
	gap := &cdc.GapError{Reason: cdc.GapSlotLost, Detail: "d", Fix: "f"}
	if got := gap.Error(); !strings.Contains(got, "slot_lost") || !strings.HasSuffix(got, ": d; to fix: f") {
		t.Error(got)
	}
}
