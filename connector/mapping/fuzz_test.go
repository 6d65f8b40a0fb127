package mapping_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// seedExpressions gives a fuzz test every expression of the tables of the other tests.
func seedExpressions(f *testing.F) {
	f.Helper()
	for line := range strings.Lines(language) {
		if e, _, ok := strings.Cut(line, " => "); ok {
			f.Add(e)
		}
	}
	wrong, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(wrong)) {
		if _, e, ok := strings.Cut(line, ":"); ok {
			f.Add(strings.TrimSpace(e))
		}
	}
	for _, piece := range []string{"(", "[", "-", "!", "not ", "upper(", "1+", "a?b:", "a??", "a?", "{", "a.b", "a[", "'", "`", "1 in [", "/*", "a|b("} {
		f.Add(strings.Repeat(piece, 300))
	}
}

// fields are a rule's expressions.
var fields = []string{"when", "sku", "location", "on_hand"}

// Whatever an operator writes is compiled or refused at a place within it. What
// compiles is the same mapping when it is read back.
func FuzzCompile(f *testing.F) {
	seedExpressions(f)
	table, row := tableOf(sample())
	f.Fuzz(func(t *testing.T, expression string) {
		for _, field := range fields {
			r := rule("0")
			setField(t, &r, field, at(1, 1, expression))
			m, err := mapping.Compile(table.Name, mapping.Spec{Contributes: []mapping.Rule{r}})
			if err != nil {
				checkPlaces(t, expression, err)
				continue
			}
			parsed, err := mapping.Parse(m.Canonical())
			if err != nil || parsed.ID() != m.ID() {
				t.Fatalf("%q: canonical %s: read as %+v, %v", expression, m.Canonical(), parsed, err)
			}
			p, err := m.Bind(table, nil)
			if err != nil {
				checkPlaces(t, expression, err)
				continue
			}
			q, err := parsed.Bind(table, nil)
			if err != nil {
				t.Fatalf("%q: read back, it does not fit the table any more: %v", expression, err)
			}
			checkMapped(t, p, q, row)
		}
	})
}

// The same with a vocabulary, whose tables the expressions look into.
func FuzzCompileLookups(f *testing.F) {
	for line := range strings.Lines(lookupLanguage) {
		if e, _, ok := strings.Cut(line, " => "); ok {
			f.Add(e)
		}
	}
	wrong, err := os.ReadFile("testdata/wrong_lookups.txt")
	if err != nil {
		f.Fatal(err)
	}
	for line := range strings.Lines(string(wrong)) {
		_, e, _ := strings.Cut(line, ":")
		f.Add(strings.TrimSpace(e))
	}
	for _, piece := range []string{"product[", "nearest(location[", "within(", "zone[", "const.", "template[product[", "].code"} {
		f.Add(strings.Repeat(piece, 100))
	}
	table, row := tableOf(quant())
	l := tables()
	f.Fuzz(func(t *testing.T, expression string) {
		for _, field := range fields {
			r := rule("0")
			setField(t, &r, field, at(1, 1, expression))
			m, err := compileIn(t, shop(), r)
			if err != nil {
				checkPlaces(t, expression, err)
				continue
			}
			parsed, err := mapping.Parse(m.Canonical())
			if err != nil || parsed.ID() != m.ID() {
				t.Fatalf("%q: canonical %s: read as %+v, %v", expression, m.Canonical(), parsed, err)
			}
			p, err := m.Bind(table, l)
			if err != nil {
				checkPlaces(t, expression, err)
				continue
			}
			q, err := parsed.Bind(table, l)
			if err != nil {
				t.Fatalf("%q: read back, it does not fit the table any more: %v", expression, err)
			}
			checkMapped(t, p, q, row)
		}
	})
}

// checkPlaces checks that every error in err points into the expression, which stands at 1:1.
func checkPlaces(t *testing.T, expression string, err error) {
	t.Helper()
	var list mapping.Errors
	if !errors.As(err, &list) || len(list) == 0 {
		t.Fatalf("%q: error %v, want mapping.Errors", expression, err)
	}
	for _, e := range list {
		if last := utf8.RuneCountInString(expression) + 1; e.Place.Line != 1 || e.Place.Column < 1 || e.Place.Column > last || e.Reason == "" {
			t.Fatalf("%q: %v: column %d of at most %d", expression, e, e.Place.Column, last)
		}
	}
}

