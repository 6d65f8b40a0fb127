package connector

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// Comparison is what a store found when it compared rows of one table that were
// read for a verification with what it holds, at their place in the log.
type Comparison struct {
	// Verification names the verification.
	Verification string
	Table        string
	ComparedRows
	// Differences describe some of the rows that differ, MaxDifferences at most.
	Differences []Difference
}

// MaxDifferences is the most rows that a Comparison describes.
const MaxDifferences = 20

// ComparedRows counts rows by what comparing them came to.
type ComparedRows struct {
	// Equal rows contribute in the store what the source says. A row that cannot be
	// mapped is equal if the store has it marked so, or does not know it.
	Equal int64 `json:"equal"`
	// Different rows contribute something else, or are marked as one does not know them.
	Different int64 `json:"different"`
	// Missing rows contribute something, and the store does not know them.
	Missing int64 `json:"missing"`
	// Extra rows are known to the store, and the source does not have them.
	Extra int64 `json:"extra"`
	// Absent rows were asked for because some store has them, and neither the source
	// nor this store does.
	Absent int64 `json:"absent"`
	// Unchecked rows could not be compared: no feed of their table under their
	// mapping counts in the store.
	Unchecked int64 `json:"unchecked"`
}

// Plus returns the sums of r and o.
func (r ComparedRows) Plus(o ComparedRows) ComparedRows {
	r.Equal += o.Equal
	r.Different += o.Different
	r.Missing += o.Missing
	r.Extra += o.Extra
	r.Absent += o.Absent
	r.Unchecked += o.Unchecked
	return r
}

// Drift counts the rows that the store has wrong.
func (r ComparedRows) Drift() int64 { return r.Different + r.Missing + r.Extra }

// Total counts all rows.
func (r ComparedRows) Total() int64 { return r.Equal + r.Drift() + r.Absent + r.Unchecked }

// DriftKind says in what a row differs.
type DriftKind string

// The ways in which the store may have a row wrong.
const (
	DriftDifferent DriftKind = "different"
	DriftMissing   DriftKind = "missing"
	DriftExtra     DriftKind = "extra"
)

// Difference is one row that the store had wrong.
type Difference struct {
	Kind    DriftKind
	Table   string
	Mapping inventory.MappingID
	Row     cdc.RowKey
	// Source is what the row contributes by the source, Store by the store. Each
	// has a problem as well if the row is, or is marked as one, that cannot be mapped.
	Source, Store Stated
}

// Stated is what one side says about a row.
type Stated struct {
	Contributions []inventory.Contribution
	Problem       *inventory.Problem
}

// ComparisonReport is what a store found in one batch.
type ComparisonReport struct {
	Store  string
	Source string
	// Position is that of the batch: each is reported once at most, and in order.
	Position inventory.Position
	Compared []Comparison
	// Ended are the verifications of which the batch holds the end.
	Ended []string
}

// KeysRequest asks a store for keys of rows that a verification has not compared,
// as far as the store can tell: none of them is left out, others may be among them.
type KeysRequest struct {
	Verification string
	Source       string
	Feed         inventory.FeedName
	// After is the Last of the page before, empty for the first.
	After cdc.RowKey
}

// KeysPage answers a KeysRequest.
type KeysPage struct {
	Keys []cdc.RowKey
	// Last is where the next page goes on.
	Last cdc.RowKey
	// Done says that there is no next page.
	Done bool
}

// RowKeysFunc is how a store answers. It may block for as long as reading all keys
// of the feed takes, and may run concurrently. Asking again does no harm.
type RowKeysFunc func(ctx context.Context, r KeysRequest) (KeysPage, error)

// AskKeysFunc is how a capture asks the store of that id, wherever it runs.
type AskKeysFunc func(ctx context.Context, store string, r KeysRequest) (KeysPage, error)

// compared counts what a batch found, and reports it. A report is a courtesy: who
// adds reports up finds that one is missing.
func (d *Deliver) compared(ctx context.Context, b Batch, found []Comparison) {
	r := ComparisonReport{Store: d.cfg.Store.ID(), Source: b.Source, Position: b.Position, Compared: found}
	for i := range b.Messages {
		if c := b.Messages[i].Chunk; c != nil && c.Job != "" && c.Done {
			r.Ended = append(r.Ended, c.Job)
		}
	}
	for i := range found {
		d.cfg.Metrics.verified.add(b.Source, found[i].ComparedRows)
	}
	if d.cfg.Compared == nil || len(r.Compared)+len(r.Ended) == 0 {
		return
	}
	if err := d.cfg.Compared(ctx, r); err != nil {
		d.cfg.Metrics.reportFailures.WithLabelValues(b.Source).Inc()
	}
}

// verifiedRows counts compared rows by source and result, and says when that ended.
type verifiedRows struct {
	rows  *prometheus.CounterVec
	ended *prometheus.GaugeVec
}

func newVerifiedRows(reg prometheus.Registerer) verifiedRows {
	return verifiedRows{
		rows: register(reg, prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: metricsNamespace, Name: "verify_rows_total", Help: "Rows that verifications compared, by what that came to.",
		}, []string{"source", "result"})),
		ended: factory{reg}.gauges("verify_last_timestamp_seconds", "When the last verification had read everything, in seconds since 1970."),
	}
}

func (v verifiedRows) add(source string, r ComparedRows) {
	for result, n := range map[string]int64{
		"equal": r.Equal, "different": r.Different, "missing": r.Missing, "extra": r.Extra, "unchecked": r.Unchecked,
	} {
		v.rows.WithLabelValues(source, result).Add(float64(n))
	}
}

// VerifyEvery has the source of jobs verified again and again, with every between
// the end of one verification and the beginning of the next, until ctx ends. One that
// cannot begin is left out.
func VerifyEvery(ctx context.Context, jobs *Jobs, every time.Duration, spec VerifySpec, log *slog.Logger) {
	for sleep(ctx, every) == nil {
		job, err := jobs.Start(ctx, JobSpec{Kind: JobVerify, VerifySpec: spec})
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.WarnContext(ctx, "a verification that is due could not begin", "error", err, "next", every)
			continue
		}
		for jobs.running(job.ID) && sleep(ctx, verifyLook) == nil {
		}
	}
}

// verifyLook is how often a scheduled verification is looked at.
const verifyLook = time.Second

// running reports whether a job is not over.
func (j *Jobs) running(id string) bool {
	return slices.ContainsFunc(j.List(), func(s JobStatus) bool { return s.ID == id && !s.State.Ended() })
}
