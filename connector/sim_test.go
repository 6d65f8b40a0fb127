package connector_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

var (
	simSeeds = flag.Int("sim.seeds", 40, "seeds of the simulation")
	simSeed  = flag.Uint64("sim.seed", 0, "run this seed alone")
	simLog   = flag.Bool("sim.log", false, "show what the loops log")
)

// TestSimulation runs the real loops against fakes that lose and repeat calls,
// tails, plans, sessions, slots, logs, stores and caches at random, while tables and
// mappings come and go and jobs are asked for, in fake time. The fakes hold every
// step to the promises: positions name one content for ever, rejects come before
// the message that steps over them, nothing is confirmed that a power cut could
// take, batches are whole commits, no table counts twice or from half a load,
// nothing is published before the first loads, versions only grow; and, where the
// source says everything exactly, what counts is at every moment the source as of
// that place of the log. When everything has been quiet for a while, stores must
// say what the source's rows say, and levels stream and cache what their store says.
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
	t       *testing.T
	rng     *rand.Rand
	chaos   *chaos
	source  *memSource
	log     *memLog
	store   *memStore
	replica *replica
	levels  *memLevels
	cache   *memCache
	leases  *memLeases
	logger  *slog.Logger
	keep    time.Duration
	// losesStore chooses between stores that lose commits and a levels stream that
	// loses its tail: both together can lose a level for good (architecture, section 6).
	losesStore bool
	config     simConfig
	daemons    []*daemon
	backup     memState
	cached     memCached

	mu        sync.Mutex
	exactness *exactness
	// spelled has mappings use partno.
	spelled  bool
	meanings map[inventory.MappingID]simMeaning
}

// confirmDelay is how long the simulated log server may take to sync.
const confirmDelay = 6 * time.Second

