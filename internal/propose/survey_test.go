package propose_test

import (
	"strconv"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// parseSurvey reads a survey as test files spell it:
//
//	table public.part 120 (problem: has no key)
//	  id      integer!  key
//	  code    text!     unique
//	  site_id integer   -> public.site.id
//	  status  text!     in open, done
//	  qty     numeric   = 1, 2, -3, NULL
//	view public.overview
//
// A "!" behind a type is NOT NULL; "key" marks the columns of the key, "unique" a
// unique column, "in" declares values and "=" are those of sampled rows.
func parseSurvey(t *testing.T, text string) *survey.Database {
	t.Helper()
	d := &survey.Database{Product: "PostgreSQL 17.2", Name: "erp", Role: "reader"}
	var table *survey.Table
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || words[0] == "#" || strings.HasPrefix(words[0], "#"):
		case words[0] == "table" || words[0] == "view":
			d.Tables = append(d.Tables, parseTable(t, words, line))
			table = &d.Tables[len(d.Tables)-1]
		default:
			parseColumn(t, table, words)
		}
	}
	for i := range d.Tables {
		if d.Tables[i].Key != nil {
			d.Tables[i].Unique = append(d.Tables[i].Unique, d.Tables[i].Key)
		}
	}
	return d
}

func parseTable(t *testing.T, words []string, line string) survey.Table {
	t.Helper()
	table := survey.Table{Name: cdc.ParseTableName(strings.ReplaceAll(words[1], "~", " ")), View: words[0] == "view", Rows: -1}
	if len(words) > 2 && !strings.HasPrefix(words[2], "(") {
		rows, err := strconv.ParseInt(words[2], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		table.Rows = rows
	}
	if _, problem, ok := strings.Cut(line, "(problem: "); ok {
		problem, _, _ = strings.Cut(problem, ")")
		table.Problems = []cdc.Finding{{Requirement: "key of table " + table.Name.String(), State: cdc.FindingProblem, Detail: problem, Fix: "ALTER TABLE …;"}}
	}
	return table
}

var types = map[string]cdc.Type{
	"text": cdc.TypeText, "varchar": cdc.TypeText, "character(8)": cdc.TypeText, "character(1)": cdc.TypeText, "integer": cdc.TypeInteger, "bigint": cdc.TypeInteger,
	"numeric": cdc.TypeDecimal, "float": cdc.TypeFloat, "boolean": cdc.TypeBool, "timestamp": cdc.TypeTimestamp, "timestamptz": cdc.TypeTimestampTZ, "date": cdc.TypeDate,
	"uuid": cdc.TypeUUID, "tinyint(1)": cdc.TypeInteger,
}

func parseColumn(t *testing.T, table *survey.Table, words []string) {
	t.Helper()
	name, sourceType := strings.ReplaceAll(words[0], "~", " "), strings.TrimSuffix(words[1], "!")
	kind, known := types[sourceType]
	if !known {
		t.Fatalf("type %s", sourceType)
	}
	c := survey.Column{Column: cdc.Column{Name: name, Type: kind, SourceType: sourceType}, NotNull: strings.HasSuffix(words[1], "!")}
	rest := words[2:]
	for len(rest) > 0 {
		word := rest[0]
		rest = rest[1:]
		switch word {
		case "key":
			table.Key = append(table.Key, name)
		case "unique":
			table.Unique = append(table.Unique, []string{name})
		case "->":
			to := strings.Split(rest[0], ".")
			table.Foreign = append(table.Foreign, survey.ForeignKey{
				Columns: []string{name}, Table: cdc.TableName{Schema: to[0], Name: to[1]}, References: to[2:],
			})
			rest = rest[1:]
		case "in":
			c.Values, rest = strings.Split(strings.Join(rest, " "), ", "), nil
		case "=":
			sample(t, table, name, strings.Split(strings.Join(rest, " "), ", "))
			rest = nil
		default:
			t.Fatalf("word %s of column %s", word, name)
		}
	}
	table.Columns = append(table.Columns, c)
}

// sample adds a column to the rows that were read.
func sample(t *testing.T, table *survey.Table, name string, values []string) {
	t.Helper()
	if table.Sample == nil {
		table.Sample = &survey.Sample{Rows: make([]cdc.Row, len(values))}
	}
	if len(values) != len(table.Sample.Rows) {
		t.Fatalf("table %s: %d values of %s for %d rows", table.Name, len(values), name, len(table.Sample.Rows))
	}
	table.Sample.Columns = append(table.Sample.Columns, name)
	for i, v := range values {
		value := cdc.Text(v)
		if v == "NULL" {
			value = cdc.Null
		}
		table.Sample.Rows[i] = append(table.Sample.Rows[i], value)
	}
}