// checkMapped checks that p gives either valid contributions or a problem, and q the same.
func checkMapped(t *testing.T, p, q *mapping.Program, row cdc.Row) {
	t.Helper()
	out, problem := p.Map(row, nil)
	again, sameProblem := q.Map(row, nil)
	if diff := cmp.Diff(out, again) + cmp.Diff(problem, sameProblem); diff != "" {
		t.Fatalf("(-first +second)\n%s", diff)
	}
	agrees(t, p.Trace(row), out, problem)
	switch {
	case problem != nil && (len(out) > 0 || problem.Rule == "" || problem.Reason == "" || !utf8.ValidString(problem.Reason)):
		t.Fatalf("problem %+v with %d contributions", problem, len(out))
	case problem == nil:
		for i := range out {
			if err := out[i].Validate(); err != nil {
				t.Fatalf("%+v: %v", out[i], err)
			}
		}
	}
}

// Whatever a source says that a column holds is mapped or rejected.
func FuzzMap(f *testing.F) {
	f.Add("12.5", "BRK-1", "t", uint16(0))
	f.Add("NaN", "\xff\x00", "maybe", uint16(7))
	f.Add("1e99999999999999999999", strings.Repeat("ß", 70000), "f", uint16(1))
	f.Add("-Infinity", "-1e-99999999999999999999", "", uint16(511))
	f.Add("", "9999999999999.9999999", "f", uint16(64))
	r := everything()[0]
	r.When = written("when != 'no' or sku in ['a'] and not yes or qty > 5 or float < 3 or other matches 'x'")
	r.SKU = written("sku ?? part(other, '-', 2) ?? (upper(text(qty)) + text(float) + text(id) + text(yes))")
	r.Location = written("replace(trim(substring(other, 1, 9)), 'x', sku) ?? 'L'")
	r.Quantities[inventory.SafetyStock] = written("coalesce(number(sku), float * qty / id % 3, -qty)")
	r.Quantities[inventory.Incoming] = written("yes == null ? float : qty")
	second := mapping.Rule{Leg: written("plain"), SKU: written("qty"), Location: written("float")}
	second.Quantities[inventory.OnHand] = written("float")
	second.Quantities[inventory.Committed] = written("id")
	m := compile(f, r, second)
	columns := append(m.Columns(), "id")
	f.Fuzz(func(t *testing.T, number, text, truth string, nulls uint16) {
		table := &cdc.Table{Name: m.Table(), Key: []int{0}}
		var row cdc.Row
		for i, name := range columns {
			c, v := cdc.Column{Name: name, Type: cdc.TypeText}, text
			switch name {
			case "id":
				c.Type, v = cdc.TypeInteger, number
			case "qty", "nqty":
				c.Type, v = cdc.TypeDecimal, number
			case "float":
				c.Type, v = cdc.TypeFloat, number
			case "yes", "no":
				c.Type, v = cdc.TypeBool, truth
			}
			table.Columns = append(table.Columns, c)
			if nulls&(1<<(i%16)) != 0 {
				row = append(row, cdc.Null)
			} else {
				row = append(row, cdc.Text(v))
			}
		}
		p, err := m.Bind(table, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkMapped(t, p, p, row)
	})
}

// Whatever stands where a canonical text should, is refused or is one.
func FuzzParse(f *testing.F) {
	for _, rules := range [][]mapping.Rule{everything(), {rule("qty")}, transfer()} {
		f.Add(compile(f, rules...).Canonical())
	}
	for _, field := range []string{"nearest(location[location_id], usage == 'view').name", "partno(zone[unit])"} {
		r := rule("0")
		r.SKU = written(field)
		m, err := compileIn(f, shop(), r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.Canonical())
	}
	f.Add([]byte(`{"language":1,"table":"a.b","contributes":[{"leg":"x","sku":"a","location":"b","on_hand":"(a + 1)"}]} `))
	f.Fuzz(func(t *testing.T, text []byte) {
		m, err := mapping.Parse(text)
		if err == nil && string(m.Canonical()) != string(text) {
			t.Fatalf("read %q as %q", text, m.Canonical())
		}
	})
}

// expression draws a well-typed expression of a kind: n, t or b.
func expression(t *rapid.T, kind byte, depth int) string {
	atoms := map[byte][]string{
		'n': {"id", "qty", "nqty", "big", "nan", "inf", "residue", "0", "1", "0.5", "-3"},
		't': {"sku", "nsku", "empty", "`part name`", "größe", "day", "'a'", "'-'", "'it\\'s \\\\ \\x01'"},
		'b': {"yes", "no", "nbool", "odd", "true", "false"},
	}
	if depth == 0 {
		return rapid.SampledFrom(atoms[kind]).Draw(t, "atom")
	}
	shapes := map[byte][]string{
		'n': {"(n + n)", "n - n", "n * n", "n / n", "n % n", "-n", "b ? n : n", "(n ?? n)", "coalesce(n, n, n)", "abs(n)", "round(n, 2)", "min(n, n)", "max(n, n)", "floor(n)", "ceil(n)", "number(t)", "len(t)"},
		't': {"t + t", "b ? t : t", "(t ?? t)", "text(n)", "text(b)", "text(t)", "upper(t)", "lower(t)", "trim(t)", "replace(t, t, t)", "substring(t, 2)", "substring(t, 1, 3)", "part(t, t, 2)"},
		'b': {"(n < n)", "(n >= n)", "(t <= t)", "(t == t)", "(n != n)", "(b == b)", "(t contains t)", "(t startsWith t)", "(t not endsWith t)", "(t matches '^a+$')", "(n in [1, -2])", "(t not in ['a', \"-\"])", "(b and b)", "(b or b)", "not b", "(b ? b : b)", "(n == null)", "(t != null)", "(b == null)"},
	}
	shape := rapid.SampledFrom(shapes[kind]).Draw(t, "shape")
	var out strings.Builder
	for i := range len(shape) {
		c := shape[i]
		word := i > 0 && letter(shape[i-1]) || i+1 < len(shape) && letter(shape[i+1])
		if strings.IndexByte("ntb", c) >= 0 && !word {
			fmt.Fprintf(&out, "(%s)", expression(t, c, depth-1))
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// A mapping read back from its canonical text does the same.
func TestCanonicalRoundTrip(t *testing.T) {
	t.Parallel()
	table, row := tableOf(sample())
	rapid.Check(t, func(rt *rapid.T) {
		r := rule(expression(rt, 'n', 3))
		r.When, r.SKU = written("("+expression(rt, 'b', 3)+") ?? true"), written("'=' + ("+expression(rt, 't', 3)+" ?? '')")
		m, err := mapping.Compile(table.Name, mapping.Spec{Contributes: []mapping.Rule{r}})
		if err != nil {
			rt.Fatalf("%+v: %v", r, err)
		}
		parsed, err := mapping.Parse(m.Canonical())
		if err != nil {
			rt.Fatal(err)
		}
		p, err := m.Bind(table, nil)
		if err != nil {
			rt.Fatalf("%+v: %v", r, err)
		}
		q, err := parsed.Bind(table, nil)
		if err != nil {
			rt.Fatal(err)
		}
		checkMapped(t, p, q, row)
	})
}

// FuzzParseCondition: whatever an operator has the source evaluate is a condition, or
// refused with a reason.
func FuzzParseCondition(f *testing.F) {
	seedExpressions(f)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := mapping.ParseCondition(text)
		switch {
		case (c == nil) == (err == nil), err != nil && err.Error() == "":
			t.Fatalf("%q: %+v, %v", text, c, err)
		case err == nil && depthOf(c) > len(text)+1:
			t.Fatalf("%q: a condition %d deep", text, depthOf(c))
		}
	})
}

func depthOf(c *cdc.Condition) int {
	deepest := 0
	for _, a := range c.Args {
		deepest = max(deepest, depthOf(a))
	}
	return deepest + 1
}

// TestMappingsAreBounded: many expressions that fit the limits do not add up to work
// without bounds.
func TestMappingsAreBounded(t *testing.T) {
	t.Parallel()
	rules := func(n int, when string) (out []mapping.Rule) {
		for i := range n {
			r := rule("1")
			r.Leg, r.When = written(fmt.Sprint("leg ", i)), written(when)
			out = append(out, r)
		}
		return out
	}
	costly := "product_id != 1 or " + strings.Repeat("text(text_id) matches '(?:a?){90}b' or ", 20) + "false"
	climbing := "within(location[product_id], name matches '(?:a?){90}b')"
	for name, c := range map[string]struct {
		rules []mapping.Rule
		want  string
	}{
		"long":              {rules(90, "text_id == '"+strings.Repeat("x", 4000)+"'"), "is too long: its expressions have"},
		"a constant":        {rules(90, strings.Repeat("text_id == const.long or ", 80)+"false"), "is too long"},
		"patterns":          {rules(2, costly), "has too many regular expressions: they take"},
		"climbing patterns": {rules(3, climbing), "has too many regular expressions"},
		"fair patterns":     {rules(90, "text_id matches '^[A-Z]{2}[0-9]{4,8}$'"), ""},
		"fair climbs":       {rules(10, "within(location[product_id], name matches '^WH/')"), ""},
	} {
		v := shop()
		v.Constants = append(v.Constants, mapping.Constant{Name: "long", Text: strings.Repeat("x", 200), Quoted: true})
		_, err := compileIn(t, v, c.rules...)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			text := fmt.Sprint(err)
			t.Errorf("%s: %.300s, want %q", name, text, c.want)
		}
	}
}

// Nothing that fits the limits takes long to compile or to map, or much memory.
// What takes seconds only under load and the race detector is far from what grows
// beyond all limits.
func TestWorkIsBounded(t *testing.T) { //nolint:paralleltest // it counts what the process allocates
	long := strings.Repeat("a", 16<<10)
	cells := []cell{textCell("a", long), textCell("b", long), {"n", cdc.TypeInteger, cdc.Text("1")}}
	for name, e := range map[string]string{
		"deep parentheses":   strings.Repeat("(", 2000) + "a" + strings.Repeat(")", 2000) + " == ''",
		"deep signs":         strings.Repeat("-", 4000) + "n == 0",
		"deep not":           strings.Repeat("!", 4000) + "(n == 0)",
		"deep choices":       strings.Repeat("n==0?n==1:", 400) + "n==2",
		"deep calls":         "a == " + strings.Repeat("upper(", 190) + "a" + strings.Repeat(")", 190),
		"many operands":      "n == n" + strings.Repeat("+n", 198),
		"a long list":        "n in[" + strings.Repeat("2,", 2000) + "2]",
		"patterns":           "a matches '(a*)*b'" + strings.Repeat(" or a matches '(?:a?){95}b'", 2),
		"a pattern too big":  "a matches '" + strings.Repeat("(a{1000})", 50) + "'",
		"large classes":      "a matches '" + strings.Repeat(`(\\pL{1000})`, 40) + "'",
		"folded classes":     "a matches '(?i)" + strings.Repeat(`[^\\pN]{900}`, 30) + "'",
		"an exponent":        "number('1e999999999') == number('1e-999999999') or n == 1",
		"concatenations":     "a == a" + strings.Repeat("+a", 1000),
		"growing text":       "a == replace(replace(a, 'a', a), 'a', a)",
		"many parts":         "part(a, 'a', 1000000) == a",
		"comments":           "n == 0 " + strings.Repeat("/**/", 1000),
		"many suggestions":   strings.Repeat("x", 4000) + " == 0",
		"unbalanced":         strings.Repeat("a[", 2000),
		"nested conditions":  strings.Repeat("(a ?? ", 190) + "b" + strings.Repeat(")", 190) + " == ''",
		"chained comparison": "1" + strings.Repeat("<1", 2000),
	} {
		table, row := tableOf(cells)
		r := rule("0")
		r.When = written(e)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		start := time.Now()
		m, err := mapping.Compile(table.Name, mapping.Spec{Contributes: []mapping.Rule{r}})
		if err == nil {
			if p, err := m.Bind(table, nil); err == nil {
				p.Map(row, nil)
			}
		}
		took := time.Since(start)
		runtime.ReadMemStats(&after)
		bytes := after.TotalAlloc - before.TotalAlloc
		if took > 30*time.Second || bytes > 64<<20 {
			t.Errorf("%s: took %v and %d MiB", name, took, bytes>>20)
		}
	}
}
