package connector

import (
	"strings"
	"testing"

	"tailstock/connector/backfill"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// keyWorld are the lookups of a mapping that finds rows by several columns: shelves
// by tenant and code, which stand below each other, and articles of each tenant, and
// asks whether there are variants of an article, and holds of a kind.
type keyWorld struct {
	t                             *testing.T
	l                             *lookups
	shelf, article, variant, hold *cdc.Table
}

func newKeyWorld(t *testing.T) *keyWorld {
	t.Helper()
	v := &mapping.Vocabulary{Lookups: []mapping.Lookup{
		{Name: "shelf", Table: publicTable("shelf"), Tree: mapping.Tree{Parent: []string{"tenant", "parent"}}},
		{Name: "article", Table: publicTable("article"), Missing: mapping.MissingIsNull},
		{Name: "variant", Table: publicTable("variant"), Key: []string{"article_id"}},
		{Name: "hold", Table: publicTable("hold"), Key: []string{"shelf_code", "kind", "until"}},
	}}
	r := mapping.Rule{
		When:     mapping.Value{Text: "not exists(variant[article_id]) and not exists(hold[shelf, 'STOCK', null])"},
		SKU:      mapping.Value{Text: "article[tenant, article_id].code ?? article[0, article_id].code"},
		Location: mapping.Value{Text: "nearest(shelf[tenant, shelf], site != null).site + (exists(article[tenant, other_id]) ? '!' : '')"},
	}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty"}
	m, err := mapping.Compile(publicTable("quant"), mapping.Spec{Contributes: []mapping.Rule{r}, Vocabulary: v})
	if err != nil {
		t.Fatal(err)
	}
	table := func(name string, key []int, columns ...cdc.Column) *cdc.Table {
		return &cdc.Table{Name: publicTable(name), Key: key, Columns: columns}
	}
	integer := func(name string) cdc.Column { return cdc.Column{Name: name, Type: cdc.TypeInteger} }
	text := func(name string) cdc.Column { return cdc.Column{Name: name, Type: cdc.TypeText} }
	w := &keyWorld{
		t: t, l: newLookups([]*mapping.Mapping{m}),
		shelf:   table("shelf", []int{0, 1}, integer("tenant"), text("code"), text("parent"), text("site")),
		article: table("article", []int{1, 0}, cdc.Column{Name: "id", Type: cdc.TypeDecimal}, integer("tenant"), text("code")),
		variant: table("variant", []int{0}, text("id"), integer("article_id"), text("note")),
		hold:    table("hold", []int{0, 1, 2}, text("shelf_code"), text("kind"), integer("number"), text("until")),
	}
	w.l.missed = make(map[missedRow]bool)
	for _, c := range []*backfill.Chunk{
		{Table: w.shelf, View: seen{}, Rows: []cdc.Row{
			texts("1", "A", "NULL", "DC1"), texts("1", "A-1", "A", "NULL"), texts("1", "A-1-1", "A-1", "NULL"), texts("2", "A", "NULL", "DC2"), texts("2", "A-1", "A", "NULL"),
		}},
		{Table: w.article, View: seen{}, Rows: []cdc.Row{texts("7.00", "1", "P7"), texts("7.0", "2", "Q7"), texts("8", "0", "P8")}},
		{Table: w.variant, View: seen{}, Rows: []cdc.Row{texts("v1", "7", "x"), texts("v2", "7", "x"), texts("v3", "8", "x"), texts("v4", "NULL", "x")}},
		{Table: w.hold, View: seen{}, Rows: []cdc.Row{texts("A", "STOCK", "1", "NULL"), texts("A", "OTHER", "2", "NULL"), texts("A-1", "STOCK", "3", "2026-12-01")}},
	} {
		if err := w.l.tables[c.Table.Name].add(c); err != nil {
			t.Fatal(err)
		}
	}
	w.l.bound()
	return w
}

// becomes is a row that is there after the commit, gone one that is not.
func (w *keyWorld) becomes(t *cdc.Table, list ...string) cdc.NetChange {
	row := texts(list...)
	return cdc.NetChange{Op: cdc.OpUpdate, Table: t, Key: w.key(t, row), After: row}
}

func (w *keyWorld) arrives(t *cdc.Table, list ...string) cdc.NetChange {
	c := w.becomes(t, list...)
	c.Created = true
	return c
}

func (w *keyWorld) gone(t *cdc.Table, list ...string) cdc.NetChange {
	return cdc.NetChange{Op: cdc.OpDelete, Table: t, Key: w.key(t, texts(list...))}
}

func (w *keyWorld) key(t *cdc.Table, row cdc.Row) cdc.RowKey {
	w.t.Helper()
	key, err := t.KeyOf(row)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// commit applies changes and returns what is named.
func (w *keyWorld) commit(changes ...cdc.NetChange) string {
	w.t.Helper()
	named, err := w.l.apply(changes)
	if err != nil {
		w.t.Fatal(err)
	}
	return namedText(named)
}

// namedText tells what is to be derived again.
func namedText(list []inventory.Rederive) string {
	var out []string
	for _, r := range list {
		if r.Columns == nil {
			out = append(out, "all")
			continue
		}
		var values []string
		for _, v := range r.Values {
			values = append(values, strings.Join(v, "/"))
		}
		out = append(out, strings.Join(r.Columns, "/")+" "+strings.Join(values, ","))
	}
	return strings.Join(out, "; ")
}

// TestConsequencesByKeysOfSeveralColumns changes rows whose keys have two columns, and
// rows of which others only ask whether there is one.
func TestConsequencesByKeysOfSeveralColumns(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 400)
	for what, tt := range map[string]struct {
		change func(w *keyWorld) []cdc.NetChange
		want   string
	}{
		"a site": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.shelf, "1", "A", "NULL", "DC9")}
		}, "tenant/shelf 1/A,1/A-1,1/A-1-1"},
		"the other tenant's": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.shelf, "2", "A", "NULL", "DC9")}
		}, "tenant/shelf 2/A,2/A-1"},
		"a shelf moves": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.shelf, "1", "A-1-1", "A", "NULL")}
		}, "tenant/shelf 1/A-1-1"},
		"a shelf arrives that nobody looked for": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.arrives(w.shelf, "1", "B", "NULL", "DC3")}
		}, ""},
		"a code": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.article, "7", "2", "R7")}
		}, "tenant/article_id 2/7"},
		"the code of all tenants": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.article, "8.000", "0", "R8")}
		}, "article_id 8; tenant/article_id 0/8"},
		"nothing": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.article, "7", "1", "P7"), w.becomes(w.shelf, "1", "A", "NULL", "DC1"), w.becomes(w.variant, "v1", "7", "y")}
		}, ""},
		"an article goes": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.gone(w.article, "7.00", "1", "NULL")}
		}, "tenant/article_id 1/7; tenant/other_id 1/7"},
		"an article arrives": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.arrives(w.article, "9", "1", "P9")}
		}, "tenant/other_id 1/9"},
		"a first variant": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.arrives(w.variant, "v9", "9", "x"), w.arrives(w.variant, "v10", "9", "x")}
		}, "article_id 9"},
		"one variant more": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.arrives(w.variant, "v9", "7", "x"), w.arrives(w.variant, "v10", "NULL", "x")}
		}, ""},
		"one variant less": {func(w *keyWorld) []cdc.NetChange { return []cdc.NetChange{w.gone(w.variant, "v1", "NULL", "NULL")} }, ""},
		"the last variant": {func(w *keyWorld) []cdc.NetChange { return []cdc.NetChange{w.gone(w.variant, "v3", "NULL", "NULL")} }, "article_id 8"},
		"the last variants": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.gone(w.variant, "v2", "NULL", "NULL"), w.gone(w.variant, "v1", "NULL", "NULL")}
		}, "article_id 7"},
		"a variant of another article": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.variant, "v3", "9", "x")}
		}, "article_id 8,9"},
		"a variant of none": {func(w *keyWorld) []cdc.NetChange { return []cdc.NetChange{w.becomes(w.variant, "v3", "NULL", "x")} }, "article_id 8"},
		"a variant in the place of another": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.gone(w.variant, "v3", "NULL", "NULL"), w.arrives(w.variant, "v5", "8", "x")}
		}, ""},
		"a variant with a long key": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.arrives(w.variant, long, "9", "x")}
		}, "article_id 9"},
		"all variants go": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{{Op: cdc.OpTruncate, Table: w.variant}}
		}, "all"},
		"a hold": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.arrives(w.hold, "A-1", "STOCK", "4", "NULL")}
		}, "shelf A-1"},
		"a hold of another kind": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.arrives(w.hold, "A-1", "OTHER", "4", "NULL")}
		}, ""},
		"a hold that ended": {func(w *keyWorld) []cdc.NetChange {
			return []cdc.NetChange{w.becomes(w.hold, "A", "STOCK", "1", "2026-11-27")}
		}, "shelf A"},
	} {
		w := newKeyWorld(t)
		w.l.settle("at")
		if got := w.commit(tt.change(w)...); got != tt.want {
			t.Errorf("%s: %q is named, want %q", what, got, tt.want)
		}
	}
}

