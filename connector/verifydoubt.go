package connector

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"tailstock/connector/cdc"
)

// Doubter is a source that cannot deliver every change, and says when it may have
// missed some.
type Doubter interface {
	// Doubted is signalled when tables are in doubt that were not before.
	Doubted() <-chan struct{}
	// TakeDoubted returns the captured tables that were not asked for since they came
	// into doubt. What caused the doubt was emitted. It does not block.
	TakeDoubted() []cdc.TableName
}

const (
	// doubtGather is how long further doubts are waited for before the tables are compared.
	doubtGather = time.Second
	// doubtRetry is how long after a failure the tables are compared again.
	doubtRetry = 10 * time.Second
)

// VerifyDoubted compares tables with what stores hold of them, and repairs those,
// whenever d has doubts about them, until ctx ends. A comparison that could not
// begin, or was given up, is made later: doubts are only over when a comparison
// that began after them has completed.
func VerifyDoubted(ctx context.Context, jobs *Jobs, d Doubter, log *slog.Logger) {
	var tables []string
	for {
		if len(tables) == 0 {
			select {
			case <-d.Doubted():
			case <-ctx.Done():
				return
			}
		}
		if sleep(ctx, doubtGather) != nil {
			return
		}
		for _, t := range d.TakeDoubted() {
			if name := t.String(); !slices.Contains(tables, name) {
				tables = append(tables, name)
			}
		}
		if len(tables) == 0 {
			continue
		}
		slices.Sort(tables)
		err := verifyTables(ctx, jobs, tables)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			log.WarnContext(ctx, "tables that foreign keys may have changed could not be compared", "tables", tables, "error", err, "next", doubtRetry)
			if sleep(ctx, doubtRetry) != nil {
				return
			}
			continue
		}
		tables = nil
	}
}

// verifyTables compares and repairs tables, and waits for the end of that.
func verifyTables(ctx context.Context, jobs *Jobs, tables []string) error {
	spec := JobSpec{Kind: JobVerify, Tables: tables, VerifySpec: VerifySpec{Repair: true}}
	job, err := jobs.Start(ctx, spec)
	if err != nil {
		return err
	}
	for {
		all := jobs.List()
		i := slices.IndexFunc(all, func(s JobStatus) bool { return s.ID == job.ID })
		switch {
		case i >= 0 && all[i].State == JobCompleted:
			return nil
		case i < 0, all[i].State.Ended():
			return &JobError{"the comparison was given up"}
		}
		if err := sleep(ctx, verifyLook); err != nil {
			return err
		}
	}
}
