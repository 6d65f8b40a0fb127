package connector_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

func TestCaptureGoesOnFromTail(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		if c.source.from != "before" {
			t.Errorf("tailed from %q, want the token of the run's start", c.source.from)
		}
		if got := c.log.story()[0]; got != "0: -> before" {
			t.Errorf("first message %q, want one that says what is captured and moves nothing", got)
		}
		if got := c.log.last().Previous; got != c.log.start.Tail {
			t.Errorf("first message follows %v, want the tail", got)
		}
		m, err := inventory.Decode(c.log.last())
		if err != nil || len(m.Feeds) != 1 || m.Feeds[0].Table != "public.bin" || m.Feeds[0].Mapping != binMapping(t).ID() {
			t.Errorf("got feeds %v and %v", m.Feeds, err)
		}
	})
}

func TestCommitGoesOutAtOnce(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ack(1)
		c.must(c.emit("a", 1, 2))
		c.must(c.emit("b", 3))
		c.wantLog("1: a(2) -> after a", "2: b(1) -> after b")
		if got, want := c.log.last().Previous, (inventory.Position{Run: 7, Number: 1}); got != want {
			t.Errorf("message follows %v, want %v", got, want)
		}
	})
}

func TestCommitsArePackedBehindUnacknowledged(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		for _, id := range []string{"a", "b", "c", "d"} {
			c.must(c.emit(id, 1))
		}
		// The message that opens the run and a are in flight.
		c.wantLog("1: a(1) -> after a")
		c.log.ack(1)
		c.wantLog("1: a(1) -> after a", "2: b(1) c(1) d(1) -> after d")
		c.must(c.emit("e", 1))
		c.wantLog("1: a(1) -> after a", "2: b(1) c(1) d(1) -> after d")
		c.log.ack(2)
		c.wantLog("1: a(1) -> after a", "2: b(1) c(1) d(1) -> after d", "3: e(1) -> after e")
	})
}

func TestMessageHolds2000Events(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("exact", ids(2_000)...))
		c.must(c.emit("large", ids(4_001)...))
		c.wantLog(
			"1: exact(2000) -> after exact",
			"2: large(2000) part 0 last false -> after exact",
			"3: large(2000) part 1 last false -> after exact",
			"4: large(1) part 2 last true -> after large")
	})
}

func TestMessageHolds512KiB(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		changes := make([]cdc.Change, 1_500)
		for i := range changes {
			row := simRow{sku: strings.Repeat("S", 200), location: strings.Repeat("L", 200), qty: 1}
			changes[i] = cdc.Change{Op: cdc.OpUpdate, Table: c.source.table, After: row.image(i)}
		}
		c.must(c.emitPart(&cdc.Transaction{ID: "wide", Last: true, Changes: changes, Resume: "after wide"}))
		synctest.Wait()
		if n := len(c.log.story()) - 1; n != 2 {
			t.Errorf("got %d messages of about 800 kB, want 2", n)
		}
	})
}

func TestCommitThatDoesNotFitStandsAlone(t *testing.T) {
	t.Parallel()
	wide := func(c *captureTest, id string, n int) error {
		changes := make([]cdc.Change, n)
		for i := range changes {
			row := simRow{sku: strings.Repeat("S", 200), location: strings.Repeat("L", 200), qty: 1}
			changes[i] = cdc.Change{Op: cdc.OpUpdate, Table: c.source.table, After: row.image(i)}
		}
		return c.emitPart(&cdc.Transaction{ID: id, Last: true, Changes: changes, Resume: cdc.Resume("after " + id)})
	}
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("many", ids(1_500)...))
		c.must(c.emit("more", ids(501)...)) // too many events for many's message
		c.must(wide(c, "wide", 850))        // too many bytes for more's
		c.log.ackAll()
		c.wantLog("1: a(1) -> after a", "2: many(1500) -> after many", "3: more(501) -> after more", "4: wide(850) -> after wide")
	})
}

// A commit of more messages than may be in flight must not wait for acks that
// wait for it.
func TestCommitLargerThanWindow(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("huge", ids(60_000)...))
		synctest.Wait()
		if n := len(c.log.story()) - 1; n != 30 {
			t.Errorf("got %d messages, want 30", n)
		}
	})
}

