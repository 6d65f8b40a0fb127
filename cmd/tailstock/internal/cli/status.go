package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tailstock/connector"
	"tailstock/connector/natslog"
)

const statusHelp = `Show how far everything is: for each source how full its log is and how far each
store is behind, tables that are stale or being loaded, kept rejects, and which
daemon holds which role. Read from NATS; neither daemon nor databases are asked.

What needs attention is listed first. Use "tailstock check" for the sources.`

func (a *app) statusCommand() *cobra.Command {
	return a.configured(&cobra.Command{
		Use: "status", Short: "Show how far everything is", Long: statusHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.load()
			if err != nil {
				return err
			}
			return a.withNATS(cmd.Context(), func(ctx context.Context, c *natslog.Client) error {
				names := make([]string, len(cfg.Sources))
				for i := range cfg.Sources {
					names[i] = cfg.Sources[i].Name
				}
				s, err := readStatus(ctx, c, names, time.Now())
				if err != nil {
					return err
				}
				return a.show(s, func() error { return a.showStatus(s, time.Now()) })
			})
		},
	})
}

// status is the JSON of status.
type status struct {
	// Attention lists what an operator should look at.
	Attention []string       `json:"attention"`
	Sources   []sourceStatus `json:"sources"`
	Roles     []roleHolder   `json:"roles"`
}

type sourceStatus struct {
	Source   string `json:"source"`
	Position string `json:"position,omitempty"`
	// AppendedAt is when the newest message was appended.
	AppendedAt time.Time `json:"appended_at,omitzero"`
	LogBytes   uint64    `json:"log_bytes"`
	LimitBytes uint64    `json:"log_limit_bytes"`
	// Unapplied counts messages that the slowest store has not applied, the oldest
	// of which was appended at WaitingSince.
	Unapplied    uint64        `json:"unapplied_messages"`
	WaitingSince time.Time     `json:"waiting_since,omitzero"`
	Rejects      int           `json:"rejects"`
	Stores       []storeStatus `json:"stores"`
}

type storeStatus struct {
	Store      string    `json:"store"`
	Position   string    `json:"position"`
	ReportedAt time.Time `json:"reported_at"`
	Feeds      []feed    `json:"feeds"`
}

type roleHolder struct {
	Role  string    `json:"role"`
	Host  string    `json:"host"`
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
}

