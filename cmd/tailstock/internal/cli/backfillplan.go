package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
	"tailstock/sinks/stockstore"
)

// planRows is how many rows of each table --dry-run compares with the store, and
// planRate about how many rows are read in a second where nothing holds them up.
const (
	planRows = 100
	planRate = 50_000
)

// backfillPlan is what --dry-run shows.
type backfillPlan struct {
	connector.JobPlan
	// Seconds is about how long it takes.
	Seconds float64       `json:"seconds"`
	Samples []tableSample `json:"samples,omitempty"`
}

// tableSample compares rows of a table, of which the first that the source finds
// were read, with what the store holds of them.
type tableSample struct {
	Table string `json:"table"`
	Rows  int    `json:"rows"`
	// Contributions counts what the rows contribute, Changes how many of these the
	// store does not have so.
	Contributions int `json:"contributions"`
	Changes       int `json:"changes"`
	// Problems counts rows that cannot be mapped.
	Problems int `json:"problems,omitempty"`
}

// planBackfill shows what a job would do.
func (a *app) planBackfill(ctx context.Context, cfg *config.Config, source *config.Source, spec connector.JobSpec) error {
	var plan backfillPlan
	err := a.withNATS(ctx, func(ctx context.Context, c *natslog.Client) (err error) {
		plan.JobPlan, err = c.Jobs(source.Name).Plan(ctx, spec)
		return err
	})
	if err != nil {
		return refused(err)
	}
	rate := float64(planRate)
	if spec.Throttle > 0 {
		rate = min(rate, spec.Throttle)
	}
	plan.Seconds = float64(plan.Rows) / rate
	if cfg.Store != nil {
		err := a.withStore(ctx, func(ctx context.Context, store *stockstore.Store) (err error) {
			plan.Samples, err = sampleTables(ctx, source, spec.Tables, store)
			return err
		})
		if err != nil {
			return fmt.Errorf("compare a sample: %w", err)
		}
	}
	return a.show(plan, func() error { return a.showPlan(&plan) })
}

func (a *app) showPlan(p *backfillPlan) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of source %s: about %d rows in %s, some %s if nothing holds it up\n",
		p.Kind, p.Source, p.Rows, count(p.Chunks, "chunk"), (time.Duration(p.Seconds*1000) * time.Millisecond).Round(100*time.Millisecond))
	for _, t := range p.Tables {
		fmt.Fprintf(&b, "  table %s: about %d rows%s\n", t.Table, t.Rows, map[bool]string{true: " at most: the table has so many"}[p.Part])
	}
	for _, s := range p.Samples {
		fmt.Fprintf(&b, "  sample of table %s: %s; %d of their %s would change", s.Table, count(s.Rows, "row"), s.Changes, count(s.Contributions, "contribution"))
		if s.Problems > 0 {
			fmt.Fprintf(&b, "; %s cannot be mapped", count(s.Problems, "row"))
		}
		b.WriteByte('\n')
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}

// sampleTables compares rows of the named tables, or all, with the store.
func sampleTables(ctx context.Context, s *config.Source, tables []string, store *stockstore.Store) ([]tableSample, error) {
	source, err := sourceOf(s, nil, nil)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	lookups, err := newSampledLookups(ctx, source, s.Mappings)
	if err != nil {
		return nil, err
	}
	var out []tableSample
	for _, m := range s.Mappings {
		if len(tables) > 0 && !slices.Contains(tables, m.Table().String()) {
			continue
		}
		sample, err := sampleTable(ctx, source, lookups, s.Name, m, store)
		if err != nil {
			return nil, err
		}
		out = append(out, sample)
	}
	return out, nil
}

func sampleTable(
	ctx context.Context, source adapter, lookups *sampledLookups, name string, m *mapping.Mapping, store *stockstore.Store,
) (tableSample, error) {
	mapped, err := mapTable(ctx, source, lookups, m, planRows)
	if err != nil {
		return tableSample{}, err
	}
	out := tableSample{Table: mapped.Table, Rows: len(mapped.Rows)}
	held := heldContributions{store: store, source: name, table: mapped.Table, skus: make(map[inventory.SKU][]stockstore.ExplainedContribution)}
	for i := range mapped.Rows {
		r := &mapped.Rows[i]
		if r.Problem != nil {
			out.Problems++
			continue
		}
		for _, c := range r.raw {
			out.Contributions++
			same, err := held.has(ctx, r.Row, c)
			if err != nil {
				return tableSample{}, err
			}
			if !same {
				out.Changes++
			}
		}
	}
	return out, nil
}

// heldContributions looks up what the store holds, by SKU.
type heldContributions struct {
	store         *stockstore.Store
	source, table string
	skus          map[inventory.SKU][]stockstore.ExplainedContribution
}

// has reports whether c of a row counts in the store just so.
func (h *heldContributions) has(ctx context.Context, row string, c inventory.Contribution) (bool, error) {
	held, ok := h.skus[c.SKU]
	if !ok {
		e, err := h.store.Explain(ctx, c.SKU)
		if err != nil {
			return false, err
		}
		held = e.Contributions
		h.skus[c.SKU] = held
	}
	return slices.ContainsFunc(held, func(x stockstore.ExplainedContribution) bool {
		counts := x.Feed == connector.FeedActive || x.Feed == connector.FeedStale
		return counts && x.Source == h.source && x.Table == h.table && string(x.Row) == row && x.Contribution == c
	}), nil
}