func TestWindowIsTheBackpressure(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		if err := c.emit("huge", ids(60_000)...); !errors.Is(err, errBlocked) {
			t.Errorf("got %v, want emit to wait for acks", err)
		}
		if n := len(c.log.story()); n != 16 {
			t.Errorf("%d messages are in flight, want 16", n)
		}
	})
}

func TestPartsOfSource(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("a", 1))
		part := func(n int, last bool, resume cdc.Resume, rows ...int) {
			c.must(c.emitPart(&cdc.Transaction{ID: "b", Part: n, Last: last, Resume: resume}, rows...))
		}
		part(0, false, "after a") // nothing of ours
		part(1, false, "after a", 1, 2)
		part(2, false, "after a")
		part(3, true, "after b") // the end is stated even if it is empty
		part(0, false, "after b")
		part(1, true, "after c") // nothing at all: no message
		c.wantLog("1: a(1) -> after a", "2: b(2) part 0 last false -> after a", "3: b(0) part 1 last true -> after b")
	})
}

func TestRejectsComeBeforeTheirMessage(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("b", 2, -3))
		c.must(c.emit("c", -4))
		c.log.ackAll()
		c.wantLog("1: a(1) -> after a", "reject [3] of b for 2", "reject [4] of c for 2", "2: b(2) c(1) -> after c")
		wantMetric(t, c.reg, `tailstock_capture_rejects_total`, 2)
	})
}

func TestRejectsOfLargeCommit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		rows := ids(2_001)
		rows[0], rows[2_000] = -rows[0], -rows[2_000]
		c.must(c.emit("a", rows...))
		c.wantLog("reject [1] of a for 1", "1: a(2000) part 0 last false -> before",
			"reject [2001] of a for 2", "2: a(1) part 1 last true -> after a")
	})
}

func TestStopOnReject(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.cfg.StopOnReject = true }, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("b", 2))
		c.emit("c", 3, -4)
		c.log.ackAll()
		err := c.end()
		var reject *connector.RejectError
		if !errors.As(err, &reject) || reject.Reject.Row != "[4]" || !connector.Halts(err) {
			t.Fatalf("got %v, want a RejectError for row 4", err)
		}
		for _, text := range []string{"source erp", "table public.bin", "row [4]", "contributes[0].sku", "NULL", "transaction c", "on_reject"} {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("error %q does not say %q", err, text)
			}
		}
		// What came before the row reached the log.
		c.wantLog("1: a(1) -> after a", "2: b(1) -> after b")
	})
}

func TestDrain(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.must(c.emit("b", 2))
		c.cancel()
		synctest.Wait()
		c.log.ackAll()
		if err := c.end(); err != nil {
			t.Errorf("got %v, want a clean drain", err)
		}
		c.wantLog("1: a(1) -> after a", "2: b(1) -> after b")
		c.wantConfirmed("after b")
	})
}

func TestDrainIsBounded(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.must(c.emit("a", 1))
		c.cancel()
		began := time.Now()
		err := c.end()
		if err == nil || !strings.Contains(err.Error(), "did not acknowledge") {
			t.Errorf("got %v, want an error that says that the log did not answer", err)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("drained for %s", d)
		}
	})
}

// A drain in the middle of a large commit must not append half a part, or the
// last part under the token of another commit.
func TestDrainWithinCommit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		if err := c.emit("huge", ids(32_001)...); !errors.Is(err, errBlocked) {
			t.Fatalf("got %v", err)
		}
		c.cancel()
		synctest.Wait()
		c.log.ackAll()
		if err := c.end(); err != nil {
			t.Error(err)
		}
		if got := c.log.story()[len(c.log.story())-1]; got != "15: huge(2000) part 14 last false -> before" {
			t.Errorf("last message is %q", got)
		}
	})
}

func TestConfirmWaitsForDelay(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.log.start.ConfirmDelay = 10 * time.Second }, func(c *captureTest) {
		c.must(c.emit("a", 1))
		later(20 * time.Second)
		c.wantConfirmed("before") // found in the log when the run began
		c.log.ackAll()
		later(9 * time.Second)
		c.must(c.emit("b", 1))
		c.wantConfirmed("before")
		later(2500 * time.Millisecond)
		c.wantConfirmed("before", "after a")
		later(20 * time.Second)
		c.wantConfirmed("before", "after a", "after b")
	})
}

