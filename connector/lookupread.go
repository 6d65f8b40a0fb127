package connector

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
)

// lookupChunk is how many rows of a lookup are read at once.
const lookupChunk = 10_000

// readLookups reads the lookups' tables whole. It is called from within emit at the
// first boundary of a run, so that what was delivered before is seen, and the
// stream waits meanwhile. It tries again for as long as ctx lasts, unless an
// operator must act.
func (s *captureRun) readLookups(ctx context.Context) error {
	l, began, rows := s.lookups, time.Now(), 0
	mark := s.c.cfg.Adapter.Mark()
	for _, name := range l.names() {
		t := l.tables[name]
		if err := s.readLookup(ctx, t, mark); err != nil {
			return err
		}
		rows += t.Rows.Len()
	}
	l.bound()
	var bytes int64
	for _, t := range l.tables {
		bytes += t.Rows.Bytes()
	}
	s.c.cfg.Metrics.lookupBytes.WithLabelValues(s.c.cfg.Source).Set(float64(bytes))
	s.c.cfg.Metrics.lookupRows.WithLabelValues(s.c.cfg.Source).Set(float64(rows))
	s.c.cfg.Logger.InfoContext(ctx, "lookups read", "tables", len(l.tables), "rows", rows, "bytes", bytes, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// resumeLookups prepares the lookups, and what an earlier run left to be derived again.
func (s *captureRun) resumeLookups(ctx context.Context) error {
	if s.lookups = newLookups(s.mappings); s.lookups == nil {
		return nil
	}
	if s.start.Tail.IsZero() {
		s.lookups.missed = make(map[missedRow]bool) // there was no earlier run
	} else {
		s.lookups.recall(s.load.kept.missed)
	}
	s.redo, s.late = newRederiver(s), &chunkReader{source: s.c.cfg.Source}
	s.redo.wakeAt(time.Now())
	if s.c.gap != nil {
		s.redo.holdAll()
		return nil //nolint:nilerr // everything is loaded anew behind a gap
	}
	return s.redo.resume(ctx, s.load.kept.rederived)
}

// readLookup reads one table.
func (s *captureRun) readLookup(ctx context.Context, t *keptTableRows, mark backfill.Mark) error {
	r := backfill.Request{Table: t.name, Limit: lookupChunk}
	for {
		chunk, err := s.readLookupChunk(ctx, mark, r)
		if err != nil {
			return fmt.Errorf("read lookup table %s: %w", t.name, err)
		}
		if t.LookupTable != nil && t.Def != chunk.Table {
			// It was altered meanwhile: what was read has another shape.
			t.LookupTable, r.After = nil, nil
			continue
		}
		if err := t.add(chunk); err != nil {
			return &cdc.SetupError{
				Object: "table " + t.name.String(), Problem: "it does not fit the lookups that name it",
				Fix: "correct the mappings or the table, then restart", Err: err,
			}
		}
		if chunk.Read() < r.Limit {
			return nil
		}
		r.After = chunk.Last
	}
}

// readLookupChunk reads one chunk, and tries again for as long as that may help.
func (s *captureRun) readLookupChunk(ctx context.Context, mark backfill.Mark, r backfill.Request) (*backfill.Chunk, error) {
	for delay := readRetryFirst; ; delay = min(2*delay, readRetryLongest) {
		chunk, err := s.c.cfg.Adapter.Read(ctx, mark, r)
		var setup *cdc.SetupError
		if err == nil || errors.As(err, &setup) || ctx.Err() != nil {
			return chunk, err
		}
		s.c.cfg.Logger.WarnContext(ctx, "a lookup table could not be read, will retry", "table", r.Table.String(), "error", err, "after", delay)
		s.c.cfg.Metrics.chunkFailures.WithLabelValues(s.c.cfg.Source).Inc()
		if err := sleep(ctx, delay); err != nil {
			return nil, err
		}
	}
}
