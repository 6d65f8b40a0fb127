package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/internal/config"
	"tailstock/sinks/stockstore"
)

const explainHelp = `Show every contribution behind the levels of a SKU: the source row, what it
adds to which location, and the commit that last changed it, with its place in our
log. A row that could not be mapped since is marked. Read from the stock store; the
daemon need not run.

With --rows the rows are read again from their sources, with the rows of other tables
that they look up, and shown with what each rule makes of them: as they are now, which
may be later than what the store has.`

func (a *app) explainCommand() *cobra.Command {
	var rows bool
	cmd := a.configured(&cobra.Command{
		Use: "explain SKU", Short: "Show every row behind a SKU's levels", Long: explainHelp,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			sku := args[0]
			if err := inventory.ValidName(sku); err != nil {
				return &usageError{fmt.Errorf("sku %q: %w", sku, err)}
			}
			return a.withStore(cmd.Context(), func(ctx context.Context, s *stockstore.Store) error {
				e, err := s.Explain(ctx, inventory.SKU(sku))
				if err != nil {
					return err
				}
				cfg, err := a.load()
				if err != nil {
					return err
				}
				x := explainer{ways: waysOf(cfg)}
				if rows {
					if x.now, err = rowsNow(ctx, cfg, e.Contributions); err != nil {
						return err
					}
				}
				return a.show(x.explanation(&e), func() error { return a.showExplanation(&e, &x) })
			})
		},
	})
	cmd.Flags().BoolVar(&rows, "rows", false, "read the rows again, and show what each rule makes of them")
	return cmd
}

// explainer knows what the store does not.
type explainer struct {
	// ways are, by mapping, the ways by which rows look others up.
	ways map[inventory.MappingID][]string
	// now are the rows as they are now, nil if they were not read.
	now map[rowName]rowNow
}

// waysOf are, by mapping, the ways by which rows look others up, as far as the
// mapping is configured.
func waysOf(cfg *config.Config) map[inventory.MappingID][]string {
	out := make(map[inventory.MappingID][]string)
	for i := range cfg.Sources {
		for _, m := range cfg.Sources[i].Mappings {
			for _, r := range m.References() {
				out[m.ID()] = append(out[m.ID()], r.String())
			}
		}
	}
	return out
}

// explanation is the JSON of explain.
type explanation struct {
	SKU           inventory.SKU           `json:"sku"`
	Levels        []explainedLevel        `json:"levels"`
	Contributions []explainedContribution `json:"contributions"`
}

type explainedLevel struct {
	Location inventory.LocationID `json:"location"`
	quantities
	Available json.Number `json:"available"`
	Gone      bool        `json:"gone,omitempty"`
	UpdatedAt time.Time   `json:"updated_at,omitzero"`
}

type explainedContribution struct {
	SKU      inventory.SKU        `json:"sku"`
	Location inventory.LocationID `json:"location"`
	quantities
	validity
	Source  string              `json:"source"`
	Table   string              `json:"table"`
	Row     string              `json:"row"`
	Leg     string              `json:"leg"`
	Mapping inventory.MappingID `json:"mapping"`
	// Lookups are the ways by which the mapping looks other tables up.
	Lookups []string `json:"lookups,omitempty"`
	// Counts is false for a feed that is still being loaded, and outside of the validity.
	Counts      bool              `json:"counts"`
	Feed        string            `json:"feed"`
	Position    string            `json:"position"`
	Transaction string            `json:"transaction"`
	CommittedAt time.Time         `json:"committed_at"`
	Problem     *explainedProblem `json:"problem,omitempty"`
	// Now is the row as its source has it now, if it was asked for.
	Now *rowNow `json:"now,omitempty"`
}

type explainedProblem struct {
	Kind        string    `json:"kind"`
	Rule        string    `json:"rule"`
	Reason      string    `json:"reason"`
	Position    string    `json:"position"`
	Transaction string    `json:"transaction"`
	CommittedAt time.Time `json:"committed_at"`
}

func (x *explainer) explanation(e *stockstore.Explanation) explanation {
	out := explanation{SKU: e.SKU, Levels: []explainedLevel{}, Contributions: []explainedContribution{}}
	for i := range e.Levels {
		l := &e.Levels[i]
		out.Levels = append(out.Levels, explainedLevel{
			Location: l.Location, quantities: quantitiesOf(l.Quantities),
			Available: json.Number(l.Quantities.Available().String()), Gone: l.Gone, UpdatedAt: l.UpdatedAt,
		})
	}
	for i := range e.Contributions {
		c := &e.Contributions[i]
		shown := explainedOf(c, x.ways[c.Mapping])
		if now, ok := x.now[rowNameOf(c)]; ok {
			shown.Now = &now
		}
		out.Contributions = append(out.Contributions, shown)
	}
	return out
}

