package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
)

const rejectsRetryHelp = `Read rejected rows again from their source, by their keys, while the daemon runs, and
state them anew, in order with the changes that the stream brings. A row that can be
mapped counts as it is now, one that is gone counts no more, and one that cannot be
mapped still is rejected anew, under a new id. The rejects of the others are removed.

Name the rejects, or choose them; --all is all that are not resolved. What was
rejected after this command began is left to the next.

Ctrl-C leaves what has begun to itself. With --detach it does not wait for what comes of it, and takes at most 200 of a source.

Exit codes: 0 all are mended, or left to themselves, 3 some are not, 1 failed, 2 usage.`

// rejectsRetryOptions are the flags of rejects retry.
type rejectsRetryOptions struct {
	rejectFilter
	all, detach bool
}

func (a *app) rejectsRetryCommand() *cobra.Command {
	var o rejectsRetryOptions
	cmd := a.configured(&cobra.Command{
		Use: "retry [ID...]", Short: "Read rejected rows again, and state them anew", Long: rejectsRetryHelp,
		Args: arguments(cobra.ArbitraryArgs), ValidArgsFunction: a.completeRejects(0),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := chosenRejects(args, o.all, &o.rejectFilter)
			if err != nil {
				return err
			}
			return a.withRejects(cmd.Context(), o.rejectFilter, func(ctx context.Context, cfg *config.Config, r *rejectReader) error {
				t := &retrier{a: a, reader: r, cfg: cfg, detach: o.detach, began: time.Now(), waiting: make(map[string][]statedReject)}
				err := t.run(ctx, ids)
				if errors.Is(err, errLeft) {
					return nil
				}
				return err
			})
		},
	})
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "all that are not resolved")
	cmd.Flags().BoolVar(&o.detach, "detach", false, "do not wait for what comes of it")
	return cmd
}

// chosenRejects returns the ids that args name. Rejects are either named or chosen.
func chosenRejects(args []string, all bool, f *rejectFilter) ([]uint64, error) {
	switch {
	case len(args) > 0 && (all || f.any()):
		return nil, &usageError{errors.New("name rejects, or choose them with flags, not both")}
	case len(args) == 0 && !all && !f.any():
		return nil, &usageError{errors.New("which ones? name rejects, or choose them with --source, --table, --reason, --older, --newer or --all")}
	}
	return parseRejects(args)
}

// What is asked for at once, and of one source without waiting.
const (
	retryPage      = rejectPage
	retryPageBytes = 64 << 10
)

// errLeft ends the waiting for a retry that goes on by itself.
var errLeft = errors.New("the retry goes on by itself")

// retrier tries rejects again, a page of a source at a time.
type retrier struct {
	a      *app
	reader *rejectReader
	cfg    *config.Config
	detach bool
	began  time.Time
	// waiting are those of each source that are to be tried next, and bytes the length
	// of their keys.
	waiting map[string][]statedReject
	bytes   int
	sum     retrySummary
	jobs    []connector.JobStatus
}

