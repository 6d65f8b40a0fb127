package endtoend_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tailstock/internal/privateserver"
)

// crashLoop breaks a system in one way per round while people work, and looks
// after each whether everything agrees.
type crashLoop struct {
	t      *testing.T
	s      *system
	rng    *rand.Rand
	daemon *process
	// hit counts the crashes at each failpoint.
	hit map[string]int
	// faults are the other ways to break it.
	faults    []string
	committed []string
	// operator asks for jobs all the time, nil if nobody does.
	operator *operator
	// ease, if not nil, ends what may keep a failpoint from being reached.
	ease func()
}

// TestCrashLoop has every failpoint at least once, in random order, between
// crashes at random times: of the daemon with its embedded server, of the source,
// the store and the cache.
func TestCrashLoop(t *testing.T) {
	t.Parallel()
	crashAtEveryFailpoint(t, newSystem(t, false))
}

func crashAtEveryFailpoint(t *testing.T, s *system) {
	t.Helper()
	rng := random(t)
	l := newCrashLoop(t, s, rng)
	points := failpoints(t, l.s)
	rng.Shuffle(len(points), func(i, j int) { points[i], points[j] = points[j], points[i] })
	n := *rounds
	if testing.Short() {
		n = len(points)
	}
	for i := range max(n, len(points)) {
		left := max(n, len(points)) - i
		if len(points) > 0 && (rng.IntN(3) > 0 || left <= len(points)) {
			l.round(i, "failpoint "+points[0])
			points = points[1:]
			continue
		}
		l.round(i, l.faults[rng.IntN(len(l.faults))])
	}
	for _, name := range failpoints(t, s) {
		if l.hit[name] == 0 {
			t.Errorf("the failpoint %s was never hit", name)
		}
	}
	l.end()
}

// TestCrashLoopWithMariaDB is TestCrashLoop with a source on MariaDB.
func TestCrashLoopWithMariaDB(t *testing.T) {
	t.Parallel()
	crashAtEveryFailpoint(t, newMariaDBSystem(t, false))
}

// TestCrashLoopWithExternalNATS crashes the NATS server as well.
func TestCrashLoopWithExternalNATS(t *testing.T) {
	t.Parallel()
	rng := random(t)
	l := newCrashLoop(t, newSystem(t, true), rng)
	l.faults = append(l.faults, "kill nats", "kill nats", "kill nats")
	points := failpoints(t, l.s)
	n := *rounds / 3
	if testing.Short() {
		n = min(n, 6)
	}
	for i := range max(1, n) {
		fault := l.faults[rng.IntN(len(l.faults))]
		if i%3 == 2 {
			fault = "failpoint " + points[rng.IntN(len(points))]
		}
		l.round(i, fault)
	}
	l.end()
}

func newCrashLoop(t *testing.T, s *system, rng *rand.Rand) *crashLoop {
	t.Helper()
	recorded := s.record(t)
	t.Cleanup(func() { t.Log(recorded.summary()) })
	return &crashLoop{
		t: t, s: s, rng: rng, hit: make(map[string]int),
		faults: []string{
			"kill daemon", "kill daemon", "drain daemon", "kill store", "kill store", "kill cache", "empty cache",
			"kill source", "rebuild",
		},
		daemon: s.started(t),
	}
}

// round breaks the system in one way while people work.
func (l *crashLoop) round(i int, fault string) {
	l.t.Helper()
	began := time.Now()
	w := l.s.work(l.t, l.rng)
	l.within(100 * time.Millisecond)
	l.cause(fault, w)
	l.within(200 * time.Millisecond)
	committed := w.end(l.t)
	l.committed = append(l.committed, committed...)
	l.s.awaitAgreement(l.t, l.daemon)
	l.t.Logf("round %d: %s: %d transactions, %s", i, fault, len(committed), time.Since(began).Round(time.Millisecond))
}

// within lets a random time pass, so that what follows comes at any moment.
func (l *crashLoop) within(most time.Duration) {
	<-time.After(time.Duration(l.rng.Int64N(int64(most))))
}

