package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector"
	"tailstock/connector/backfill"
	"tailstock/connector/mapping"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
)

const backfillHelp = `Read rows again, beside the stream, while the daemon runs. The source is neither
locked nor written to, and changes that come meanwhile win over what was read.

Without --from, --to and --where whole tables are loaded into new feeds beside
those that count, which take over all at once when they are complete: what is
wrong in the store, rows too many included, is right afterwards. With one of
them rows of one table are stated anew, as if they had just changed; rows that
the source does not have any more stay in the store.

KEY is the JSON text of a row's key, as "tailstock explain" shows it: [42] or
["DC1","BRK-1234"]; or just the value of a key of one column. Both ends belong to
the range, in the order of the key's index.

EXPR compares captured columns with literals, in the language of mappings:
"warehouse == 'DC1' and qty > 0", "sku in ['A', 'B']", "note != null". The source
calls no functions for it. What a text means there, and how it is ordered, is up to
the type of the column in the source.

An ALTER TABLE that rewrites rows (a new type, a new column with a value) says
nothing in the stream about the rows: load the table anew behind it.

The job runs in the daemon that captures the source, one at a time for each
source. This command follows it; Ctrl-C leaves it to itself. It survives restarts.

Exit codes: 0 completed or detached, 1 failed or cancelled, 2 usage.`

// backfillOptions are the flags of backfill.
type backfillOptions struct {
	source, table, from, to, where string
	throttle                       float64
	maxLag                         time.Duration
	detach, dryRun                 bool
}

func (a *app) backfillCommand() *cobra.Command {
	var o backfillOptions
	cmd := a.configured(&cobra.Command{
		Use: "backfill", Short: "Load tables anew, or state some of their rows anew", Long: backfillHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			source, spec, err := o.spec(cfg)
			if err != nil {
				return &usageError{err}
			}
			if o.dryRun {
				return a.planBackfill(cmd.Context(), cfg, source, spec)
			}
			return a.startBackfill(cmd.Context(), source.Name, spec, o.detach)
		},
	})
	cmd.Flags().StringVar(&o.source, "source", "", "of this source; needed if there are several")
	cmd.Flags().StringVar(&o.table, "table", "", "only this table, as the configuration names it")
	cmd.Flags().StringVar(&o.from, "from", "", "only rows from this key on")
	cmd.Flags().StringVar(&o.to, "to", "", "only rows up to this key")
	cmd.Flags().StringVar(&o.where, "where", "", "only rows for which this expression is true")
	cmd.Flags().Float64Var(&o.throttle, "throttle", 0, "read at most so many rows per second")
	cmd.Flags().DurationVar(&o.maxLag, "max-lag", 0, "read nothing while the stream is further behind the source than that")
	cmd.Flags().BoolVar(&o.detach, "detach", false, "do not follow the job")
	cmd.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would be read, and what of a sample would change")
	cmd.AddCommand(a.backfillListCommand(),
		a.changeCommand("pause", "Have a job wait until it is resumed", (*natslog.RemoteJobs).Pause),
		a.changeCommand("resume", "Have a paused job go on", (*natslog.RemoteJobs).Resume),
		a.changeCommand("cancel", "Give a job up", (*natslog.RemoteJobs).Cancel))
	return cmd
}

// spec returns the source and the job that the flags ask for.
func (o *backfillOptions) spec(cfg *config.Config) (*config.Source, connector.JobSpec, error) {
	spec := connector.JobSpec{Kind: connector.JobLoad, Where: o.where, JobPace: connector.JobPace{Throttle: o.throttle, MaxLag: o.maxLag}}
	if o.throttle < 0 || o.maxLag < 0 {
		return nil, spec, errors.New("--throttle and --max-lag are not negative")
	}
	source, table, err := o.target(cfg)
	if err != nil {
		return nil, spec, err
	}
	if table != "" {
		spec.Tables = []string{table}
	}
	if spec.From, err = parseKey(o.from); err != nil {
		return nil, spec, fmt.Errorf("--from: %w", err)
	}
	if spec.To, err = parseKey(o.to); err != nil {
		return nil, spec, fmt.Errorf("--to: %w", err)
	}
	if o.where != "" {
		if _, err := mapping.ParseCondition(o.where); err != nil {
			return nil, spec, fmt.Errorf("--where: %w", err)
		}
	}
	if spec.From != nil || spec.To != nil || spec.Where != "" {
		spec.Kind = connector.JobBackfill
		if table == "" {
			return nil, spec, errors.New("--from, --to and --where are about rows of one table: name it with --table")
		}
	}
	return source, spec, nil
}

// target finds the source, and the table if one is named. A table may be named
// without its schema, and without its source, where there is just one of the name.
func (o *backfillOptions) target(cfg *config.Config) (*config.Source, string, error) {
	sources, err := chosen(cfg, o.source)
	if err != nil {
		return nil, "", err
	}
	if o.table == "" {
		if len(sources) > 1 {
			return nil, "", errors.New("there are several sources: choose one with --source, or a table with --table")
		}
		return &sources[0], "", nil
	}
	var source *config.Source
	var tables []string
	for i := range sources {
		for _, m := range sources[i].Mappings {
			if name := m.Table(); name.String() == o.table || name.Name == o.table {
				source = &sources[i]
				tables = append(tables, name.String())
			}
		}
	}
	switch len(tables) {
	case 0:
		return nil, "", noTable(o.table, sources)
	case 1:
		return source, tables[0], nil
	}
	return nil, "", fmt.Errorf("several tables are called %q (%s): name it with its schema and --source", o.table, strings.Join(tables, ", "))
}

