package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
)

const tailHelp = `Follow the levels as they are published, until interrupted. With --all, first
every level as it stands, each once. With --json every line is the CloudEvents
event itself.`

// tailPoll is how often tail looks for a levels stream that is not there yet.
const tailPoll = time.Second

func (a *app) tailCommand() *cobra.Command {
	var sku, location string
	var all bool
	cmd := a.configured(&cobra.Command{
		Use: "tail", Short: "Follow levels as they change", Long: tailHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			filter := natslog.LevelFilter{SKU: inventory.SKU(sku), Location: inventory.LocationID(location), New: !all}
			for _, name := range []string{sku, location} {
				if err := inventory.ValidName(name); name != "" && err != nil {
					return &usageError{fmt.Errorf("%q: %w", name, err)}
				}
			}
			return a.withNATS(cmd.Context(), func(ctx context.Context, c *natslog.Client) error {
				return a.tail(ctx, c, filter)
			})
		},
	})
	cmd.Flags().StringVar(&sku, "sku", "", "only this SKU")
	cmd.Flags().StringVar(&location, "location", "", "only this location")
	cmd.Flags().BoolVar(&all, "all", false, "begin with every level as it stands")
	return cmd
}

// tail shows levels until ctx ends.
func (a *app) tail(ctx context.Context, c *natslog.Client, filter natslog.LevelFilter) error {
	waiting := false
	for {
		err := c.WatchLevels(ctx, filter, a.showLevel)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // interrupted, as told
		case !errors.Is(err, connector.ErrNoLog):
			return err
		case !waiting && !a.json:
			waiting = true
			fmt.Fprintln(a.Err, "no level was ever published; waiting for the first")
		}
		// The first levels come with the stream: none of them is to be missed.
		filter.New = false
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(tailPoll):
		}
	}
}

func (a *app) showLevel(m inventory.LevelMessage) error {
	if a.json {
		_, err := a.Out.Write(append(inventory.EncodeLevel(nil, &m), '\n'))
		return err
	}
	_, err := fmt.Fprintln(a.Out, levelLine(&m.Level))
	return err
}

// levelLine shows a level to people.
func levelLine(l *inventory.Level) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s  ", l.UpdatedAt.Local().Format("15:04:05.000"), l.SKU, l.Location)
	if l.Gone {
		b.WriteString("gone")
	} else {
		fmt.Fprintf(&b, "available %s = %s", l.Quantities.Available(), sumOf(l.Quantities))
	}
	if l.Source != "" {
		fmt.Fprintf(&b, "  (%s, transaction %s)", l.Source, l.Transaction)
	}
	return b.String()
}
