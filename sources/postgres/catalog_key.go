package postgres

import (
	"fmt"
	"slices"
)

// The replica identities of pg_class.relreplident.
const (
	identityDefault = 'd'
	identityIndex   = 'i'
	identityFull    = 'f'
	identityNothing = 'n'
)

// keyChoice is the key of a table, or why it has none.
type keyChoice struct {
	columns []string
	// detail says what the key is, or what is missing.
	detail string
	// fix is set if the key is missing. It must never be a step that makes an
	// application's UPDATE or DELETE fail, which is what PostgreSQL does to a
	// published table without a replica identity.
	fix string
}

func (k *keyChoice) ok() bool { return len(k.columns) > 0 }

// chooseKey returns the columns by which the rows of t are known: those that
// come with every UPDATE and DELETE and are unique. Where there is a choice
// (FULL without a primary key), the index that is first by name is taken, so
// that the choice does not change by itself.
func (t *tableFacts) chooseKey() keyChoice {
	k := t.ownKey()
	if !k.ok() {
		if t.identity == identityNothing && t.primaryKey() == nil && len(t.indexes) == 0 {
			k.detail += ", and it has " + noKey
		}
		k.fix = t.keyFix()
		return k
	}
	for _, leaf := range t.leaves {
		if leaf.kind != kindTable || leaf.carries(k.columns) {
			continue
		}
		return keyChoice{
			detail: fmt.Sprintf("its partition %s has another replica identity than the key (%s) of %s",
				leaf.name, quoteNames(k.columns), t.name),
			fix: leaf.keyFixFor(k.columns),
		}
	}
	return k
}

const noKey = "no primary key, nor a unique index that could be one (not partial, not deferrable, over NOT NULL columns)"

// ownKey looks at the table alone, without its partitions.
func (t *tableFacts) ownKey() keyChoice {
	choose := func(i *indexFacts, identity string) keyChoice {
		kind := "unique index " + quoteName(i.name)
		if i.primary {
			kind = "primary key"
		}
		return keyChoice{columns: i.columns, detail: fmt.Sprintf("%s (%s), replica identity %s", kind, quoteNames(i.columns), identity)}
	}
	switch t.identity {
	case identityDefault:
		if i := t.primaryKey(); i != nil {
			return choose(i, "default")
		}
		if t.deferrable {
			return keyChoice{detail: "has a deferrable primary key: within a transaction two rows may have the same key"}
		}
		return keyChoice{detail: "has no primary key, so that UPDATE and DELETE cannot be published"}
	case identityIndex:
		if i := t.identityIndex(); i != nil {
			return choose(i, "using index")
		}
		return keyChoice{detail: "the index of its replica identity is gone"}
	case identityFull:
		if len(t.indexes) > 0 {
			return choose(&t.indexes[0], "full")
		}
		return keyChoice{detail: "has replica identity full, but " + noKey}
	default:
		return keyChoice{detail: "has replica identity nothing"}
	}
}

func (t *tableFacts) primaryKey() *indexFacts {
	return t.index(func(i indexFacts) bool { return i.primary })
}

func (t *tableFacts) identityIndex() *indexFacts {
	return t.index(func(i indexFacts) bool { return i.identity })
}

func (t *tableFacts) index(is func(indexFacts) bool) *indexFacts {
	if i := slices.IndexFunc(t.indexes, is); i >= 0 {
		return &t.indexes[i]
	}
	return nil
}

// carries reports whether the old tuples of t identify rows by exactly columns.
func (t *tableFacts) carries(columns []string) bool {
	var index *indexFacts
	switch t.identity {
	case identityFull:
		return true
	case identityDefault:
		index = t.primaryKey()
	case identityIndex:
		index = t.identityIndex()
	}
	return index != nil && sameNames(index.columns, columns)
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// ownColumns stands in a fix for what only somebody who knows the table can tell.
const ownColumns = "the columns that tell its rows apart"

// keyFix returns the SQL that gives t a key, from what it has already.
func (t *tableFacts) keyFix() string {
	alter := "ALTER TABLE " + quoteTable(t.name)
	switch {
	case t.primaryKey() != nil:
		return alter + " REPLICA IDENTITY DEFAULT;"
	case len(t.indexes) > 0:
		return alter + " REPLICA IDENTITY USING INDEX " + quoteName(t.indexes[0].name) + ";"
	case t.deferrable:
		return "make its primary key not deferrable, if no application relies on that"
	case t.identity == identityFull || t.identity == identityDefault:
		return alter + " ADD PRIMARY KEY (" + ownColumns + ");"
	default:
		return alter + " ADD PRIMARY KEY (" + ownColumns + "), REPLICA IDENTITY DEFAULT;"
	}
}

// keyFixFor returns the SQL that makes columns the replica identity of t, a
// partition. FULL always serves: it makes old tuples larger and nothing fail.
func (t *tableFacts) keyFixFor(columns []string) string {
	alter := "ALTER TABLE " + quoteTable(t.name) + " REPLICA IDENTITY "
	for _, i := range t.indexes {
		switch {
		case !sameNames(i.columns, columns):
		case i.primary:
			return alter + "DEFAULT;"
		default:
			return alter + "USING INDEX " + quoteName(i.name) + ";"
		}
	}
	return alter + "FULL;"
}

// keyed reports whether publishing the UPDATEs and DELETEs of t is safe for the
// applications that make them.
func (t *tableFacts) keyed() bool {
	safe := func(t *tableFacts) bool {
		return t.identity == identityFull || t.identity == identityDefault && t.primaryKey() != nil ||
			t.identity == identityIndex && t.identityIndex() != nil
	}
	if t.kind != kindPartitioned {
		return safe(t)
	}
	return !slices.ContainsFunc(t.leaves, func(leaf *tableFacts) bool { return leaf.kind == kindTable && !safe(leaf) })
}

// column returns the named column, or nil.
func (t *tableFacts) column(name string) *columnFacts {
	if i := slices.IndexFunc(t.columns, func(c columnFacts) bool { return c.name == name }); i >= 0 {
		return &t.columns[i]
	}
	return nil
}
