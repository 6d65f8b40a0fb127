package connector_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"tailstock/connector/cdc"
)

func resumeAt(n int) cdc.Resume { return cdc.Resume("at " + strconv.Itoa(n)) }

func placeOf(r cdc.Resume) int {
	if r == "" {
		return 0
	}
	n, err := strconv.Atoi(string(r[len("at "):]))
	if err != nil {
		panic(err)
	}
	return n
}

// memAdapter is a daemon's connection to a memSource, whose mu guards it.
type memAdapter struct {
	*memSource
	wanted    cdc.Wanted
	delivered int
	nudged    bool
}

// Want implements connector.Source.
func (s *memAdapter) Want(w cdc.Wanted) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wanted = maps.Clone(w)
}

// Tail implements connector.Source.
func (s *memAdapter) Tail(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) error {
	place, err := s.open(ctx, from, emit)
	if err != nil {
		return err
	}
	for {
		s.mu.Lock()
		var c *memCommit
		if place < len(s.log) && !s.held {
			copied := *s.log[place]
			copied.More = place+1 < len(s.log)
			copied.Changes = slices.DeleteFunc(copyChanges(copied.Changes), func(c cdc.Change) bool {
				return c.Table != s.other && s.wanted[c.Table.Name] == nil
			})
			c = &copied
		}
		changed := s.changed
		s.mu.Unlock()
		if s.chaos.strike() {
			return errInjected
		}
		if c == nil && s.takeNudge() {
			if err := emit(ctx, &cdc.Transaction{Resume: resumeAt(place)}); err != nil {
				return err
			}
			continue
		}
		if c == nil {
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err := s.emit(ctx, c, place, emit); err != nil {
			return err
		}
		place++
	}
}

// open finds where to begin, or makes the slot.
func (s *memAdapter) open(ctx context.Context, from cdc.Resume, emit cdc.EmitFunc) (int, error) {
	if from != "" {
		s.mu.Lock()
		defer s.mu.Unlock()
		place := placeOf(from)
		switch {
		case !s.slot:
			return 0, &cdc.GapError{Reason: cdc.GapSlotMissing, Detail: "it was dropped"}
		case place < s.confirmed:
			return 0, &cdc.GapError{Reason: cdc.GapSlotAdvanced, Detail: fmt.Sprintf("confirmed %d, asked for %d", s.confirmed, place)}
		}
		s.delivered = place // it was, to an earlier run: it may be invisible yet
		return place, nil
	}
	s.mu.Lock()
	place := len(s.log)
	s.slot, s.confirmed = true, place
	s.mu.Unlock()
	if err := s.await(ctx, func() bool { return s.visible(place) }); err != nil {
		return 0, err
	}
	s.mu.Lock()
	s.delivered = place
	s.mu.Unlock()
	if s.chaos.strike() {
		return 0, errInjected
	}
	return place, emit(ctx, &cdc.Transaction{Resume: resumeAt(place)})
}

// emit emits c in parts of partRows changes, as a large transaction comes.
func (s *memAdapter) emit(ctx context.Context, c *memCommit, place int, emit cdc.EmitFunc) error {
	if c.progress {
		return emit(ctx, &cdc.Transaction{Resume: resumeAt(place + 1), More: c.More})
	}
	rest := c.Changes
	for part := 0; ; part++ {
		n := min(len(rest), c.partRows)
		p := c.Transaction
		p.Part, p.Last, p.Changes, p.Resume = part, n == len(rest), rest[:n:n], resumeAt(place)
		if p.Last {
			p.Resume = resumeAt(place + 1)
			s.mu.Lock()
			s.delivered = place + 1
			s.mu.Unlock()
		}
		if err := emit(ctx, &p); err != nil {
			return err
		}
		if s.chaos.strike() {
			return errInjected
		}
		if rest = rest[n:]; p.Last {
			return nil
		}
	}
}

// copyChanges copies changes, whose rows the callee may write to.
func copyChanges(in []cdc.Change) []cdc.Change {
	out := slices.Clone(in)
	for i := range out {
		out[i].Before = slices.Clone(out[i].Before)
		out[i].After = slices.Clone(out[i].After)
	}
	return out
}

// Confirm checks the promise that nothing is confirmed before it is durable: a
// restart after the worst loss must not need what may be gone now.
func (s *memSource) Confirm(r cdc.Resume) {
	if s.worst != nil {
		if place := s.worst(); place < placeOf(r) {
			s.t.Errorf("confirmed %d, and a power cut now would leave a log that ends at %d", placeOf(r), place)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.confirmed = max(s.confirmed, placeOf(r))
}

// Complete implements connector.Source.
func (s *memSource) Complete(ctx context.Context, t *cdc.Transaction, rows []*cdc.NetChange) error {
	if s.chaos.strike() {
		return errInjected
	}
	n, err := strconv.Atoi(t.ID)
	if err != nil {
		return err
	}
	if err := s.await(ctx, func() bool { return s.log[n-1].visible }); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range rows {
		id, err := strconv.Atoi(c.After[0].Text())
		if err != nil {
			return err
		}
		now, exists := s.table(c.Table.Name).visible[id]
		if !exists {
			c.After = nil
			continue
		}
		for i, v := range now.image(id) {
			if c.After[i].IsUnchanged() {
				c.After[i] = v
			}
		}
	}
	return nil
}

// table returns a table. mu must be held.
func (s *memSource) table(name cdc.TableName) *memTable {
	for _, t := range s.tables {
		if t.Name == name {
			return t
		}
	}
	return nil
}
