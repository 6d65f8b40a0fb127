package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector/natslog"
)

const (
	storeListHelp = `List the stores that the sources' logs wait for. A store registers itself by
applying a log; what it has not applied stays in the log, up to the log's limit.`
	storeForgetHelp = `Forget a store that is gone for good, so that no log waits for it any more. A
store that reported a moment ago is not gone; --force forgets it all the same, but
it registers itself again with its next report.`
)

// storeAlive is how recent a report must be for its store to be alive: stores
// report every few seconds.
const storeAlive = time.Minute

func (a *app) storeCommand() *cobra.Command {
	list := a.configured(&cobra.Command{
		Use: "list", Short: "List the stores that logs wait for", Long: storeListHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withNATS(cmd.Context(), a.listStores)
		},
	})
	var force bool
	forget := a.configured(&cobra.Command{
		Use: "forget ID", Short: "Forget a store that is gone for good", Long: storeForgetHelp, Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withNATS(cmd.Context(), func(ctx context.Context, c *natslog.Client) error {
				return a.forgetStore(ctx, c, args[0], force)
			})
		},
	})
	forget.Flags().BoolVar(&force, "force", false, "also if it reported a moment ago")
	return group("store", "List and forget registered stores", list, forget)
}

// registered is what the state keeps of one store and one source.
type registered struct {
	Store      string    `json:"store"`
	Source     string    `json:"source"`
	Position   string    `json:"position"`
	ReportedAt time.Time `json:"reported_at"`
	Feeds      []feed    `json:"feeds"`
}

type feed struct {
	Table   string `json:"table"`
	Mapping string `json:"mapping"`
	State   string `json:"state"`
}

// readRegistered reads the reports about every source, sorted by store and source.
func readRegistered(ctx context.Context, c *natslog.Client) ([]registered, error) {
	sources, err := c.Sources(ctx)
	if err != nil {
		return nil, err
	}
	out := []registered{}
	for _, source := range sources {
		reports, err := c.Reports(ctx, source)
		if err != nil {
			return nil, err
		}
		for i := range reports {
			r := &reports[i]
			shown := registered{Store: r.Store, Source: source, Position: r.Position.String(), ReportedAt: r.At, Feeds: []feed{}}
			for _, f := range r.Feeds {
				shown.Feeds = append(shown.Feeds, feed{f.Table, string(f.Mapping), string(f.State)})
			}
			out = append(out, shown)
		}
	}
	slices.SortFunc(out, func(x, y registered) int {
		return strings.Compare(x.Store+"/"+x.Source, y.Store+"/"+y.Source)
	})
	return out, nil
}

func (a *app) listStores(ctx context.Context, c *natslog.Client) error {
	stores, err := readRegistered(ctx, c)
	if err != nil {
		return err
	}
	return a.show(stores, func() error {
		if len(stores) == 0 {
			_, err := fmt.Fprintln(a.Out, "no store has ever reported")
			return err
		}
		rows := [][]string{{"STORE", "SOURCE", "POSITION", "REPORTED", "FEEDS"}}
		for i := range stores {
			s := &stores[i]
			rows = append(rows, []string{s.Store, s.Source, s.Position, ago(time.Since(s.ReportedAt)), feedSummary(s.Feeds)})
		}
		return a.table(rows)
	})
}

// feedSummary is "3 active, 1 stale".
func feedSummary(feeds []feed) string {
	states := make(map[string]int)
	for _, f := range feeds {
		states[f.State]++
	}
	var parts []string
	for _, state := range []string{"active", "stale", "loading"} {
		if n := states[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	return strings.Join(parts, ", ")
}

// ago shows how long something is past.
func ago(d time.Duration) string {
	return max(d, 0).Round(time.Second).String() + " ago"
}

func (a *app) forgetStore(ctx context.Context, c *natslog.Client, id string, force bool) error {
	stores, err := readRegistered(ctx, c)
	if err != nil {
		return err
	}
	known := false
	for i := range stores {
		s := &stores[i]
		if s.Store != id {
			continue
		}
		known = true
		if age := time.Since(s.ReportedAt); age < storeAlive && !force {
			return fmt.Errorf("store %s reported about source %s %s: it is not gone; stop its daemon first, or use --force", id, s.Source, ago(age))
		}
	}
	if !known {
		return fmt.Errorf("store %q is not registered; see tailstock store list", id)
	}
	sources, err := c.Unregister(ctx, id)
	if err != nil {
		return err
	}
	if len(sources) == 0 {
		return errors.New("the store was forgotten by somebody else meanwhile")
	}
	result := struct {
		Store   string   `json:"store"`
		Sources []string `json:"sources"`
	}{id, sources}
	return a.show(result, func() error {
		_, err := fmt.Fprintf(a.Out, "store %s is forgotten: the logs of %s do not wait for it any more\n", id, strings.Join(sources, ", "))
		return err
	})
}
