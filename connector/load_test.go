package connector_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// loading sets up a capture whose store holds feeds, and whose source has rows.
func loading(rows int, held ...connector.FeedReport) func(*captureTest) {
	return func(c *captureTest) {
		c.log.reports = []connector.StoreReport{{Store: "store", Source: "erp", LogID: "log", Position: at(7, 0), Feeds: held}}
		c.source.read = tableOf(c.source.table, rows, 1)
	}
}

// tableOf reads rows with ids from 1 on, each of a quantity.
func tableOf(table *cdc.Table, rows, qty int) func(context.Context, backfill.Request) (*backfill.Chunk, error) {
	return func(_ context.Context, r backfill.Request) (*backfill.Chunk, error) {
		chunk := &backfill.Chunk{Table: table, View: seesAll{}, ReadAt: time.Now()}
		for id := bound(r.After) + 1; id <= rows && len(chunk.Rows) < r.Limit; id++ {
			chunk.Rows = append(chunk.Rows, simRow{sku: "P", location: "L", qty: qty}.image(id))
			chunk.Last = backfill.Key{strconv.Itoa(id)}
		}
		return chunk, nil
	}
}

// seesAll is a view as of now.
type seesAll struct{}

func (seesAll) Sees(*cdc.Transaction) bool { return true }
func (seesAll) Reached(cdc.Resume) bool    { return true }

func binFeed(t *testing.T, state connector.FeedState) connector.FeedReport {
	t.Helper()
	return connector.FeedReport{FeedName: inventory.FeedName{Table: "public.bin", Mapping: binMapping(t).ID()}, State: state}
}

func TestStoreThatLacksTableIsLoaded(t *testing.T) {
	t.Parallel()
	captured(t, loading(3), func(c *captureTest) {
		c.log.ackAll()
		later(2 * time.Second)
		c.wantLog(`1: load of 1 for ["store"] started -> before`, "2: load(3) -> before", `3: chunk up to ["3"] done true -> before`, "4: load completed -> before")
		wantMetric(t, c.reg, "tailstock_load_completed_total", 1)
	})
}

// What a store holds as it should, or says of another log or from before the run,
// is no reason for a load.
func TestStoreThatIsNotToBeLoaded(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*captureTest){
		"active":      loading(3, binFeed(t, connector.FeedActive)),
		"another log": func(c *captureTest) { loading(3)(c); c.log.reports[0].LogID = "other" },
		"of earlier":  func(c *captureTest) { loading(3)(c); c.log.reports[0].Position = at(6, 999) },
		"none":        func(*captureTest) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			captured(t, edit, func(c *captureTest) {
				c.log.ackAll()
				later(time.Minute)
				c.wantLog()
			})
		})
	}
}

// Stores are judged by what they say once the message that opens the run is durable.
func TestNothingIsJudgedBeforeTheRunIsOpen(t *testing.T) {
	t.Parallel()
	captured(t, loading(3), func(c *captureTest) {
		later(5 * time.Second)
		c.wantLog()
		c.log.ackAll()
		later(2 * time.Second)
		if len(c.log.story()) != 5 {
			t.Errorf("got log %q, want a load", c.log.story())
		}
	})
}

func TestWhyTablesAreLoaded(t *testing.T) {
	t.Parallel()
	other := connector.FeedReport{FeedName: inventory.FeedName{Table: "public.bin", Mapping: "other"}, State: connector.FeedActive}
	elsewhere := connector.FeedReport{FeedName: inventory.FeedName{Table: "public.tray", Mapping: "m"}, State: connector.FeedActive}
	for want, held := range map[string][]connector.FeedReport{
		"nothing of the source": nil, "the table is new": {elsewhere}, "the mapping was changed": {other},
		"changes were missed":     {binFeed(t, connector.FeedStale)},
		"load was not finished":   {binFeed(t, connector.FeedActive), binFeed(t, connector.FeedLoading)},
		"the table is new, still": {elsewhere, binFeed(t, connector.FeedLoading)},
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			captured(t, loading(0, held...), func(c *captureTest) {
				later(time.Second)
				c.log.ackAll()
				later(2 * time.Second)
				m, err := inventory.Decode(c.log.last())
				if err != nil || m.LoadCompleted == nil {
					t.Fatalf("last message is %+v (%v), want a load completed", m, err)
				}
				if reason := c.log.reason(); !strings.Contains(reason, strings.TrimSuffix(want, ", still")) {
					t.Errorf("loaded because %q, want %q", reason, want)
				}
			})
		})
	}
}

