package mysql

import (
	"context"
	"database/sql"
	"errors"
	"slices"

	"tailstock/connector/cdc"
)

// queryer is a session, or a pool of them.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// readCatalog describes the wanted tables by their wanted names. It fails with
// *cdc.SetupError, several of them joined, if a table, a wanted column, a key or
// the right to read is missing, or if a table is one that the log cannot follow.
// It takes no lock.
func readCatalog(ctx context.Context, q queryer, wanted cdc.Wanted) (map[cdc.TableName]*description, error) {
	c, err := readTables(ctx, q, wanted)
	if err != nil {
		return nil, err
	}
	return c.descriptions(aboutReading)
}

// preflight is readCatalog for a source that is to follow the tables: it fails
// also where changes of a captured table would not be in the log.
func (s *Source) preflight(ctx context.Context, q queryer) (map[cdc.TableName]*description, error) {
	c, err := readTables(ctx, q, s.wantedNow())
	if err != nil {
		return nil, err
	}
	c.cascades, c.lookups = s.cfg.Cascades, s.cfg.Lookups
	descriptions, err := c.descriptions(aboutStreaming)
	if err != nil || c.logsCascades || c.cascades != CascadesVerify {
		return descriptions, err
	}
	children, err := c.readChildren(ctx, q)
	if err != nil {
		return nil, err
	}
	s.cascades.learn(children)
	return descriptions, nil
}

// descriptions returns what is known of the tables, unless something up to the
// given aspect is wrong.
func (c *catalog) descriptions(about aspect) (map[cdc.TableName]*description, error) {
	r := c.review()
	if err := r.err(about); err != nil {
		return nil, err
	}
	out := make(map[cdc.TableName]*description, len(c.tables))
	for _, t := range c.tables {
		out[t.name] = &t.description
	}
	return out, nil
}

// review is the judgement on a catalog: every requirement that was looked at.
type review struct{ verdicts []verdict }

// verdict is a finding about object ("table wms.bin_stock").
type verdict struct {
	cdc.Finding
	object string
	about  aspect
}

// aspect is what a verdict is about, from what everything needs to what only
// some do.
type aspect uint8

const (
	// aboutTable: the table, its columns and its key.
	aboutTable aspect = iota
	// aboutReading: the right to read it.
	aboutReading
	// aboutStreaming: whether the log has all of its changes.
	aboutStreaming
	// aboutChunks: whether it can be read beside the stream.
	aboutChunks
)

// add records a verdict on requirement, a property of object or object itself.
func (r *review) add(about aspect, state cdc.FindingState, requirement, object, detail, fix string) {
	r.verdicts = append(r.verdicts, verdict{
		Finding: cdc.Finding{Requirement: requirement, State: state, Detail: detail, Fix: fix},
		object:  object,
		about:   about,
	})
}

// err returns the problems with the given aspect and those before it, as
// *cdc.SetupError, joined if there are several.
func (r *review) err(about aspect) error {
	var errs []error
	for _, v := range r.verdicts {
		if v.State == cdc.FindingProblem && v.about <= about {
			errs = append(errs, &cdc.SetupError{Object: v.object, Problem: v.Detail, Fix: v.Fix})
		}
	}
	if len(errs) == 1 {
		return errs[0]
	}
	return errors.Join(errs...)
}

// catalog is what the server says of the wanted tables.
type catalog struct {
	wanted cdc.Wanted
	// account is the account that the session is authenticated as, 'user'@'host'.
	account string
	// logsCascades says that what a foreign key does to child rows is in the log.
	logsCascades bool
	// cascades is the policy for those that are not, empty for none.
	cascades string
	// lookups are the wanted tables whose rows no comparison repairs.
	lookups []cdc.TableName
	// tables are the wanted ones by name.
	tables []*tableFacts
	// names are the tables that a missing one may have been meant for; empty if none is missing.
	names []cdc.TableName
}

// tableFacts are of one wanted table.
type tableFacts struct {
	description
	// stored is the name as the server has it: lower_case_table_names may change it.
	stored cdc.TableName
	// kind is information_schema's TABLE_TYPE, empty if there is no such table.
	kind string
	// rows is the server's estimate, negative if it has none.
	rows int64
	// denied is why the table cannot be read, empty if it can.
	denied string
	// unknown are columns whose type is not known.
	unknown []string
	// details are of columns, in the order of description's.
	details []columnDetails
	indexes []indexFacts
	// finding are the indexes by whose first columns statements find rows.
	finding []indexFacts
	// definition is SHOW CREATE TABLE's text without what changes by itself.
	definition string
	foreign    []foreignKey
}

// columnDetails are what chunks and checks need of a column beside its description.
type columnDetails struct {
	collation string
}

// indexFacts are of a unique index over columns that are not NULL.
type indexFacts struct {
	name    string
	columns []string
	// prefix says that it has only the beginning of some column.
	prefix bool
	// hidden says that statements may not use it.
	hidden bool
}

func (i *indexFacts) primary() bool { return i.name == "PRIMARY" }

// chooseKey returns the index by which the rows are known: the primary key, or
// else the unique index over columns that are not NULL which is first by name, so
// that the choice does not change by itself. It is nil if there is none.
func (t *tableFacts) chooseKey() *indexFacts {
	var chosen *indexFacts
	for i := range t.indexes {
		index := &t.indexes[i]
		if index.primary() {
			return index
		}
		if !index.prefix && (chosen == nil || index.name < chosen.name) {
			chosen = index
		}
	}
	return chosen
}

// index returns the place of the named column, -1 if there is none.
func (t *tableFacts) index(name string) int {
	return slices.IndexFunc(t.columns, func(c column) bool { return c.name == name })
}