func TestNothingIsConfirmedWithoutCheck(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		c.log.fail = func(operation string) error {
			if operation == "check" {
				return connector.ErrLogChanged
			}
			return nil
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emit("a", 1))
		if err := c.end(); !errors.Is(err, connector.ErrLogChanged) {
			t.Errorf("got %v, want ErrLogChanged", err)
		}
		c.wantConfirmed()
	})
}

func TestTokenIsKeptBesideTail(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.log.start.ConfirmDelay = 10 * time.Second }, func(c *captureTest) {
		pass := func(r cdc.Resume) { c.must(c.emitPart(&cdc.Transaction{Resume: r})) }
		pass("p1")
		later(30 * time.Second)
		c.wantLog() // what was sent is not acknowledged: nothing is settled
		c.log.ackAll()
		later(8 * time.Second)
		c.wantLog() // the tail may still be lost
		later(4 * time.Second)
		c.wantLog("checkpoint p1 beside 7-0")
		c.wantConfirmed("before")
		later(10 * time.Second)
		c.wantConfirmed("before", "p1")

		c.must(c.emit("a", 1))
		pass("p2")
		later(5 * time.Second)
		c.wantLog("checkpoint p1 beside 7-0", "1: a(1) -> after a")
		later(8 * time.Second)
		c.wantLog("checkpoint p1 beside 7-0", "1: a(1) -> after a", "checkpoint p2 beside 7-1")
	})
}

func TestNoTokenWithinSplitCommit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emitPart(&cdc.Transaction{Resume: "p1"}))
		c.must(c.emitPart(&cdc.Transaction{ID: "a", Resume: "p1"}, 1))
		later(5 * time.Second)
		c.wantLog("1: a(1) part 0 last false -> p1")
		c.wantConfirmed("p1")
	})
}

func TestRowsAreCompleted(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		c.source.complete = func(rows []*cdc.NetChange) error {
			for _, r := range rows {
				if r.Key == "[9]" {
					r.After = nil // gone by now
					continue
				}
				r.After[1], r.After[2] = cdc.Text("P"), cdc.Text("L")
			}
			return nil
		}
	}, func(c *captureTest) {
		c.log.ackAll()
		t1 := &cdc.Transaction{ID: "a", Last: true, Resume: "after a"}
		for _, id := range []int{1, 9} {
			row := keyImage(id)
			row[3] = cdc.Text("5")
			t1.Changes = append(t1.Changes, cdc.Change{Op: cdc.OpUpdate, Table: c.source.table, After: row})
		}
		c.must(c.emitPart(t1))
		m, err := inventory.Decode(c.log.last())
		if err != nil {
			t.Fatal(err)
		}
		events := m.Commits[0].Events
		if len(events) != 2 || len(events[0].Contributions) != 1 || len(events[1].Contributions) != 0 {
			t.Errorf("got %+v, want row 1 completed and row 9 withdrawn", events)
		}
		wantMetric(t, c.reg, "tailstock_capture_completed_rows_total", 2)
	})
}

// A row that maps to nothing withdraws what it contributed, unless it never did.
func TestRowsThatMapToNothing(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		nothing := func(op cdc.Op, id int) cdc.Change {
			return cdc.Change{Op: op, Table: c.source.table, After: simRow{sku: "P", location: "L", qty: -1}.image(id)}
		}
		c.must(c.emitPart(&cdc.Transaction{ID: "a", Last: true, Resume: "after a", Changes: []cdc.Change{nothing(cdc.OpInsert, 1)}}))
		c.must(c.emitPart(&cdc.Transaction{ID: "b", Last: true, Resume: "after b", Changes: []cdc.Change{
			nothing(cdc.OpInsert, 2), nothing(cdc.OpUpdate, 3), {Op: cdc.OpDelete, Table: c.source.table, Before: keyImage(4)},
		}}))
		c.wantLog("1: b(2) -> after b")
	})
}