func newWorld(t *testing.T, seed uint64) *world {
	rng := rand.New(rand.NewPCG(seed, 1))
	c := &chaos{rng: rand.New(rand.NewPCG(seed, 2)), rate: []float64{0, 0.003, 0.02}[rng.IntN(3)]}
	w := &world{
		t: t, rng: rng, chaos: c,
		source: newMemSource(t, c, rng, rng.IntN(3) == 0), log: newMemLog(t, c),
		levels: newMemLevels(t, c), cache: newMemCache(t, c),
		leases:     &memLeases{holders: make(map[string]*memLease)},
		logger:     slog.New(slog.DiscardHandler),
		losesStore: rng.IntN(2) == 0,
		config:     randomConfig(rng),
		meanings:   make(map[inventory.MappingID]simMeaning),
	}
	if *simLog {
		w.logger = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	w.exactness = newExactness(w.logger.Handler())
	w.logger = slog.New(w.exactness)
	w.store = newMemStore(w, "store")
	w.replica = &replica{memStore: newMemStore(w, "replica"), changed: make(chan struct{})}
	w.source.worst = w.log.worst
	if w.losesStore {
		w.keep = 24 * time.Hour // what a restored store needs
	}
	w.backup, w.cached = w.store.backup(), w.cache.backup()
	return w
}

func simulate(t *testing.T, seed uint64) {
	w := newWorld(t, seed)
	defer func() {
		if t.Failed() {
			t.Logf("the log:\n%s", w.log.story())
			t.Logf("seed %d failed: run it again with -sim.seed=%d", seed, seed)
		}
	}()
	w.daemons = []*daemon{w.start()}
	if w.rng.IntN(2) == 0 {
		w.daemons = append(w.daemons, w.start())
	}
	for range 60 {
		w.goOn()
		if w.rng.IntN(2) == 0 {
			w.mishap()
		} else {
			w.operate()
		}
	}
	w.source.mend(w.rng)
	w.source.mendRefs(w.rng)
	w.rest()
	// What follows reloads nothing: now rows that cannot be mapped keep what counted.
	w.chaos.set(w.rate())
	for range 15 {
		w.goOn()
		w.mishap()
	}
	w.source.mendRefs(w.rng)
	w.rest()
	for _, d := range w.daemons {
		d.kill()
	}
}

func (w *world) rate() float64 { return []float64{0, 0.003, 0.02}[w.rng.IntN(3)] }

// goOn commits a few transactions, and lets fake time pass.
func (w *world) goOn() {
	for range w.rng.IntN(5) {
		w.source.commit(w.rng)
	}
	time.Sleep(time.Duration(w.rng.IntN(2500)) * time.Millisecond) // fake time: the world moves on
}

// mishap does, or does not, what loses nothing for good.
func (w *world) mishap() {
	switch w.rng.IntN(9) {
	case 0:
		w.restart(w.rng.IntN(len(w.daemons)))
	case 1, 2:
		// Behind a lost tail stores are ahead of the log for a while.
		if !w.source.exact {
			w.log.loseTail(w.rng)
		}
	case 3:
		w.cache.flush()
	case 4:
		w.cached = w.cache.backup()
	case 5:
		w.cache.restore(w.cached)
	case 6:
		w.leases.steal(roleNames[w.rng.IntN(len(roleNames))])
	case 7:
		w.source.hide(time.Duration(w.rng.IntN(3)) * 4 * time.Second)
	}
}

// operate does, or does not, what operators and fate do.
func (w *world) operate() {
	switch w.rng.IntN(24) {
	case 0:
		w.backup = w.store.backup()
	case 1, 2:
		if w.losesStore {
			w.store.restore(w.backup)
		} else {
			w.levels.loseTail(w.rng)
		}
	case 3:
		if !w.losesStore {
			w.levels.replace(w.rng)
			return
		}
		gone := w.store.ID()
		w.store.replace(fmt.Sprintf("store-%d", w.rng.IntN(1_000_000)))
		w.backup = w.store.backup()
		w.log.unregister(gone)
	case 4, 5, 6:
		w.config = randomConfig(w.rng)
		w.restart(w.rng.IntN(len(w.daemons)))
	case 7:
		w.source.dropSlot()
	case 8:
		w.log.replace(w.rng)
	case 9:
		w.source.breakReads(20 * time.Second)
	case 10, 11:
		w.replica.turn(true)
	case 12:
		w.replica.turn(false)
	case 13:
		w.replica.turn(false)
		w.log.unregister(w.replica.ID())
	case 14:
		w.replica.replace(fmt.Sprintf("replica-%d", w.rng.IntN(1_000_000)))
	case 15, 16, 17, 18:
		w.ask()
	case 21, 22:
		w.mistake()
	case 19:
		w.log.empty()
	case 20:
		w.source.alter(w.rng)
	}
}

func (w *world) restart(i int) {
	w.daemons[i].kill()
	w.daemons[i] = w.start()
}

// mistake runs a daemon of another configuration for a moment.
func (w *world) mistake() {
	config := w.config
	w.config = randomConfig(w.rng)
	d := w.start()
	w.config = config
	w.leases.steal("capture")
	time.Sleep(time.Duration(w.rng.IntN(20)*w.rng.IntN(60)) * time.Millisecond) // fake time
	d.kill()
}

// ask asks one of the daemons for a job, or changes one. What comes of it is not
// known, as when a connection breaks.
func (w *world) ask() {
	synctest.Wait() // a daemon that was just started has its roles
	jobs := w.daemons[w.rng.IntN(len(w.daemons))].jobs.Load()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Duration(w.rng.IntN(5_000))*time.Millisecond)
	defer cancel()
	var ids []string
	for _, j := range jobs.List() {
		if !j.State.Ended() {
			ids = append(ids, j.ID)
		}
	}
	switch what := w.rng.IntN(5); {
	case len(ids) == 0, what == 0:
		_, _ = jobs.Start(ctx, w.randomJob())
	case what == 1:
		_ = jobs.Pause(ctx, ids[w.rng.IntN(len(ids))])
	case what == 2:
		_ = jobs.Cancel(ctx, ids[w.rng.IntN(len(ids))])
	default:
		_ = jobs.Resume(ctx, ids[w.rng.IntN(len(ids))])
	}
}

