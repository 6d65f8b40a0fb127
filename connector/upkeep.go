package connector

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"tailstock/connector/cdc"
	"tailstock/internal/failpoint"
)

// Pace of a capture's upkeep.
const (
	upkeepEvery     = time.Second
	checkpointEvery = 2 * time.Second
	purgeEvery      = 10 * time.Second
)

// upkeep checkpoints, confirms and purges on the clock until the run ends.
func (s *captureRun) upkeep(ctx context.Context) error {
	tick := time.NewTicker(upkeepEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := s.tend(ctx); err != nil {
				return err
			}
		case <-s.run.Reported():
			s.load.reported()
			if err := s.reconcile(ctx); err != nil {
				return err
			}
		case <-s.out.finished:
			// One last look: what the drain made durable may be confirmed now.
			if err := s.tend(ctx); err != nil {
				return err
			}
			return errFinished
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// tend does one round of upkeep.
func (s *captureRun) tend(ctx context.Context) error {
	if err := s.run.Check(ctx); err != nil {
		return fmt.Errorf("check log of source %s: %w", s.c.cfg.Source, err)
	}
	// Before the first token nothing is followed: what commits then is missed.
	if s.out.place().seen != "" {
		s.progress.Beat()
	}
	if err := s.checkpoint(ctx); err != nil {
		return err
	}
	now := time.Now()
	if r, ok := s.confirmable.due(now.Add(-s.start.ConfirmDelay)); ok {
		s.c.cfg.Adapter.Confirm(r)
		failpoint.Hit("capture.confirmed")
	}
	if now.Sub(s.lastPurged) >= purgeEvery {
		s.lastPurged = now
		s.purge(ctx)
	}
	return s.reconcile(ctx)
}

// reconcile has what stores lack loaded, and ends the run when it captures a
// mapping that nobody counts any more.
func (s *captureRun) reconcile(ctx context.Context) error {
	barrier, idle := s.load.judges()
	if !idle || !s.out.acknowledged(barrier) {
		return nil
	}
	reports := s.run.Reports()
	if w, ok := wanted(s.configured, reports, s.start.LogID, barrier); ok {
		s.c.cfg.Logger.InfoContext(ctx, "tables must be loaded", "reason", w.reason, "tables", len(w.feeds), "stores", len(w.stores))
		s.load.wishFor(w)
		return nil
	}
	captured, needed := len(s.derive.feedNames()), len(s.configured)+len(countedOtherwise(s.configured, reports))
	if captured > needed {
		return errCapturedChanged
	}
	return nil
}

// checkpoint notes what is durable: the token of the acknowledged tail, and,
// when the source moved on with nothing to append, the token kept beside it.
//
// A token kept beside an earlier tail may have been confirmed, so it is only
// replaced beside a tail that is past being lost: otherwise a power cut could
// take the new tail and leave the token beside it, which then counts for nothing.
func (s *captureRun) checkpoint(ctx context.Context) error {
	p := s.out.place()
	s.progress.Set("position", p.tail.String())
	s.progress.Set("resume", string(p.resume))
	if p.tail != s.noted {
		s.noted = p.tail
		s.confirmable.add(time.Now(), p.resume)
	}
	if p.seen == p.resume || p.seen == s.checkpointed ||
		time.Since(p.since) < s.start.ConfirmDelay || time.Since(s.lastSaved) < checkpointEvery {
		return nil
	}
	if err := s.run.Checkpoint(ctx, p.tail, p.seen); err != nil {
		return fmt.Errorf("checkpoint source %s: %w", s.c.cfg.Source, err)
	}
	failpoint.Hit("capture.checkpointed")
	s.checkpointed, s.lastSaved = p.seen, time.Now()
	s.confirmable.add(s.lastSaved, p.seen)
	return nil
}

// purge makes room in the log. That it fails is no reason to stop capturing:
// whether the log is still this run's, Check decides.
func (s *captureRun) purge(ctx context.Context) {
	usage, err := s.run.Purge(ctx, s.c.cfg.Keep, s.redo.holds())
	if err != nil {
		s.c.cfg.Metrics.purgeFailures.WithLabelValues(s.c.cfg.Source).Inc()
		if ctx.Err() == nil {
			s.c.cfg.Logger.WarnContext(ctx, "applied messages were not purged, the log keeps growing; will try again",
				"error", err, "after", purgeEvery)
		}
		return
	}
	m := s.c.cfg.Metrics
	m.logBytes.WithLabelValues(s.c.cfg.Source).Set(float64(usage.Bytes))
	m.logLimit.WithLabelValues(s.c.cfg.Source).Set(float64(usage.MaxBytes))
	m.logUnapplied.WithLabelValues(s.c.cfg.Source).Set(float64(usage.Unapplied))
	s.progress.Set("log_bytes", usage.Bytes)
	s.progress.Set("log_limit_bytes", usage.MaxBytes)
	s.progress.Set("unapplied_messages", usage.Unapplied)
	s.warnOfFill(ctx, usage)
}

// warnOfFill says so when the log nears its limit: beyond it the source's own log is held.
func (s *captureRun) warnOfFill(ctx context.Context, u Usage) {
	if u.MaxBytes == 0 || u.Bytes < u.MaxBytes/2 {
		return
	}
	level := slog.LevelWarn
	if u.Bytes >= u.MaxBytes/5*4 {
		level = slog.LevelError
	}
	s.c.cfg.Logger.Log(ctx, level, "log is filling up; when full it holds the source's own log",
		"bytes", u.Bytes, "limit", u.MaxBytes, "unapplied_messages", u.Unapplied, "stores", u.Stores)
}

// confirmQueue holds the tokens that became durable, with when, oldest first. The
// upkeep adds at most two a second, so the confirm delay bounds its length.
type confirmQueue []durableToken

type durableToken struct {
	at     time.Time
	resume cdc.Resume
}

func (q *confirmQueue) add(now time.Time, r cdc.Resume) {
	if r != "" {
		*q = append(*q, durableToken{now, r})
	}
}

// due returns the newest token that has been durable since before, once.
func (q *confirmQueue) due(before time.Time) (cdc.Resume, bool) {
	n := 0
	for n < len(*q) && !(*q)[n].at.After(before) {
		n++
	}
	if n == 0 {
		return "", false
	}
	r := (*q)[n-1].resume
	*q = append((*q)[:0], (*q)[n:]...)
	return r, true
}
