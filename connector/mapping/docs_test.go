package mapping_test

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/internal/testenv"
)

// document is docs/mapping.md as its tests read it.
type document struct {
	examples []example
	// sample is the row that the expressions look at; expressions and types are the tables of examples.
	sample      []cell
	expressions [][]string
	types       [][]string
}

// example is a mapping with the rows shown below it.
type example struct {
	line   int
	yaml   string
	header []string
	rows   [][]string
	// tables are those that it looks into.
	tables []*mapping.LookupTable
}

// typeOf is what PostgreSQL's adapter makes of a type.
func typeOf(t *testing.T, name string) cdc.Type {
	t.Helper()
	base, _, _ := strings.Cut(name, "(")
	types := map[string]cdc.Type{
		"smallint": cdc.TypeInteger, "integer": cdc.TypeInteger, "bigint": cdc.TypeInteger,
		"numeric": cdc.TypeDecimal, "a domain over numeric": cdc.TypeDecimal,
		"double precision": cdc.TypeFloat, "real": cdc.TypeFloat, "boolean": cdc.TypeBool,
		"text": cdc.TypeText, "varchar": cdc.TypeText, "char": cdc.TypeText, "citext": cdc.TypeText, "an enum": cdc.TypeText,
		"uuid": cdc.TypeUUID, "date": cdc.TypeDate, "timestamp": cdc.TypeTimestamp, "timestamptz": cdc.TypeTimestampTZ, "time": cdc.TypeTime,
		"bytea": cdc.TypeBytes, "jsonb": cdc.TypeJSON, "json": cdc.TypeJSON,
		"text[]": cdc.TypeOther, "interval": cdc.TypeOther, "inet": cdc.TypeOther, "money": cdc.TypeOther,
	}
	typ, ok := types[base]
	if !ok {
		t.Fatalf("the document names a type %q that the test does not know", name)
	}
	return typ
}

// tableRow splits a line of a table, without the backticks around what is code.
func tableRow(line string) []string {
	cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " |")
	for i, c := range cells {
		c = strings.TrimSpace(c)
		for _, fence := range []string{"`` ", "`"} {
			if inner, ok := strings.CutPrefix(c, fence); ok {
				c = strings.TrimSuffix(inner, strings.TrimSpace(fence))
				break
			}
		}
		cells[i] = c
	}
	return cells
}

func readDocument(t *testing.T) document {
	t.Helper()
	text, err := os.ReadFile("../../docs/mapping.md")
	if err != nil {
		t.Fatal(err)
	}
	var d document
	lines := strings.Split(string(text), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "```yaml" {
			e := example{line: i + 1}
			for i++; lines[i] != "```"; i++ {
				e.yaml += lines[i] + "\n"
			}
			d.examples = append(d.examples, e)
			continue
		}
		if !strings.HasPrefix(lines[i], "|") {
			continue
		}
		header := tableRow(lines[i])
		var rows [][]string
		for i += 2; i < len(lines) && strings.HasPrefix(lines[i], "|"); i++ {
			rows = append(rows, tableRow(lines[i]))
		}
		switch first, last := header[0], header[len(header)-1]; {
		case first == "Expression":
			d.expressions = append(d.expressions, rows...)
		case first == "PostgreSQL type":
			d.types = rows
		case first == "Column":
			for _, r := range rows {
				d.sample = append(d.sample, cell{r[0], typeOf(t, r[1]), value(r[2])})
			}
		case strings.HasPrefix(first, "table "):
			e := &d.examples[len(d.examples)-1]
			e.tables = append(e.tables, documentedTable(t, header, rows))
		case last == "Contributes":
			e := &d.examples[len(d.examples)-1]
			e.header, e.rows = header, rows
		}
	}
	return d
}

// documentedTable is a table that an example looks into. The first cell of its
// header is "table schema.name: key type"; more columns of its key say so.
func documentedTable(t *testing.T, header []string, rows [][]string) *mapping.LookupTable {
	t.Helper()
	name, first, _ := strings.Cut(strings.TrimPrefix(header[0], "table "), ": ")
	var columns []cdc.Column
	keys := []int{0}
	for i, h := range append([]string{first}, header[1:]...) {
		column, typ, _ := strings.Cut(h, " ")
		typ, key := strings.CutSuffix(typ, " key")
		if key && i > 0 {
			keys = append(keys, i)
		}
		columns = append(columns, cdc.Column{Name: column, Type: typeOf(t, typ)})
	}
	return referenceTableOf(cdc.ParseTableName(name), keys, columns, rows...)
}

