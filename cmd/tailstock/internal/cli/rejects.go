package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector"
	"tailstock/connector/inventory"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
	"tailstock/sinks/stockstore"
)

const (
	rejectsHelp = `Look at the rows that could not be mapped, try them again, or forget them.

A rejected row counts as it did when it could be mapped last, or not at all if it
never could. Its reject is kept, with what the mapping read and why it failed, until
the row is rejected anew, tried again with success, or dropped.`
	rejectsListHelp = `List kept rejects, oldest first, a line each. The store says how each one stands:

  open      the row counts as it did before, or not at all
  waits     the row waits for a row that it looks up, and follows by itself
  pending   the store has not come to it yet
  resolved  the row was mended or deleted since, or its mapping is not in use
  unknown   the store cannot be asked

Resolved ones are left out but for --all. A list that is cut off tells how to go on.

With --unresolved it lists the rows that wait for rows that they look up instead:
which are missing, and how many rows wait for each. They are no rejects, and need
nothing but the missing row. That needs the store alone.`
	rejectsShowHelp = `Show one reject: the row as the mapping read it, the rule and the reason, the commit
that left it so, and what still counts of the row.`
)

// rejectFilter chooses rejects.
type rejectFilter struct {
	source, table, reason string
	older, newer          time.Duration
}

func (f *rejectFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", "only of this source")
	flags.StringVar(&f.table, "table", "", "only of this table, as the configuration names it")
	flags.StringVar(&f.reason, "reason", "", "only those whose rule or reason contains this text")
	flags.DurationVar(&f.older, "older", 0, "only those that have been kept for longer than that, such as 24h")
	flags.DurationVar(&f.newer, "newer", 0, "only those that have been kept for less than that")
}

// any reports whether f leaves out anything.
func (f *rejectFilter) any() bool { return *f != rejectFilter{} }

// check fails for a source that is not configured, and for ages that are none.
func (f *rejectFilter) check(cfg *config.Config) error {
	if f.older < 0 || f.newer < 0 {
		return &usageError{errors.New("--older and --newer are not negative")}
	}
	_, err := chosen(cfg, f.source)
	return err
}

func (f *rejectFilter) takes(k *natslog.KeptReject, now time.Time) bool {
	age := now.Sub(k.KeptAt)
	_, name, _ := strings.Cut(k.Table, ".")
	switch {
	case f.table != "" && f.table != k.Table && f.table != name:
		return false
	case f.older > 0 && age < f.older, f.newer > 0 && age > f.newer:
		return false
	}
	return f.reason == "" || strings.Contains(strings.ToLower(k.Problem.Rule+": "+k.Problem.Reason), strings.ToLower(f.reason))
}

// rejectState is how a reject stands, by what the store holds.
type rejectState string

const (
	rejectOpen     rejectState = "open"
	rejectWaits    rejectState = "waits"
	rejectPending  rejectState = "pending"
	rejectResolved rejectState = "resolved"
	rejectUnknown  rejectState = "unknown"
)

// stateOf is how the reject stands that left its row so at a position.
func stateOf(at inventory.Position, s *stockstore.RowState) rejectState {
	switch {
	case s.Applied.Before(at):
		return rejectPending
	case s.Problem == nil:
		return rejectResolved
	case s.Problem.Kind == inventory.Unresolved:
		return rejectWaits
	}
	return rejectOpen
}

// statedReject is a kept reject with how it stands.
type statedReject struct {
	natslog.KeptReject
	State rejectState
}

// rejectReader reads kept rejects, page by page.
type rejectReader struct {
	client *natslog.Client
	store  *stockstore.Store // nil if it cannot be asked
	filter rejectFilter
	now    time.Time
}

// rejectPage is how many rejects are held in memory at once.
const rejectPage = 200