// A row that was looked for by two columns is awaited.
func TestAwaitedByTwoColumns(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	w.l.settle("at")
	w.l.missed[missedRow{publicTable("shelf"), `["1","B"]`}] = true
	if got := w.commit(w.arrives(w.shelf, "1", "B", "NULL", "DC3"), w.arrives(w.shelf, "2", "B", "NULL", "DC3")); got != "tenant/shelf 1/B" {
		t.Errorf("%q is named", got)
	}
}

// A row with a key that is too long to name counts, and can go.
func TestLongKeysCount(t *testing.T) {
	t.Parallel()
	w := newKeyWorld(t)
	w.l.settle("at")
	for _, key := range []string{strings.Repeat("x", 400), strings.Repeat("y", 4_000), "not UTF-8 \xff"} {
		if got := w.commit(w.arrives(w.variant, key, "9", "x")); got != "article_id 9" {
			t.Errorf("it arrives: %q is named", got)
		}
		if got := w.commit(w.becomes(w.variant, key, "10", "x")); got != "article_id 10,9" {
			t.Errorf("it becomes another's: %q is named", got)
		}
		if got := w.commit(w.gone(w.variant, key, "NULL", "NULL")); got != "article_id 10" {
			t.Errorf("it goes: %q is named", got)
		}
	}
}

