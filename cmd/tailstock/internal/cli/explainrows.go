package cli

import (
	"context"
	"fmt"
	"strings"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/internal/config"
	"tailstock/sinks/stockstore"
)

// maxRowsNow bounds the rows that explain reads again: they are held in memory.
const maxRowsNow = 200

// rowName names a row of a source under a mapping.
type rowName struct {
	source, table string
	mapping       inventory.MappingID
	row           cdc.RowKey
}

func rowNameOf(c *stockstore.ExplainedContribution) rowName {
	return rowName{c.Source, c.Table, c.Mapping, c.Row}
}

// rowNow is the JSON of a row as its source has it now.
type rowNow struct {
	// mappedRow is what the mapping makes of it, nil if there is a reason.
	*mappedRow
	// Reason says why there is nothing: the row is gone, or cannot be read.
	Reason string `json:"reason,omitempty"`
}

// rowsNow reads the rows behind contributions again from their sources, and maps them.
func rowsNow(ctx context.Context, cfg *config.Config, contributions []stockstore.ExplainedContribution) (map[rowName]rowNow, error) {
	out := make(map[rowName]rowNow)
	for i := range cfg.Sources {
		s := &cfg.Sources[i]
		wanted := make(map[*mapping.Mapping][]rowName)
		for j := range contributions {
			name := rowNameOf(&contributions[j])
			if _, ok := out[name]; ok || name.source != s.Name {
				continue
			}
			m := configuredMapping(s, name.mapping)
			switch {
			case m == nil:
				out[name] = rowNow{Reason: "its mapping is not configured any more"}
			case len(out) >= maxRowsNow:
				out[name] = rowNow{Reason: fmt.Sprintf("more than %d rows are not read", maxRowsNow)}
			default:
				wanted[m] = append(wanted[m], name)
				out[name] = rowNow{Reason: "the source does not have it any more"}
			}
		}
		if len(wanted) == 0 {
			continue
		}
		if err := readRowsNow(ctx, s, wanted, out); err != nil {
			return nil, fmt.Errorf("source %s: %w", s.Name, err)
		}
	}
	return out, nil
}

func configuredMapping(s *config.Source, id inventory.MappingID) *mapping.Mapping {
	for _, m := range s.Mappings {
		if m.ID() == id {
			return m
		}
	}
	return nil
}

// readRowsNow reads and maps the wanted rows of one source.
func readRowsNow(ctx context.Context, s *config.Source, wanted map[*mapping.Mapping][]rowName, out map[rowName]rowNow) error {
	source, err := sourceOf(s, nil, nil)
	if err != nil {
		return err
	}
	defer source.Close()
	lookups, err := newSampledLookups(ctx, source, s.Mappings)
	if err != nil {
		return err
	}
	for m, names := range wanted {
		var keys []backfill.Key
		for _, name := range names {
			key, err := parseKey(string(name.row))
			if err != nil {
				out[name] = rowNow{Reason: "its key is too long to be found by"}
				continue
			}
			keys = append(keys, key)
		}
		if len(keys) == 0 {
			continue
		}
		table, rows, err := source.SampleRows(ctx, m.Table(), keys)
		if err != nil {
			return err
		}
		program, err := m.Bind(table, lookups.set)
		if err != nil {
			return &configError{err}
		}
		for _, row := range rows {
			mapped, err := mapRow(ctx, table, lookups, m, program, row)
			if err != nil {
				return err
			}
			name := rowName{s.Name, m.Table().String(), m.ID(), cdc.RowKey(mapped.Row)}
			if _, ok := out[name]; ok {
				out[name] = rowNow{mappedRow: &mapped}
			}
		}
	}
	return nil
}

// writeRowNow prints a row as it is now below a contribution of it.
func writeRowNow(b *strings.Builder, now *rowNow) {
	if now.mappedRow == nil {
		fmt.Fprintf(b, "      now: %s\n", now.Reason)
		return
	}
	var text strings.Builder
	writeMapped(&text, now.mappedRow)
	b.WriteString("      now:\n")
	b.WriteString(indent(text.String(), "      "))
	b.WriteByte('\n')
}
