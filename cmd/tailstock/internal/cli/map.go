package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/internal/config"
)

const mapHelp = `Read a few rows of each mapped table and show what they would contribute: the row,
the rows of other tables that it looks up, what each rule makes of it and why, and
what comes of that. Only the columns that the mapping names are read and shown. Nothing is written
anywhere, and no slot is made: use it to try a mapping before the first run.

--check fails with exit code 3 if any of the rows cannot be mapped.`

// maxMapRows bounds --rows: what is read is held in memory.
const maxMapRows = 10_000

// mapOptions are the flags of map.
type mapOptions struct {
	source, table string
	rows          int
	check         bool
}

func (a *app) mapCommand() *cobra.Command {
	var o mapOptions
	cmd := a.configured(&cobra.Command{
		Use: "map", Short: "Show what sample rows would contribute", Long: mapHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.rows < 1 || o.rows > maxMapRows {
				return &usageError{fmt.Errorf("--rows %d: give 1 to %d", o.rows, maxMapRows)}
			}
			cfg, err := a.load()
			if err != nil {
				return err
			}
			return a.mapRows(cmd.Context(), cfg, &o)
		},
	})
	cmd.Flags().StringVar(&o.source, "source", "", "only this source")
	cmd.Flags().StringVar(&o.table, "table", "", "only this table, as the configuration names it")
	cmd.Flags().IntVar(&o.rows, "rows", 5, "rows to read of each table")
	cmd.Flags().BoolVar(&o.check, "check", false, "fail if a row cannot be mapped")
	return cmd
}

// mappedTable is the JSON of one table of map.
type mappedTable struct {
	Source  string              `json:"source"`
	Table   string              `json:"table"`
	Mapping inventory.MappingID `json:"mapping"`
	Rows    []mappedRow         `json:"rows"`
}

type mappedRow struct {
	Row string `json:"row"`
	// Columns are those that the mapping names, and their values; null is NULL.
	Columns map[string]*string `json:"columns"`
	// Lookups are the rows of other tables that the row was mapped by.
	Lookups []followed `json:"lookups,omitempty"`
	// Rules are all rules of the mapping, those that do not apply included.
	Rules         []tracedRule         `json:"rules"`
	Contributions []mappedContribution `json:"contributions"`
	Problem       *mappedProblem       `json:"problem,omitempty"`

	order []string
	raw   []inventory.Contribution
}

type mappedContribution struct {
	Leg      string               `json:"leg"`
	SKU      inventory.SKU        `json:"sku"`
	Location inventory.LocationID `json:"location"`
	quantities
	validity
}

type mappedProblem struct {
	// Kind is rejected, or unresolved for a row that waits for one that it looks up.
	Kind   string `json:"kind"`
	Rule   string `json:"rule"`
	Reason string `json:"reason"`
}

func (a *app) mapRows(ctx context.Context, cfg *config.Config, o *mapOptions) error {
	sources, err := chosen(cfg, o.source)
	if err != nil {
		return err
	}
	tables := []mappedTable{}
	for i := range sources {
		more, err := mapSource(ctx, &sources[i], o)
		if err != nil {
			return fmt.Errorf("source %s: %w", sources[i].Name, err)
		}
		tables = append(tables, more...)
	}
	if len(tables) == 0 {
		return noTable(o.table, sources)
	}
	if err := a.show(tables, func() error { return a.showMapped(tables) }); err != nil {
		return err
	}
	if o.check && anyProblem(tables) {
		return errProblems
	}
	return nil
}

// noTable says which tables are mapped where one was named that is not.
func noTable(table string, sources []config.Source) error {
	var names []string
	for i := range sources {
		for _, m := range sources[i].Mappings {
			names = append(names, m.Table().String())
		}
	}
	return &usageError{fmt.Errorf("no table %q is mapped; there are %s", table, strings.Join(names, ", "))}
}

func anyProblem(tables []mappedTable) bool {
	for i := range tables {
		for j := range tables[i].Rows {
			if tables[i].Rows[j].Problem != nil {
				return true
			}
		}
	}
	return false
}

