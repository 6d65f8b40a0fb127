package connector_test

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// spoilRow commits a row of bin that cannot be mapped, and waits until its reject is kept.
func (j *jobWorld) spoilRow(id int) connector.RetryRow {
	j.t.Helper()
	key := cdc.RowKey("[" + strconv.Itoa(id) + "]")
	j.source.mu.Lock()
	c := j.source.begin()
	j.source.write(c, j.source.tables[0], id, simRow{location: "L0", qty: 50, bad: true})
	j.source.end(c, 0)
	j.source.mu.Unlock()
	var row connector.RetryRow
	j.until("the reject of row "+string(key), func() bool {
		for _, r := range j.log.retries() {
			if r.Row == key {
				row = r
				return true
			}
		}
		return false
	})
	return row
}

// put writes a row of bin behind the stream's back.
func (j *jobWorld) put(id int, r simRow) {
	j.source.mu.Lock()
	defer j.source.mu.Unlock()
	j.source.set(id, r)
}

// ids returns what the kept rejects are called.
func (j *jobWorld) ids() (out []uint64) {
	for id := range j.log.retries() {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

func retry(rows ...connector.RetryRow) connector.JobSpec {
	return connector.JobSpec{Kind: connector.JobRetry, Rejects: rows}
}

// TestRetry holds that what was rejected is right after a retry, one way or another:
// mapped, gone, rejected anew, or still to be looked for.
func TestRetry(t *testing.T) {
	t.Parallel()
	inJobWorld(t, 20, func(j *jobWorld) {
		mended, gone, bad, odd, late := j.spoilRow(3), j.spoilRow(4), j.spoilRow(5), j.spoilRow(6), j.spoilRow(7)
		if diff := cmp.Diff(backfill.Key{"3"}, mended.Key); diff != "" {
			j.t.Errorf("the key of the reject (-want +got):\n%s", diff)
		}
		j.put(3, simRow{sku: "P3", location: "L1", qty: 33})
		j.source.mu.Lock()
		j.source.tables[0].remove(nil, 4)
		delete(j.source.tables[0].visible, 4)
		j.source.mu.Unlock()
		late.Key = nil          // kept before keys were
		odd.Key = []string{"x"} // as of a table that was altered
		id := j.start(retry(mended, gone, bad, odd, late, mended))
		j.is(id, connector.JobCompleted)
		want := &connector.RetryStatus{Asked: 6, Gone: 1, Rejected: 2, Unreadable: 1}
		if diff := cmp.Diff(want, j.job(id).Retry); diff != "" {
			j.t.Errorf("the retry came to (-want +got):\n%s", diff)
		}
		j.wantWrong([]int{5, 6, 7}) // their last good contributions
		if got, want := j.ids(), []uint64{odd.ID, late.ID + 1, late.ID + 2}; !slices.Equal(got, want) {
			j.t.Errorf("rejects %v are kept, want %v: two anew, and one as it was", got, want)
		}
		for _, row := range []int{5, 6, 7} {
			j.put(row, simRow{sku: "P", location: "L0", qty: row})
		}
		odd.Key = nil
		all := []connector.RetryRow{odd}
		for _, r := range j.log.retries() {
			if r.ID != odd.ID {
				all = append(all, r)
			}
		}
		j.is(j.start(retry(all...)), connector.JobCompleted)
		j.wantWrong(nil)
		if got := j.ids(); len(got) > 0 {
			j.t.Errorf("rejects %v are left", got)
		}
	})
}

// TestRetryKeepsNewerReject holds that a retry does not remove what came after it
// was asked for.
func TestRetryKeepsNewerReject(t *testing.T) {
	t.Parallel()
	inJobWorld(t, 5, func(j *jobWorld) {
		old := j.spoilRow(3)
		j.put(3, simRow{sku: "P3", location: "L1", qty: 33})
		pausedLoad := j.start(reload(1))
		j.until("the load", func() bool { return j.job(pausedLoad).Rows > 0 })
		id := j.start(retry(old)) // waits for the load
		j.source.mu.Lock()
		c := j.source.begin()
		j.source.write(c, j.source.tables[0], 3, simRow{location: "L0", qty: 51, bad: true})
		j.source.end(c, 0)
		j.source.mu.Unlock()
		j.until("a newer reject", func() bool { ids := j.ids(); return len(ids) == 1 && ids[0] > old.ID })
		j.is(id, connector.JobCompleted)
		if s := j.job(id).Retry; s.Rejected != 1 {
			j.t.Errorf("the retry came to %+v", s)
		}
		if ids := j.ids(); len(ids) != 1 || ids[0] <= old.ID {
			j.t.Errorf("rejects %v are kept, want the newest", ids)
		}
	})
}

// TestRetryNeverHalts holds that a capture which halts at rows that cannot be mapped
// does not halt at one that is known for that, and tried again.
func TestRetryNeverHalts(t *testing.T) {
	t.Parallel()
	inJobWorld(t, 5, func(j *jobWorld) {
		bad := j.spoilRow(3)
		j.d.kill()
		j.config.stops = true
		j.d = j.world.start()
		passes(time.Minute)
		id := j.start(retry(bad))
		j.is(id, connector.JobCompleted)
		if s := j.job(id).Retry; s.Rejected != 1 || len(j.ids()) != 1 {
			j.t.Errorf("the retry came to %+v, and rejects %v are kept", s, j.ids())
		}
	})
}

// TestRetryOverRestart pins the kept form of a retry, and holds that it is done
// behind a restart.
func TestRetryOverRestart(t *testing.T) {
	t.Parallel()
	inJobWorld(t, 10, func(j *jobWorld) {
		a, b := j.spoilRow(3), j.spoilRow(4)
		b.Key = nil
		j.put(3, simRow{sku: "P3", location: "L1", qty: 33})
		j.put(4, simRow{sku: "P4", location: "L1", qty: 44})
		load := j.start(reload(1))
		j.until("the load", func() bool { return j.job(load).Rows > 0 })
		id := j.start(retry(a, b))
		j.do((*connector.Jobs).Pause, id)
		j.do((*connector.Jobs).Cancel, load)
		j.is(load, connector.JobCancelled)
		j.golden("retry")
		j.restart()
		j.is(id, connector.JobPaused)
		j.do((*connector.Jobs).Resume, id)
		j.is(id, connector.JobCompleted)
		j.wantWrong(nil)
		if s := j.job(id).Retry; s.Asked != 2 || s.Rejected+s.Gone+s.Unreadable > 0 || len(j.ids()) > 0 {
			j.t.Errorf("the retry came to %+v, and rejects %v are kept", s, j.ids())
		}
	})
}

// TestRetryRefused holds that there is no retry where one cannot work.
func TestRetryRefused(t *testing.T) {
	t.Parallel()
	inJobWorld(t, 5, func(j *jobWorld) {
		row := func(table, key string, size int) connector.RetryRow {
			return connector.RetryRow{
				RejectRef: connector.RejectRef{Table: table, Row: cdc.RowKey(key)}, Key: backfill.Key{strings.Repeat("1", size)},
			}
		}
		hashed := row("public.bin", `["aaa`+strings.Repeat("0", 64), 1)
		hashed.Key = nil
		many := make([]connector.RetryRow, connector.MaxRetry+1)
		where := retry(row("public.bin", "[1]", 1))
		where.Where = "qty > 1"
		for _, c := range []struct {
			spec connector.JobSpec
			want string
		}{
			{retry(), "want 1 to 1000"},
			{retry(many...), "a retry of 1001 rejects"},
			{where, "a retry is of rejects"},
			{retry(row("public.other", "[1]", 1)), "no mapping of table public.other"},
			{retry(hashed), "cannot be found by that"},
			{retry(row("public.bin", "[1]", connector.MaxRetryBytes)), "too many retries wait"},
		} {
			if _, err := j.d.jobs.Load().Start(context.Background(), c.spec); !refusedAs(err, c.want) {
				j.t.Errorf("%.80v: %v, want a refusal with %q", c.spec.Rejects, err, c.want)
			}
		}
	})
}
