package connector_test

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// deliverTest is a deliver loop between a log and a store that the test scripts.
type deliverTest struct {
	looped
	cfg   connector.DeliverConfig
	log   *tapeLog
	store *tapeStore
}

func delivered(t *testing.T, edit func(*deliverTest), f func(*deliverTest)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		d := &deliverTest{
			looped: inBubble(t),
			log:    &tapeLog{id: "log", changed: make(chan struct{})},
			store:  &tapeStore{},
		}
		d.cfg = connector.DeliverConfig{
			Source: "erp", Open: d.log.open, Store: d.store, Reports: d.store, Metrics: connector.NewMetrics(d.reg),
			Logger: slog.New(slog.DiscardHandler),
		}
		if edit != nil {
			edit(d)
		}
		d.around(connector.NewDeliver(d.cfg).Run, func() { f(d) })
	})
}

// wantApplied compares the batches that the store took: the numbers of their messages.
func (d *deliverTest) wantApplied(want ...string) {
	d.t.Helper()
	synctest.Wait()
	d.store.mu.Lock()
	defer d.store.mu.Unlock()
	if !slices.Equal(d.store.applied, want) {
		d.t.Errorf("applied %q, want %q", d.store.applied, want)
	}
}

func TestDeliverAppliesAndReports(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.log.add(line(1, 0, 3)...) }, func(d *deliverTest) {
		d.wantApplied("1.0 1.1 1.2")
		d.log.add(line(1, 3, 1)...)
		d.wantApplied("1.0 1.1 1.2", "1.3")
		last := d.store.last()
		if last.Store != "store" || last.Source != "erp" || last.LogID != "log" || last.Position != at(1, 3) || last.Sequence != 4 {
			t.Errorf("reported %+v", last)
		}
		n := d.store.count()
		later(10 * time.Second)
		if d.store.count() == n {
			t.Error("nothing is reported while nothing comes")
		}
		wantMetric(t, d.reg, "tailstock_deliver_events_total", 4)
		wantMetric(t, d.reg, "tailstock_deliver_contributions_total", 4)
		wantMetric(t, d.reg, "tailstock_deliver_cells_total", 2)
		wantMetric(t, d.reg, "tailstock_deliver_latency_seconds", 4)
	})
}

func TestDeliverGoesOnFromStore(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.store.state = connector.SourceState{LogID: "log", Position: at(1, 1)}
		d.log.add(line(1, 0, 4)...)
	}, func(d *deliverTest) { d.wantApplied("1.2 1.3") })
}

// A log whose beginning was purged is fine for a store that is past it.
func TestDeliverFromPurgedLog(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.store.state = connector.SourceState{LogID: "log", Position: at(1, 4)}
		d.log.first = 5
		d.log.add(line(1, 5, 2)...)
	}, func(d *deliverTest) { d.wantApplied("1.5 1.6") })
}

// What is reported are the feeds as the store left them, until it says otherwise.
func TestDeliverReportsFeeds(t *testing.T) {
	t.Parallel()
	report := func(table string, state connector.FeedState) []connector.FeedReport {
		return []connector.FeedReport{{FeedName: inventory.FeedName{Table: table, Mapping: "m"}, State: state}}
	}
	held, changed := report("bin", connector.FeedActive), report("bin", connector.FeedStale)
	delivered(t, func(d *deliverTest) { d.store.state.Feeds = held }, func(d *deliverTest) {
		want := func(feeds []connector.FeedReport) {
			t.Helper()
			synctest.Wait()
			if got := d.store.last().Feeds; !slices.Equal(got, feeds) {
				t.Errorf("reported %v, want %v", got, feeds)
			}
		}
		want(held)
		d.log.add(line(1, 0, 1)...)
		want(held)
		d.store.mu.Lock()
		d.store.feeds = changed
		d.store.mu.Unlock()
		d.log.add(line(1, 1, 1)...)
		want(changed)
		d.store.mu.Lock()
		d.store.feeds = nil
		d.store.mu.Unlock()
		d.log.add(line(1, 2, 1)...)
		want(changed)
	})
}

func TestLostReportsDoNotStopDelivery(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.store.silent = true; d.log.add(line(1, 0, 1)...) }, func(d *deliverTest) {
		d.wantApplied("1.0")
		wantMetric(t, d.reg, "tailstock_deliver_report_failures_total", 2)
	})
}

