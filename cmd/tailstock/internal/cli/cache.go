package cli

import (
	"context"

	"github.com/spf13/cobra"

	"tailstock/sinks/cache"
)

const cacheRebuildHelp = `Have the cache filled anew from the levels stream, while it goes on serving: the
worker overwrites whatever the cache holds and then removes what the stream does
not know. Needed after somebody else wrote into the cache.`

func (a *app) cacheCommand() *cobra.Command {
	rebuild := a.configured(&cobra.Command{
		Use: "rebuild", Short: "Have the cache filled anew", Long: cacheRebuildHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withCache(cmd.Context(), func(ctx context.Context, c *cache.Cache) error {
				if err := c.Rebuild(ctx); err != nil {
					return err
				}
				return a.asked("the cache will be filled anew by the daemon")
			})
		},
	})
	return group("cache", "Work on the cache", rebuild)
}
