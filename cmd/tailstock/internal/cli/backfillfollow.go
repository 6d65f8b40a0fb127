package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"tailstock/connector"
	"tailstock/connector/natslog"
)

// How often a job is looked at, and how often it is shown as a line.
const (
	followEvery = 300 * time.Millisecond
	followLine  = 2 * time.Second
)

// followJob shows how a job goes on until it is over. When ctx ends it leaves the
// job to itself. A daemon that goes away is waited for: the job survives that.
func (a *app) followJob(ctx context.Context, job connector.JobStatus) error {
	show := a.progressLine
	if !a.json && isTerminal(a.Out) {
		show = a.progressBar
	}
	f := &follower{job: job, began: time.Now(), rows: job.Rows, show: show}
	if err := a.watchJob(ctx, f); err != nil {
		return err
	}
	if !f.job.State.Ended() { // ctx ended: the job goes on without us
		f.leave(a)
		return nil
	}
	return f.outcome()
}

// watchJob follows a job until it is over, or ctx ends. A daemon that goes away is
// waited for. It fails with connector.ErrNoJob if nobody knows any more how it ended.
func (a *app) watchJob(ctx context.Context, f *follower) error {
	silent := false
	for {
		err := a.withNATS(ctx, f.follow)
		switch {
		case ctx.Err() != nil, errors.Is(err, errFollowed):
			return nil //nolint:nilerr // the job is over, or goes on without us
		case errors.Is(err, connector.ErrNoJob):
			return err
		}
		if !silent && !a.json {
			fmt.Fprintf(a.Err, "\ntailstock: %v; waiting\n", err)
		}
		silent = true
		select {
		case <-ctx.Done():
		case <-time.After(followLine):
		}
	}
}

// errFollowed ends the following of a job that is over.
var errFollowed = errors.New("the job is over")

// follower follows one job.
type follower struct {
	job   connector.JobStatus
	began time.Time
	rows  int64 // read when it began
	shown time.Time
	show  func(*follower, bool)
}

func (f *follower) follow(ctx context.Context, c *natslog.Client) error {
	for {
		jobs, err := c.Jobs(f.job.Source).List(ctx)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(jobs, func(j connector.JobStatus) bool { return j.ID == f.job.ID })
		if i < 0 {
			return fmt.Errorf("job %s is over, and its daemon does not know how it ended: look with \"tailstock explain\": %w", f.job.ID, connector.ErrNoJob)
		}
		f.job = jobs[i]
		f.show(f, f.job.State.Ended())
		if f.job.State.Ended() {
			return errFollowed
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(followEvery):
		}
	}
}

// outcome is nil for a job that was completed.
func (f *follower) outcome() error {
	if f.job.State == connector.JobCompleted {
		return nil
	}
	return fmt.Errorf("job %s was %s", f.job.ID, f.job.State)
}

// leave says that the job goes on.
func (f *follower) leave(a *app) {
	if a.json {
		return
	}
	fmt.Fprintf(a.Err, "\n%s goes on by itself; see \"tailstock backfill list\", end it with \"tailstock backfill cancel %s\"\n", f.job.ID, f.job.ID)
}

// rate is how many rows were read in a second since following began.
func (f *follower) rate(now time.Time) float64 {
	took := now.Sub(f.began).Seconds()
	if took <= 0 {
		return 0
	}
	return float64(f.job.Rows-f.rows) / took
}

// followedLine is a job as a line of JSON.
type followedLine struct {
	connector.JobStatus
	RowsPerSecond float64 `json:"rows_per_second"`
	SecondsLeft   float64 `json:"seconds_left,omitempty"`
}

// progressLine prints the job as a line of JSON, now and then and at its end.
func (a *app) progressLine(f *follower, last bool) {
	now := time.Now()
	if !last && now.Sub(f.shown) < followLine {
		return
	}
	f.shown = now
	line := followedLine{JobStatus: f.job, RowsPerSecond: f.rate(now), SecondsLeft: f.left(now).Seconds()}
	b, err := json.Marshal(line)
	if err == nil {
		fmt.Fprintf(a.Out, "%s\n", b)
	}
}

// left is about how long the job still takes, zero if that is not known.
func (f *follower) left(now time.Time) time.Duration {
	rate := f.rate(now)
	if f.job.Estimate <= f.job.Rows || rate <= 0 {
		return 0
	}
	return time.Duration(float64(f.job.Estimate-f.job.Rows) / rate * float64(time.Second))
}

// progressBar draws the job over the line before.
func (a *app) progressBar(f *follower, last bool) {
	fmt.Fprintf(a.Out, "\r%s\x1b[K", barText(&f.job, f.rate(time.Now()), f.left(time.Now())))
	if last {
		fmt.Fprintln(a.Out)
	}
}

// barWidth is how many characters the bar itself has.
const barWidth = 24

// barText is a job as one line for people.
func barText(j *connector.JobStatus, rate float64, left time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  ", j.ID)
	switch {
	case j.State == connector.JobCompleted:
		fmt.Fprintf(&b, "[%s] ", strings.Repeat("#", barWidth))
	case j.Estimate > 0:
		done := int(min(int64(barWidth), int64(barWidth)*j.Rows/j.Estimate))
		fmt.Fprintf(&b, "[%s%s] %3d%%  ", strings.Repeat("#", done), strings.Repeat(".", barWidth-done), min(100, 100*j.Rows/j.Estimate))
	}
	fmt.Fprintf(&b, "%s  %.0f rows/s", jobRows(j)+" rows", rate)
	switch {
	case j.State != connector.JobRunning:
		fmt.Fprintf(&b, "  %s", j.State)
	case j.Waits != "":
		fmt.Fprintf(&b, "  waits: %s", cutText(j.Waits, 60))
	case left > 0:
		fmt.Fprintf(&b, "  %s left", left.Round(time.Second))
	}
	return b.String()
}

// cutText cuts text to about n characters.
func cutText(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n]) + "…"
	}
	return text
}

// isTerminal reports whether stream, which is read or written, is one.
func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
