package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// relation is a wanted table as it is published.
type relation struct {
	oid uint32
	// name is the configured one: the root's for a partitioned table, whichever
	// name its rows are published under.
	name cdc.TableName
	// columns are the wanted ones and those of the key, in attribute order.
	columns []relationColumn
	// key names the key's columns in key order. Every UPDATE and DELETE in the
	// stream carries them.
	key []string
	// identity is the replica identity: d (default), i (an index) or f (full).
	// Only with f is an old tuple a whole image. It is never f for a partitioned
	// table: each partition has an identity of its own, and one with d under a
	// root with f sends old tuples that are marked as whole and are not.
	identity byte
	// partitions are the OIDs under which the stream has the rows when a
	// partitioned table is published under its partitions' names; otherwise nil.
	partitions []uint32
	// only says that the table must be read with ONLY: it has, or may get,
	// inheritance children, which are tables of their own in the stream.
	only bool
	// filter is the row filter of the publication as an SQL expression, or empty.
	filter string
}

// relationColumn is one captured column.
type relationColumn struct {
	name string
	// typeOID and typmod are of the declared type, a domain's own for a domain.
	typeOID uint32
	typmod  int32
	family  cdc.Type
	// sourceType is the type's name for people: "numeric(12,3)".
	sourceType string
}

// table returns r as its readers see it.
func (r *relation) table() *cdc.Table {
	t := &cdc.Table{Name: r.name}
	for _, c := range r.columns {
		t.Columns = append(t.Columns, cdc.Column{Name: c.name, Type: c.family, SourceType: c.sourceType})
	}
	for _, name := range r.key {
		t.Key = append(t.Key, t.Column(name))
	}
	return t
}

// sqlName returns the table for a FROM clause, with ONLY where it is needed.
func (r *relation) sqlName() string {
	if r.only {
		return "ONLY " + quoteTable(r.name)
	}
	return quoteTable(r.name)
}

// preflight reads how the wanted tables are published and returns them by the
// OIDs that the stream will use. It fails with *cdc.SetupError, several of them
// joined, if the publication does not bring every change of every wanted
// column with its key, or if a table cannot be read. It takes no lock, and
// needs no more than a role that may connect.
func preflight(ctx context.Context, conn *pgx.Conn, publication string, wanted cdc.Wanted) (map[uint32]*relation, error) {
	c, err := readCatalog(ctx, conn, publication, wanted)
	if err != nil {
		return nil, err
	}
	review := c.review()
	if err := review.err(aboutEverything); err != nil {
		return nil, err
	}
	relations := make(map[uint32]*relation, len(review.relations))
	for _, r := range review.relations {
		if r.partitions == nil {
			relations[r.oid] = r
		}
		for _, leaf := range r.partitions {
			relations[leaf] = r
		}
	}
	return relations, nil
}

func (s *Source) preflight(ctx context.Context, conn *pgx.Conn) (map[uint32]*relation, error) {
	return preflight(ctx, conn, s.cfg.Publication, s.plans.wantedNow())
}

// review is the judgement on a catalog: every requirement that was looked at,
// and the tables as far as they could be made out.
type review struct {
	verdicts  []verdict
	relations []*relation
}

// verdict is a finding about object ("table public.bin_stock").
type verdict struct {
	cdc.Finding
	object string
	about  aspect
}

// aspect is what a verdict is about, from what everything needs to what only
// streaming does.
type aspect uint8

const (
	// aboutTable: the table, its columns and its key.
	aboutTable aspect = iota
	// aboutReading: the right to read it.
	aboutReading
	// aboutEverything: how it is published.
	aboutEverything
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

// relation returns the relation of the named table, or nil.
func (r *review) relation(name cdc.TableName) *relation {
	i := slices.IndexFunc(r.relations, func(rel *relation) bool { return rel.name == name })
	if i < 0 {
		return nil
	}
	return r.relations[i]
}