// documentedSpec is an example as it stands in a configuration.
type documentedSpec struct {
	Contributes []map[string]string
	Lookups     map[string]struct {
		Table, Path, Missing string
		Key, Parent          names
	}
	Maps      map[string]map[string]string
	Constants map[string]string
	Partno    struct{ Brands map[string]string }
	Location  string
	TimeZone  string `yaml:"time_zone"`
}

// names are one name or a list of them.
type names []string

func (n *names) UnmarshalYAML(text []byte) error {
	var one string
	if err := yaml.Unmarshal(text, &one); err == nil {
		*n = names{one}
		return nil
	}
	return yaml.Unmarshal(text, (*[]string)(n))
}

func (s *documentedSpec) vocabulary() *mapping.Vocabulary {
	v := &mapping.Vocabulary{}
	for name, l := range s.Lookups {
		missing, _ := mapping.ParseMissing(l.Missing)
		v.Lookups = append(v.Lookups, mapping.Lookup{
			Name: name, Table: cdc.ParseTableName(l.Table), Key: l.Key, Missing: missing, Tree: mapping.Tree{Path: l.Path, Parent: l.Parent},
		})
	}
	for name, entries := range s.Maps {
		m := mapping.Map{Name: name}
		for key, text := range entries {
			m.Entries = append(m.Entries, mapping.MapEntry{Key: key, Text: text})
		}
		v.Maps = append(v.Maps, m)
	}
	for name, text := range s.Constants {
		v.Constants = append(v.Constants, mapping.Constant{Name: name, Text: text})
	}
	for brand, strip := range s.Partno.Brands {
		v.Partno.Brands = append(v.Partno.Brands, mapping.PartnoBrand{Brand: brand, Strip: strip})
	}
	if s.Location != "" {
		v.Location = written(s.Location)
	}
	v.TimeZone = written(s.TimeZone)
	return v
}

// value is what a cell of the document's tables holds.
func value(shown string) cdc.Value {
	switch shown {
	case "NULL":
		return cdc.Null
	case "(empty)":
		return cdc.Text("")
	}
	return cdc.Text(shown)
}

// told is a result as the document tells it. Zeros are told if zero is what the document expects.
func told(out []inventory.Contribution, problem *inventory.Problem, want string) string {
	if problem != nil {
		return string(problem.Kind) + ": " + problem.Rule + ": " + problem.Reason
	}
	var parts []string
	for _, c := range out {
		var quantities []string
		for k, q := range c.Quantities {
			if name := inventory.Kind(k).String(); q != 0 || strings.Contains(want, name+" 0") {
				quantities = append(quantities, name+" "+q.String())
			}
		}
		name := ""
		if c.Leg != mapping.DefaultLeg {
			name = c.Leg + ": "
		}
		parts = append(parts, fmt.Sprintf("%s%s at %s: %s%s", name, c.SKU, c.Location, strings.Join(quantities, ", "), toldValidity(c.Valid)))
	}
	if parts == nil {
		return "nothing"
	}
	return strings.Join(parts, "; ")
}

// toldValidity is when a contribution counts, in UTC.
func toldValidity(v inventory.Validity) string {
	const layout = "2006-01-02 15:04:05.999Z"
	told := ""
	if !v.From.IsZero() {
		told += ", from " + v.From.Time().Format(layout)
	}
	if !v.Until.IsZero() {
		told += ", until " + v.Until.Time().Format(layout)
	}
	return told
}

// Every mapping of the document compiles, and gives for its rows what the document says.
func TestDocumentedMappings(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	for _, e := range d.examples {
		var spec documentedSpec
		if err := yaml.Unmarshal([]byte(e.yaml), &spec); err != nil {
			t.Errorf("line %d: %v", e.line, err)
			continue
		}
		if len(e.rows) == 0 {
			t.Errorf("line %d: no rows are shown for the mapping", e.line)
		}
		var rules []mapping.Rule
		for _, fields := range spec.Contributes {
			var r mapping.Rule
			for name, text := range fields {
				setField(t, &r, name, written(text))
			}
			rules = append(rules, r)
		}
		for _, shown := range e.rows {
			var cells []cell
			for i, h := range e.header[:len(e.header)-1] {
				name, typ, _ := strings.Cut(h, " ")
				cells = append(cells, cell{name, typeOf(t, typ), value(shown[i])})
			}
			m, err := compileIn(t, spec.vocabulary(), rules...)
			if err != nil {
				t.Fatalf("line %d: %v", e.line, err)
			}
			table, row := tableOf(cells)
			p, err := m.Bind(table, mapping.NewLookups(e.tables...))
			if err != nil {
				t.Fatalf("line %d: %v", e.line, err)
			}
			out, problem := p.Map(row, nil)
			want := shown[len(shown)-1]
			if got := told(out, problem, want); got != want {
				t.Errorf("line %d: %q:\ngot  %s\nwant %s", e.line, shown[:len(shown)-1], got, want)
			}
		}
	}
	if len(d.examples) < 10 {
		t.Errorf("found %d mappings in the document", len(d.examples))
	}
}