func TestDeliverWaitsForLog(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.log.absent = true }, func(d *deliverTest) {
		later(time.Minute)
		if d.log.opened.Load() < 10 || d.log.opened.Load() > 1_000 {
			t.Errorf("looked for the log %d times in a minute", d.log.opened.Load())
		}
		d.log.change(func() { d.log.absent = false })
		d.log.add(line(1, 0, 1)...)
		later(time.Second)
		d.wantApplied("1.0")
	})
}

func TestMessagesThatStoreHasAreSkipped(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.log.add(line(1, 0, 2)...) }, func(d *deliverTest) {
		d.log.add(line(1, 0, 3)...) // again, and one more
		d.wantApplied("1.0 1.1", "1.2")
	})
}

// A run that begins on a tail that lost messages follows a position that the
// store is past.
func TestMessageThatFollowsEarlierIsTaken(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.log.add(line(1, 0, 4)...) }, func(d *deliverTest) {
		d.log.add(entry(at(2, 0), at(1, 1), 1))
		d.wantApplied("1.0 1.1 1.2 1.3", "2.0")
	})
}

// A reader that was led astray by reused sequences misses messages that are there.
func TestAstrayReaderSeeks(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.log.add(line(1, 0, 2)...) }, func(d *deliverTest) {
		d.log.change(func() { // two messages are lost, and four others stand in their place and behind
			d.log.messages = append(line(1, 0, 1), entry(at(2, 0), at(1, 0), 1))
		})
		d.log.add(entry(at(2, 1), at(2, 0), 1))
		d.wantApplied("1.0 1.1", "2.0 2.1")
		if want := []inventory.Position{{}, at(1, 1)}; !slices.Equal(d.log.seeks, want) {
			t.Errorf("sought %v, want %v", d.log.seeks, want)
		}
		wantMetric(t, d.reg, "tailstock_deliver_seeks_total", 1)
	})
}

// A hole that is still there on a second look is lost: the store goes on behind
// it, with what counts stale, and what stands before the hole is not applied
// without what followed it.
func TestStoreIsTakenOverHole(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.store.state.Feeds = activeFeed()
		d.log.add(line(1, 0, 2)...)
		d.log.add(entry(at(1, 3), at(1, 2), 1), entry(at(1, 4), at(1, 3), 1))
	}, func(d *deliverTest) {
		d.wantRebased(connector.Rebase{Source: "erp", LogID: "log", Position: at(1, 2)})
		d.wantApplied("1.3 1.4")
		if d.log.opened.Load() != 3 {
			t.Errorf("the log was opened %d times, want a second look before the jump", d.log.opened.Load())
		}
		d.wantStale()
	})
}

// Two holes are two jumps.
func TestStoreIsTakenOverEveryHole(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.store.state = connector.SourceState{LogID: "log", Position: at(1, 0)}
		d.log.add(entry(at(1, 0), at(0, 0), 1), entry(at(1, 2), at(1, 1), 1))
	}, func(d *deliverTest) {
		d.wantApplied("1.2")
		d.log.add(entry(at(1, 4), at(1, 3), 1), entry(at(1, 5), at(1, 4), 1))
		d.wantApplied("1.2", "1.4 1.5")
		d.wantRebased(
			connector.Rebase{Source: "erp", ExpectLog: "log", Expect: at(1, 0), LogID: "log", Position: at(1, 1)},
			connector.Rebase{Source: "erp", ExpectLog: "log", Expect: at(1, 2), LogID: "log", Position: at(1, 3)})
	})
}

func activeFeed() []connector.FeedReport {
	return []connector.FeedReport{{FeedName: inventory.FeedName{Table: "bin", Mapping: "m"}, State: connector.FeedActive}}
}

// wantRebased compares the jumps of the store.
func (d *deliverTest) wantRebased(want ...connector.Rebase) {
	d.t.Helper()
	synctest.Wait()
	d.store.mu.Lock()
	got := slices.Clone(d.store.rebased)
	d.store.mu.Unlock()
	if !slices.Equal(got, want) {
		d.t.Errorf("rebased %+v, want %+v", got, want)
	}
	wantMetric(d.t, d.reg, "tailstock_deliver_rebases_total", float64(len(want)))
}

// wantStale wants the captures to know that the store's feeds are stale.
func (d *deliverTest) wantStale() {
	d.t.Helper()
	feeds := d.store.last().Feeds
	if len(feeds) != 1 || feeds[0].State != connector.FeedStale {
		d.t.Errorf("reported %v, want the feed stale", feeds)
	}
}

