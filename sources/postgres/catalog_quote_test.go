package postgres

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
)

// TestQuoteName compares with the server's own quoting, for every keyword that
// it knows and for odd names.
func TestQuoteName(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), testenv.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	odd := []string{"stock", "Stock", "a b", `a"b`, "_x", "x1", "1x", "", "ä", "a$b", "a.b", "select", "tab\tle"}
	rows, err := conn.Query(t.Context(), `SELECT w, quote_ident(w) FROM unnest($1::text[] || ARRAY(SELECT word FROM pg_get_keywords())) AS w`, odd)
	if err != nil {
		t.Fatal(err)
	}
	var name, want string
	_, err = pgx.ForEachRow(rows, []any{&name, &want}, func() error {
		// The list is of all versions, so it may quote what this server need not.
		if got := quoteName(name); got != want && got != `"`+name+`"` {
			t.Errorf("quoteName(%q) = %s, want %s", name, got, want)
		}
		if want != name && quoteName(name) == name {
			t.Errorf("quoteName(%q) does not quote it", name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := quoteTable(cdc.TableName{Schema: "W", Name: "order"}); got != `"W"."order"` {
		t.Errorf("quoteTable = %s", got)
	}
}

func TestNamesStandby(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]bool{
		"":                             false,
		"*":                            true,
		"s1, tailstock":                true,
		"FIRST 2 (s1, TailStock)":      true,
		"ANY 1 (s1,s2)":                false,
		`2 ("tailstock", s2)`:          true,
		`"a,b"`:                        false,
		"tailstock_erp":                false,
		"any 3 (s1, *)":                true,
		"first(tailstock)":             true,
		" FIRST 1 ( s1 , tailstock ) ": true,
	} {
		if got := namesStandby(setting, "tailstock"); got != want {
			t.Errorf("namesStandby(%q) = %v, want %v", setting, got, want)
		}
	}
}

func TestTextArray(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), testenv.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	want := []string{"", "NULL", `a"b`, `\`, "{x,y}", " pad ", "ü\n", `"\"`}
	var got []string
	if err := readText(t.Context(), conn, "SELECT unnest($1::text[])", [][]string{want}, func(row [][]byte) error {
		got = append(got, string(row[0]))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("array went to the server and back (-want +got):\n%s", diff)
	}
}