// withRejects runs f with what reads rejects. A store that is away is complained
// about: that is no reason to hide them.
func (a *app) withRejects(ctx context.Context, filter rejectFilter, f func(context.Context, *config.Config, *rejectReader) error) error {
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if err := filter.check(cfg); err != nil {
		return err
	}
	return a.withNATS(ctx, func(ctx context.Context, c *natslog.Client) error {
		r := &rejectReader{client: c, filter: filter, now: time.Now()}
		if cfg.Store == nil {
			return f(ctx, cfg, r)
		}
		var inside error
		err := a.withStore(ctx, func(ctx context.Context, s *stockstore.Store) error {
			r.store = s
			inside = f(ctx, cfg, r)
			return nil
		})
		if r.store == nil && err != nil {
			fmt.Fprintf(a.Err, "tailstock: the store cannot be asked how rejects stand: %v\n", err)
			return f(ctx, cfg, r)
		}
		return errors.Join(inside, err)
	})
}

// walk calls take with the rejects that the filter chooses, oldest first, from behind
// after up to last, until take returns false. It returns the last id that it looked at.
func (r *rejectReader) walk(ctx context.Context, after, last uint64, take func(*statedReject) bool) (uint64, error) {
	for after < last {
		page, err := r.client.Rejects(ctx, r.filter.source, after, rejectPage)
		if err != nil || len(page) == 0 {
			return after, err
		}
		page = slices.DeleteFunc(page, func(k natslog.KeptReject) bool { return k.ID > last })
		if len(page) == 0 {
			return after, nil
		}
		stated, err := r.stated(ctx, page)
		if err != nil {
			return after, err
		}
		for i := range stated {
			after = stated[i].ID
			if r.filter.takes(&stated[i].KeptReject, r.now) && !take(&stated[i]) {
				return after, nil
			}
		}
	}
	return after, nil
}

// each calls take with the rejects that are named, or if none are with those that the
// filter chooses, up to last.
func (r *rejectReader) each(ctx context.Context, ids []uint64, last uint64, take func(*statedReject) error) error {
	if len(ids) > 0 {
		found, err := r.find(ctx, ids)
		for i := 0; err == nil && i < len(found); i++ {
			err = take(&found[i])
		}
		return err
	}
	var failed error
	_, err := r.walk(ctx, 0, last, func(k *statedReject) bool {
		failed = take(k)
		return failed == nil
	})
	return errors.Join(failed, err)
}

// stated finds how rejects stand.
func (r *rejectReader) stated(ctx context.Context, page []natslog.KeptReject) ([]statedReject, error) {
	out := make([]statedReject, len(page))
	names := make([]stockstore.RowName, len(page))
	for i, k := range page {
		out[i] = statedReject{k, rejectUnknown}
		names[i] = stockstore.RowName{Source: k.Source, Table: k.Table, Mapping: k.Mapping, Row: k.Row}
	}
	if r.store == nil {
		return out, nil
	}
	states, err := r.store.RowStates(ctx, names)
	if err != nil {
		return nil, err
	}
	for i := range states {
		out[i].State = stateOf(page[i].Position, &states[i])
	}
	return out, nil
}

// newest is the id of the newest reject, which bounds a walk beside which more come.
func (r *rejectReader) newest(ctx context.Context) (uint64, error) {
	k, err := r.client.LastReject(ctx, r.filter.source)
	if errors.Is(err, natslog.ErrNoReject) {
		return 0, nil
	}
	return k.ID, err
}

func (a *app) rejectsCommand() *cobra.Command {
	cmd := group("rejects", "Look at rows that could not be mapped, and try them again",
		a.rejectsListCommand(), a.rejectsShowCommand(), a.rejectsRetryCommand(), a.rejectsDropCommand())
	cmd.Long = rejectsHelp
	return cmd
}

// rejectsListOptions are the flags of rejects list.
type rejectsListOptions struct {
	rejectFilter
	all, unresolved bool
	limit           int
	after           uint64
}

// maxRejectsListed bounds --limit: a document of them is held in memory.
const maxRejectsListed = 10_000