// shownResult is a result of an expression as the document shows it: texts in
// quotes, which also tells their kind.
func shownResult(t *testing.T, cells []cell, expression string) string {
	t.Helper()
	got := eval(t, cells, expression)
	if reason, ok := strings.CutPrefix(got, "!"); ok {
		return "rejected: " + reason
	}
	table, _ := tableOf(cells)
	r := rule("0")
	r.When = written("(" + expression + ") contains ''")
	m, err := mapping.Compile(table.Name, mapping.Spec{Contributes: []mapping.Rule{r}})
	if err == nil {
		_, err = m.Bind(table, nil)
	}
	if err == nil && got != "NULL" {
		return "'" + got + "'"
	}
	return got
}

func TestDocumentedExpressions(t *testing.T) {
	t.Parallel()
	d := readDocument(t)
	for _, e := range d.expressions {
		if got := shownResult(t, d.sample, e[0]); got != e[1] {
			t.Errorf("%s: got %s, want %s", e[0], got, e[1])
		}
	}
	if len(d.expressions) < 50 || len(d.sample) == 0 {
		t.Errorf("found %d expressions and %d columns in the document", len(d.expressions), len(d.sample))
	}
}

// Every function and operator has an example.
func TestDocumentIsComplete(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, e := range readDocument(t).expressions {
		all.WriteString(e[0] + "\n")
	}
	_, err := mapping.Compile(cdc.TableName{}, mapping.Spec{Contributes: []mapping.Rule{rule("nosuch(1)")}})
	_, list, ok := strings.Cut(fmt.Sprint(err), "functions are ")
	if !ok {
		t.Fatalf("no list of functions in %v", err)
	}
	names := strings.Split(list, ", ")
	if len(names) < 10 {
		t.Errorf("found %d functions: %s", len(names), list)
	}
	for _, name := range names {
		if !regexp.MustCompile(`\b` + name + `\(`).MatchString(all.String()) {
			t.Errorf("the function %s has no example", name)
		}
	}
	for _, op := range []string{
		"+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "and", "&&", "or", "not", "!active", "in", "not in",
		"contains", "not contains", "startsWith", "endsWith", "matches", "??", "? ", " : ", "null", "true", "false",
	} {
		if !strings.Contains(all.String(), op) {
			t.Errorf("the operator %s has no example", op)
		}
	}
}

func TestDocumentedTypes(t *testing.T) {
	t.Parallel()
	types := readDocument(t).types
	for _, e := range types {
		if len(e) != 5 {
			t.Fatalf("%q has %d cells", e, len(e))
		}
		cells := []cell{{"x", typeOf(t, e[0]), value(e[2])}}
		if got := shownResult(t, cells, e[3]); got != e[4] {
			t.Errorf("%s %s: %s: got %s, want %s", e[0], e[1], e[3], got, e[4])
		}
	}
	if len(types) < 30 {
		t.Errorf("found %d types in the document", len(types))
	}
}

// What the document says of a value's text is what a server prints, under the
// settings that the adapter gives its sessions.
func TestDocumentedTypesArriveSo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	server := testenv.Postgres(t)
	if err := server.CreateDatabase(ctx, "types"); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(ctx, server.DSN("types"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	settings := `SET datestyle = 'ISO'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET timezone = 'UTC';
		SET extra_float_digits = 3; SET lc_monetary = 'C'; SET client_encoding = 'UTF8';
		CREATE EXTENSION citext; CREATE TYPE state AS ENUM ('open', 'done'); CREATE DOMAIN amount AS numeric`
	if _, err := conn.Exec(ctx, settings); err != nil {
		t.Fatal(err)
	}
	for _, e := range readDocument(t).types {
		name := map[string]string{"an enum": "state", "a domain over numeric": "amount"}[e[0]]
		if name == "" {
			name = e[0]
		}
		// The simple protocol prints values as replication does.
		results, err := conn.PgConn().Exec(ctx, fmt.Sprintf("SELECT '%s'::%s", strings.ReplaceAll(e[1], "'", "''"), name)).ReadAll()
		if err != nil {
			t.Errorf("%s %s: %v", e[0], e[1], err)
			continue
		}
		got := string(results[0].Rows[0][0])
		if typeOf(t, e[0]) == cdc.TypeBytes {
			got = strings.TrimPrefix(got, `\x`)
		}
		if got != e[2] {
			t.Errorf("%s %s arrives as %q, documented as %q", e[0], e[1], got, e[2])
		}
	}
}