// An acknowledgement that comes while commits do, the last of them, is not missed.
func TestLoadGoesOnWhenCommitsEnd(t *testing.T) {
	t.Parallel()
	captured(t, loading(3), func(c *captureTest) {
		c.log.ack(1)
		later(1100 * time.Millisecond) // the load is asked for
		c.log.ack(1)
		later(100 * time.Millisecond)
		c.must(c.emit("a", 1))
		c.log.ackAll()
		later(time.Second)
		if got := c.log.story()[len(c.log.story())-1]; !strings.Contains(got, "load completed") {
			t.Errorf("last message is %q, want the load to end on an idle source", got)
		}
	})
}

// A load of which everything was durable when its capture died ends.
func TestLoadThatWasReadEnds(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		loading(3)(c)
		c.log.plan = []byte(`{"jobs":[{"id":"j","kind":"load","needed":true,"load":"` + at(3, 1).String() + `","stores":["store"],"tables":[` +
			`{"table":"public.bin","mapping":"` + string(binMapping(t).ID()) + `","after":["3"],"rows":3,"done":true}]}]}`)
	}, func(c *captureTest) {
		c.log.ackAll()
		later(time.Second)
		c.wantLog("1: load completed -> before")
		if plan, _ := c.log.keptPlan(); plan != "" {
			t.Errorf("plan %s is left over", plan)
		}
	})
}

// lateView is reached when it has been asked a few times.
type lateView struct {
	seesAll
	asked int
}

func (v *lateView) Reached(cdc.Resume) bool {
	v.asked++
	return v.asked > 3
}

// A source that is idle is asked how far its log is until a chunk can be placed.
func TestChunkWaitsForIdleStream(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		loading(3)(c)
		read := c.source.read
		c.source.read = func(ctx context.Context, r backfill.Request) (*backfill.Chunk, error) {
			chunk, err := read(ctx, r)
			chunk.View = new(lateView)
			return chunk, err
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		later(2 * time.Second)
		if got := c.log.story()[len(c.log.story())-1]; !strings.Contains(got, "load completed") {
			t.Errorf("last message is %q, want the load to end on an idle source", got)
		}
	})
}

// Commits that are packed come before the message that begins a load, whose token
// is beyond them.
func TestLoadBeginsBehindWhatIsPacked(t *testing.T) {
	t.Parallel()
	captured(t, loading(3), func(c *captureTest) {
		c.log.ack(1)
		c.must(c.emit("a", 1))
		c.must(c.emit("b", 1))
		c.must(c.emit("c", 1)) // two messages are in flight
		c.wantLog("1: a(1) -> after a", "2: b(1) -> after b")
		later(1100 * time.Millisecond)
		c.wantLog("1: a(1) -> after a", "2: b(1) -> after b", "3: c(1) -> after c", `4: load of 1 for ["store"] started -> after c`)
	})
}

// What is kept of a load rests on the marker of its last chunk: a log without it
// lacks rows that the load would not read again.
func TestPlanRestsOnMarker(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		loading(1_000)(c)
		read := c.source.read
		c.source.read = func(ctx context.Context, r backfill.Request) (*backfill.Chunk, error) {
			if r.After != nil {
				return nil, errInjected
			}
			return read(ctx, r)
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		later(2 * time.Second)
		c.wantLog(`1: load of 1 for ["store"] started -> before`, "2: load(250) -> before", `3: chunk up to ["250"] done false -> before`)
		plan, rests := c.log.keptPlan()
		if rests != at(7, 3) || !strings.Contains(plan, `"after":["250"]`) {
			t.Errorf("plan %s rests on %s, want the rows up to 250 and their marker", plan, rests)
		}
	})
}