func TestStoreIsTakenToLogThatItCannotFollow(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		edit func(*deliverTest)
		want connector.Rebase
	}{
		"another log": {func(d *deliverTest) {
			d.store.state = connector.SourceState{LogID: "earlier", Position: at(9, 9)}
			d.log.add(entry(at(1, 5), at(0, 0), 1))
		}, connector.Rebase{Source: "erp", ExpectLog: "earlier", Expect: at(9, 9), LogID: "log"}},
		"another log, purged": {func(d *deliverTest) {
			d.store.state = connector.SourceState{LogID: "earlier", Position: at(9, 9)}
			d.log.first = 5
			d.log.add(line(1, 5, 1)...)
		}, connector.Rebase{Source: "erp", ExpectLog: "earlier", Expect: at(9, 9), LogID: "log", Position: at(1, 4)}},
		"purged": {func(d *deliverTest) {
			d.log.first = 5
			d.log.add(line(1, 5, 1)...)
		}, connector.Rebase{Source: "erp", LogID: "log", Position: at(1, 4)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			delivered(t, func(d *deliverTest) {
				tt.edit(d)
				d.store.state.Feeds = activeFeed()
			}, func(d *deliverTest) {
				d.wantRebased(tt.want)
				d.wantApplied("1.5")
				d.wantStale()
			})
		})
	}
}

func TestStoreThatCannotBeRebased(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.store.fail, d.store.state.LogID = errInjected, "earlier" }, func(d *deliverTest) {
		if err := d.end(); !errors.Is(err, errInjected) || !strings.Contains(err.Error(), "rebase the store") {
			t.Errorf("got %v", err)
		}
		d.wantApplied()
	})
}

func TestIdleReaderLooksAtLog(t *testing.T) {
	t.Parallel()
	idle := func(t *testing.T, change func(*deliverTest), then func(*deliverTest)) {
		t.Helper()
		delivered(t, func(d *deliverTest) { d.log.add(line(1, 0, 3)...) }, func(d *deliverTest) {
			later(11 * time.Second)
			change(d)
			later(20 * time.Second)
			then(d)
		})
	}
	t.Run("settled", func(t *testing.T) {
		t.Parallel()
		idle(t, func(*deliverTest) {}, func(d *deliverTest) {
			if d.log.opened.Load() != 1 {
				t.Errorf("the log was opened %d times", d.log.opened.Load())
			}
		})
	})
	t.Run("lost tail, rewritten shorter", func(t *testing.T) {
		t.Parallel()
		idle(t, func(d *deliverTest) {
			d.log.change(func() { d.log.messages = append(line(1, 0, 1), entry(at(2, 0), at(1, 0), 1)) })
		}, func(d *deliverTest) { d.wantApplied("1.0 1.1 1.2", "2.0") })
	})
	t.Run("lost tail, rewritten as long", func(t *testing.T) {
		t.Parallel()
		idle(t, func(d *deliverTest) {
			d.log.change(func() { d.log.messages = append(line(1, 0, 2), entry(at(2, 0), at(1, 1), 1)) })
		}, func(d *deliverTest) { d.wantApplied("1.0 1.1 1.2", "2.0") })
	})
	t.Run("lost tail, nothing appended", func(t *testing.T) {
		t.Parallel()
		idle(t, func(d *deliverTest) { d.log.change(func() { d.log.messages = line(1, 0, 1) }) }, func(d *deliverTest) {
			if n := d.log.opened.Load(); n != 2 {
				t.Errorf("the log was opened %d times, want a second time when it was found shorter", n)
			}
		})
	})
	t.Run("another log", func(t *testing.T) {
		t.Parallel()
		idle(t, func(d *deliverTest) {
			d.log.change(func() { d.log.id, d.log.messages = "other", []inventory.Message{entry(at(3, 0), at(0, 0), 1)} })
		}, func(d *deliverTest) {
			d.wantRebased(connector.Rebase{Source: "erp", ExpectLog: "log", Expect: at(1, 2), LogID: "other"})
			d.wantApplied("1.0 1.1 1.2", "3.0")
		})
	})
	t.Run("message under way", func(t *testing.T) {
		t.Parallel()
		idle(t, func(d *deliverTest) {
			d.log.change(func() {
				d.log.messages = append(d.log.messages, line(1, 3, 1)...)
				d.log.hidden = 1
			})
			later(5 * time.Second) // the log says more than came, once
			d.log.change(func() { d.log.hidden = 0 })
			d.log.add()
		}, func(d *deliverTest) {
			d.wantApplied("1.0 1.1 1.2", "1.3")
			if d.log.opened.Load() != 1 {
				t.Errorf("the log was opened %d times", d.log.opened.Load())
			}
		})
	})
	t.Run("store restored", func(t *testing.T) {
		t.Parallel()
		idle(t, func(d *deliverTest) {
			d.store.mu.Lock()
			d.store.state.Position = at(1, 0)
			d.store.mu.Unlock()
		}, func(d *deliverTest) { d.wantApplied("1.0 1.1 1.2", "1.1 1.2") })
	})
}

