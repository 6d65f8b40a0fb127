package connector

import (
	"fmt"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// deriver turns net changes into events, one per mapping of the row's table. It
// is not safe for concurrent use.
type deriver struct {
	mappings map[cdc.TableName][]*mapping.Mapping
	names    []inventory.FeedName
	// bound holds the mappings compiled against each version of a table.
	bound map[*cdc.Table][]boundMapping
	// lookups are the tables that mappings look into, once they were read.
	lookups *mapping.Lookups

	pending       []inventory.Event
	contributions []inventory.Contribution
}

type boundMapping struct {
	table   string
	id      inventory.MappingID
	program *mapping.Program
}

func newDeriver(mappings []*mapping.Mapping) *deriver {
	d := &deriver{
		mappings: make(map[cdc.TableName][]*mapping.Mapping),
		bound:    make(map[*cdc.Table][]boundMapping),
	}
	for _, m := range mappings {
		d.mappings[m.Table()] = append(d.mappings[m.Table()], m)
		d.names = append(d.names, inventory.FeedName{Table: m.Table().String(), Mapping: m.ID()})
	}
	return d
}

// feedNames returns what is captured: every table with its mapping.
func (d *deriver) feedNames() []inventory.FeedName { return d.names }

// maps reports whether any mapping reads t.
func (d *deriver) maps(t *cdc.Table) bool { return len(d.mappings[t.Name]) > 0 }

// maxBound bounds the versions of tables that are kept compiled. A source that
// alters its tables all day must not fill our memory.
const maxBound = 1024

func (d *deriver) bind(t *cdc.Table) ([]boundMapping, error) {
	if b, ok := d.bound[t]; ok {
		return b, nil
	}
	if len(d.bound) >= maxBound {
		clear(d.bound)
	}
	var out []boundMapping
	for _, m := range d.mappings[t.Name] {
		p, err := m.Bind(t, d.lookups)
		if err != nil {
			return nil, &cdc.SetupError{
				Object: "table " + t.Name.String(), Problem: "its mapping does not fit its columns",
				Fix: "correct the mapping or the table, then restart", Err: err,
			}
		}
		out = append(out, boundMapping{t.Name.String(), m.ID(), p})
	}
	d.bound[t] = out
	return out, nil
}

// events returns the events that c makes, and whether any of them is a problem.
// A row that did not exist before the commit and maps to nothing makes none. The
// result is valid until the next call.
func (d *deriver) events(c *cdc.NetChange) ([]inventory.Event, bool, error) {
	bound, err := d.bind(c.Table)
	if err != nil {
		return nil, false, err
	}
	d.pending = d.pending[:0]
	d.contributions = d.contributions[:0]
	problem := false
	for i := range bound {
		e := inventory.Event{Op: c.Op, Table: bound[i].table, Mapping: bound[i].id, Row: c.Key}
		if c.After != nil {
			if !c.After.Complete() {
				return nil, false, fmt.Errorf("table %s row %s: a column was not sent and not completed", c.Table.Name, c.Key)
			}
			from := len(d.contributions)
			d.contributions, e.Problem = bound[i].program.Map(c.After, d.contributions)
			if e.Problem != nil {
				d.contributions = d.contributions[:from]
				problem = true
			}
			e.Contributions = d.contributions[from:len(d.contributions):len(d.contributions)]
			if c.Created && e.Problem == nil && len(e.Contributions) == 0 {
				continue
			}
		}
		d.pending = append(d.pending, e)
	}
	return d.pending, problem, nil
}