// A load whose table cannot be read is tried again and again, less and less often,
// and says why it waits.
func TestReadsThatFail(t *testing.T) {
	t.Parallel()
	reads := 0
	captured(t, func(c *captureTest) {
		loading(3)(c)
		c.source.read = func(context.Context, backfill.Request) (*backfill.Chunk, error) { reads++; return nil, errInjected }
	}, func(c *captureTest) {
		c.log.ackAll()
		later(10 * time.Minute)
		if reads < 40 || reads > 60 {
			t.Errorf("read %d times in 10 minutes", reads)
		}
		c.wantLog(`1: load of 1 for ["store"] started -> before`)
		jobs := c.capture.Jobs().List()
		if len(jobs) != 1 || !strings.Contains(jobs[0].Waits, errInjected.Error()) {
			t.Errorf("jobs %+v do not say why", jobs)
		}
		c.source.mu.Lock()
		c.source.read = tableOf(c.source.table, 3, 1)
		c.source.mu.Unlock()
		later(16 * time.Second)
		if got := c.log.story()[len(c.log.story())-1]; !strings.Contains(got, "load completed") {
			t.Errorf("last message is %q, want the load to end once reads succeed", got)
		}
	})
}

// A store that does not keep up holds a load up, and one that was forgotten does not.
func TestLoadIsPacedByItsStores(t *testing.T) {
	t.Parallel()
	const rows = 300_000
	captured(t, loading(rows), func(c *captureTest) {
		c.log.ackAll()
		stated := func() int64 { return c.capture.Jobs().List()[0].Rows }
		later(time.Minute)
		if n := stated(); n < 25_000 || n > 40_000 {
			t.Errorf("%d rows are on their way to a store that stands still", n)
		}
		c.must(c.emit("a", 1)) // live changes come first
		later(time.Minute)
		if n := stated(); n > 40_000 {
			t.Errorf("%d rows are on their way to a store that stands still", n)
		}
		c.log.reported(nil)
		later(time.Minute)
		if n := stated(); n != rows {
			t.Errorf("%d of %d rows were read when the store was forgotten", n, rows)
		}
	})
}

// A row that cannot be mapped stops a load like it stops the stream, if so told.
func TestStopOnRejectOfLoad(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		loading(3)(c)
		c.cfg.StopOnReject = true
		c.source.read = func(context.Context, backfill.Request) (*backfill.Chunk, error) {
			bad := simRow{location: "L", qty: 1, bad: true}
			return &backfill.Chunk{Table: c.source.table, View: seesAll{}, Rows: []cdc.Row{bad.image(1)}, Last: backfill.Key{"1"}}, nil
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		var reject *connector.RejectError
		if err := c.end(); !errors.As(err, &reject) || reject.Reject.Row != "[1]" || reject.Reject.Op != cdc.OpRead {
			t.Errorf("got %v, want a RejectError of the row that was read", err)
		}
		c.wantLog(`1: load of 1 for ["store"] started -> before`)
	})
}

// While a store counts a table under a mapping of earlier, both are captured; when
// none does any more, a new run captures what is configured.
func TestMappingOfEarlierIsCaptured(t *testing.T) {
	t.Parallel()
	earlier := simMapping(t, "bin", 5)
	held := connector.FeedReport{FeedName: inventory.FeedName{Table: "public.bin", Mapping: earlier.ID()}, State: connector.FeedActive}
	captured(t, func(c *captureTest) {
		loading(1, held)(c)
		c.log.texts = map[inventory.MappingID][]byte{earlier.ID(): earlier.Canonical()}
	}, func(c *captureTest) {
		feeds := func(want ...inventory.MappingID) {
			t.Helper()
			m, err := inventory.Decode(c.log.last())
			var got []inventory.MappingID
			for _, f := range m.Feeds {
				got = append(got, f.Mapping)
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("captures %v (%v), want %v", got, err, want)
			}
		}
		feeds(binMapping(t).ID(), earlier.ID())
		c.log.ackAll()
		later(1500 * time.Millisecond)
		c.wantLog(`1: load of 1 for ["store"] started -> before`, "2: load(1) -> before", `3: chunk up to ["1"] done true -> before`, "4: load completed -> before")
		c.must(c.emit("a", 1)) // of quantity 1: under the mapping of earlier it is withdrawn
		c.wantLog(append(c.log.story()[1:5:5], "5: a(2) -> after a")...)
		active := []connector.FeedReport{binFeed(t, connector.FeedActive)}
		c.log.reported([]connector.StoreReport{{Store: "store", Source: "erp", LogID: "log", Position: at(7, 5), Feeds: active}})
		later(1500 * time.Millisecond)
		feeds(binMapping(t).ID())
		n := len(c.log.story())
		later(time.Minute)
		if len(c.log.story()) != n {
			t.Errorf("runs begin again and again: %q", c.log.story())
		}
	})
}

