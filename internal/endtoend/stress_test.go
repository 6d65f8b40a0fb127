package endtoend_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/internal/testenv"
)

// stress is a system in which many write in every way that PostgreSQL has, while
// an operator asks for jobs all the time.
type stress struct {
	*crashLoop
	// points is how many quiet points there were, and hungCrashes how many of the
	// crashes came while commits hung.
	points, hungCrashes int
}

// TestStress writes, loads and verifies at the same time, with commits that hang on
// a synchronous standby in every other round, and compares at quiet points.
func TestStress(t *testing.T) {
	t.Parallel()
	rng := random(t)
	l := newStress(t, rng, false)
	for i := range stressRounds() {
		began := time.Now()
		w := l.s.writeHarshly(t, rng)
		l.within(time.Second)
		if i%2 == 1 {
			release := l.s.hang(t)
			l.within(800 * time.Millisecond)
			release()
			l.within(400 * time.Millisecond)
		}
		l.quiet(w)
		t.Logf("round %d: %s", i, time.Since(began).Round(time.Millisecond))
	}
	l.end()
	if lacks := l.operator.lacks(); len(lacks) > 0 && !testing.Short() {
		t.Errorf("none of these jobs ended: %q; the test is void", lacks)
	}
}

// stressRounds is how often TestStress compares.
func stressRounds() int {
	if testing.Short() {
		return 1
	}
	return max(4, *rounds/5)
}

// TestStressKilled kills the daemon at every failpoint meanwhile, commits hanging
// or not.
func TestStressKilled(t *testing.T) {
	t.Parallel()
	rng := random(t)
	l := newStress(t, rng, true)
	for range max(1, *rounds/50) {
		points := failpoints(t, l.s)
		rng.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
		if testing.Short() {
			points = points[:3]
		}
		for len(points) > 0 {
			n := min(len(points), 1+rng.IntN(5))
			l.crash(points[:n])
			points = points[n:]
		}
	}
	l.end()
	if l.hungCrashes == 0 && !testing.Short() {
		t.Error("no crash came while commits hung; the test is void")
	}
}

func newStress(t *testing.T, rng *rand.Rand, killed bool) *stress {
	t.Helper()
	s := newSystem(t, false, testenv.Setting("max_prepared_transactions", "20"), testenv.Setting("deadlock_timeout", "50ms"))
	execSQL(t, s.erp.DSN("postgres"), fillBins)
	l := &stress{crashLoop: newCrashLoop(t, s, rng)}
	s.awaitAgreement(t, l.daemon) // the first load is done
	l.operator = s.operate(t, rng, killed)
	return l
}

// crash kills the daemon at one failpoint after the other while people write.
func (l *stress) crash(points []string) {
	l.t.Helper()
	began := time.Now()
	w := l.s.writeHarshly(l.t, l.rng)
	hung := l.rng.IntN(2) == 0
	for _, name := range points {
		l.within(50 * time.Millisecond)
		hangs := false
		l.ease = nil
		if hung {
			release := l.s.hang(l.t)
			hangs = true
			l.ease = func() { hangs = false; release() }
		}
		came := time.Now()
		l.operator.loads.Store(strings.HasPrefix(name, "load."))
		l.failpoint(name, w)
		l.operator.loads.Store(false)
		l.t.Logf("%s, hanging %v: %s", name, hangs, time.Since(came).Round(time.Millisecond))
		if hangs {
			l.hungCrashes++
			l.within(200 * time.Millisecond)
			l.ease()
		}
	}
	l.quiet(w)
	l.t.Logf("crashes at %q, with commits hanging: %v: %s", points, hung, time.Since(began).Round(time.Millisecond))
}

// quiet has the writers end, and compares.
func (l *stress) quiet(w *workload) {
	l.t.Helper()
	l.committed = append(l.committed, w.end(l.t)...)
	l.points++
	l.s.expectExact(l.t, l.daemon, l.points)
	l.s.awaitAgreement(l.t, l.daemon)
}

// end ends the jobs, checks the log, and has the daemon drain.
func (l *stress) end() {
	l.t.Helper()
	l.operator.end(l.t)
	chunks, rows := 0, 0
	for _, m := range l.s.readLog(l.t) {
		if m.Chunk != nil {
			chunks++
			rows += m.Chunk.Rows
		}
	}
	l.t.Logf("%d quiet points, %d crashes while commits hung, jobs %v, %d rows in %d chunks", l.points, l.hungCrashes, l.operator.ended, rows, chunks)
	l.crashLoop.end()
	if chunks < l.points || len(l.committed) == 0 {
		l.t.Errorf("%d chunks, %d transactions: the test is void", chunks, len(l.committed))
	}
}

// expectExact commits a last row, and expects the store to be as the source is as
// soon as it has that: nothing that comes later may be what makes it right.
func (s *system) expectExact(t *testing.T, p *process, n int) {
	t.Helper()
	dsn := s.erp.DSN("postgres")
	execSQL(t, dsn, fmt.Sprintf(`insert into bin_stock (id, sku, site, qty) values (-1, 'QUIET', 'DC1', %d)
		on conflict (id) do update set qty = excluded.qty`, n))
	want, err := contributions(t.Context(), dsn, erpContributions)
	if err != nil {
		t.Fatal(err)
	}
	quiet := contribution{Table: "public.bin_stock", Row: "[-1]", SKU: "QUIET", Location: "DC1", OnHand: fmt.Sprint(n), Committed: "0", Unavailable: "0"}
	eventually(t, func() bool {
		if p.dead() {
			t.Fatalf("tailstock ended:\n%s", p.recent())
		}
		stored, err := contributions(t.Context(), s.storeDSN(), storeContributions)
		if err != nil || !hasRow(stored, &quiet) {
			return false
		}
		if diff := cmp.Diff(want, stored); diff != "" {
			t.Fatalf("at a quiet point, contributions (-source +store):\n%s", diff)
		}
		return true
	}, func() string { return "the last row does not come" + s.readiness(t) + p.recent() })
	wantLevels, err := levels(t.Context(), dsn, fmt.Sprintf(levelsOf, erpContributions))
	if err != nil {
		t.Fatal(err)
	}
	stored, err := levels(t.Context(), s.storeDSN(), storeLevels)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wantLevels, stored); diff != "" {
		t.Errorf("at a quiet point, levels (-source +store):\n%s", diff)
	}
}

func hasRow(all []contribution, row *contribution) bool {
	for i := range all {
		if all[i] == *row {
			return true
		}
	}
	return false
}

// hang makes commits wait for a synchronous standby that is not there, which keeps
// them from being seen although they are streamed, until release is called. People
// must be writing: it returns when the first of them waits.
func (s *system) hang(t *testing.T) (release func()) {
	t.Helper()
	dsn := s.erp.DSN("postgres")
	conn := connect(t, dsn)
	forever := context.WithoutCancel(t.Context())
	set := func(standby string) {
		for _, sql := range []string{"alter system set synchronous_standby_names = '" + standby + "'", "select pg_reload_conf()"} {
			if _, err := conn.Exec(forever, sql); err != nil {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	release = sync.OnceFunc(func() {
		set("")
		conn.Close(forever)
	})
	t.Cleanup(release)
	set("nosuch")
	eventually(t, func() bool {
		return queryText(t, dsn, `select (count(*) > 0)::text from pg_stat_activity where wait_event = 'SyncRep'`) == "true"
	}, func() string { return "no commit waits for the standby" })
	return release
}
