package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"tailstock/sinks/stockstore"
)

const levelsRebuildHelp = `Have every level published anew from the stock store, under newer versions.
The relay does it while it goes on publishing changes; whoever reads the levels
stream, caches included, is then as right as the store. Needed after levels were
lost in a way that nobody could notice: a power cut of an unsynced NATS server
together with a store that was set back.`

func (a *app) levelsCommand() *cobra.Command {
	rebuild := a.configured(&cobra.Command{
		Use: "rebuild", Short: "Have every level published anew", Long: levelsRebuildHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withStore(cmd.Context(), func(ctx context.Context, s *stockstore.Store) error {
				if err := s.Rebuild(ctx); err != nil {
					return err
				}
				return a.asked("every level will be published anew by the relay")
			})
		},
	})
	return group("levels", "Work on the levels stream", rebuild)
}

// asked tells that the daemon will do what was asked for.
func (a *app) asked(what string) error {
	result := struct {
		Asked string `json:"asked"`
	}{what}
	return a.show(result, func() error {
		_, err := fmt.Fprintln(a.Out, what)
		return err
	})
}
