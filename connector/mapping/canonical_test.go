package mapping_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// everything is a mapping that uses all of the language.
func everything() []mapping.Rule {
	stock := rule(" coalesce(qty, nqty ?? 0) + -qty*2 - 1.50 / 0.5 % 3 ")
	stock.When = written("not no && (yes || id in [1, -2.5] or sku not in ['a', \"it's\"]) and id != 1 and id<2 and id<=3 and id>4 and id>=5 and nsku == null")
	stock.SKU = written("upper(`part name`) + '/' + text(id) + substring(sku, 1, 3) + part(sku, '-', 2) + lower(trim(sku))")
	stock.Location = written(`'line\nbreak \\ \' " \x00 € ` + "\u200b\U0001F600" + `'`)
	stock.Quantities[inventory.Committed] = written("yes ? number(sku) : len(sku)")
	stock.Quantities[inventory.Unavailable] = written("min(1, qty, max(2, id)) + abs(qty) + floor(qty) + ceil(qty) + round(qty) + round(qty, 2)")
	stock.Quantities[inventory.SafetyStock] = written("null")
	stock.Quantities[inventory.Incoming] = written("sku contains 'a' and sku startsWith 'b' and sku endsWith 'c' and sku matches '^d+$' and yes == true ? 1 : 0")
	other := mapping.Rule{Leg: written("Another <leg> & more"), SKU: written("replace(`grave``s`, '-', '')"), Location: written("`größe`")}
	other.Quantities[inventory.OnHand] = written("`in` + `null` + `NULL`")
	return []mapping.Rule{stock, other}
}

// The canonical text and the id are stored and compared by other versions. A change of
// this golden file makes every installation load its tables anew.
func TestCanonicalIsPinned(t *testing.T) {
	t.Parallel()
	m := compile(t, everything()...)
	golden(t, "canonical.golden", string(m.ID())+"\n"+string(m.Canonical())+"\n")
	sum := sha256.Sum256(m.Canonical())
	if want := hex.EncodeToString(sum[:])[:16]; string(m.ID()) != want {
		t.Errorf("id %s, want %s", m.ID(), want)
	}
}

func TestParseReadsCanonical(t *testing.T) {
	t.Parallel()
	m := compile(t, everything()...)
	parsed, err := mapping.Parse(m.Canonical())
	if err != nil {
		t.Fatal(err)
	}
	if parsed.ID() != m.ID() || !bytes.Equal(parsed.Canonical(), m.Canonical()) || parsed.Table() != m.Table() {
		t.Errorf("parsed %s %s\n%s\nwant %s %s\n%s", parsed.Table(), parsed.ID(), parsed.Canonical(), m.Table(), m.ID(), m.Canonical())
	}
	got, want := slices.Sorted(slices.Values(parsed.Columns())), slices.Sorted(slices.Values(m.Columns()))
	if !slices.Equal(got, want) {
		t.Errorf("parsed columns %q, want %q", got, want)
	}
}

// What is longer in its canonical spelling than an expression may be is read all the same.
func TestParseReadsLongCanonical(t *testing.T) {
	t.Parallel()
	for _, e := range []string{
		"'" + strings.Repeat("\x01", 4084) + "' == ''",
		"'" + strings.Repeat("\"", 4084) + "' == ''",
		strings.Repeat("!", 199) + "yes",
		"no" + strings.Repeat("||no", 199),
		"id in[" + strings.Repeat("1,", 2040) + "1]",
		"nbool==($??$??$)" + strings.Repeat("||($??$)", 150),
	} {
		r := rule("1")
		r.When = written(e)
		m := compile(t, r)
		if _, err := mapping.Parse(m.Canonical()); err != nil {
			t.Errorf("%.40s...: %v", e, err)
		}
	}
}

// However a rule is written, what means the same has one id.
func TestCanonicalIgnoresSpelling(t *testing.T) {
	t.Parallel()
	for _, spellings := range [][]string{
		{"yes and not no", "yes&&!no", "(yes) and (not (no))", "yes and // both\n not no", "/**/yes and !`no`"},
		{"sku == 'it\\'s'", `sku == "it's"`, `sku=='it\x27s'`, `(sku == "it\u0027s")`},
		{"id in [1, 2]", "id in [1.0, 2,]", "(id in [01, 2.000])"},
		{"sku not in ['a']", "not (sku in ['a'])"},
		{"coalesce(nbool, no, yes)", "nbool ?? no ?? yes", "(nbool ?? no) ?? yes", "nbool ?? (no ?? yes)", "coalesce(coalesce(nbool, no), yes)"},
		{"qty - -1 == 1_000", "qty-(-1) == 1000", "((qty) - -1.0) == 1000.000000"},
		{"yes ? no : yes", "(yes) ? (no) : (yes)", "yes?no:yes"},
	} {
		var first inventory.MappingID
		for i, e := range spellings {
			r := rule("1")
			r.When = written(e)
			id := compile(t, r).ID()
			if i == 0 {
				first = id
			}
			if id != first {
				t.Errorf("%s: id %s, want %s as for %s", e, id, first, spellings[0])
			}
		}
	}
	a, b := rule("1"), rule("2")
	b.Leg = written("b")
	named := a
	named.Leg = written(mapping.DefaultLeg)
	id := compile(t, a, b).ID()
	if got := compile(t, b, a).ID(); got != id {
		t.Errorf("id %s with the rules in another order, want %s", got, id)
	}
	if got := compile(t, named, b).ID(); got != id {
		t.Errorf("id %s with the leg named, want %s", got, id)
	}
	placed, err := mapping.Compile(compile(t, a).Table(), mapping.Spec{File: "x.yaml", Place: mapping.Place{Line: 3, Column: 1}, Contributes: []mapping.Rule{a, b}})
	if err != nil {
		t.Fatal(err)
	}
	if placed.ID() != id {
		t.Errorf("id %s in another file, want %s", placed.ID(), id)
	}
}

