package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/lookup"
	"tailstock/connector/mapping"
)

// sampledLookups reads the rows that sampled rows look up, as they are asked for.
type sampledLookups struct {
	source lookedInto
	set    *mapping.Lookups
	tables []*mapping.LookupTable
	// missed are rows that were looked for and not read yet, looked those that were
	// found, and asked the keys by which it was asked whether there is a row, since they
	// were emptied. read are those that were missed or asked for, and read.
	missed, looked, asked []sampledRow
	read                  map[string]bool
}

// sampledRow is a row of a lookup, or rows that are found by columns of their own.
type sampledRow struct {
	table   cdc.TableName
	columns []string
	key     string
}

func (r *sampledRow) String() string {
	return r.table.String() + "\x00" + strings.Join(r.columns, "\x00") + "\x00" + r.key
}

// newSampledLookups describes the tables that mappings look into. Tables in which
// nested sets are climbed are read whole: nothing of a row says what is above it.
func newSampledLookups(ctx context.Context, adapter adapter, mappings []*mapping.Mapping) (*sampledLookups, error) {
	source, ok := adapter.(lookedInto)
	if names := lookupTables(mappings); !ok && len(names) > 0 {
		return nil, fmt.Errorf("look into table %s: the source has no lookups", names[0])
	}
	l := &sampledLookups{source: source, read: make(map[string]bool)}
	columns, nested := make(map[cdc.TableName][]string), make(map[cdc.TableName]bool)
	for _, m := range mappings {
		m.LookupColumns(columns)
		for i := range m.Lookups() {
			k := &m.Lookups()[i]
			nested[k.Table] = nested[k.Table] || k.Tree.Left != ""
		}
	}
	for _, name := range lookupTables(mappings) {
		def, rows, err := source.SampleKeys(ctx, name, nil, nil)
		if err == nil && nested[name] {
			def, rows, err = adapter.Sample(ctx, name, maxNested)
		}
		if err != nil {
			return nil, err
		}
		t := &mapping.LookupTable{Def: def, Rows: lookup.New(columns[name])}
		l.tables = append(l.tables, t)
		l.keep(t, rows)
	}
	l.set = mapping.NewLookups(l.tables...)
	l.set.Missed = func(table cdc.TableName, key string) { l.missed = append(l.missed, sampledRow{table: table, key: key}) }
	l.set.Looked = func(table cdc.TableName, key string) { l.looked = append(l.looked, sampledRow{table: table, key: key}) }
	l.set.Asked = func(of *mapping.Lookup, key string) { l.asked = append(l.asked, sampledRow{of.Table, of.Key, key}) }
	return l, nil
}

// maxNested is the most rows of a nested set that are read.
const maxNested = 1_000_000

// keep takes rows of a table.
func (l *sampledLookups) keep(t *mapping.LookupTable, rows []cdc.Row) {
	for _, row := range rows {
		var values, key []cdc.Value
		for _, name := range t.Rows.Columns() {
			if i := t.Def.Column(name); i >= 0 {
				values = append(values, keyValue(t.Def, i, row))
			} else {
				values = append(values, cdc.Null)
			}
		}
		for _, i := range t.Def.Key {
			key = append(key, keyValue(t.Def, i, row))
		}
		t.Rows.Put(lookup.JoinKey(key...), values)
	}
}

// keyValue is a column of a row as rows are found by it.
func keyValue(def *cdc.Table, column int, row cdc.Row) cdc.Value {
	v := row[column]
	if v.IsNull() {
		return v
	}
	return cdc.Text(lookup.Key(def.Columns[column].Type, v.Text()))
}

// tracedRow is what a row is mapped to, and how.
type tracedRow struct {
	contributions []inventory.Contribution
	problem       *inventory.Problem
	trace         []mapping.TracedRule
}

// mapRow maps a row, reading what it looks up until nothing is missing that is there.
func (l *sampledLookups) mapRow(ctx context.Context, p *mapping.Program, row cdc.Row) (tracedRow, error) {
	for {
		l.missed, l.looked, l.asked = nil, nil, nil
		var out tracedRow
		out.contributions, out.problem = p.Map(row, nil)
		out.trace = p.Trace(row)
		more := false
		for _, r := range slices.Concat(l.missed, l.asked) {
			if l.read[r.String()] {
				continue
			}
			more = true
			if err := l.readRow(ctx, r); err != nil {
				return out, err
			}
		}
		if !more {
			return out, nil
		}
	}
}

func (l *sampledLookups) readRow(ctx context.Context, r sampledRow) error {
	t, width := l.set.Table(r.table), len(r.columns)
	if width == 0 {
		width = len(t.Def.Key)
	}
	_, rows, err := l.source.SampleKeys(ctx, r.table, r.columns, []cdc.Row{lookup.SplitKey(r.key, width)})
	if err != nil {
		return err
	}
	l.keep(t, rows)
	l.read[r.String()] = true
	return nil
}

// followed is the JSON of a row that was looked up.
type followed struct {
	Table string `json:"table"`
	Row   string `json:"row"`
	// Columns are those that some mapping names, and their values; null is NULL.
	Columns map[string]*string `json:"columns,omitempty"`
	Missing bool               `json:"missing,omitempty"`
	// By has the columns by which it was asked whether there is a row; Row is what they
	// were to have.
	By []string `json:"by,omitempty"`

	order []string
}

// followed lists the rows that the row mapped last looked up, each once.
func (l *sampledLookups) followed() []followed {
	var out []followed
	seen := make(map[string]bool)
	for _, r := range slices.Concat(l.looked, l.missed, l.asked) {
		if seen[r.String()] {
			continue
		}
		seen[r.String()] = true
		f := followed{Table: r.table.String(), Row: r.key, By: r.columns}
		t := l.set.Table(r.table)
		if len(r.columns) > 0 {
			f.Missing = !l.set.Group(&mapping.Lookup{Table: r.table, Key: r.columns}).Has(r.key)
			out = append(out, f)
			continue
		}
		ref, ok := t.Rows.Find(r.key)
		f.Missing = !ok
		if ok {
			f.Columns, f.order = make(map[string]*string), t.Rows.Columns()
			for i, name := range f.order {
				if v := t.Rows.Value(ref, i); !v.IsNull() {
					text := v.Text()
					f.Columns[name] = &text
				} else {
					f.Columns[name] = nil
				}
			}
		}
		out = append(out, f)
	}
	return out
}

func writeFollowed(b *strings.Builder, f *followed) {
	if len(f.By) > 0 {
		fmt.Fprintf(b, "    asks for %s by %s %s:", f.Table, strings.Join(f.By, ", "), f.Row)
	} else {
		fmt.Fprintf(b, "    looks up %s %s:", f.Table, f.Row)
	}
	switch {
	case f.Missing:
		b.WriteString(" is not there")
	case len(f.By) > 0:
		b.WriteString(" is there")
	}
	for _, name := range f.order {
		if v := f.Columns[name]; v != nil {
			fmt.Fprintf(b, " %s=%q", name, *v)
		} else {
			fmt.Fprintf(b, " %s=NULL", name)
		}
	}
	b.WriteByte('\n')
}
