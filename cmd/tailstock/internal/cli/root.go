package cli

import (
	"github.com/spf13/cobra"
)

const rootHelp = `Tailstock keeps a storefront's stock in step with ERP and warehouse databases
that it never modifies: it follows their logical replication, keeps what every
row contributes in a stock store, and publishes stock levels to NATS JetStream
and a cache.

Begin with "tailstock demo", or with "tailstock init" at a database of your own.

Exit codes: 0 fine, 1 failed, 2 usage or configuration, 3 problems were found.`

// root makes the tree of commands.
func (a *app) root() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tailstock",
		Short: "Keep a storefront's stock in step with databases that it never modifies",
		Long:  rootHelp,
		// A mistake is reported once, by exit.
		SilenceErrors: true, SilenceUsage: true,
		Args:              arguments(cobra.NoArgs),
		RunE:              func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	cmd.PersistentFlags().BoolVar(&a.json, "json", false, "print JSON: one document, or one line for each thing that is followed")
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	cmd.AddCommand(
		a.runCommand(), a.initCommand(), a.checkCommand(), a.statusCommand(), a.mapCommand(), a.explainCommand(), a.tailCommand(), a.verifyCommand(), a.backfillCommand(), a.rejectsCommand(),
		a.levelsCommand(), a.cacheCommand(), a.storeCommand(), a.presetCommand(),
		a.demoCommand(), a.versionCommand(), a.completionCommand(),
	)
	return cmd
}

// configured gives cmd the flag that names the configuration.
func (a *app) configured(cmd *cobra.Command) *cobra.Command {
	name, ok := a.Lookup("TAILSTOCK_CONFIG")
	if !ok || name == "" {
		name = "tailstock.yaml"
	}
	cmd.Flags().StringVarP(&a.config, "config", "c", name, "configuration file; TAILSTOCK_CONFIG names another default")
	return cmd
}

// group makes a command that only has commands below it.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: arguments(cobra.NoArgs), RunE: func(cmd *cobra.Command, _ []string) error {
		return cmd.Help()
	}}
	cmd.AddCommand(commands...)
	return cmd
}