// A row with a key that is too long is kept where its table's rows are counted. No
// row refers to it, and no source is asked for rows that do.
func TestLongKeysAreReferredToByNobody(t *testing.T) {
	t.Parallel()
	v := &mapping.Vocabulary{Lookups: []mapping.Lookup{
		{Name: "variant", Table: publicTable("variant"), Key: []string{"article_id"}},
		{Name: "option", Table: publicTable("variant")},
	}}
	r := mapping.Rule{
		SKU: mapping.Value{Text: "option[variant_id].note"}, Location: mapping.Value{Text: "shelf"},
		When: mapping.Value{Text: "exists(variant[article_id]) and exists(option[other_id])"},
	}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty"}
	m, err := mapping.Compile(publicTable("quant"), mapping.Spec{Contributes: []mapping.Rule{r}, Vocabulary: v})
	if err != nil {
		t.Fatal(err)
	}
	w := newKeyWorld(t)
	w.l = newLookups([]*mapping.Mapping{m})
	long := strings.Repeat("x", 400)
	if err := w.l.tables[w.variant.Name].add(&backfill.Chunk{Table: w.variant, View: seen{}, Rows: []cdc.Row{texts("v1", "7", "x"), texts(long, "7", "x")}}); err != nil {
		t.Fatal(err)
	}
	w.l.bound()
	w.l.settle("at")
	for what, tt := range map[string]struct {
		change cdc.NetChange
		want   string
	}{
		"a note":           {w.becomes(w.variant, "v1", "7", "y"), "variant_id v1"},
		"that of the long": {w.becomes(w.variant, long, "7", "y"), ""},
	} {
		if got := w.commit(tt.change); got != tt.want {
			t.Errorf("%s: %q is named, want %q", what, got, tt.want)
		}
	}
	if got := w.commit(w.gone(w.variant, long, "NULL", "NULL")); got != "" {
		t.Errorf("it goes: %q is named", got)
	}
}

