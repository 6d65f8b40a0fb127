package natslog

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tailstock/connector"
	"tailstock/connector/inventory"
)

// reportRecord is what a store says about one source, as published and as kept.
type reportRecord struct {
	Store    string       `json:"store"`
	Source   string       `json:"source"`
	Log      string       `json:"log"`
	Position string       `json:"position,omitempty"`
	Sequence uint64       `json:"sequence,omitempty"`
	Feeds    []feedRecord `json:"feeds,omitempty"`
	At       time.Time    `json:"at"`
}

type feedRecord struct {
	Table   string              `json:"table"`
	Mapping inventory.MappingID `json:"mapping"`
	State   connector.FeedState `json:"state"`
}

func newReportRecord(r *connector.StoreReport, now time.Time) reportRecord {
	out := reportRecord{
		Store: r.Store, Source: r.Source, Log: r.LogID,
		Position: textOf(r.Position), Sequence: r.Sequence, At: now.UTC().Truncate(time.Millisecond),
	}
	for _, f := range r.Feeds {
		out.Feeds = append(out.Feeds, feedRecord{f.Table, f.Mapping, f.State})
	}
	return out
}

func (r *reportRecord) report() (KeptReport, error) {
	position, err := positionOf(r.Position)
	if err != nil {
		return KeptReport{}, fmt.Errorf("report of store %s: %w", r.Store, err)
	}
	out := KeptReport{At: r.At, StoreReport: connector.StoreReport{
		Store: r.Store, Source: r.Source, LogID: r.Log, Position: position, Sequence: r.Sequence,
	}}
	for _, f := range r.Feeds {
		out.Feeds = append(out.Feeds, connector.FeedReport{
			FeedName: inventory.FeedName{Table: f.Table, Mapping: f.Mapping}, State: f.State,
		})
	}
	return out, nil
}

// KeptReport is a store's report as the state keeps it. A store is registered
// for a source as long as its report is kept.
type KeptReport struct {
	connector.StoreReport
	// At is when it was kept, by the clock of the store's daemon.
	At time.Time
}

// Reports returns the kept reports about source, one per registered store. They
// are a few seconds old.
func (c *Client) Reports(ctx context.Context, source string) ([]KeptReport, error) {
	return readReports(ctx, c.stateOn(c.nc, c.js), reportKey(source, "*"))
}

func readReports(ctx context.Context, s *state, pattern string) ([]KeptReport, error) {
	keys, err := s.keys(ctx, pattern)
	if err != nil {
		return nil, err
	}
	var out []KeptReport
	for _, key := range keys {
		var record reportRecord
		e, err := s.read(ctx, key, &record)
		if err != nil {
			return nil, err
		}
		if !e.found {
			continue
		}
		kept, err := record.report()
		if err != nil {
			return nil, err
		}
		out = append(out, kept)
	}
	return out, nil
}

// Unregister forgets store, which is gone for good: logs no longer wait for it.
// It returns the sources about which it had reported. A store that still lives
// registers itself again with its next report.
func (c *Client) Unregister(ctx context.Context, store string) ([]string, error) {
	if !storePattern.MatchString(store) {
		return nil, fmt.Errorf("store %q: not the id of a store", store)
	}
	s := c.stateOn(c.nc, c.js)
	keys, err := s.keys(ctx, reportKey("*", store))
	if err != nil {
		return nil, err
	}
	var sources []string
	for _, key := range keys {
		e, err := s.get(ctx, key)
		if err != nil {
			return sources, err
		}
		if !e.found {
			continue
		}
		if err := s.remove(ctx, key, e.revision); err != nil {
			return sources, fmt.Errorf("unregister store %s: %w", store, err)
		}
		sources = append(sources, strings.Split(key, ".")[1])
	}
	return sources, nil
}