func (a *app) rejectsListCommand() *cobra.Command {
	var o rejectsListOptions
	cmd := a.configured(&cobra.Command{
		Use: "list", Short: "List rows that could not be mapped", Long: rejectsListHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.limit < 1 || o.limit > maxRejectsListed {
				return &usageError{fmt.Errorf("--limit %d: give 1 to %d", o.limit, maxRejectsListed)}
			}
			if o.unresolved {
				return a.listUnresolved(cmd.Context(), &o)
			}
			return a.withRejects(cmd.Context(), o.rejectFilter, func(ctx context.Context, _ *config.Config, r *rejectReader) error {
				return a.listRejects(ctx, r, &o)
			})
		},
	})
	o.flags(cmd)
	cmd.Flags().BoolVar(&o.all, "all", false, "resolved ones as well")
	cmd.Flags().BoolVar(&o.unresolved, "unresolved", false, "rows that wait for rows that they look up, instead")
	cmd.Flags().IntVar(&o.limit, "limit", 100, "at most so many")
	cmd.Flags().Uint64Var(&o.after, "after", 0, "only those behind this id")
	return cmd
}

// listedReject is the JSON of one reject in a list.
type listedReject struct {
	ID          uint64              `json:"id"`
	State       rejectState         `json:"state"`
	KeptAt      time.Time           `json:"kept_at"`
	Source      string              `json:"source"`
	Table       string              `json:"table"`
	Row         string              `json:"row"`
	Mapping     inventory.MappingID `json:"mapping"`
	Rule        string              `json:"rule"`
	Reason      string              `json:"reason"`
	Transaction string              `json:"transaction"`
	CommittedAt time.Time           `json:"committed_at"`
	Position    string              `json:"position"`
}

func listed(k *statedReject) listedReject {
	return listedReject{
		ID: k.ID, State: k.State, KeptAt: k.KeptAt, Source: k.Source, Table: k.Table, Row: string(k.Row), Mapping: k.Mapping,
		Rule: k.Problem.Rule, Reason: k.Problem.Reason, Transaction: k.Transaction, CommittedAt: k.CommittedAt, Position: k.Position.String(),
	}
}

// rejectList is the JSON of rejects list.
type rejectList struct {
	Rejects []listedReject `json:"rejects"`
	// Next is what --after goes on with, absent at the end.
	Next uint64 `json:"next,omitempty"`
	// Resolved counts those left out because they are resolved, as far as the list goes.
	Resolved int `json:"resolved"`
}

func (a *app) listRejects(ctx context.Context, r *rejectReader, o *rejectsListOptions) error {
	last, err := r.newest(ctx)
	if err != nil {
		return err
	}
	list := rejectList{Rejects: []listedReject{}}
	at, err := r.walk(ctx, o.after, last, func(k *statedReject) bool {
		if k.State == rejectResolved && !o.all {
			list.Resolved++
			return true
		}
		list.Rejects = append(list.Rejects, listed(k))
		return len(list.Rejects) < o.limit
	})
	if err != nil {
		return err
	}
	if at < last && len(list.Rejects) == o.limit {
		list.Next = at
	}
	return a.show(list, func() error { return a.showRejects(&list, o.any()) })
}

func (a *app) showRejects(list *rejectList, filtered bool) error {
	if len(list.Rejects) > 0 {
		rows := [][]string{{"ID", "KEPT", "STATE", "SOURCE", "TABLE", "ROW", "WHY"}}
		for i := range list.Rejects {
			k := &list.Rejects[i]
			rows = append(rows, []string{
				strconv.FormatUint(k.ID, 10), k.KeptAt.Local().Format(secondFormat), string(k.State), k.Source, k.Table, k.Row, k.Rule + ": " + k.Reason,
			})
		}
		if err := a.table(rows); err != nil {
			return err
		}
	} else {
		none := "no row is kept as rejected"
		if filtered {
			none += " that the flags choose"
		}
		if _, err := fmt.Fprintln(a.Out, none); err != nil {
			return err
		}
	}
	if list.Resolved > 0 {
		fmt.Fprintf(a.Out, "%s left out: show them with --all, forget them with \"tailstock rejects drop --resolved\"\n", count(list.Resolved, "resolved reject"))
	}
	if list.Next > 0 {
		fmt.Fprintf(a.Out, "there may be more: go on with --after %d\n", list.Next)
	}
	return nil
}

// secondFormat shows a moment to people, to the second.
const secondFormat = "2006-01-02 15:04:05"