func TestIncompleteRowStops(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) {
		c.source.complete = func([]*cdc.NetChange) error { return nil }
	}, func(c *captureTest) {
		row := keyImage(1)
		c.emitPart(&cdc.Transaction{ID: "a", Last: true, Resume: "after a", Changes: []cdc.Change{{Op: cdc.OpUpdate, Table: c.source.table, After: row}}})
		if err := c.end(); err == nil || !strings.Contains(err.Error(), "row [1]: a column was not sent") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTableThatMappingDoesNotFit(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.source.table = &cdc.Table{Name: binTable().Name, Columns: binTable().Columns[:3], Key: []int{0}}
		c.emit("a", 1)
		err := c.end()
		var setup *cdc.SetupError
		if !errors.As(err, &setup) || setup.Object != "table public.bin" || setup.Fix == "" {
			t.Errorf("got %v, want a SetupError that names the table", err)
		}
	})
}

// Every failure ends the run, and says what failed.
func TestFailureEndsRun(t *testing.T) {
	t.Parallel()
	for operation, text := range map[string]string{
		"begin": "begin run in log of source erp", "mapping": "keep mapping", "append": "append message",
		"reject": "keep reject of table public.bin row [1]", "check": "check log of source erp", "checkpoint": "checkpoint source erp",
	} {
		t.Run(operation, func(t *testing.T) {
			t.Parallel()
			captured(t, func(c *captureTest) {
				c.log.auto = true
				c.log.fail = func(o string) error {
					if o == operation {
						return errInjected
					}
					return nil
				}
			}, func(c *captureTest) {
				if operation == "reject" {
					c.emit("a", -1)
				}
				if operation == "checkpoint" {
					c.must(c.emitPart(&cdc.Transaction{Resume: "p1"}))
				}
				err := c.end()
				if !errors.Is(err, errInjected) || !strings.Contains(err.Error(), text) {
					t.Errorf("got %v, want it to say %q", err, text)
				}
			})
		})
	}
}

func TestLostAckEndsRun(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ack(1)
		c.must(c.emit("a", 1))
		c.log.answer(1, connector.ErrLogChanged)
		if err := c.end(); !errors.Is(err, connector.ErrLogChanged) || !strings.Contains(err.Error(), "append message 000000000000007-000000000001") {
			t.Errorf("got %v, want ErrLogChanged of message 1", err)
		}
	})
}

func TestSourceThatEnds(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.source.ends(nil)
		if err := c.end(); err == nil || !strings.HasPrefix(err.Error(), "tail source erp: ") || connector.Halts(err) {
			t.Errorf("got %v", err)
		}
	})
}

func TestCaptureWithoutLease(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.cfg.Lease = lostLease{} }, func(c *captureTest) {
		if err := c.end(); !errors.Is(err, connector.ErrLeaseLost) {
			t.Errorf("got %v, want ErrLeaseLost", err)
		}
		if len(c.log.story()) > 0 {
			t.Errorf("log was touched: %q", c.log.story())
		}
	})
}

type lostLease struct{ freeLease }

func (lostLease) Check(context.Context) error { return connector.ErrLeaseLost }

func TestPurge(t *testing.T) {
	t.Parallel()
	for _, fails := range []bool{false, true} {
		var logged strings.Builder
		captured(t, func(c *captureTest) {
			c.log.auto = true
			c.cfg.Keep = time.Hour
			c.cfg.Logger = slog.New(slog.NewTextHandler(&logged, nil))
			c.log.fail = func(o string) error {
				if o == "purge" && fails {
					return errInjected
				}
				return nil
			}
		}, func(c *captureTest) {
			later(15 * time.Second)
			c.must(c.emit("a", 1)) // the run goes on
			c.wantLog("1: a(1) -> after a")
			if c.log.keep != time.Hour {
				t.Errorf("purged with keep %s", c.log.keep)
			}
			want := "level=ERROR msg=\"log is filling up"
			if fails {
				want = "not purged"
				wantMetric(t, c.reg, "tailstock_capture_purge_failures_total", 2)
			} else {
				wantMetric(t, c.reg, "tailstock_log_unapplied_messages", 3)
			}
			if !strings.Contains(logged.String(), want) {
				t.Errorf("log %q does not say %q", logged.String(), want)
			}
		})
	}
}
