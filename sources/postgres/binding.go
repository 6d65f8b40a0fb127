package postgres

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// binding is what a relation of the stream means to us.
type binding struct {
	message *relationMessage
	// table is nil for a relation that nobody wants.
	table *cdc.Table
	// catalog is what the catalog says of the wanted table.
	catalog *relation
	// leaf says that the relation is one partition of the wanted table.
	leaf bool
	// plan has, for each column of the relation, its index in table.Columns, or -1.
	plan []int16
	// carried has, for each column of table, whether old tuples carry it. What
	// they do not carry is NULL in them.
	carried []bool
	// problem says why changes of the relation cannot be used. It is reported
	// with the first change, because the relation alone loses nothing.
	problem error
}

// binder binds the relations of one stream to the wanted tables. It is used by
// one goroutine.
type binder struct {
	wanted cdc.Wanted
	lookup lookup
	// byOID has the wanted tables and their partitions, by name those tables.
	byOID  map[uint32]*relation
	byName map[cdc.TableName]*relation
	bound  map[uint32]*binding
	// tables keeps the *cdc.Table of a relation that is announced again without a difference.
	tables *tailing.TableVersions
}

// lookup asks the catalog, as it is now, for what the stream does not say. Its
// answers cost a round trip each and are asked for seldom.
type lookup interface {
	// ancestors returns the OIDs of the tables that the partition oid belongs to.
	ancestors(oid uint32) ([]uint32, error)
	// family returns the family of a type that is not built in.
	family(typeOID uint32) (cdc.Type, error)
}

func newBinder(wanted cdc.Wanted, catalog map[uint32]*relation, lookup lookup, tables *tailing.TableVersions) *binder {
	b := &binder{
		wanted: wanted,
		lookup: lookup,
		bound:  make(map[uint32]*binding),
		tables: tables,
	}
	b.byOID = make(map[uint32]*relation, len(catalog))
	b.byName = make(map[cdc.TableName]*relation, len(catalog))
	for oid, r := range catalog {
		b.byOID[oid] = r
		b.byOID[r.oid] = r // a TRUNCATE may name it even where its partitions have the rows
		b.byName[r.name] = r
		for _, leaf := range r.partitions {
			b.byOID[leaf] = r
		}
	}
	return b
}

// bind notes the relation that m announces, in place of what its OID stood for.
func (b *binder) bind(m *relationMessage) error {
	bound := &binding{message: m}
	b.bound[m.oid] = bound
	r, err := b.find(m)
	if err != nil || r == nil {
		return err
	}
	bound.catalog = r
	name := cdc.TableName{Schema: m.schema, Name: m.name}
	switch {
	case b.byOID[m.oid] == nil:
		bound.problem = &cdc.GapError{
			Reason: cdc.GapSkipped,
			Detail: fmt.Sprintf("table %s was replaced by another of the same name (OIDs %d and %d), "+
				"and the rows that it had before left without a change each", name, m.oid, r.oid),
			Fix: reloadFix,
		}
		return nil
	case r.oid != m.oid:
		bound.leaf = true
	case r.name != name:
		bound.problem = &cdc.SetupError{
			Object:  "table " + r.name.String(),
			Problem: fmt.Sprintf("was called %s when these changes were made, and is another table under another name", name),
			Fix:     "give the table its name back, or configure the new name and load it anew",
		}
		return nil
	}
	if bound.problem = b.checkColumns(r, m); bound.problem != nil {
		return nil //nolint:nilerr // told with the first change
	}
	return b.describe(bound)
}

// find returns the wanted table that the rows of m belong to, nil if there is none.
func (b *binder) find(m *relationMessage) (*relation, error) {
	if r := b.byOID[m.oid]; r != nil {
		return r, nil
	}
	if r := b.byName[cdc.TableName{Schema: m.schema, Name: m.name}]; r != nil {
		return r, nil
	}
	if !b.byPartition() {
		return nil, nil
	}
	// A partition that was added after the catalog was read.
	ancestors, err := b.lookup.ancestors(m.oid)
	if err != nil {
		return nil, err
	}
	for _, oid := range ancestors {
		if r := b.byOID[oid]; r != nil && r.oid == oid {
			b.byOID[m.oid] = r
			r.partitions = append(r.partitions, m.oid)
			return r, nil
		}
	}
	return nil, nil
}