func mapSource(ctx context.Context, s *config.Source, o *mapOptions) ([]mappedTable, error) {
	source, err := sourceOf(s, nil, nil)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	lookups, err := newSampledLookups(ctx, source, s.Mappings)
	if err != nil {
		return nil, err
	}
	var out []mappedTable
	for _, m := range s.Mappings {
		if name := m.Table(); o.table != "" && name.String() != o.table && name.Name != o.table {
			continue
		}
		t, err := mapTable(ctx, source, lookups, m, o.rows)
		if err != nil {
			return nil, err
		}
		t.Source = s.Name
		out = append(out, t)
	}
	return out, nil
}

func mapTable(ctx context.Context, source adapter, lookups *sampledLookups, m *mapping.Mapping, n int) (mappedTable, error) {
	out := mappedTable{Table: m.Table().String(), Mapping: m.ID(), Rows: []mappedRow{}}
	table, rows, err := source.Sample(ctx, m.Table(), n)
	if err != nil {
		return out, err
	}
	program, err := m.Bind(table, lookups.set)
	if err != nil {
		return out, &configError{err}
	}
	for _, row := range rows {
		mapped, err := mapRow(ctx, table, lookups, m, program, row)
		if err != nil {
			return out, err
		}
		out.Rows = append(out.Rows, mapped)
	}
	return out, nil
}

func mapRow(
	ctx context.Context, table *cdc.Table, lookups *sampledLookups, m *mapping.Mapping, program *mapping.Program, row cdc.Row,
) (mappedRow, error) {
	key, err := table.KeyOf(row)
	if err != nil {
		return mappedRow{}, fmt.Errorf("table %s: %w", table.Name, err)
	}
	out := mappedRow{Row: string(key), Columns: make(map[string]*string), Contributions: []mappedContribution{}, order: m.Columns()}
	for _, name := range m.Columns() {
		if v := row[table.Column(name)]; !v.IsNull() {
			text := v.Text()
			out.Columns[name] = &text
		} else {
			out.Columns[name] = nil
		}
	}
	traced, err := lookups.mapRow(ctx, program, row)
	if err != nil {
		return mappedRow{}, err
	}
	out.Lookups, out.Rules = lookups.followed(), tracedRules(traced.trace)
	if problem := traced.problem; problem != nil {
		out.Problem = &mappedProblem{string(problem.Kind), problem.Rule, problem.Reason}
	}
	out.raw = traced.contributions
	for _, c := range out.raw {
		out.Contributions = append(out.Contributions, mappedContribution{c.Leg, c.SKU, c.Location, quantitiesOf(c.Quantities), validityOf(c.Valid)})
	}
	return out, nil
}

// showMapped prints each row with its columns, and below it what it contributes.
func (a *app) showMapped(tables []mappedTable) error {
	var b strings.Builder
	for i := range tables {
		t := &tables[i]
		fmt.Fprintf(&b, "source %s, table %s, mapping %s\n", t.Source, t.Table, t.Mapping)
		if len(t.Rows) == 0 {
			b.WriteString("  (the table is empty)\n")
		}
		for j := range t.Rows {
			writeMapped(&b, &t.Rows[j])
		}
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}

func writeMapped(b *strings.Builder, r *mappedRow) {
	fmt.Fprintf(b, "  row %s:", r.Row)
	for _, name := range r.order {
		if v := r.Columns[name]; v != nil {
			fmt.Fprintf(b, " %s=%q", name, *v)
		} else {
			fmt.Fprintf(b, " %s=NULL", name)
		}
	}
	b.WriteByte('\n')
	for i := range r.Lookups {
		writeFollowed(b, &r.Lookups[i])
	}
	for i := range r.Rules {
		writeRule(b, &r.Rules[i])
	}
	switch {
	case r.Problem != nil && r.Problem.Kind == string(inventory.Unresolved):
		fmt.Fprintf(b, "    => waits: %s: %s\n", r.Problem.Rule, r.Problem.Reason)
	case r.Problem != nil:
		fmt.Fprintf(b, "    => cannot be mapped: %s: %s\n", r.Problem.Rule, r.Problem.Reason)
	case len(r.raw) == 0:
		b.WriteString("    => contributes nothing\n")
	}
	for _, c := range r.raw {
		fmt.Fprintf(b, "    => %s at %s: %s%s", c.SKU, c.Location, nonZero(c.Quantities), validityText(c.Valid))
		if c.Leg != mapping.DefaultLeg {
			fmt.Fprintf(b, "  (%s)", c.Leg)
		}
		b.WriteByte('\n')
	}
}
