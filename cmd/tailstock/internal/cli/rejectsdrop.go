package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tailstock/internal/config"
)

const rejectsDropHelp = `Forget rejects. No number changes: a row that could not be mapped counts as it did
before, and stays marked in the store, where "explain" and the metric
tailstock_store_problem_rows show it, until it changes, or is read again by a
backfill. To take out what such a row counts, say so in the mapping, or delete the row.

A reject of the row that comes later is kept as any other. --resolved forgets just
those that need nobody any more.

It asks before it forgets; --yes answers.

Exit codes: 0 done, 1 failed or not wanted, 2 usage.`

// rejectsDropOptions are the flags of rejects drop.
type rejectsDropOptions struct {
	rejectFilter
	all, resolved, yes bool
}

func (a *app) rejectsDropCommand() *cobra.Command {
	var o rejectsDropOptions
	cmd := a.configured(&cobra.Command{
		Use: "drop [ID...]", Short: "Forget rejects", Long: rejectsDropHelp,
		Args: arguments(cobra.ArbitraryArgs), ValidArgsFunction: a.completeRejects(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := chosenRejects(args, o.all || o.resolved, &o.rejectFilter)
			if err != nil {
				return err
			}
			if !o.yes && !isTerminal(a.In) {
				return &usageError{errors.New("nobody can be asked here whether you mean it: say --yes")}
			}
			return a.withRejects(cmd.Context(), o.rejectFilter, func(ctx context.Context, _ *config.Config, r *rejectReader) error {
				return a.dropRejects(ctx, r, ids, &o)
			})
		},
	})
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "all of them")
	cmd.Flags().BoolVar(&o.resolved, "resolved", false, "only those that are resolved")
	cmd.Flags().BoolVar(&o.yes, "yes", false, "do not ask")
	return cmd
}

// droppedRejects is the JSON of rejects drop.
type droppedRejects struct {
	Dropped int `json:"dropped"`
	// Marked is how many of their rows are not right yet, as far as that is known.
	Marked int `json:"marked"`
}

// errNotWanted ends a command whose question was not answered with yes.
var errNotWanted = errors.New("not wanted: nothing was done")

func (a *app) dropRejects(ctx context.Context, r *rejectReader, ids []uint64, o *rejectsDropOptions) error {
	if o.resolved && r.store == nil {
		return errors.New("without the store nobody knows which rejects are resolved")
	}
	last, err := r.newest(ctx)
	if err != nil {
		return err
	}
	// Those that come while somebody thinks about it stay.
	each := func(take func(*statedReject) error) error {
		return r.each(ctx, ids, last, func(k *statedReject) error {
			if o.resolved && k.State != rejectResolved {
				return nil
			}
			return take(k)
		})
	}
	if !o.yes {
		if err := a.confirmDrop(each); err != nil {
			return err
		}
	}
	var out droppedRejects
	err = each(func(k *statedReject) error {
		was, err := r.client.DropReject(ctx, k.Source, k.Ref())
		if err == nil && was {
			out.Dropped++
			if k.State != rejectResolved {
				out.Marked++
			}
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("after %s: %w", count(out.Dropped, "dropped reject"), err)
	}
	return a.show(out, func() error {
		_, err := fmt.Fprintf(a.Out, "%s dropped\n", count(out.Dropped, "reject"))
		if err == nil && out.Marked > 0 {
			_, err = fmt.Fprintf(a.Out, "not right yet, and counting as before: %s; mend them, or read them again with \"tailstock backfill\"\n",
				count(out.Marked, "row"))
		}
		return err
	})
}

// confirmDrop counts what would be dropped and asks whether that is meant.
func (a *app) confirmDrop(each func(func(*statedReject) error) error) error {
	n := 0
	if err := each(func(*statedReject) error { n++; return nil }); err != nil {
		return err
	}
	fmt.Fprintf(a.Err, "drop %s? No number changes by that, and nobody is told of them any more. [y/N] ", count(n, "reject"))
	line, err := bufio.NewReader(a.In).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); err == nil && (answer == "y" || answer == "yes") {
		return nil
	}
	return errNotWanted
}
