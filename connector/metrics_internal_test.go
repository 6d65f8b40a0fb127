package connector

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// TestRowsThatWereReadHaveNoAge counts in the age of commits what the source committed.
func TestRowsThatWereReadHaveNoAge(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewRegistry()
	m := NewMetrics(reg)
	for _, c := range []inventory.Commit{
		{Load: inventory.Position{Run: 1}, Events: []inventory.Event{{Op: cdc.OpRead}}},
		{Compare: "v", Events: []inventory.Event{{Op: cdc.OpDelete}}},
		{Events: []inventory.Event{{Op: cdc.OpRead}}},
		{Events: []inventory.Event{{Op: cdc.OpUpdate}}},
		{},
	} {
		c.CommittedAt = time.Now()
		m.applied(Batch{Source: "erp", Messages: []LogMessage{{Message: inventory.Message{Commits: []inventory.Commit{c}}}}}, Applied{})
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == "tailstock_deliver_latency_seconds" {
			if n := f.GetMetric()[0].GetHistogram().GetSampleCount(); n != 2 {
				t.Errorf("%d commits have an age, want the two of the source", n)
			}
			return
		}
	}
	t.Error("there is no such metric")
}
