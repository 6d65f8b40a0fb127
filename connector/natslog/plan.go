package natslog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// planRecord is the kept plan of a source's load.
type planRecord struct {
	// Log and Rests are the log and the position of the message that the plan rests on.
	Log   string          `json:"log"`
	Rests string          `json:"rests"`
	Plan  json.RawMessage `json:"plan"`
}

// KeepPlan keeps the plan of a load, or removes it if it is empty. Only the run
// that recorded itself last may do so.
func (r *run) KeepPlan(ctx context.Context, plan []byte, rests inventory.Position) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := planKey(r.log.source)
	if !r.planRead {
		held, err := r.state.get(ctx, key)
		if err != nil || !held.found && len(plan) == 0 {
			return err
		}
		// The run's own record was written under the lease, and is still the last
		// one: so nobody else keeps plans.
		if err := r.holdsRecord(ctx); err != nil {
			return err
		}
		r.planRevision, r.planRead = held.revision, true
	}
	var err error
	if len(plan) == 0 {
		err = r.state.remove(ctx, key, r.planRevision)
		r.planRead = false
	} else {
		r.planRevision, err = r.state.write(ctx, key, planRecord{Log: r.start.LogID, Rests: rests.String(), Plan: plan}, r.planRevision)
	}
	if errors.Is(err, errConflict) {
		err = fmt.Errorf("another run keeps it: %w", connector.ErrLeaseLost)
	}
	if err != nil {
		r.planRead = false
		return fmt.Errorf("keep plan of the load of source %s: %w", r.log.source, err)
	}
	return nil
}

// holdsRecord fails if another run of the source was recorded since this one. mu
// must be held.
func (r *run) holdsRecord(ctx context.Context) error {
	var record runRecord
	_, err := r.state.read(ctx, runKey(r.log.source), &record)
	switch {
	case err != nil:
		return err
	case record.Run > r.start.Run:
		return fmt.Errorf("run %d began after run %d: %w", record.Run, r.start.Run, connector.ErrLeaseLost)
	}
	return nil
}

// Plan returns the kept plan unless the log lost the message that it rests on. One
// that was purged was durable: a plan may rest for longer than messages are kept.
func (r *run) Plan(ctx context.Context) ([]byte, error) {
	var record planRecord
	held, err := r.state.read(ctx, planKey(r.log.source), &record)
	if err != nil || !held.found || record.Log != r.start.LogID {
		return nil, err
	}
	rests, err := inventory.ParsePosition(record.Rests)
	if err != nil {
		return nil, fmt.Errorf("plan of the load of source %s: %w", r.log.source, err)
	}
	info, err := r.info(ctx)
	if err != nil {
		return nil, err
	}
	find := finder{r.nc, r.stream, r.subject}
	_, err = find.exact(ctx, rests, 0, info.State.FirstSeq, info.State.LastSeq)
	if errors.Is(err, errNoMessage) {
		oldest, oldestErr := find.at(ctx, info.State.FirstSeq)
		if purged := oldestErr == nil && !oldest.Previous.Before(rests); purged {
			return record.Plan, nil
		}
		if err = oldestErr; err == nil || errors.Is(err, errNoMessage) {
			return nil, nil
		}
	}
	if err != nil {
		return nil, err
	}
	return record.Plan, nil
}

// Mapping returns the text of a kept mapping.
func (r *run) Mapping(ctx context.Context, id inventory.MappingID) ([]byte, error) {
	held, err := r.state.get(ctx, mappingKey(id))
	if err != nil || !held.found {
		return nil, err
	}
	return held.value, nil
}