// parseKey reads the JSON text of a row key, or the value of a key of one column.
func parseKey(text string) (backfill.Key, error) {
	if text == "" {
		return nil, nil
	}
	if !strings.HasPrefix(text, "[") {
		return backfill.Key{text}, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var values []any
	if err := d.Decode(&values); err != nil {
		return nil, fmt.Errorf("%s is not the text of a key, such as [42] or [\"DC1\",\"X\"]: %w", text, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("something follows the key in %s", text)
	}
	if len(values) == 0 {
		return nil, fmt.Errorf("the key %s has no values", text)
	}
	var key backfill.Key
	for _, v := range values {
		switch v := v.(type) {
		case string:
			key = append(key, v)
		case json.Number:
			key = append(key, v.String())
		default:
			return nil, fmt.Errorf("the key %s has a value that is neither a number nor a text", text)
		}
	}
	return key, nil
}

// startBackfill asks for the job, and follows it unless detach.
func (a *app) startBackfill(ctx context.Context, source string, spec connector.JobSpec, detach bool) error {
	var job connector.JobStatus
	err := a.withNATS(ctx, func(ctx context.Context, c *natslog.Client) (err error) {
		job, err = c.Jobs(source).Start(ctx, spec)
		return err
	})
	if err != nil {
		return refused(err)
	}
	if detach {
		return a.show(job, func() error {
			_, err := fmt.Fprintf(a.Out, "%s %s is %s; see \"tailstock backfill list\"\n", job.Kind, job.ID, job.State)
			return err
		})
	}
	return a.followJob(ctx, job)
}

// refused makes what the daemon refuses because of what was asked a usage error.
func refused(err error) error {
	var job *connector.JobError
	if errors.As(err, &job) {
		return &usageError{err}
	}
	return err
}

func (a *app) backfillListCommand() *cobra.Command {
	var source string
	cmd := a.configured(&cobra.Command{
		Use: "list", Short: "List the jobs of all sources", Args: arguments(cobra.NoArgs),
		Long: "List the jobs of all sources, or of one: the last ones that are over, as far as the\ndaemon has seen them end, and those that are not.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			sources, err := chosen(cfg, source)
			if err != nil {
				return err
			}
			return a.withNATS(cmd.Context(), func(ctx context.Context, c *natslog.Client) error {
				return a.listJobs(ctx, c, sources)
			})
		},
	})
	cmd.Flags().StringVar(&source, "source", "", "only of this source")
	return cmd
}

// listJobs shows the jobs of sources. Sources of which no daemon answers are an
// error, after those that do are shown.
func (a *app) listJobs(ctx context.Context, c *natslog.Client, sources []config.Source) error {
	jobs := []connector.JobStatus{}
	var errs []error
	for i := range sources {
		more, err := c.Jobs(sources[i].Name).List(ctx)
		errs = append(errs, err)
		jobs = append(jobs, more...)
	}
	err := a.show(jobs, func() error {
		rows := [][]string{{"JOB", "KIND", "STATE", "TABLES", "ROWS", "REASON", "WAITS FOR"}}
		for i := range jobs {
			j := &jobs[i]
			rows = append(rows, []string{j.ID, string(j.Kind), string(j.State), jobTables(j), jobRows(j), j.Reason, j.Waits})
		}
		return a.table(rows)
	})
	return errors.Join(append(errs, err)...)
}

// jobTables names what a job reads.
func jobTables(j *connector.JobStatus) string {
	var b bytes.Buffer
	for i := range j.Tables {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(j.Tables[i].Table)
	}
	if j.From != nil {
		fmt.Fprintf(&b, " from %q", []string(j.From))
	}
	if j.To != nil {
		fmt.Fprintf(&b, " to %q", []string(j.To))
	}
	if j.Where != "" {
		fmt.Fprintf(&b, " where %s", j.Where)
	}
	return b.String()
}

func jobRows(j *connector.JobStatus) string {
	if j.Estimate == 0 || j.State.Ended() {
		return fmt.Sprint(j.Rows)
	}
	return fmt.Sprintf("%d of about %d", j.Rows, j.Estimate)
}

// changeCommand makes a command that changes one job.
func (a *app) changeCommand(use, short string, change func(*natslog.RemoteJobs, context.Context, string) error) *cobra.Command {
	return a.configured(&cobra.Command{
		Use: use + " ID", Short: short, Args: arguments(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := args[0]
			source, _, ok := strings.Cut(id, "-")
			if !ok {
				return &usageError{fmt.Errorf("%q is not the id of a job, as \"tailstock backfill list\" shows them", id)}
			}
			err := a.withNATS(cmd.Context(), func(ctx context.Context, c *natslog.Client) error {
				return change(c.Jobs(source), ctx, id)
			})
			if err != nil {
				return refused(err)
			}
			return a.show(struct {
				ID   string `json:"id"`
				Done string `json:"done"`
			}{id, use}, func() error {
				_, err := fmt.Fprintf(a.Out, "%s: %s\n", id, map[string]string{"pause": "paused", "resume": "goes on", "cancel": "cancelled"}[use])
				return err
			})
		},
	})
}