func TestPartsAreAppliedTogether(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.log.add(entry(at(1, 0), at(0, 0), 1, false), entry(at(1, 1), at(1, 0), 1, false))
	}, func(d *deliverTest) {
		d.wantApplied()
		later(10 * time.Second)
		if p := d.store.last().Position; !p.IsZero() {
			t.Errorf("reported %v while the commit is not whole", p)
		}
		d.log.add(entry(at(1, 2), at(1, 1), 1, true))
		d.wantApplied("1.0 1.1 1.2")
	})
}

func TestNewRunDiscardsParts(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.log.add(line(1, 0, 1)...)
		d.log.add(entry(at(1, 1), at(1, 0), 1, false), entry(at(1, 2), at(1, 1), 1, false))
	}, func(d *deliverTest) {
		d.log.add(entry(at(2, 0), at(1, 2), 1))
		d.wantApplied("1.0", "2.0")
	})
}

func TestCommitBeyondTransactionRowsIsSliced(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.cfg.TransactionRows = 8_000
		d.log.add(entry(at(1, 0), at(0, 0), 2_000, false))
		for n := uint64(1); n < 9; n++ {
			d.log.add(entry(at(1, n), at(1, n-1), 2_000, n == 8))
		}
		d.log.add(entry(at(1, 9), at(1, 8), 1))
	}, func(d *deliverTest) {
		d.wantApplied("1.0 1.1 1.2 1.3", "1.4 1.5 1.6 1.7", "1.8 1.9")
		wantMetric(t, d.reg, "tailstock_deliver_sliced_commits_total", 1)
	})
}

func TestBatchesAreBounded(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) {
		d.log.size = func(m *inventory.Message) int {
			if m.Position.Number >= 6 {
				return 2 << 20
			}
			return 100
		}
		for _, m := range line(1, 0, 9) {
			d.log.add(entry(m.Position, m.Previous, 5_000))
		}
	}, func(d *deliverTest) {
		d.wantApplied("1.0 1.1 1.2", "1.3 1.4 1.5", "1.6 1.7", "1.8")
		if got, want := d.store.more, []bool{true, true, true, false}; !slices.Equal(got, want) {
			t.Errorf("told that there is more: %v, want %v", got, want)
		}
	})
}

func TestDeliverFails(t *testing.T) {
	t.Parallel()
	for _, want := range []error{errInjected, connector.ErrFenced} {
		delivered(t, func(d *deliverTest) { d.store.fail = want; d.log.add(line(1, 0, 1)...) }, func(d *deliverTest) {
			err := d.end()
			if !errors.Is(err, want) || !strings.Contains(err.Error(), "apply log of source erp after") {
				t.Errorf("got %v, want %v", err, want)
			}
		})
	}
}

func TestDeliverCannotRead(t *testing.T) {
	t.Parallel()
	delivered(t, func(d *deliverTest) { d.log.fail = errInjected }, func(d *deliverTest) {
		if err := d.end(); !errors.Is(err, errInjected) || !strings.Contains(err.Error(), "log of source erp") {
			t.Errorf("got %v", err)
		}
	})
	delivered(t, nil, func(d *deliverTest) {
		d.log.change(func() { d.log.fail = errInjected })
		d.log.add()
		if err := d.end(); !errors.Is(err, errInjected) || !strings.Contains(err.Error(), "read log of source erp") {
			t.Errorf("got %v", err)
		}
	})
}

func TestDeliverEnds(t *testing.T) {
	t.Parallel()
	delivered(t, nil, func(d *deliverTest) {
		d.cancel()
		if err := d.end(); err != nil {
			t.Errorf("got %v, want nil", err)
		}
	})
}
