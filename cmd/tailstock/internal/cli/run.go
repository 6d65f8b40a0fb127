package cli

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tailstock/internal/config"
)

const runHelp = `Run the daemon: for every source a capture (source to log) and a store worker
(log to stock store), and for the installation a relay (store to levels stream),
a sweeper, a cache worker and the HTTP endpoint, as far as they are configured.

Several daemons with the same configuration and an external NATS server share
the work: each role runs in one of them, and another takes over when it dies.
--roles limits a daemon to some of them: "capture,store", "capture/erp,relay".

The first SIGINT or SIGTERM finishes what is in flight and ends; a second ends at
once, which loses nothing either.

Exit codes: 0 drained, 1 failed (also when another daemon took over a role), 2
wrong configuration.`

func (a *app) runCommand() *cobra.Command {
	var roles []string
	cmd := a.configured(&cobra.Command{
		Use: "run", Short: "Run the daemon", Long: runHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			selected, err := selectRoles(cfg, roles)
			if err != nil {
				return err
			}
			bounded, stop := context.WithCancel(cmd.Context())
			defer stop()
			go a.boundMemory(bounded, cfg)
			return newDaemon(cfg, selected, a.logger(cfg.Logging), a.build()).run(cmd.Context())
		},
	})
	cmd.Flags().StringSliceVar(&roles, "roles", nil,
		"only these roles: "+strings.Join(roleKinds(), ", ")+", or one of a source, as capture/erp")
	return cmd
}

// logger writes to standard error as configured, and as JSON if that is asked for.
func (a *app) logger(l config.Logging) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.Level}
	if a.json || l.Format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(a.Err, options))
	}
	return slog.New(slog.NewTextHandler(a.Err, options))
}

// The kinds of roles, as --roles and the board name them. Those of a source are
// followed by its name: "capture/erp".
const (
	roleCapture = "capture"
	roleStore   = "store"
	roleRelay   = "relay"
	roleSweep   = "sweep"
	roleCache   = "cache"
	roleHTTP    = "http"
)

func roleKinds() []string {
	return []string{roleCapture, roleStore, roleRelay, roleSweep, roleCache, roleHTTP}
}

// roleSet says which roles a daemon takes part in.
type roleSet map[string]bool

// selectRoles returns the configured roles, or those that are asked for, each of
// which must be configured.
func selectRoles(cfg *config.Config, asked []string) (roleSet, error) {
	all := configuredRoles(cfg)
	if len(asked) == 0 {
		if cfg.Store == nil {
			return nil, missing("store", "a daemon without one needs --roles that do without, as --roles capture")
		}
		return newRoleSet(all), nil
	}
	var chosen []string
	for _, name := range asked {
		found := matching(all, name)
		if len(found) == 0 {
			return nil, notARole(name, all)
		}
		chosen = append(chosen, found...)
	}
	return newRoleSet(chosen), nil
}

// matching returns name itself, or the roles of every source that are of that kind.
func matching(all []string, name string) []string {
	var out []string
	for _, role := range all {
		if role == name || strings.HasPrefix(role, name+"/") {
			out = append(out, role)
		}
	}
	return out
}

func notARole(name string, all []string) error {
	kind, _, _ := strings.Cut(name, "/")
	if slices.Contains(roleKinds(), kind) {
		return &usageError{fmt.Errorf("role %q is not configured; this configuration has %s", name, strings.Join(all, ", "))}
	}
	return &usageError{fmt.Errorf("%q is not a role; roles are %s", name, strings.Join(roleKinds(), ", "))}
}

func newRoleSet(names []string) roleSet {
	set := make(roleSet, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set
}

// configuredRoles lists what cfg asks a daemon to do.
func configuredRoles(cfg *config.Config) []string {
	var out []string
	for i := range cfg.Sources {
		out = append(out, roleCapture+"/"+cfg.Sources[i].Name)
	}
	if cfg.Store != nil {
		for i := range cfg.Sources {
			out = append(out, roleStore+"/"+cfg.Sources[i].Name)
		}
		out = append(out, roleRelay, roleSweep)
	}
	if cfg.Cache != nil {
		out = append(out, roleCache)
	}
	if cfg.HTTP.Listen != "" {
		out = append(out, roleHTTP)
	}
	return out
}