// byPartition reports whether a wanted table is published partition by partition.
func (b *binder) byPartition() bool {
	for _, r := range b.byName {
		if r.partitions != nil {
			return true
		}
	}
	return false
}

// describe makes the table and the plan of a relation of a wanted table.
func (b *binder) describe(bound *binding) error {
	r, m := bound.catalog, bound.message
	// The catalog never says FULL of a partitioned table, whose partitions each
	// have an identity of their own: an old tuple may then be marked as whole by
	// the identity of the root and carry the key alone.
	full := m.identity == identityFull && r.identity == identityFull
	table := &cdc.Table{Name: r.name}
	bound.plan = make([]int16, len(m.columns))
	for i := range m.columns {
		c := &m.columns[i]
		bound.plan[i] = -1
		key := slices.Contains(r.key, c.name)
		if !key && !slices.Contains(b.wanted[r.name], c.name) {
			continue
		}
		column, err := b.column(r, c)
		if err != nil {
			return err
		}
		bound.plan[i] = int16(len(table.Columns)) //nolint:gosec // a table has at most 1,600 columns
		table.Columns = append(table.Columns, column)
		bound.carried = append(bound.carried, key || full)
	}
	for _, k := range r.key {
		table.Key = append(table.Key, table.Column(k))
	}
	bound.table = b.tables.Version(table)
	return nil
}

// firstNormalOID is FirstNormalObjectId of transam.h: every object that was not
// made by initdb has an OID at or above it.
const firstNormalOID = 16384

// column describes a column of a relation message by what the catalog says of
// it if the type is still the same, and otherwise by the type that it had.
func (b *binder) column(r *relation, c *columnMessage) (cdc.Column, error) {
	for i := range r.columns {
		known := &r.columns[i]
		if known.name == c.name && known.typeOID == c.typ && known.typmod == c.typmod {
			return cdc.Column{Name: c.name, Type: known.family, SourceType: known.sourceType}, nil
		}
	}
	family := columnType(c.typ)
	if c.typ >= firstNormalOID {
		var err error
		if family, err = b.lookup.family(c.typ); err != nil {
			return cdc.Column{}, err
		}
	}
	return cdc.Column{Name: c.name, Type: family, SourceType: family.String()}, nil
}

// checkColumns makes sure that the relation has the wanted columns, and the key
// as its replica identity.
func (b *binder) checkColumns(r *relation, m *relationMessage) error {
	problem := func(format string, args ...any) error {
		return &cdc.SetupError{Object: "table " + r.name.String(), Problem: fmt.Sprintf(format, args...)}
	}
	var identity []string
	names := make(map[string]bool, len(m.columns))
	for i := range m.columns {
		names[m.columns[i].name] = true
		if m.columns[i].key {
			identity = append(identity, m.columns[i].name)
		}
	}
	for _, want := range b.wanted[r.name] {
		if !names[want] {
			return problem("column %q is gone, or no longer published", want)
		}
	}
	for _, want := range r.key {
		if !names[want] {
			return problem("key column %q is gone, or no longer published", want)
		}
	}
	// Under FULL every column is marked. Under NOTHING none is, and only inserts
	// are published.
	if m.identity == identityFull || m.identity == identityNothing {
		return nil
	}
	key := slices.Sorted(slices.Values(r.key))
	slices.Sort(identity)
	switch {
	case slices.Equal(identity, key):
		return nil
	case len(identity) == 0:
		return problem("its key (%s) is gone: changes come without one", strings.Join(key, ", "))
	default:
		return problem("its rows are known by (%s), and changes come with the key (%s)",
			strings.Join(key, ", "), strings.Join(identity, ", "))
	}
}