// cause breaks something and starts it again.
func (l *crashLoop) cause(fault string, w *workload) {
	l.t.Helper()
	ctx := l.t.Context()
	var err error
	switch fault {
	case "kill daemon":
		l.restart()
	case "drain daemon":
		l.daemon.signal(l.t, syscall.SIGTERM)
		l.daemon.expectExit(l.t, 0)
		l.daemon = l.s.run(l.t)
	case "kill store":
		if err = l.s.store.Stop(ctx, privateserver.Immediate); err == nil {
			err = l.s.store.Start(ctx)
		}
	case "kill cache":
		l.s.redis.Kill()
		err = l.s.redis.Start(ctx)
	case "empty cache":
		l.s.redis.Kill()
		if err = l.s.redis.Start(ctx); err == nil {
			err = l.s.redis.Flush(ctx)
		}
	case "kill source":
		err = l.s.crashSource(ctx)
	case "kill nats":
		l.s.nats.kill()
		l.s.nats.start(l.t)
	case "rebuild":
		l.rebuild()
	default:
		l.failpoint(strings.TrimPrefix(fault, "failpoint "), w)
	}
	if err != nil {
		l.t.Fatalf("%s: %v", fault, err)
	}
}

// crashSource crashes the source's server and starts it again.
func (s *system) crashSource(ctx context.Context) error {
	if s.mariadb != nil {
		s.mariadb.Kill()
		return s.mariadb.Start(ctx)
	}
	if err := s.erp.Stop(ctx, privateserver.Immediate); err != nil {
		return err
	}
	return s.erp.Start(ctx)
}

// restart crashes the daemon and starts it again, with more environment.
func (l *crashLoop) restart(env ...string) {
	l.daemon.kill()
	l.daemon = l.s.run(l.t, env...)
}

// rebuild asks for everything anew and crashes the daemon in the middle of it.
func (l *crashLoop) rebuild() {
	l.t.Helper()
	for _, what := range []string{"levels", "cache"} {
		if r := l.s.command(l.t, what, "rebuild"); r.code != 0 {
			l.t.Fatalf("%s rebuild: %+v", what, r)
		}
		l.within(20 * time.Millisecond)
	}
	l.restart()
}

// failpoint starts the daemon so that it crashes at the failpoint, and then again.
func (l *crashLoop) failpoint(name string, w *workload) {
	l.t.Helper()
	l.daemon.kill()
	// A token is kept beside the tail only while nothing is there to append.
	w.unmapped.Store(name == "capture.checkpointed")
	if strings.HasPrefix(name, "load.") && l.operator == nil {
		o := l.s.operate(l.t, l.rng, true)
		o.loads.Store(true)
		defer o.end(l.t)
	}
	most := 30
	if name == "load.started" || name == "load.ended" {
		most = 2 // of which there are few
	}
	for attempt, patience := range []time.Duration{1500 * time.Millisecond, patience} {
		turn := 1
		if attempt > 0 && l.ease != nil {
			l.ease()
		}
		if attempt == 0 {
			turn = 1 + l.rng.IntN(1+l.rng.IntN(most))
		}
		if strings.HasPrefix(name, "cache.replay") {
			if err := l.s.redis.Flush(l.t.Context()); err != nil {
				l.t.Fatal(err)
			}
		}
		l.daemon = l.s.run(l.t, fmt.Sprintf("TAILSTOCK_FAILPOINT=%s:%d", name, turn))
		if l.daemon.waitFor(patience) {
			if !l.daemon.killed() {
				l.t.Fatalf("at failpoint %s tailstock ended by itself:\n%s", name, l.daemon.recent())
			}
			l.hit[name]++
			break
		}
		l.daemon.kill() // it was not the turn's time yet
	}
	w.unmapped.Store(false)
	l.daemon = l.s.run(l.t)
}

// end checks the log and that the daemon drains.
func (l *crashLoop) end() {
	l.t.Helper()
	l.s.auditLog(l.t, l.committed)
	l.daemon.signal(l.t, syscall.SIGTERM)
	l.daemon.expectExit(l.t, 0)
	l.t.Logf("%d transactions, crashes at failpoints: %v", len(l.committed), l.hit)
}

// failpoints lists the failpoints of the tree that s can come by, sorted. Its rows
// count for good: what happens between the steps of Elapse the stores' own tests
// look at.
func failpoints(t *testing.T, s *system) []string {
	t.Helper()
	otherSource := filepath.Join("sources", "mysql")
	if s.mariadb != nil {
		otherSource = filepath.Join("sources", "postgres")
	}
	call := regexp.MustCompile(`failpoint\.Hit\("([^"]+)"\)`)
	found := make(map[string]bool)
	err := filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") ||
			strings.Contains(path, otherSource) {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range call.FindAllSubmatch(text, -1) {
			if name := string(m[1]); !strings.HasPrefix(name, "elapse.") {
				found[name] = true
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) == 0 {
		t.Fatal("no failpoint was found")
	}
	return slices.Sorted(maps.Keys(found))
}