// unresolvedRows is the JSON of rows that wait for the same row.
type unresolvedRows struct {
	Source  string              `json:"source"`
	Table   string              `json:"table"`
	Mapping inventory.MappingID `json:"mapping"`
	Rule    string              `json:"rule"`
	// Reason names the lookup, its table and the row that is missing.
	Reason string `json:"reason"`
	// Rows is how many rows wait for it, and Examples are some of them.
	Rows     int64     `json:"rows"`
	Examples []string  `json:"examples"`
	Since    time.Time `json:"since"`
}

func (a *app) listUnresolved(ctx context.Context, o *rejectsListOptions) error {
	if o.reason != "" || o.older != 0 || o.newer != 0 || o.all || o.after != 0 {
		return &usageError{errors.New("--unresolved goes with --source, --table and --limit alone")}
	}
	cfg, err := a.load()
	if err != nil {
		return err
	}
	if err := o.check(cfg); err != nil {
		return err
	}
	list := []unresolvedRows{}
	err = a.withStore(ctx, func(ctx context.Context, s *stockstore.Store) error {
		waiting, err := s.Waiting(ctx, inventory.Unresolved, o.source, fullTable(cfg, o.table), o.limit)
		for i := range waiting {
			w := &waiting[i]
			examples := []string{string(w.First)}
			if w.Last != w.First {
				examples = append(examples, string(w.Last))
			}
			list = append(list, unresolvedRows{w.Source, w.Table, w.Mapping, w.Problem.Rule, w.Problem.Reason, w.Rows, examples, w.Since})
		}
		return err
	})
	if err != nil {
		return err
	}
	return a.show(list, func() error { return a.showUnresolved(list, o.limit) })
}

// fullTable is the name of a table with its schema, if it is mapped.
func fullTable(cfg *config.Config, table string) string {
	for i := range cfg.Sources {
		for _, m := range cfg.Sources[i].Mappings {
			if m.Table().Name == table {
				return m.Table().String()
			}
		}
	}
	return table
}

func (a *app) showUnresolved(list []unresolvedRows, limit int) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(a.Out, "no row waits for one that it looks up")
		return err
	}
	rows := [][]string{{"ROWS", "SINCE", "SOURCE", "TABLE", "EXAMPLES", "WAIT FOR"}}
	for i := range list {
		u := &list[i]
		rows = append(rows, []string{
			strconv.FormatInt(u.Rows, 10), u.Since.Local().Format(secondFormat), u.Source, u.Table, strings.Join(u.Examples, " "), u.Rule + ": " + u.Reason,
		})
	}
	err := a.table(rows)
	if err == nil && len(list) == limit {
		_, err = fmt.Fprintln(a.Out, "there may be more: show more with --limit")
	}
	return err
}

func (a *app) rejectsShowCommand() *cobra.Command {
	return a.configured(&cobra.Command{
		Use: "show ID", Short: "Show a row that could not be mapped", Long: rejectsShowHelp,
		Args: arguments(cobra.ExactArgs(1)), ValidArgsFunction: a.completeRejects(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids, err := parseRejects(args)
			if err != nil {
				return err
			}
			return a.withRejects(cmd.Context(), rejectFilter{}, func(ctx context.Context, _ *config.Config, r *rejectReader) error {
				return a.showReject(ctx, r, ids[0])
			})
		},
	})
}

