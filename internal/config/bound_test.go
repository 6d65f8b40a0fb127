package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"tailstock/internal/config"
)

// Whatever a file holds, reading it ends soon.
func TestReadingIsBounded(t *testing.T) {
	t.Parallel()
	many := func(n int, format string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	rules := "contributes:\n" + many(100, "          - {leg: l%d, sku: a, location: b, on_hand: c}\n")
	for name, c := range map[string]struct{ text, want string }{
		"brackets":      {strings.Repeat("[", 200_000), "nests deeper"},
		"braces":        {strings.Repeat("{a: ", 100_000), "nests deeper"},
		"dashes":        {strings.Repeat("- ", 200_000), "nests deeper"},
		"anchors":       {strings.Repeat("&a ", 100_000), "nests deeper"},
		"many brackets": {"a: " + strings.Repeat("[\n", 100_000), "nests deeper"},
		"keys":          {many(40_000, "k%d: v\n"), "more than 20000 keys"},
		"unknown keys":  {"sources: {}\n" + many(5_000, "k%d: v\n"), "unknown key"},
		"a long key":    {strings.Repeat("k.", 1000) + ": v\n", "a key must be"},
		"a large file":  {strings.Repeat("# large\n", 1_000_000), "is larger than"},
		"a long value":  {"namespace: " + strings.Repeat("x", 1_000_000), "xxx..."},
		"aliases": {"nats: {embedded: {dir: n}}\nsources:\n  s:\n    postgres: {dsn: host=s}\n    tables: &t\n      a.a: &a\n        " + rules +
			many(500, "      a.t%d: *a\n") + many(300, "  s%d: {postgres: {dsn: host=s}, tables: *t}\n"), "that is too many"},
		"an alias of itself": {"nats: &n\n  embedded: *n\n", "no anchor &n before"},
	} {
		start := time.Now()
		_, err := config.Parse("tailstock.yaml", []byte(c.text), nil)
		if took := time.Since(start); took > 30*time.Second {
			t.Errorf("%s: took %v", name, took)
		} else if testing.Verbose() {
			t.Logf("%s: %v", name, took)
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			text := fmt.Sprint(err)
			t.Errorf("%s: %s, want %q", name, text[:min(len(text), 300)], c.want)
		}
	}
}

// Every table name that a source prints can be written in the file.
func TestTablesAreNamedAsSourcesPrintThem(t *testing.T) {
	t.Parallel()
	for key, want := range map[string]string{
		`public.part`:             "public.part",
		`public.tabBin`:           "public.tabBin",
		`'public."tab.Bin"'`:      `public."tab.Bin"`,
		`'"a.b"."c""d"'`:          `"a.b"."c""d"`,
		"'`a.b`.c'":               `"a.b".c`,
		`public.tab Stock Entry`:  "public.tab Stock Entry",
		`"public.\"Order Line\""`: "public.Order Line",
		`'"public"."part"'`:       "public.part",
	} {
		c := parse(t, strings.Replace(small, "public.part", key, 1))
		if got := c.Sources[0].Mappings[0].Table().String(); got != want {
			t.Errorf("%s names %s, want %s", key, got, want)
		}
	}
}