// A mapping of earlier that does not fit its table any more is given up, and does
// not stop the capture.
func TestMappingOfEarlierThatDoesNotFit(t *testing.T) {
	t.Parallel()
	earlier := simMapping(t, "bin", 5)
	held := connector.FeedReport{FeedName: inventory.FeedName{Table: "public.bin", Mapping: earlier.ID()}, State: connector.FeedActive}
	for name, text := range map[string][]byte{"unknown": nil, "unreadable": []byte("{"), "does not fit": earlier.Canonical()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			captured(t, func(c *captureTest) {
				loading(1, held)(c)
				c.log.texts = map[inventory.MappingID][]byte{earlier.ID(): text}
			}, func(c *captureTest) {
				c.log.ackAll()
				if name == "does not fit" {
					c.source.ends(&cdc.SetupError{Object: "table public.bin", Problem: "column is gone"})
				}
				synctest.Wait()
				m, err := inventory.Decode(c.log.last())
				if err != nil || len(m.Feeds) != 1 || m.Feeds[0].Mapping != binMapping(t).ID() {
					t.Errorf("captures %v (%v), want what is configured alone", m.Feeds, err)
				}
				n := len(c.log.story())
				later(3 * time.Second)
				if got := c.log.story()[n:]; len(got) != 4 || !strings.Contains(got[3], "load completed") {
					t.Errorf("got log %q, want the table loaded", got)
				}
				c.source.ends(&cdc.SetupError{Object: "table public.bin", Problem: "it is gone"})
				var setup *cdc.SetupError
				if err := c.end(); !errors.As(err, &setup) {
					t.Errorf("got %v, want the error of what is configured to be returned", err)
				}
			})
		})
	}
}

// Shutting down in the middle of a load waits for nothing that is being read.
func TestDrainWithinLoad(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		loading(3)(c)
		c.source.read = func(ctx context.Context, _ backfill.Request) (*backfill.Chunk, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		later(2 * time.Second)
		c.must(c.emit("a", 1))
		c.cancel()
		began := time.Now()
		if err := c.end(); err != nil || time.Since(began) > 0 {
			t.Errorf("drained in %s with %v", time.Since(began), err)
		}
		c.wantLog(`1: load of 1 for ["store"] started -> before`, "2: a(1) -> after a")
	})
}

// A load begins when a store reports that it lacks something, not when the clock
// says so, and goes on when it reports that it has applied what it was given.
func TestReportsAreHeeded(t *testing.T) {
	t.Parallel()
	const rows = 100_000
	edit := func(c *captureTest) { loading(rows)(c); c.log.reports = nil }
	captured(t, edit, func(c *captureTest) {
		c.log.ackAll()
		later(1100 * time.Millisecond) // a round of upkeep is over
		c.wantLog()
		report := connector.StoreReport{Store: "store", Source: "erp", LogID: "log", Position: at(7, 0)}
		c.log.reported([]connector.StoreReport{report})
		later(10 * time.Millisecond)
		if len(c.log.story()) < 2 {
			t.Fatalf("got log %q, want a load at once", c.log.story())
		}
		later(10 * time.Second)
		before := c.capture.Jobs().List()[0].Rows
		report.Position = at(7, 1_000)
		c.log.reported([]connector.StoreReport{report})
		later(time.Millisecond) // less than to the next look of the clock
		if after := c.capture.Jobs().List()[0].Rows; after <= before {
			t.Errorf("%d rows were read before the report and %d after, want more", before, after)
		}
	})
}