// parseRejects reads the ids of rejects, each once.
func parseRejects(args []string) ([]uint64, error) {
	var out []uint64
	for _, arg := range args {
		id, err := strconv.ParseUint(arg, 10, 64)
		if err != nil || id == 0 {
			return nil, &usageError{fmt.Errorf("%q is not the id of a reject, as \"tailstock rejects list\" shows them", arg)}
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out, nil
}

// find reads rejects by their ids.
func (r *rejectReader) find(ctx context.Context, ids []uint64) ([]statedReject, error) {
	var kept []natslog.KeptReject
	for _, id := range ids {
		k, err := r.client.Reject(ctx, id)
		if errors.Is(err, natslog.ErrNoReject) {
			return nil, fmt.Errorf("%w: it was dropped, or its row was mapped or rejected anew; see \"tailstock rejects list\"", err)
		}
		if err != nil {
			return nil, err
		}
		kept = append(kept, k)
	}
	return r.stated(ctx, kept)
}

// shownReject is the JSON of rejects show.
type shownReject struct {
	listedReject
	Op string `json:"op"`
	At string `json:"at,omitempty"`
	// Key has the values of the row's key, absent for rejects of old.
	Key []string `json:"key,omitempty"`
	// Values are those of the columns that the mapping names, in table order.
	Values []shownValue `json:"values"`
	// Problem is what the store has the row marked with.
	Problem *explainedProblem `json:"problem,omitempty"`
	// Counts is what counts of the row.
	Counts []explainedContribution `json:"counts"`
}

type shownValue struct {
	Column string `json:"column"`
	// Value is null for NULL.
	Value *string `json:"value"`
}

func (a *app) showReject(ctx context.Context, r *rejectReader, id uint64) error {
	found, err := r.find(ctx, []uint64{id})
	if err != nil {
		return err
	}
	k := &found[0]
	out := shownReject{listedReject: listed(k), Op: k.Op.String(), At: k.At, Key: k.Key, Values: []shownValue{}, Counts: []explainedContribution{}}
	for i, column := range k.Columns {
		out.Values = append(out.Values, shownValue{column, k.Values[i]})
	}
	var counting []stockstore.ExplainedContribution
	if r.store != nil {
		if counting, err = r.store.ExplainRow(ctx, k.Source, k.Table, k.Row); err != nil {
			return err
		}
		for i := range counting {
			out.Counts = append(out.Counts, explainedOf(&counting[i], nil))
		}
		if len(out.Counts) > 0 {
			out.Problem = out.Counts[0].Problem
		}
	}
	return a.show(out, func() error {
		_, err := fmt.Fprint(a.Out, out.text(counting, r.store != nil))
		return err
	})
}

// text is s for people.
func (s *shownReject) text(counting []stockstore.ExplainedContribution, asked bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "reject %d: %s\n", s.ID, s.State)
	fmt.Fprintf(&b, "  row %s of table %s, source %s, by %s\n", s.Row, s.Table, s.Source, s.Op)
	for _, v := range s.Values {
		if v.Value == nil {
			fmt.Fprintf(&b, "    %s = NULL\n", v.Column)
		} else {
			fmt.Fprintf(&b, "    %s = %q\n", v.Column, *v.Value)
		}
	}
	fmt.Fprintf(&b, "  cannot be mapped: %s: %s\n", s.Rule, s.Reason)
	fmt.Fprintf(&b, "  transaction %s", s.Transaction)
	if s.At != "" {
		fmt.Fprintf(&b, " at %s", s.At)
	}
	fmt.Fprintf(&b, ", committed %s\n", s.CommittedAt.Local().Format(timeFormat))
	fmt.Fprintf(&b, "  kept %s, position %s, mapping %s\n", s.KeptAt.Local().Format(timeFormat), s.Position, s.Mapping)
	switch {
	case !asked:
	case len(counting) == 0:
		b.WriteString("  nothing counts of the row\n")
	default:
		b.WriteString("  what counts of the row:\n")
	}
	for i := range counting {
		c := &counting[i]
		fmt.Fprintf(&b, "    %s at %s: %s\n", c.SKU, c.Location, nonZero(c.Quantities))
	}
	return b.String()
}

// completeRejects completes the ids of at most n kept rejects, any number if 0.
func (a *app) completeRejects(n int) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if n > 0 && len(args) >= n {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTime)
		defer cancel()
		var out []cobra.Completion
		_ = a.withNATS(ctx, func(ctx context.Context, c *natslog.Client) error { // what cannot be had is not completed
			page, err := c.Rejects(ctx, "", 0, rejectPage)
			for i := range page {
				k := &page[i]
				if id := strconv.FormatUint(k.ID, 10); !slices.Contains(args, id) {
					out = append(out, cobra.CompletionWithDesc(id, k.Table+" "+string(k.Row)+": "+k.Problem.Reason))
				}
			}
			return err
		})
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// completionTime bounds how long a shell waits.
const completionTime = 2 * time.Second

// rowOf names a reject's row as a retry takes it.
func rowOf(k *natslog.KeptReject) connector.RetryRow {
	return connector.RetryRow{RejectRef: k.Ref(), Key: k.Key}
}
