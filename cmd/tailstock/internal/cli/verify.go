package cli

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
)

const verifyHelp = `Compare what stock stores hold with the sources, row by row, while everything
runs. The daemon that captures a source reads its tables in chunks and puts them
into the log, so that every store compares each row at exactly one place between
two commits: what changes meanwhile is no difference. Rows that only a store has
are then looked for in the source.

A row is different, missing (the source has it and the store does not) or extra
(the store has it and the source does not). With --repair the store takes what
the source says of such rows, through the log, and publishes what changes.

With --levels the numbers of the store are recomputed from the contributions
that it holds instead. That needs the store alone.

Exit codes: 0 nothing differs, 3 something differs, or did until it was repaired,
1 not everything could be compared.`

// verifyOptions are the flags of verify.
type verifyOptions struct {
	source, sample string
	tables         []string
	levels, repair bool
	throttle       float64
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := a.configured(&cobra.Command{
		Use: "verify", Short: "Compare stores with their sources, and repair what differs", Long: verifyHelp,
		Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.verify(cmd.Context(), &o) },
	})
	f := cmd.Flags()
	f.StringVar(&o.source, "source", "", "only this source")
	f.StringArrayVar(&o.tables, "table", nil, "only this table, as schema.name; may be given several times")
	f.BoolVar(&o.levels, "levels", false, "recompute the store's levels from its contributions instead of comparing rows")
	f.BoolVar(&o.repair, "repair", false, "set right what differs")
	f.StringVar(&o.sample, "sample", "", "compare a random part of the chunks, such as 10%")
	f.Float64Var(&o.throttle, "throttle", 0, "read at most this many rows in a second")
	return cmd
}

