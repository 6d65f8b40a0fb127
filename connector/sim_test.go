package connector_test

import (
	"context"
	"flag"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
)

var (
	simSeeds = flag.Int("sim.seeds", 60, "seeds of the simulation")
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed alone")
)

// TestSimulation runs the real loops against fakes that lose and repeat calls,
// tails, sessions, stores and caches at random, in fake time. The fakes hold
// every step to the promises: positions name one content for ever, rejects come
// before the message that steps over them, nothing is confirmed that a power cut
// could take, batches are whole commits, versions only grow. When everything has
// been quiet for a while, store, levels stream and cache must say what the
// source's rows say.
func TestSimulation(t *testing.T) {
	t.Parallel()
	if *simSeed != 0 {
		synctest.Test(t, func(t *testing.T) { simulate(t, *simSeed) })
		return
	}
	base := uint64(rand.Uint32())
	t.Logf("%d seeds from %d on", *simSeeds, base+1)
	for i := range *simSeeds {
		synctest.Test(t, func(t *testing.T) { simulate(t, base+uint64(i)+1) })
	}
}

type world struct {
	rng    *rand.Rand
	chaos  *chaos
	source *memSource
	log    *memLog
	store  *memStore
	levels *memLevels
	cache  *memCache
	leases *memLeases
	keep   time.Duration
	// losesStore chooses between stores that lose commits and a levels stream that
	// loses its tail: both together can lose a level for good (architecture, section 6).
	losesStore bool
}

// confirmDelay is how long the simulated log server may take to sync.
const confirmDelay = 6 * time.Second

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	c := &chaos{rng: rand.New(rand.NewPCG(seed, 2)), rate: []float64{0, 0.003, 0.02}[rng.IntN(3)]}
	w := &world{
		rng: rng, chaos: c,
		source: newMemSource(t, c), log: newMemLog(t, c), store: newMemStore(t, c),
		levels: newMemLevels(t, c), cache: newMemCache(t, c),
		leases:     &memLeases{holders: make(map[string]*memLease)},
		losesStore: rng.IntN(2) == 0,
	}
	w.source.worst = w.log.worst
	if w.losesStore {
		w.keep = 24 * time.Hour // what a restored store needs
	}
	return w
}

func simulate(t *testing.T, seed uint64) {
	defer func() {
		if t.Failed() {
			t.Logf("seed %d failed: run it again with -sim.seed=%d", seed, seed)
		}
	}()
	w := newWorld(t, seed)
	m := binMapping(t)
	daemons := []*daemon{w.start(t, m)}
	if w.rng.IntN(2) == 0 {
		daemons = append(daemons, w.start(t, m))
	}
	backup, replica := w.store.backup(), w.cache.backup()
	asking, stopAsking := context.WithCancel(t.Context())
	var asked sync.WaitGroup
	for range 60 {
		for range w.rng.IntN(5) {
			w.source.commit(w.rng)
		}
		time.Sleep(time.Duration(w.rng.IntN(2500)) * time.Millisecond) // fake time: the world moves on
		if w.rng.IntN(4) == 0 {
			asked.Go(w.askJobs(asking, daemons[w.rng.IntN(len(daemons))].jobs.Load(), w.rng.Uint64()))
		}
		switch w.rng.IntN(18) {
		case 0:
			i := w.rng.IntN(len(daemons))
			daemons[i].kill()
			daemons[i] = w.start(t, m)
		case 1, 2:
			w.log.loseTail(w.rng)
		case 3:
			w.cache.flush()
		case 4:
			backup = w.store.backup()
		case 5:
			replica = w.cache.backup()
		case 6:
			w.cache.restore(replica)
		case 7, 8:
			w.leases.steal(roleNames[w.rng.IntN(len(roleNames))])
		case 9, 10:
			if w.losesStore {
				w.store.restore(backup)
			} else {
				w.levels.loseTail(w.rng)
			}
		case 11:
			if !w.losesStore && w.rng.IntN(3) == 0 {
				w.levels.replace(w.rng)
			}
		}
	}
	w.chaos.calm()
	stopAsking()
	asked.Wait()
	w.resumeJobs(t, daemons)
	time.Sleep(3 * time.Minute) // fake time: longer than every retry delay and idle check
	synctest.Wait()
	w.compare(t, daemons)
	for _, d := range daemons {
		d.kill()
	}
}

func (w *world) compare(t *testing.T, daemons []*daemon) {
	t.Helper()
	running := make(map[string]bool)
	for _, d := range daemons {
		for _, r := range d.board.Roles() {
			running[r.Role] = running[r.Role] || r.State == connector.RoleRunning
			if r.State == connector.RoleHalted || r.State == connector.RoleRetrying {
				t.Errorf("role %s is %s: %s", r.Role, r.State, r.Error)
			}
		}
	}
	for _, name := range roleNames {
		if !running[name] {
			t.Errorf("role %s does not run", name)
			for i, d := range daemons {
				t.Logf("daemon %d: %+v", i, d.board.Roles())
			}
		}
	}
	want := w.source.want()
	if diff := cmp.Diff(want, w.store.levels()); diff != "" {
		t.Errorf("store differs from source (-source +store):\n%s", diff)
	}
	if diff := cmp.Diff(want, w.levels.levels()); diff != "" {
		t.Errorf("levels stream differs from source (-source +levels):\n%s", diff)
	}
	if diff := cmp.Diff(want, w.cache.levels()); diff != "" {
		t.Errorf("cache differs from source (-source +cache):\n%s", diff)
	}
}