func explainedOf(c *stockstore.ExplainedContribution, ways []string) explainedContribution {
	out := explainedContribution{
		SKU: c.SKU, Location: c.Location, quantities: quantitiesOf(c.Quantities), validity: validityOf(c.Valid), Source: c.Source, Table: c.Table,
		Row: string(c.Row), Leg: c.Leg, Mapping: c.Mapping, Lookups: ways, Counts: counts(c) && c.Counts, Feed: string(c.Feed),
		Position: c.Position.String(), Transaction: c.Transaction, CommittedAt: c.CommittedAt,
	}
	if p := c.Problem; p != nil {
		out.Problem = &explainedProblem{string(p.Kind), p.Rule, p.Reason, p.Position.String(), p.Transaction, p.CommittedAt}
	}
	return out
}

func counts(c *stockstore.ExplainedContribution) bool {
	return c.Feed == connector.FeedActive || c.Feed == connector.FeedStale
}

// showExplanation prints a SKU by location: its level, and below it what adds up to it.
func (a *app) showExplanation(e *stockstore.Explanation, x *explainer) error {
	if len(e.Levels) == 0 && len(e.Contributions) == 0 {
		_, err := fmt.Fprintf(a.Out, "%s: no source row speaks of it\n", e.SKU)
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", e.SKU)
	for i := range e.Levels {
		l := &e.Levels[i]
		if l.Gone {
			fmt.Fprintf(&b, "\n%s  gone: no row contributes any more\n", l.Location)
		} else {
			fmt.Fprintf(&b, "\n%s  available %s = %s\n", l.Location, l.Quantities.Available(), sumOf(l.Quantities))
		}
		writeContributions(&b, e, l.Location, x)
	}
	for _, location := range withoutLevel(e) {
		fmt.Fprintf(&b, "\n%s  no level: nothing has counted yet\n", location)
		writeContributions(&b, e, location, x)
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}

// withoutLevel are the locations of contributions that have no level, each once.
func withoutLevel(e *stockstore.Explanation) (locations []inventory.LocationID) {
	for i := range e.Contributions {
		l := e.Contributions[i].Location
		if !slices.Contains(locations, l) && !slices.ContainsFunc(e.Levels, func(level inventory.Level) bool { return level.Location == l }) {
			locations = append(locations, l)
		}
	}
	return locations
}

// writeContributions prints those at a location.
func writeContributions(b *strings.Builder, e *stockstore.Explanation, at inventory.LocationID, x *explainer) {
	for i := range e.Contributions {
		c := &e.Contributions[i]
		if c.Location != at {
			continue
		}
		writeContribution(b, c, x.ways[c.Mapping])
		if now, ok := x.now[rowNameOf(c)]; ok {
			writeRowNow(b, &now)
		}
	}
}

// sumOf shows how available comes about: "on_hand 12 - committed 3".
func sumOf(q inventory.Quantities) string {
	s := "on_hand " + q[inventory.OnHand].String()
	for _, k := range []inventory.Kind{inventory.Committed, inventory.Unavailable, inventory.SafetyStock} {
		if q[k] != 0 {
			s += " - " + k.String() + " " + q[k].String()
		}
	}
	if n := q[inventory.Incoming]; n != 0 {
		s += "; incoming " + n.String()
	}
	return s
}

func writeContribution(b *strings.Builder, c *stockstore.ExplainedContribution, ways []string) {
	fmt.Fprintf(b, "  %s %s", c.Table, c.Row)
	if c.Leg != mapping.DefaultLeg {
		fmt.Fprintf(b, " %s", c.Leg)
	}
	fmt.Fprintf(b, ": %s%s\n", nonZero(c.Quantities), validityText(c.Valid))
	fmt.Fprintf(b, "      source %s, transaction %s, committed %s, position %s\n",
		c.Source, c.Transaction, c.CommittedAt.Local().Format(timeFormat), c.Position)
	for _, way := range ways {
		fmt.Fprintf(b, "      looks up %s\n", way)
	}
	switch {
	case !counts(c):
		fmt.Fprintf(b, "      does not count: its table is %s\n", c.Feed)
	case !c.Counts:
		b.WriteString("      does not count now\n")
	}
	if p := c.Problem; p != nil {
		fmt.Fprintf(b, "      last good value; since transaction %s (%s) the row is %s: %s: %s\n",
			p.Transaction, p.CommittedAt.Local().Format(timeFormat), p.Kind, p.Rule, p.Reason)
	}
}

// timeFormat shows a moment to people.
const timeFormat = "2006-01-02 15:04:05.000"