func readStatus(ctx context.Context, c *natslog.Client, sources []string, now time.Time) (*status, error) {
	s := &status{Attention: []string{}, Sources: []sourceStatus{}, Roles: []roleHolder{}}
	for _, name := range sources {
		one, err := readSource(ctx, c, name)
		if errors.Is(err, connector.ErrNoLog) {
			s.Attention = append(s.Attention, "source "+name+" was never captured: no daemon has run for it")
			continue
		}
		if err != nil {
			return nil, err
		}
		s.Sources = append(s.Sources, *one)
		s.Attention = append(s.Attention, one.attention(now)...)
	}
	leases, err := c.Leases(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range leases {
		s.Roles = append(s.Roles, roleHolder{l.Name, l.Host, l.PID, l.Since})
	}
	if len(leases) == 0 {
		s.Attention = append(s.Attention, "no daemon holds any role")
	}
	return s, nil
}

func readSource(ctx context.Context, c *natslog.Client, name string) (*sourceStatus, error) {
	l, err := c.LogStatus(ctx, name)
	if err != nil {
		return nil, err
	}
	s := &sourceStatus{
		Source: name, AppendedAt: l.At, LogBytes: l.Bytes, LimitBytes: l.MaxBytes,
		Unapplied: l.Unapplied, WaitingSince: l.WaitingSince, Stores: []storeStatus{},
	}
	if !l.Position.IsZero() {
		s.Position = l.Position.String()
	}
	for i := range l.Reports {
		r := &l.Reports[i]
		one := storeStatus{Store: r.Store, Position: r.Position.String(), ReportedAt: r.At, Feeds: []feed{}}
		for _, f := range r.Feeds {
			one.Feeds = append(one.Feeds, feed{f.Table, string(f.Mapping), string(f.State)})
		}
		s.Stores = append(s.Stores, one)
	}
	s.Rejects, err = c.RejectCount(ctx, name)
	return s, err
}

// Thresholds of what needs attention.
const (
	fullWarning  = 50 // percent of a log's limit
	fullProblem  = 80
	behindNotice = 30 * time.Second
)

func (s *sourceStatus) attention(now time.Time) []string {
	var out []string
	add := func(format string, args ...any) {
		out = append(out, "source "+s.Source+": "+fmt.Sprintf(format, args...))
	}
	if s.LimitBytes > 0 {
		switch percent := s.LogBytes * 100 / s.LimitBytes; {
		case percent >= fullProblem:
			add("its log is %d%% full; when it is full, the database's own log is held", percent)
		case percent >= fullWarning:
			add("its log is %d%% full", percent)
		}
	}
	if behind := now.Sub(s.WaitingSince); !s.WaitingSince.IsZero() && behind > behindNotice {
		add("the slowest store is %s behind, by %s", behind.Round(time.Second), count(s.Unapplied, "message"))
	}
	if len(s.Stores) == 0 {
		add("no store has applied its log yet")
	}
	for i := range s.Stores {
		st := &s.Stores[i]
		if age := now.Sub(st.ReportedAt); age > storeAlive {
			add("store %s has not reported for %s", st.Store, age.Round(time.Second))
		}
		for _, f := range st.Feeds {
			if f.State == string(connector.FeedStale) {
				add("table %s is stale in store %s: it missed changes, or is not captured under mapping %s any more", f.Table, st.Store, f.Mapping)
			}
		}
	}
	if s.Rejects > 0 {
		add("%s could not be mapped and are kept as rejects: see \"tailstock rejects list\"", count(s.Rejects, "row"))
	}
	return out
}

func (a *app) showStatus(s *status, now time.Time) error {
	for _, line := range s.Attention {
		if _, err := fmt.Fprintf(a.Out, "! %s\n", line); err != nil {
			return err
		}
	}
	rows := [][]string{{"SOURCE", "LOG", "NEWEST", "STORE", "BEHIND", "FEEDS", "REJECTS"}}
	for i := range s.Sources {
		rows = append(rows, sourceRows(&s.Sources[i], now)...)
	}
	if err := a.table(rows); err != nil {
		return err
	}
	if len(s.Roles) == 0 {
		return nil
	}
	rows = [][]string{{"ROLE", "HELD BY", "FOR"}}
	for _, r := range s.Roles {
		rows = append(rows, []string{r.Role, fmt.Sprintf("%s/%d", r.Host, r.PID), now.Sub(r.Since).Round(time.Second).String()})
	}
	fmt.Fprintln(a.Out)
	return a.table(rows)
}

// sourceRows shows a source and its stores, a line each.
func sourceRows(s *sourceStatus, now time.Time) [][]string {
	log := fmt.Sprintf("%s of %s", bytesText(s.LogBytes), bytesText(s.LimitBytes))
	newest, behind := "never", "nothing"
	if !s.AppendedAt.IsZero() {
		newest = ago(now.Sub(s.AppendedAt))
	}
	if !s.WaitingSince.IsZero() {
		behind = fmt.Sprintf("%s, %s", now.Sub(s.WaitingSince).Round(time.Second), count(s.Unapplied, "message"))
	}
	rejects := fmt.Sprint(s.Rejects)
	if len(s.Stores) == 0 {
		return [][]string{{s.Source, log, newest, "none", "", "", rejects}}
	}
	var out [][]string
	for i := range s.Stores {
		out = append(out, []string{s.Source, log, newest, s.Stores[i].Store, behind, feedSummary(s.Stores[i].Feeds), rejects})
	}
	return out
}

// bytesText shows a size in binary units.
func bytesText(n uint64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	size, unit := float64(n), 0
	for size >= 1024 && unit < len(units)-1 {
		size /= 1024
		unit++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", size), ".0") + " " + units[unit]
}
