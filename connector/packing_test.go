package connector_test

import (
	"errors"
	"testing"

	"tailstock/connector/cdc"
)

// atHand hands on a commit behind which the source has more.
func (c *captureTest) atHand(id string, ids ...int) error {
	return c.emitPart(&cdc.Transaction{ID: id, Last: true, More: true, Resume: cdc.Resume("after " + id)}, ids...)
}

func TestCommitsAtHandArePacked(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.must(c.atHand("a", 1))
		c.must(c.atHand("b", 2))
		c.log.ack(1) // nothing is in flight any more, and still more is at hand
		c.wantLog()
		c.must(c.emit("c", 3))
		c.wantLog("1: a(1) b(1) c(1) -> after c")
	})
}

func TestCommitsAtHandGoOutWithWhatMakesNoEvent(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ack(1)
		c.must(c.atHand("a", 1))
		c.must(c.emit("nothing"))
		c.wantLog("1: a(1) -> after a")
		c.must(c.atHand("b", 1))
		c.must(c.emitPart(&cdc.Transaction{Last: true, Resume: "progress"}))
		c.wantLog("1: a(1) -> after a", "2: b(1) -> after b")
	})
}

func TestCommitsAtHandDoNotWaitForTheSource(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ack(1)
		c.must(c.atHand("a", 1))
		visible := make(chan struct{})
		c.source.complete = func([]*cdc.NetChange) error {
			<-visible
			return errInjected
		}
		row := simRow{sku: "P", location: "L", qty: 1}.image(2)
		row[3] = cdc.Unchanged
		missing := &cdc.Transaction{ID: "missing", Last: true, Resume: "after missing", Changes: []cdc.Change{{
			Op: cdc.OpUpdate, Table: c.source.table, After: row,
		}}}
		if err := c.emitPart(missing); !errors.Is(err, errBlocked) {
			t.Errorf("got %v, want the capture to wait for the source", err)
		}
		c.wantLog("1: a(1) -> after a")
		close(visible)
	})
}

func TestCommitsAtHandAreDrained(t *testing.T) {
	t.Parallel()
	captured(t, nil, func(c *captureTest) {
		c.log.ack(1)
		c.must(c.atHand("a", 1))
		c.cancel()
		c.wantLog("1: a(1) -> after a")
	})
}
