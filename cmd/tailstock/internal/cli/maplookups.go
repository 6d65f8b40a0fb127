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
	// missed are rows that were looked for and not read yet, absent those that are not
	// there, and looked the rows that were found since it was emptied.
	missed, looked []sampledRow
	absent         map[sampledRow]bool
}

type sampledRow struct {
	table cdc.TableName
	key   string
}

// newSampledLookups describes the tables that mappings look into. Tables in which
// nested sets are climbed are read whole: nothing of a row says what is above it.
func newSampledLookups(ctx context.Context, adapter adapter, mappings []*mapping.Mapping) (*sampledLookups, error) {
	source, ok := adapter.(lookedInto)
	if names := lookupTables(mappings); !ok && len(names) > 0 {
		return nil, fmt.Errorf("look into table %s: the source has no lookups", names[0])
	}
	l := &sampledLookups{source: source, absent: make(map[sampledRow]bool)}
	columns, nested := make(map[cdc.TableName][]string), make(map[cdc.TableName]bool)
	for _, m := range mappings {
		m.LookupColumns(columns)
		for i := range m.Lookups() {
			k := &m.Lookups()[i]
			nested[k.Table] = nested[k.Table] || k.Tree.Left != ""
		}
	}
	for _, name := range lookupTables(mappings) {
		def, rows, err := source.SampleKeys(ctx, name, nil)
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
	l.set.Missed = func(table cdc.TableName, key string) { l.missed = append(l.missed, sampledRow{table, key}) }
	l.set.Looked = func(table cdc.TableName, key string) { l.looked = append(l.looked, sampledRow{table, key}) }
	return l, nil
}

// maxNested is the most rows of a nested set that are read.
const maxNested = 1_000_000

// keep takes rows of a table.
func (l *sampledLookups) keep(t *mapping.LookupTable, rows []cdc.Row) {
	if len(t.Def.Key) != 1 {
		return
	}
	key := t.Def.Key[0]
	for _, row := range rows {
		var values []cdc.Value
		for _, name := range t.Rows.Columns() {
			if i := t.Def.Column(name); i >= 0 {
				values = append(values, row[i])
			} else {
				values = append(values, cdc.Null)
			}
		}
		t.Rows.Put(lookup.Key(t.Def.Columns[key].Type, row[key].Text()), values)
	}
}

// mapRow maps a row, reading what it looks up until nothing is missing that is there.
func (l *sampledLookups) mapRow(ctx context.Context, p *mapping.Program, row cdc.Row) ([]inventory.Contribution, *inventory.Problem, error) {
	for {
		l.missed, l.looked = nil, nil
		out, problem := p.Map(row, nil)
		read := false
		for _, m := range l.missed {
			if l.absent[m] {
				continue
			}
			read = true
			if err := l.read(ctx, m); err != nil {
				return nil, nil, err
			}
		}
		if !read {
			return out, problem, nil
		}
	}
}

func (l *sampledLookups) read(ctx context.Context, m sampledRow) error {
	_, rows, err := l.source.SampleKeys(ctx, m.table, []string{m.key})
	if err != nil {
		return err
	}
	t := l.set.Table(m.table)
	l.keep(t, rows)
	if _, ok := t.Rows.Find(m.key); !ok {
		l.absent[m] = true
	}
	return nil
}

// followed is the JSON of a row that was looked up.
type followed struct {
	Table string `json:"table"`
	Row   string `json:"row"`
	// Columns are those that some mapping names, and their values; null is NULL.
	Columns map[string]*string `json:"columns,omitempty"`
	Missing bool               `json:"missing,omitempty"`

	order []string
}

// followed lists the rows that the row mapped last looked up, each once.
func (l *sampledLookups) followed() []followed {
	var out []followed
	seen := make(map[sampledRow]bool)
	for _, r := range slices.Concat(l.looked, l.missed) {
		if seen[r] {
			continue
		}
		seen[r] = true
		f := followed{Table: r.table.String(), Row: r.key}
		t := l.set.Table(r.table)
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
	fmt.Fprintf(b, "    looks up %s %s:", f.Table, f.Row)
	if f.Missing {
		b.WriteString(" is not there")
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