func (a *app) verify(ctx context.Context, o *verifyOptions) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	sources, err := chosen(cfg, o.source)
	if err != nil {
		return err
	}
	if o.levels {
		return a.verifyLevels(ctx, sources, o)
	}
	spec, err := o.spec()
	if err != nil {
		return err
	}
	if len(o.tables) > 0 && len(sources) > 1 {
		return &usageError{errors.New("--table needs --source: there are several sources")}
	}
	var results []verifiedSource
	err = a.withNATS(ctx, func(ctx context.Context, c *natslog.Client) error {
		for i := range sources {
			r, err := a.verifySource(ctx, c, &sources[i], spec)
			if err != nil {
				return fmt.Errorf("verify source %s: %w", sources[i].Name, err)
			}
			results = append(results, r)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := a.show(results, func() error { return a.showVerified(results) }); err != nil {
		return err
	}
	return verdictOf(results)
}

// spec is the job that the flags ask for.
func (o *verifyOptions) spec() (connector.JobSpec, error) {
	sample, err := parsePercent(o.sample)
	return connector.JobSpec{
		Kind: connector.JobVerify, Tables: o.tables,
		VerifySpec: connector.VerifySpec{Repair: o.repair, Sample: sample},
		JobPace:    connector.JobPace{Throttle: o.throttle},
	}, err
}

// parsePercent reads "10%" or "10", 0 for nothing.
func parsePercent(text string) (float64, error) {
	if text == "" {
		return 0, nil
	}
	n, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(n > 0 && n <= 100) {
		return 0, &usageError{fmt.Errorf("a sample of %q: want more than 0%% and at most 100%%", text)}
	}
	return n, nil
}

// verdictOf is errProblems if anything differs, and otherwise says what was not compared.
func verdictOf(results []verifiedSource) error {
	var errs []error
	for i := range results {
		r := &results[i]
		for j := range r.Stores {
			s := &r.Stores[j]
			if s.Drift() > 0 {
				return errProblems
			}
			if !s.Complete {
				errs = append(errs, fmt.Errorf("source %s: store %s reported on %d of %d rows: its worker or this command was "+
					"cut off meanwhile; run verify again", r.Source, s.Store, s.Total(), r.Stated))
			}
			if s.Unchecked > 0 {
				errs = append(errs, fmt.Errorf("source %s: store %s could not compare %d rows: it does not hold their table under its "+
					"mapping yet; run verify again when its load is done", r.Source, s.Store, s.Unchecked))
			}
		}
		if r.Unreadable > 0 {
			errs = append(errs, fmt.Errorf("source %s: %d rows of stores could not be looked for in the source, "+
				"because their keys are longer than %d bytes or do not fit the table", r.Source, r.Unreadable, maxRowKey))
		}
		if len(r.Stores) == 0 {
			errs = append(errs, fmt.Errorf("source %s: no store holds its tables", r.Source))
		}
	}
	return errors.Join(errs...)
}

// Bounds of waiting for stores once everything was read.
const (
	verifyPoll  = 300 * time.Millisecond
	verifyQuiet = 2 * time.Minute
)

// verifySource has the tables of a source verified, and gathers what stores report.
func (a *app) verifySource(ctx context.Context, c *natslog.Client, source *config.Source, spec connector.JobSpec) (verifiedSource, error) {
	reports, err := c.WatchComparisons(ctx, source.Name)
	if err != nil {
		return verifiedSource{}, err
	}
	defer reports.Close()
	job, err := c.Jobs(source.Name).Start(ctx, spec)
	if err != nil {
		return verifiedSource{}, refused(err)
	}
	v := &verifier{a: a, client: c, reports: reports, follower: follower{job: job, began: time.Now()}, stores: map[string]*verifiedStore{}}
	if err := v.run(ctx); err != nil {
		return verifiedSource{}, err
	}
	return v.result(), nil
}

// verifier follows one verification.
type verifier struct {
	a       *app
	client  *natslog.Client
	reports *natslog.Comparisons
	follower
	stores map[string]*verifiedStore
	heard  time.Time
}

// run gathers reports until the job is over and its stores have compared everything.
func (v *verifier) run(ctx context.Context) error {
	v.heard = time.Now()
	for {
		if err := v.listen(ctx); err != nil {
			return err
		}
		if v.job.State.Ended() {
			if v.job.State != connector.JobCompleted {
				return fmt.Errorf("job %s was %s", v.job.ID, v.job.State)
			}
			if v.complete() || time.Since(v.heard) > verifyQuiet {
				return nil
			}
			continue
		}
		if err := v.look(ctx); err != nil {
			return err
		}
	}
}

// listen takes reports for a short while.
func (v *verifier) listen(ctx context.Context) error {
	short, cancel := context.WithTimeout(ctx, verifyPoll)
	defer cancel()
	for {
		r, err := v.reports.Next(short)
		switch {
		case err == nil: // also when the time is up just now
			v.take(&r)
		case ctx.Err() != nil:
			return fmt.Errorf("interrupted; job %s goes on by itself: %w", v.job.ID, context.Cause(ctx))
		case short.Err() != nil:
			return nil
		default:
			return err
		}
	}
}

// take adds a report up.
func (v *verifier) take(r *connector.ComparisonReport) {
	s := v.stores[r.Store]
	if s == nil {
		s = &verifiedStore{Store: r.Store}
		v.stores[r.Store] = s
	}
	for i := range r.Compared {
		c := &r.Compared[i]
		if c.Verification != v.job.ID {
			continue
		}
		v.heard = time.Now()
		s.ComparedRows = s.Plus(c.ComparedRows)
		for j := range c.Differences {
			if len(s.Differences) < maxShownDifferences {
				s.Differences = append(s.Differences, differenceOf(&c.Differences[j]))
			}
		}
	}
	for _, id := range r.Ended {
		s.ended = s.ended || id == v.job.ID
	}
}

// look looks at the job and shows how far it is.
func (v *verifier) look(ctx context.Context) error {
	jobs, err := v.client.Jobs(v.job.Source).List(ctx)
	if err != nil {
		return fmt.Errorf("job %s goes on by itself, but nobody adds up any more what it finds: %w", v.job.ID, err)
	}
	for i := range jobs {
		if jobs[i].ID == v.job.ID {
			v.job = jobs[i]
			v.heard = time.Now()
			if !v.a.json && isTerminal(v.a.Out) {
				v.a.progressBar(&v.follower, v.job.State.Ended())
			}
			return nil
		}
	}
	return fmt.Errorf("job %s: %w: what captures the source does not know how it ended", v.job.ID, connector.ErrNoJob)
}

// complete reports whether every store that takes part has compared everything.
func (v *verifier) complete() bool {
	for _, id := range v.job.Verify.Stores {
		if s := v.stores[id]; s == nil || !s.ended {
			return false
		}
	}
	return true
}

func (v *verifier) result() verifiedSource {
	job := v.job.Verify
	out := verifiedSource{
		Source: v.job.Source, Job: v.job.ID, VerifySpec: job.VerifySpec, Rows: v.job.Rows,
		Stated: job.Stated, ReadBack: job.ReadBack, Unreadable: job.Unreadable, Stores: []verifiedStore{},
		Seconds: time.Since(v.began).Seconds(),
	}
	for _, id := range job.Stores {
		s := v.stores[id]
		if s == nil {
			s = &verifiedStore{Store: id}
		}
		s.Complete = s.ended && s.Total() >= job.Stated
		out.Stores = append(out.Stores, *s)
	}
	return out
}

// cellDrift is a wrong cell as it is shown.
type cellDrift struct {
	Source   string               `json:"source"`
	Table    string               `json:"table"`
	SKU      inventory.SKU        `json:"sku"`
	Location inventory.LocationID `json:"location"`
	Counts   bool                 `json:"counts"`
	Held     quantities           `json:"held"`
	Sum      quantities           `json:"sum"`
	held     inventory.Quantities
	sum      inventory.Quantities
}