// Every difference in meaning is a difference of the id.
func TestCanonicalTellsMeanings(t *testing.T) {
	t.Parallel()
	base := func() mapping.Rule {
		r := rule("qty - 1 - 2")
		r.When = written("yes and (no or yes)")
		return r
	}
	seen := make(map[inventory.MappingID]string)
	add := func(what string, m *mapping.Mapping) {
		if other, ok := seen[m.ID()]; ok {
			t.Errorf("%s has the id of %s", what, other)
		}
		seen[m.ID()] = what
	}
	add("base", compile(t, base()))
	for what, change := range map[string]func(r *mapping.Rule){
		"leg":          func(r *mapping.Rule) { r.Leg = written("x") },
		"no condition": func(r *mapping.Rule) { r.When = mapping.Value{} },
		"condition":    func(r *mapping.Rule) { r.When = written("yes and no or yes") },
		"sku":          func(r *mapping.Rule) { r.SKU = written("sku") },
		"sku text":     func(r *mapping.Rule) { r.SKU = written("'sku'") },
		"location":     func(r *mapping.Rule) { r.Location = written("'l'") },
		"quantity":     func(r *mapping.Rule) { r.Quantities[inventory.OnHand] = written("qty - (1 - 2)") },
		"kind":         func(r *mapping.Rule) { r.Quantities[inventory.Incoming] = written("0") },
	} {
		r := base()
		change(&r)
		add(what, compile(t, r))
	}
	second := base()
	second.Leg = written("second")
	add("two rules", compile(t, base(), second))
	elsewhere, err := mapping.Compile(cdc.TableName{Schema: "public", Name: "stock2"}, mapping.Spec{Contributes: []mapping.Rule{base()}})
	if err != nil {
		t.Fatal(err)
	}
	add("table", elsewhere)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	good := string(compile(t, rule("qty")).Canonical())
	for what, c := range map[string]struct{ text, want string }{
		"nothing":          {"", "decode canonical mapping: EOF"},
		"no JSON":          {"{", "decode canonical mapping: unexpected EOF"},
		"unknown field":    {strings.Replace(good, `"table"`, `"tables"`, 1), `decode canonical mapping: json: unknown field "tables"`},
		"other language":   {strings.Replace(good, `"language":1`, `"language":2`, 1), "decode canonical mapping of table public.stock: it is in language 2, and this version knows 1"},
		"other spelling":   {strings.Replace(good, `"qty"`, `"(qty)"`, 1), "canonical mapping of table public.stock: it is not spelled as this version spells it"},
		"something behind": {good + " x", "canonical mapping of table public.stock: it is not spelled as this version spells it"},
		"no leg":           {strings.Replace(good, `"leg":"stock",`, "", 1), "canonical mapping of table public.stock: it is not spelled as this version spells it"},
		"no sku":           {strings.Replace(good, `"sku":"'S'",`, "", 1), "canonical mapping: table public.stock: contributes[0].sku: is missing: say which column holds the SKU"},
		"bad expression":   {strings.Replace(good, `"qty"`, `"qty +"`, 1), "canonical mapping: table public.stock: contributes[0].on_hand: at character 6: ends too early: something is missing here"},
		"no rules":         {`{"language":1,"table":"public.stock","contributes":[]}`, "canonical mapping: table public.stock: contributes: has no rules; a table that contributes nothing is left out"},
	} {
		_, err := mapping.Parse([]byte(c.text))
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", what, err, c.want)
		}
	}
}

// A source is asked for the columns that the rules name, and for no others.
func TestColumns(t *testing.T) {
	t.Parallel()
	r := rule("a + b ?? c")
	r.When = written("not (d in [1]) and len(e) > 1")
	r.SKU = written("f ?? 'g'")
	second := rule("`h i` * a")
	second.Leg = written("second")
	want := []string{"d", "e", "f", "a", "b", "c", "h i"}
	if got := compile(t, r, second).Columns(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