// Until the tables are exact, a change may have taken away what nothing tells of any
// more: then all rows are named.
func TestUnsettledExistenceIsUnsure(t *testing.T) {
	t.Parallel()
	for what, tt := range map[string]struct {
		change func(w *keyWorld) cdc.NetChange
		want   string
	}{
		"a variant that is there already arrives": {func(w *keyWorld) cdc.NetChange { return w.arrives(w.variant, "v1", "7", "x") }, "article_id 7"},
		"a variant that has moved on arrives":     {func(w *keyWorld) cdc.NetChange { return w.arrives(w.variant, "v1", "9", "x") }, "article_id 7,9"},
		"a variant changes, who knows from what":  {func(w *keyWorld) cdc.NetChange { return w.becomes(w.variant, "v1", "7", "x") }, "all"},
		"a variant that is gone already goes":     {func(w *keyWorld) cdc.NetChange { return w.gone(w.variant, "v0", "NULL", "NULL") }, "all"},
		"a hold changes, who knows from what":     {func(w *keyWorld) cdc.NetChange { return w.becomes(w.hold, "A", "STOCK", "1", "NULL") }, "all"},
		"an article that is gone already goes": {
			func(w *keyWorld) cdc.NetChange { return w.gone(w.article, "9", "1", "NULL") }, "tenant/article_id 1/9; tenant/other_id 1/9",
		},
	} {
		w := newKeyWorld(t)
		w.l.settle("") // nothing is reached
		if got := w.commit(tt.change(w)); got != tt.want {
			t.Errorf("%s: %q is named, want %q", what, got, tt.want)
		}
	}
}

// The key of a row that goes tells by itself what rows it was asked for by, if it
// has all of that.
func TestUnsettledExistenceByPartOfTheKey(t *testing.T) {
	t.Parallel()
	v := &mapping.Vocabulary{Lookups: []mapping.Lookup{{Name: "hold", Table: publicTable("hold"), Key: []string{"kind", "shelf_code"}}}}
	r := mapping.Rule{SKU: mapping.Value{Text: "sku"}, Location: mapping.Value{Text: "shelf"}, When: mapping.Value{Text: "not exists(hold['STOCK', shelf])"}}
	r.Quantities[inventory.OnHand] = mapping.Value{Text: "qty"}
	m, err := mapping.Compile(publicTable("quant"), mapping.Spec{Contributes: []mapping.Rule{r}, Vocabulary: v})
	if err != nil {
		t.Fatal(err)
	}
	w := newKeyWorld(t)
	w.l = newLookups([]*mapping.Mapping{m})
	if err := w.l.tables[w.hold.Name].add(&backfill.Chunk{Table: w.hold, View: seen{}}); err != nil {
		t.Fatal(err)
	}
	w.l.bound()
	w.l.settle("")
	if got := w.commit(w.gone(w.hold, "A", "STOCK", "1", "NULL"), w.gone(w.hold, "B", "OTHER", "1", "NULL")); got != "shelf A" {
		t.Errorf("%q is named", got)
	}
}

// What stood below a row of a nested set before a change is not known until the
// tables are exact.
func TestUnsettledNestedSetsAreUnsure(t *testing.T) {
	t.Parallel()
	w := newTreeWorld(t, mapping.Tree{Left: "lft", Right: "rgt"})
	w.l.settle("")
	if got := w.commit(9); got != "all" { // 3 may have stood below it
		t.Errorf("%q is named", got)
	}
}