// rest ends all trouble, waits until everything is quiet, and compares.
func (w *world) rest() {
	w.t.Helper()
	w.chaos.set(0)
	w.source.hide(0)
	for i, d := range w.daemons {
		if d.config != w.config {
			w.restart(i)
		}
	}
	if on, _ := w.replica.now(); !on {
		w.log.unregister(w.replica.ID())
	}
	w.log.forgetOthers(w.store.ID(), w.replica.ID())
	for range 4 {
		time.Sleep(time.Minute) // fake time: longer than every retry delay and idle check
		for _, d := range w.daemons {
			d.endJobs(w.t)
		}
	}
	synctest.Wait()
	w.compare()
}

func (w *world) compare() {
	t := w.t
	t.Helper()
	w.compareRoles()
	stores := []*memStore{w.store}
	if on, _ := w.replica.now(); on {
		stores = append(stores, w.replica.memStore)
	}
	for _, s := range stores {
		s.compare()
	}
	want := w.store.levels()
	if diff := cmp.Diff(want, w.levels.levels()); diff != "" {
		t.Errorf("levels stream differs from the store (-store +levels):\n%s", diff)
	}
	if diff := cmp.Diff(want, w.cache.levels()); diff != "" {
		t.Errorf("cache differs from the store (-store +cache):\n%s", diff)
	}
	w.source.mu.Lock()
	losses := 1 + w.source.dropped // 1: the first run of all may end before it has read anything
	w.source.mu.Unlock()
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	var plan struct{ Jobs []any }
	if text := w.log.plan.text; len(text) > 0 && (json.Unmarshal(text, &plan) != nil || len(plan.Jobs) > 0) {
		t.Errorf("a plan is left over: %s", w.log.plan.text)
	}
	// A gap that a lost tail took is stated again.
	if losses += w.log.lost; w.source.exact && w.log.gaps > losses {
		t.Errorf("%d gaps are stated, and there were %d losses", w.log.gaps, losses)
	}
}

// compareRoles wants every role to run in one of the daemons, and no job to be left.
func (w *world) compareRoles() {
	w.t.Helper()
	running := make(map[string]bool)
	for _, d := range w.daemons {
		for _, r := range d.board.Roles() {
			running[r.Role] = running[r.Role] || r.State == connector.RoleRunning
			if r.State == connector.RoleHalted || r.State == connector.RoleRetrying {
				w.t.Errorf("role %s is %s: %s", r.Role, r.State, r.Error)
			}
		}
	}
	for _, name := range roleNames {
		if !running[name] {
			w.t.Errorf("role %s does not run", name)
			for i, d := range w.daemons {
				w.t.Logf("daemon %d: %+v", i, d.board.Roles())
			}
		}
	}
}

// compare wants every table that is configured to be loaded, and to say what the
// source says.
func (s *memStore) compare() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.world.config; len(s.state.open) > 0 && (c.binLooks || c.trayLooks && c.tray >= 0) {
		s.t.Errorf("store %s: what was to be derived again is not answered: %v", s.id, s.state.open)
	}
	for _, m := range s.world.mappings(s.world.config) {
		name := inventory.FeedName{Table: m.Table().String(), Mapping: m.ID()}
		var states []connector.FeedState
		for _, f := range s.state.feeds {
			if f.Table != name.Table {
				continue
			}
			if states = append(states, f.state); f.Mapping != name.Mapping {
				s.t.Errorf("store %s has table %s under mapping %s, %s", s.id, f.Table, f.Mapping, f.state)
				continue
			}
			for key, row := range f.rows {
				if row.rejected && !s.world.log.hasReject(f.FeedName, key) {
					s.t.Errorf("store %s has row %s of table %s as rejected, and no reject of it is kept", s.id, key, f.Table)
				}
			}
			does := s.world.meaning(f.Mapping)
			want, got := s.world.source.want(f.Table, does), f.counts()
			if does.looks { // what counts of a row that went bad is called what it was called then
				bad := func(key, _ string) bool { return s.world.source.beyond(f.Table)[key] }
				maps.DeleteFunc(want, bad)
				maps.DeleteFunc(got, bad)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				s.t.Errorf("store %s has table %s not as the source (-source +store):\n%s", s.id, f.Table, diff)
			}
		}
		if !slices.Equal(states, []connector.FeedState{connector.FeedActive}) {
			s.t.Errorf("store %s at %s has table %s as %q, want it once and active: %v", s.id, s.state.position, name.Table, states, s.state.reports())
		}
	}
}
