package connector

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// endedJobs is how many jobs are remembered when they are over.
const endedJobs = 20

// Jobs are those of one source, for whoever asks for them. They outlive the runs
// of the capture that they belong to. Safe for concurrent use.
type Jobs struct {
	source string

	mu     sync.Mutex
	loader *loader
	live   []JobStatus
	ended  []JobStatus
	// last is the newest id's time, in milliseconds.
	last int64
}

// attach has l do the jobs from now on.
func (j *Jobs) attach(l *loader) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.loader = l
}

// detach ends that.
func (j *Jobs) detach(l *loader) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.loader == l {
		j.loader = nil
	}
}

func (j *Jobs) current() *loader {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.loader
}

// show replaces the jobs that are shown.
func (j *Jobs) show(live []JobStatus) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.live = live
}

// over remembers a job that is over.
func (j *Jobs) over(s JobStatus) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.ended = append(j.ended, s)
	if len(j.ended) > endedJobs {
		j.ended = slices.Delete(j.ended, 0, len(j.ended)-endedJobs)
	}
}

// newID returns an id that no other job of the source has: its time in base 36.
func (j *Jobs) newID(now time.Time) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last = max(j.last+1, now.UnixMilli())
	return j.source + "-" + strconv.FormatInt(j.last, 36)
}

// List returns the jobs: first the last ones that are over, as far as this process
// has seen them end, then those that are not, in the order in which they were
// asked for.
func (j *Jobs) List() []JobStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	out := make([]JobStatus, 0, len(j.ended)+len(j.live))
	out = append(out, j.ended...)
	return append(out, j.live...)
}

// Start asks for a job, which begins when no other job of the source is under way.
// The first rows are read before, so that what cannot work is refused at once: with
// a *JobError, or with what the source says. When Start returns without an error,
// the job is durable. It fails with ErrNotCapturing while there is no run.
func (j *Jobs) Start(ctx context.Context, spec JobSpec) (JobStatus, error) {
	id := j.newID(time.Now())
	if _, _, err := j.try(ctx, id, &spec); err != nil {
		return JobStatus{}, err
	}
	var status JobStatus
	err := j.do(ctx, true, func(l *loader) error {
		// Another run may have begun meanwhile.
		job, err := l.newAsked(id, &spec)
		if err == nil {
			l.add(job)
			status = job.status(j.source)
		}
		return err
	})
	if err != nil {
		return JobStatus{}, err
	}
	return status, nil
}

// Plan says what a job would do, and fails as Start would.
func (j *Jobs) Plan(ctx context.Context, spec JobSpec) (JobPlan, error) {
	job, l, err := j.try(ctx, "", &spec)
	if err != nil {
		return JobPlan{}, err
	}
	p := JobPlan{Source: j.source, Kind: job.kind, Part: job.from != nil || job.to != nil}
	for _, t := range job.tables {
		rows, err := l.s.c.cfg.Adapter.Estimate(ctx, t.table)
		if err != nil {
			return JobPlan{}, err
		}
		p.Tables = append(p.Tables, TablePlan{t.name, rows})
		p.Rows += rows
		p.Chunks += rows/chunkRows + 1
	}
	return p, nil
}

// try makes a job and reads its first rows, and returns it with the loader that
// may do it.
func (j *Jobs) try(ctx context.Context, id string, spec *JobSpec) (*job, *loader, error) {
	type tried struct {
		job  *job
		l    *loader
		mark backfill.Mark
	}
	var t tried
	err := j.do(ctx, false, func(l *loader) error {
		job, err := l.newAsked(id, spec)
		t = tried{job, l, l.s.c.cfg.Adapter.Mark()}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return t.job, t.l, t.l.probe(ctx, t.job, t.mark)
}

// probe reads the first row of every table of job. For any goroutine.
func (l *loader) probe(ctx context.Context, job *job, mark backfill.Mark) error {
	var probed []cdc.TableName
	for _, t := range job.tables {
		if slices.Contains(probed, t.table) {
			continue
		}
		probed = append(probed, t.table)
		_, err := l.s.c.cfg.Adapter.Read(ctx, mark, backfill.Request{
			Table: t.table, Range: job.stretch(), Limit: 1, Where: job.condition,
		})
		if err != nil {
			return fmt.Errorf("read the first row: %w", err)
		}
	}
	return nil
}

// Pause has a job wait until it is resumed, also over restarts. What was read and
// placed is not read again. A paused load holds up other loads of its source.
func (j *Jobs) Pause(ctx context.Context, id string) error {
	return j.change(ctx, id, func(l *loader, job *job) error { return l.pause(job) })
}

// Resume has a paused job go on.
func (j *Jobs) Resume(ctx context.Context, id string) error {
	return j.change(ctx, id, func(_ *loader, job *job) error {
		job.paused = false
		return nil
	})
}

// Cancel gives a job up. Of a load nothing ever counts; what a backfill has stated
// stays, because it is what the source says.
func (j *Jobs) Cancel(ctx context.Context, id string) error {
	return j.change(ctx, id, func(l *loader, job *job) error { return l.cancel(job) })
}

// change does f to a job, and returns when that is durable.
func (j *Jobs) change(ctx context.Context, id string, f func(*loader, *job) error) error {
	return j.do(ctx, true, func(l *loader) error {
		i := slices.IndexFunc(l.jobs, func(job *job) bool { return job.id == id })
		if i < 0 {
			return fmt.Errorf("job %s: %w", id, ErrNoJob)
		}
		return f(l, l.jobs[i])
	})
}

// command is something for the goroutine that takes the stream to do.
type command struct {
	do func(*loader) error
	// keep says that the answer waits until the jobs are kept.
	keep  bool
	reply chan error
}

// do has f run by the goroutine that takes the stream, and waits for that and,
// if keep, until the jobs are durable as f left them.
func (j *Jobs) do(ctx context.Context, keep bool, f func(*loader) error) error {
	l := j.current()
	if l == nil {
		return ErrNotCapturing
	}
	c := &command{do: f, keep: keep, reply: make(chan error, 1)}
	l.command(c)
	select {
	case err := <-c.reply:
		return err
	case <-l.ended:
		return fmt.Errorf("%w: its run ended before it answered; look whether the job is there", ErrNotCapturing)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
