package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tailstock/connector/cdc"
	"tailstock/connector/mapping"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
	"tailstock/sinks/cache"
	"tailstock/sinks/stockstore"
)

const checkHelp = `Look at everything that the configuration needs: each source with its settings,
role, slot, publication, tables and mappings; NATS; the stock store; the cache.
Every requirement is shown with its state and, where something is missing, the
exact SQL or step that mends it. Nothing is changed anywhere.

Exit codes: 0 no problem (there may be warnings), 2 the configuration itself is
wrong, 3 problems were found.`

func (a *app) checkCommand() *cobra.Command {
	return a.configured(&cobra.Command{
		Use: "check", Short: "Check everything that the configuration needs", Long: checkHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			report, err := a.check(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if err := a.show(report, func() error { return a.showFindings(report) }); err != nil {
				return err
			}
			if !report.OK {
				return errProblems
			}
			return nil
		},
	})
}

// checkReport is the JSON of check.
type checkReport struct {
	// OK says that there is no problem; there may be warnings.
	OK       bool      `json:"ok"`
	Findings []finding `json:"findings"`
}

type finding struct {
	// Subject is what the requirement belongs to: "source erp", "nats", "store", "cache".
	Subject     string           `json:"subject"`
	Requirement string           `json:"requirement"`
	State       cdc.FindingState `json:"state"`
	Detail      string           `json:"detail,omitempty"`
	Fix         string           `json:"fix,omitempty"`
}

func (r *checkReport) add(subject string, found []cdc.Finding) {
	for _, f := range found {
		r.OK = r.OK && f.State != cdc.FindingProblem
		r.Findings = append(r.Findings, finding{subject, f.Requirement, f.State, f.Detail, f.Fix})
	}
}

// check looks at everything, one thing after the other.
func (a *app) check(ctx context.Context, cfg *config.Config) (*checkReport, error) {
	report := &checkReport{OK: true, Findings: []finding{}}
	var names []string
	for i := range cfg.Sources {
		s := &cfg.Sources[i]
		names = append(names, s.Name)
		source, err := sourceOf(s, nil, nil)
		if err != nil {
			return nil, err
		}
		report.add("source "+s.Name, checkPreset(s))
		report.add("source "+s.Name, source.Check(ctx))
		report.add("source "+s.Name, checkMappings(ctx, s, source))
		if err := source.Close(); err != nil {
			return nil, err
		}
	}
	report.add("nats", natslog.Check(ctx, cfg.NATS, names))
	if cfg.Store != nil {
		report.add("store", stockstore.Check(ctx, *cfg.Store))
	}
	if cfg.Cache != nil {
		report.add("cache", cache.Check(ctx, *cfg.Cache))
	}
	return report, ctx.Err()
}

// checkMappings fits every mapping to its table. A table that cannot be described,
// or lacks a column, has findings of its own.
func checkMappings(ctx context.Context, s *config.Source, source adapter) []cdc.Finding {
	var out []cdc.Finding
	lookups := describeLookups(ctx, s, source)
	for _, m := range s.Mappings {
		table, err := source.Describe(ctx, m.Table())
		if err != nil || lacks(table, m.Columns()) {
			continue
		}
		f := cdc.Finding{Requirement: "mapping of table " + m.Table().String(), State: cdc.FindingOK, Detail: "fits the table's columns"}
		if _, err := m.Bind(table, lookups); err != nil {
			f.State, f.Detail, f.Fix = cdc.FindingProblem, err.Error(), "correct the mapping in the configuration, or the table"
		}
		out = append(out, f)
		out = append(out, checkIndexes(ctx, m, source)...)
	}
	return out
}

// describeLookups returns the tables that mappings look into, without rows. Those
// that cannot be described have findings of their own.
func describeLookups(ctx context.Context, s *config.Source, source adapter) *mapping.Lookups {
	var tables []*mapping.LookupTable
	for _, name := range lookupTables(s.Mappings) {
		if def, err := source.Describe(ctx, name); err == nil {
			tables = append(tables, &mapping.LookupTable{Def: def})
		}
	}
	return mapping.NewLookups(tables...)
}

// lookupTables lists the tables that mappings look into.
func lookupTables(mappings []*mapping.Mapping) []cdc.TableName {
	columns := make(map[cdc.TableName][]string)
	for _, m := range mappings {
		m.LookupColumns(columns)
	}
	return slices.SortedFunc(maps.Keys(columns), func(a, b cdc.TableName) int { return strings.Compare(a.String(), b.String()) })
}

// checkIndexes looks for an index on each column by which rows refer to others.
func checkIndexes(ctx context.Context, m *mapping.Mapping, adapter adapter) []cdc.Finding {
	source, ok := adapter.(lookedInto)
	if !ok {
		return nil
	}
	var out []cdc.Finding
	var seen [][]string
	for _, r := range m.References() {
		if slices.ContainsFunc(seen, func(columns []string) bool { return slices.Equal(columns, r.Columns) }) {
			continue
		}
		seen = append(seen, r.Columns)
		f, err := source.CheckIndex(ctx, m.Table(), r.Columns)
		if err != nil {
			f = cdc.Finding{Requirement: "index on " + strings.Join(r.Columns, ", ") + " of table " + m.Table().String(), State: cdc.FindingWarning, Detail: err.Error()}
		}
		out = append(out, f)
	}
	return out
}

func lacks(table *cdc.Table, columns []string) bool {
	return slices.ContainsFunc(columns, func(name string) bool { return table.Column(name) < 0 })
}

// showFindings prints findings by subject, problems with what mends them.
func (a *app) showFindings(r *checkReport) error {
	var b strings.Builder
	subject, counts := "", make(map[cdc.FindingState]int)
	for i := range r.Findings {
		f := &r.Findings[i]
		counts[f.State]++
		if f.Subject != subject {
			subject = f.Subject
			fmt.Fprintf(&b, "%s\n", subject)
		}
		fmt.Fprintf(&b, "  %-7s  %s", f.State, f.Requirement)
		if f.Detail != "" {
			fmt.Fprintf(&b, ": %s", strings.ReplaceAll(f.Detail, "\n", "\n           "))
		}
		b.WriteByte('\n')
		if f.Fix != "" {
			fmt.Fprintf(&b, "%s\n", indent("to fix:\n"+indent(f.Fix, "    "), "           "))
		}
	}
	fmt.Fprintf(&b, "%s, %s, %d ok\n", count(counts[cdc.FindingProblem], "problem"), count(counts[cdc.FindingWarning], "warning"), counts[cdc.FindingOK])
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}