// retriedReject is what came of one, as a line of JSON.
type retriedReject struct {
	ID      uint64 `json:"id"`
	Source  string `json:"source"`
	Table   string `json:"table"`
	Row     string `json:"row"`
	Outcome string `json:"outcome"`
	// As is the id of the new reject of a row that was rejected anew.
	As     uint64 `json:"as,omitempty"`
	Rule   string `json:"rule,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Outcomes of a retry.
const (
	retryMended   = "mended"
	retryRejected = "rejected"
	retryKept     = "kept"
)

// retrySummary is the last line of JSON.
type retrySummary struct {
	Mended   int `json:"mended"`
	Rejected int `json:"rejected"`
	Kept     int `json:"kept"`
}

func (t *retrier) run(ctx context.Context, ids []uint64) error {
	if err := t.gather(ctx, ids); err != nil {
		return err
	}
	for _, source := range t.sources() {
		if err := t.try(ctx, source); err != nil {
			return err
		}
	}
	if t.detach {
		return t.a.show(t.jobs, t.showJobs)
	}
	if err := t.conclude(); err != nil {
		return err
	}
	if t.sum.Rejected+t.sum.Kept > 0 {
		return errProblems
	}
	return nil
}

// gather tries what is chosen as soon as a page of it is there, and leaves the rest waiting.
func (t *retrier) gather(ctx context.Context, ids []uint64) error {
	last, err := t.reader.newest(ctx)
	if err != nil {
		return err
	}
	return t.reader.each(ctx, ids, last, func(k *statedReject) error {
		if k.State == rejectResolved && len(ids) == 0 {
			return nil
		}
		return t.add(ctx, k)
	})
}

// add has k tried with the next page of its source.
func (t *retrier) add(ctx context.Context, k *statedReject) error {
	if !t.mapped(k.Source, k.Table) {
		return t.came(k, retryKept, nil, "its table is not mapped any more: forget it with \"tailstock rejects drop\"")
	}
	size := len(k.Table) + len(k.Mapping) + len(k.Row)
	for _, v := range k.Key {
		size += len(v)
	}
	if len(t.waiting[k.Source]) == retryPage || t.bytes+size > retryPageBytes {
		if t.detach {
			return &usageError{fmt.Errorf("there are more than %d to be tried again: leave out --detach, choose fewer, "+
				"or load the table anew with \"tailstock backfill\"", retryPage)}
		}
		for _, source := range t.sources() {
			if err := t.try(ctx, source); err != nil {
				return err
			}
		}
	}
	t.waiting[k.Source] = append(t.waiting[k.Source], *k)
	t.bytes += size
	return nil
}

func (t *retrier) mapped(source, table string) bool {
	for i := range t.cfg.Sources {
		if t.cfg.Sources[i].Name != source {
			continue
		}
		for _, m := range t.cfg.Sources[i].Mappings {
			if m.Table().String() == table {
				return true
			}
		}
	}
	return false
}

// sources are those of which something waits.
func (t *retrier) sources() (out []string) {
	for source := range t.waiting {
		out = append(out, source)
	}
	slices.Sort(out)
	return out
}

// try has what waits of a source tried again, and finds what came of it.
func (t *retrier) try(ctx context.Context, source string) error {
	page := t.waiting[source]
	delete(t.waiting, source)
	if len(t.waiting) == 0 {
		t.bytes = 0
	}
	spec := connector.JobSpec{Kind: connector.JobRetry}
	for i := range page {
		spec.Rejects = append(spec.Rejects, rowOf(&page[i].KeptReject))
	}
	job, err := t.reader.client.Jobs(source).Start(ctx, spec)
	if err != nil {
		return refused(err)
	}
	if t.detach {
		t.jobs = append(t.jobs, job)
		return nil
	}
	if job, err = t.wait(ctx, job); err != nil {
		return err
	}
	for i := range page {
		if err := t.outcome(ctx, &page[i], job.Retry); err != nil {
			return err
		}
	}
	return nil
}

// wait waits until a job is over. One of which the daemon does not know any more how
// it ended is: rejects tell what came of it.
func (t *retrier) wait(ctx context.Context, job connector.JobStatus) (connector.JobStatus, error) {
	f := &follower{job: job, began: time.Now(), show: func(*follower, bool) {}}
	err := t.a.watchJob(ctx, f)
	switch {
	case ctx.Err() != nil:
		f.leave(t.a)
		return f.job, errLeft
	case errors.Is(err, connector.ErrNoJob):
		return f.job, nil
	}
	return f.job, errors.Join(err, f.outcome())
}

// outcome finds what came of one reject.
func (t *retrier) outcome(ctx context.Context, k *statedReject, s *connector.RetryStatus) error {
	now, err := t.reader.client.NewestReject(ctx, k.Source, k.Ref())
	switch {
	case errors.Is(err, natslog.ErrNoReject):
		return t.came(k, retryMended, nil, "")
	case err != nil:
		return err
	case now.ID != k.ID:
		return t.came(k, retryRejected, &now, "")
	case s != nil && s.Unreadable == 0:
		return t.came(k, retryKept, nil, "it waits for a row that it looks up")
	case s != nil && s.Unresolved == 0:
		return t.came(k, retryKept, nil, "its key does not fit the table any more, see the daemon's log")
	}
	return t.came(k, retryKept, nil, "it waits for a row that it looks up, or its key does not fit the table any more")
}

// came shows what came of a reject.
func (t *retrier) came(k *statedReject, outcome string, again *natslog.KeptReject, why string) error {
	out := retriedReject{ID: k.ID, Source: k.Source, Table: k.Table, Row: string(k.Row), Outcome: outcome, Reason: why}
	text := "mended"
	switch outcome {
	case retryMended:
		t.sum.Mended++
	case retryRejected:
		t.sum.Rejected++
		out.As, out.Rule, out.Reason = again.ID, again.Problem.Rule, again.Problem.Reason
		text = fmt.Sprintf("rejected again, as %d: %s: %s", out.As, out.Rule, out.Reason)
	default:
		t.sum.Kept++
		text = "kept: " + why
	}
	if t.a.json && !t.detach {
		return t.line(out)
	}
	to := t.a.Out
	if t.detach {
		to = t.a.Err // the jobs are the result
	}
	_, err := fmt.Fprintf(to, "%d  %s %s: %s\n", k.ID, k.Table, k.Row, text)
	return err
}

func (t *retrier) line(v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		_, err = fmt.Fprintf(t.a.Out, "%s\n", b)
	}
	return err
}

func (t *retrier) conclude() error {
	if t.a.json {
		return t.line(t.sum)
	}
	_, err := fmt.Fprintf(t.a.Out, "%d mended, %d rejected again, %d kept\n", t.sum.Mended, t.sum.Rejected, t.sum.Kept)
	return err
}

func (t *retrier) showJobs() error {
	for i := range t.jobs {
		j := &t.jobs[i]
		if _, err := fmt.Fprintf(t.a.Out, "%s %s is %s; see \"tailstock backfill list\"\n", j.Kind, j.ID, j.State); err != nil {
			return err
		}
	}
	if len(t.jobs) == 0 {
		_, err := fmt.Fprintln(t.a.Out, "there is nothing to try again")
		return err
	}
	return nil
}
