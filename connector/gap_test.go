package connector_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

var errSlotMissing = &cdc.GapError{Reason: cdc.GapSlotMissing, Detail: "no slot"}

// wantGap wants the last message to state a gap.
func (c *captureTest) wantGap(reason cdc.GapReason, resume cdc.Resume) {
	c.t.Helper()
	synctest.Wait()
	m, err := inventory.Decode(c.log.last())
	if err != nil || m.SourceGap == nil || m.SourceGap.Reason != string(reason) || c.log.last().Resume != resume {
		c.t.Errorf("last message is %+v (%v), want gap %s with token %s", c.log.last(), err, reason, resume)
	}
}

// What the source cannot deliver is stated in the log, behind the message that
// opens the run and before anything else, with the first token behind it.
func TestGapOfSourceIsStated(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		c.source.ends(errSlotMissing)
		synctest.Wait()
		if c.source.from != "" {
			t.Errorf("tailed from %q after a gap, want the source to begin anew", c.source.from)
		}
		c.wantLog("0: -> before") // of the second run
		c.must(c.emitPart(&cdc.Transaction{Resume: "fresh"}))
		c.wantGap(cdc.GapSlotMissing, "fresh")
		c.must(c.emit("a", 1))
		c.must(c.emitPart(&cdc.Transaction{Resume: "later"}))
		c.wantLog("0: -> before", "1: gap -> fresh", "2: a(1) -> after a")
		wantMetric(t, c.reg, "tailstock_capture_gaps_total", 1)
	})
}

// A gap is stated by the run that can, however many fail before.
func TestGapIsStatedOverFailedRuns(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ackAll()
		capture := connector.NewCapture(c.cfg)
		c.cancel()
		synctest.Wait()
		result := make(chan error, 1)
		run := func() { go func() { result <- capture.Run(c.t.Context(), connector.Progress{}) }(); synctest.Wait() }
		run()
		c.source.ends(errSlotMissing)
		synctest.Wait()
		c.source.ends(errInjected)
		if err := ended(t, result); !errors.Is(err, errInjected) {
			t.Fatalf("got %v", err)
		}
		<-result
		run()
		if c.source.from != "" {
			t.Errorf("tailed from %q, want the gap not to be forgotten", c.source.from)
		}
		c.must(c.emitPart(&cdc.Transaction{Resume: "fresh"}))
		c.wantGap(cdc.GapSlotMissing, "fresh")
		c.source.ends(errInjected)
		ended(t, result)
		<-result
		c.log.start.Resume = "fresh"
		run()
		if c.source.from != "fresh" {
			t.Errorf("tailed from %q after the gap was stated", c.source.from)
		}
		c.source.ends(errInjected)
		ended(t, result)
	})
}

func TestHaltOnGap(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.cfg.HaltOnGap = true }, func(c *captureTest) {
		c.log.ackAll()
		c.source.ends(errSlotMissing)
		err := c.end()
		if err == nil || !strings.HasPrefix(err.Error(), "tail source erp: ") || !connector.Halts(err) {
			t.Errorf("got %v, want the capture to halt", err)
		}
		c.wantLog()
	})
}

// A log that lost its end, or whose last run never had a token, is a gap as well.
func TestLostLogIsGap(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*connector.RunStart){
		"lost": func(s *connector.RunStart) { s.Lost, s.Resume = "the stream was deleted", "" },
		"emptied": func(s *connector.RunStart) {
			s.Lost, s.Resume, s.Tail = "the stream was emptied", "", inventory.Position{}
		},
		"no token": func(s *connector.RunStart) { s.Resume = "" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			captured(t, func(c *captureTest) { edit(&c.log.start); c.log.plan = []byte("of before") }, func(c *captureTest) {
				c.log.ackAll()
				if plan, _ := c.log.keptPlan(); plan != "" {
					t.Error("the plan of a load from before the gap is kept")
				}
				c.must(c.emitPart(&cdc.Transaction{Resume: "fresh"}))
				c.wantGap(cdc.GapLogLost, "fresh")
				c.wantLog("1: gap -> fresh")
			})
		})
	}
}

// The first run of all has no token, and misses nothing.
func TestNewLogIsNoGap(t *testing.T) {
	t.Parallel()
	captured(t, func(c *captureTest) { c.log.start = connector.RunStart{Run: 7, LogID: "log"} }, func(c *captureTest) {
		c.log.ackAll()
		c.must(c.emitPart(&cdc.Transaction{Resume: "fresh"}))
		c.must(c.emit("a", 1))
		c.wantLog("1: a(1) -> after a")
	})
}
