package connector_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// randomJob asks for anything; a retry is of some kept rejects and of rows that have none.
func (w *world) randomJob() connector.JobSpec {
	rng := w.rng
	if rng.IntN(3) == 0 {
		spec := connector.JobSpec{Kind: connector.JobRetry}
		kept := w.log.retries()
		for _, id := range slices.Sorted(maps.Keys(kept)) {
			if rng.IntN(3) > 0 && len(spec.Rejects) < 100 {
				spec.Rejects = append(spec.Rejects, kept[id])
			}
		}
		for range rng.IntN(3) {
			row := cdc.RowKey("[" + strconv.Itoa(rng.IntN(plainRows)) + "]")
			spec.Rejects = append(spec.Rejects, connector.RetryRow{RejectRef: connector.RejectRef{Table: "public.bin", Row: row}})
		}
		return spec
	}
	pace := connector.JobPace{Throttle: []float64{0, 1, 5, 500}[rng.IntN(4)]}
	switch rng.IntN(4) {
	case 0:
		return connector.JobSpec{Kind: connector.JobLoad, JobPace: pace}
	case 1:
		return connector.JobSpec{Kind: connector.JobBackfill, Tables: []string{"public.bin"}, Where: "location == 'L0'", JobPace: pace}
	case 2:
		from := strconv.Itoa(rng.IntN(plainRows))
		return connector.JobSpec{Kind: connector.JobBackfill, Tables: []string{"public.bin"}, From: backfill.Key{from}, JobPace: pace}
	}
	return connector.JobSpec{Kind: connector.JobBackfill, Tables: []string{"public.bin"}, To: backfill.Key{"5"}, JobPace: pace}
}

// endJobs gives up, or resumes, whatever is left.
func (d *daemon) endJobs(t *testing.T) {
	t.Helper()
	jobs := d.jobs.Load()
	for _, j := range jobs.List() {
		if j.State.Ended() {
			continue
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		err := jobs.Cancel(ctx, j.ID)
		var refused *connector.JobError
		if errors.As(err, &refused) {
			err = jobs.Resume(ctx, j.ID) // what stores need is not given up
		}
		cancel()
		if err != nil && !errors.Is(err, connector.ErrNotCapturing) && !errors.Is(err, connector.ErrNoJob) {
			t.Errorf("job %s can neither be given up nor resumed: %v", j.ID, err)
		}
	}
}

// jobWorld is a world in which nothing fails, with one daemon that has loaded n
// rows, ids from 1 on.
type jobWorld struct {
	*world
	t *testing.T
	d *daemon
}

// inJobWorld runs f in fake time.
func inJobWorld(t *testing.T, n int, f func(*jobWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		j := newJobWorld(t, n, simConfig{bin: 0, tray: -1})
		j.d = j.world.start()
		j.until("the first load", func() bool { return len(j.store.levels()) == n })
		j.until("its end", func() bool { return len(j.list()) == 1 && j.list()[0].State == connector.JobCompleted })
		f(j)
		j.d.kill()
	})
}

// newJobWorld returns a world without trouble, whose source has n bins.
func newJobWorld(t *testing.T, n int, config simConfig) *jobWorld {
	t.Helper()
	w := newWorld(t, 1)
	w.chaos.set(0)
	w.keep, w.config = 0, config
	w.source.exact, w.source.dawdles = false, false
	for _, table := range w.source.tables {
		clear(table.rows)
		clear(table.good)
		clear(table.visible)
	}
	for id := 1; id <= n; id++ {
		w.source.set(id, simRow{sku: "P" + strconv.Itoa(id), location: "L" + strconv.Itoa(id%2), qty: id})
	}
	return &jobWorld{world: w, t: t}
}

// until waits until what holds.
func (j *jobWorld) until(what string, holds func() bool) {
	j.t.Helper()
	for range 60_000 {
		synctest.Wait()
		if holds() {
			return
		}
		time.Sleep(10 * time.Millisecond) // fake time
	}
	j.t.Fatalf("%s does not come: %+v", what, j.list())
}

func (j *jobWorld) list() []connector.JobStatus { return j.d.jobs.Load().List() }

func (j *jobWorld) job(id string) connector.JobStatus {
	for _, s := range j.list() {
		if s.ID == id {
			return s
		}
	}
	return connector.JobStatus{}
}

func (j *jobWorld) start(spec connector.JobSpec) string {
	j.t.Helper()
	s, err := j.d.jobs.Load().Start(j.t.Context(), spec)
	if err != nil {
		j.t.Fatal(err)
	}
	return s.ID
}

func (j *jobWorld) is(id string, state connector.JobState) {
	j.t.Helper()
	j.until("job "+id+" being "+string(state), func() bool { return j.job(id).State == state })
}

// do changes a job, which must go well.
func (j *jobWorld) do(f func(*connector.Jobs, context.Context, string) error, id string) {
	j.t.Helper()
	if err := f(j.d.jobs.Load(), j.t.Context(), id); err != nil {
		j.t.Fatal(err)
	}
}

func (j *jobWorld) restart() {
	j.d.kill()
	j.d = j.world.start()
}

// spoil makes what rows contribute in the feeds that count one too much, and adds
// what row 0, which the source does not have, is said to contribute.
func (j *jobWorld) spoil() {
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	for _, f := range j.store.state.feeds {
		if !f.counted() {
			continue
		}
		for key, row := range f.rows {
			f.rows[key] = row.plus(1)
		}
		f.rows["[0]"] = f.rows["[1]"]
	}
	j.store.state.count()
}

// wrong returns the ids of rows that are not in the store as the source has them.
func (j *jobWorld) wrong() (out []int) {
	j.store.mu.Lock()
	defer j.store.mu.Unlock()
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	for _, f := range j.store.state.feeds {
		if !f.counted() {
			continue
		}
		for id := range 200 {
			if got, want := f.rows["["+strconv.Itoa(id)+"]"].onHand(), j.source.tables[0].rows[id].mapped(); got != want {
				out = append(out, id)
			}
		}
	}
	return out
}

// passes lets time pass.
func passes(d time.Duration) { time.Sleep(d) } // fake time
