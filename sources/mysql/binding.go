package mysql

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
)

// bound is what a table map means to us.
type bound struct {
	// raw is the table map behind the number of the table: the same bytes mean the same.
	raw []byte
	// table is nil for a table that nobody wants.
	table  *cdc.Table
	fields []field
	// children are captured tables that the server may change along with this one
	// without saying so.
	children []cdc.TableName
	// jsons is the number of columns that are JSON.
	jsons int
	// problem says why changes of the table cannot be used. It is reported with
	// the first change, because the table map alone loses nothing.
	problem error
}

// lookup asks the server for what the stream does not say. Its answers cost a
// round trip each and are asked for seldom.
type lookup interface {
	// charset returns the named character set.
	charset(name string) (*charset, error)
	// collation returns the name of the character set of a collation.
	collation(id int) (string, error)
	// describe returns a table as the catalog has it now, nil if it is not there.
	describe(table cdc.TableName) (*description, error)
	// altered reports whether the log has, behind a place, anything that may have
	// changed the definition of a table.
	altered(table cdc.TableName, from place) (bool, error)
}

// binder binds the table maps of one stream to the wanted tables. It is used by
// one goroutine.
type binder struct {
	source *Source
	flavor flavor
	wanted cdc.Wanted
	// names has the name by which a table is wanted, by the one that the server
	// uses, in lower case if that makes no difference to the server.
	names   map[cdc.TableName]cdc.TableName
	folded  bool
	catalog map[cdc.TableName]*description
	// stale are the tables whose definition changed since the catalog was read.
	stale map[cdc.TableName]bool
	// trusted are the tables of which the catalog may be used for changes that do
	// not name their columns.
	trusted map[cdc.TableName]bool
	lookup  lookup
	byID    map[uint64]*bound
	// latest is the newest version of each wanted table.
	latest map[cdc.TableName]*cdc.Table
}

// maxBound is how many table maps are kept: the server numbers a table anew whenever
// it opens it.
const maxBound = 1000

func newBinder(s *Source, f flavor, w cdc.Wanted, folded bool, catalog map[cdc.TableName]*description, l lookup) *binder {
	b := &binder{
		source: s, flavor: f, wanted: w, folded: folded, catalog: catalog, lookup: l,
		names: make(map[cdc.TableName]cdc.TableName, len(w)), stale: make(map[cdc.TableName]bool),
		byID: make(map[uint64]*bound), latest: make(map[cdc.TableName]*cdc.Table),
	}
	for name := range w {
		b.names[b.fold(name)] = name
	}
	for name, d := range catalog {
		b.latest[name] = s.tableOf(w, d)
	}
	return b
}

// fold returns a name as the server tells names apart.
func (b *binder) fold(n cdc.TableName) cdc.TableName {
	if b.folded {
		return cdc.TableName{Schema: strings.ToLower(n.Schema), Name: strings.ToLower(n.Name)}
	}
	return n
}

// want returns the name by which a table of the server is wanted.
func (b *binder) want(n cdc.TableName) (cdc.TableName, bool) {
	wanted, ok := b.names[b.fold(n)]
	return wanted, ok
}

// captured are the columns of a wanted table that are captured, those of its key included.
func (b *binder) captured(name cdc.TableName) []string {
	columns := slices.Clone(b.wanted[name])
	if t := b.latest[name]; t != nil {
		for _, i := range t.Key {
			columns = append(columns, t.Columns[i].Name)
		}
	}
	return columns
}

// bind notes the table map with the given number, in place of what it stood for.
func (b *binder) bind(id uint64, raw []byte) error {
	if known := b.byID[id]; known != nil && bytes.Equal(known.raw, raw) {
		return nil
	}
	w := &wire{b: raw}
	name := cdc.TableName{Schema: string(w.take(int(w.uint8())))}
	w.take(1)
	name.Name = string(w.take(int(w.uint8())))
	if w.bad {
		return fmt.Errorf("table map: %w", errShort)
	}
	if len(b.byID) >= maxBound {
		clear(b.byID)
	}
	bound := &bound{raw: bytes.Clone(raw), children: b.source.cascades.of(name)}
	b.byID[id] = bound
	wanted, ok := b.want(name)
	if !ok {
		return nil
	}
	m, err := parseTableMap(raw, b.flavor == flavorMariaDB)
	if err != nil {
		return fmt.Errorf("table map of %s: %w", name, err)
	}
	if err := b.describe(bound, wanted, m); err != nil {
		return fmt.Errorf("table map of %s: %w", name, err)
	}
	return nil
}

// describe makes the table and the fields of a wanted table's map. What is wrong
// with the table becomes its problem; an error is that of asking.
func (b *binder) describe(bound *bound, name cdc.TableName, m *tableMap) error {
	known, err := b.known(name)
	if err != nil {
		return err
	}
	setup := func(format string, args ...any) {
		bound.problem = &cdc.SetupError{Object: "table " + name.String(), Problem: fmt.Sprintf(format, args...)}
	}
	d := &description{name: name, columns: make([]column, len(m.fields))}
	switch {
	case m.named:
	case known == nil || len(known.columns) != len(m.fields):
		bound.problem = unnamed(name, "its changes have another number of columns than the table")
		return nil
	case !b.trusted[name]:
		bound.problem = unnamed(name, "its definition may have been changed after its changes were made")
		return nil
	}
	for i := range m.fields {
		c, problem, err := b.column(known, m, i)
		switch {
		case err != nil:
			return err
		case problem != "" && (!m.named || wants(b.wanted, d, c.name)):
			bound.problem = unnamed(name, problem)
			if m.named {
				setup("%s", problem)
			}
			return nil
		}
		d.columns[i] = c
	}
	switch {
	case len(m.key) > 0 && m.named:
		for _, i := range m.key {
			d.key = append(d.key, m.fields[i].name)
		}
	case known != nil:
		d.key = known.key
	}
	if len(d.key) == 0 {
		setup("has no key")
		return nil
	}
	for _, want := range slices.Concat(d.key, b.wanted[name]) {
		if d.column(want) == nil {
			setup("column %q is gone", want)
			return nil
		}
	}
	return b.lay(bound, d, m)
}

// unnamed is the error of a table whose changes come without the names of their
// columns, when it is not certain what they are.
func unnamed(name cdc.TableName, problem string) error {
	return &cdc.GapError{
		Reason: cdc.GapSkipped,
		Detail: fmt.Sprintf("table %s: %s, and the binary log does not name the columns",
			name, problem),
		Fix: "SET GLOBAL binlog_row_metadata = FULL on the server, so that changes name their columns; " + reloadFix,
	}
}

// known returns what the catalog says of a table, read anew if the table was altered.
func (b *binder) known(name cdc.TableName) (*description, error) {
	if !b.stale[name] {
		return b.catalog[name], nil
	}
	d, err := b.lookup.describe(name)
	if err != nil {
		return nil, err
	}
	delete(b.stale, name)
	b.catalog[name] = d
	return d, nil
}

// altered notes that a table's definition changed.
func (b *binder) altered(name cdc.TableName) {
	b.stale[name] = true
	clear(b.byID)
}

// lay makes the table of d and the fields that its rows are decoded by.
func (b *binder) lay(bound *bound, d *description, m *tableMap) error {
	table := b.source.tableOf(b.wanted, d)
	fields := make([]field, len(m.fields))
	for i := range m.fields {
		f := &fields[i]
		*f = field{kind: m.fields[i].kind, meta: m.fields[i].meta, index: -1}
		if err := f.layout(); err != nil {
			return fmt.Errorf("column %d: %w", i+1, err)
		}
		if f.kind == fieldJSON {
			bound.jsons++
		}
		c := &d.columns[i]
		if !wants(b.wanted, d, c.name) {
			continue
		}
		f.column, f.index, f.key = c, table.Column(c.name), slices.Contains(d.key, c.name)
		if c.kind == kindText {
			var err error
			if f.charset, err = b.lookup.charset(c.charset); err != nil {
				return fmt.Errorf("column %q: %w", c.name, err)
			}
		}
	}
	bound.fields, bound.table = fields, table
	b.latest[d.name] = table
	return nil
}

// column describes column i of a table map: by what the catalog says of it, if it
// can have been logged so, and otherwise by the map. problem says what is unclear.
func (b *binder) column(known *description, m *tableMap, i int) (c column, problem string, err error) {
	f := &m.fields[i]
	var from *column
	switch {
	case !m.named:
		from = &known.columns[i]
	case known != nil:
		from = known.column(f.name)
	}
	if from != nil {
		ok, err := b.logged(from, m, f)
		if err != nil || ok {
			return *from, "", err
		}
	}
	if !m.named {
		return *from, fmt.Sprintf("its changes have another type for column %q (%s)", from.name, from.sourceType), nil
	}
	return b.derive(m, f)
}

// logged reports whether changes of a column come as f.
func (b *binder) logged(c *column, m *tableMap, f *mapField) (bool, error) {
	if !c.typed(f) || m.signs && c.unsigned != f.unsigned && f.isNumber() && f.kind != fieldYear {
		return false, nil
	}
	if !m.charsets || !f.isText() && f.members == nil || c.kind == kindUUID || c.kind == kindINET4 || c.kind == kindINET6 {
		return true, nil
	}
	if f.collation == binaryCollation || f.collation == 0 {
		return f.collation == 0 || c.charset == "" || c.charset == "binary", nil
	}
	name, err := b.lookup.collation(f.collation)
	if err != nil || name != c.charset {
		return false, err
	}
	if f.members == nil {
		return true, nil
	}
	members, err := b.members(name, f)
	return err == nil && slices.Equal(members, c.members), err
}

// typed reports whether the type of c is logged as that of f.
func (c *column) typed(f *mapField) bool {
	switch c.kind {
	case kindTime, kindDateTime, kindTimestamp:
		// The older forms have no fractions.
		older := map[kind]uint8{kindTime: fieldTime, kindDateTime: fieldDateTime, kindTimestamp: fieldTimestamp}[c.kind]
		return f.kind == c.field && f.meta == c.decimals || f.kind == older && c.decimals == 0
	case kindDecimal:
		return f.kind == c.field && f.meta == c.precision<<8|c.scale
	case kindDate:
		return f.kind == fieldDate || f.kind == fieldNewDate
	case kindBytes:
		return f.kind == c.field && (c.width == 0 || f.meta == c.width)
	default:
		return f.kind == c.field
	}
}

// members converts an enum's or set's members to UTF-8.
func (b *binder) members(set string, f *mapField) ([]string, error) {
	cs, err := b.lookup.charset(set)
	if err != nil {
		return nil, err
	}
	members := make([]string, len(f.members))
	for i, raw := range f.members {
		text, err := cs.append(nil, []byte(raw))
		if err != nil {
			return nil, err
		}
		members[i] = string(text)
	}
	return members, nil
}

// kindsOfFields are what table maps say by the type alone.
var kindsOfFields = map[uint8]kind{ //nolint:gochecknoglobals // a constant of a map type
	fieldTiny: kindInteger, fieldShort: kindInteger, fieldInt24: kindInteger, fieldLong: kindInteger, fieldLongLong: kindInteger,
	fieldYear: kindYear, fieldBit: kindBit, fieldDecimal: kindDecimal, fieldFloat: kindFloat, fieldDouble: kindDouble,
	fieldDate: kindDate, fieldNewDate: kindDate, fieldTime: kindTime, fieldTime2: kindTime, fieldDateTime: kindDateTime,
	fieldDateTime2: kindDateTime, fieldTimestamp: kindTimestamp, fieldTimestamp2: kindTimestamp, fieldJSON: kindJSON,
	fieldGeometry: kindGeometry, fieldVector: kindVector, fieldEnum: kindEnum, fieldSet: kindSet,
	fieldString: kindText, fieldVarString: kindText, fieldVarchar: kindText, fieldBlob: kindText,
	fieldTinyBlob: kindText, fieldMediumBlob: kindText, fieldLongBlob: kindText,
}

// derive describes a column by a table map that names it.
func (b *binder) derive(m *tableMap, f *mapField) (c column, problem string, err error) {
	c = column{name: f.name, field: f.kind, unsigned: f.unsigned}
	c.kind = kindsOfFields[f.kind]
	switch c.kind {
	case 0:
		return c, fmt.Sprintf("column %q has a type (%d) that is not known", f.name, f.kind), nil
	case kindDecimal:
		c.precision, c.scale = f.meta>>8, f.meta&0xff
	case kindTime, kindDateTime, kindTimestamp:
		c.decimals = f.meta
	case kindText, kindEnum, kindSet:
		if !m.charsets && c.kind == kindText || f.collation == 0 {
			return c, fmt.Sprintf("the character set of column %q is not known", f.name), nil
		}
		if f.collation == binaryCollation && c.kind == kindText {
			c.kind = kindBytes
			if f.kind == fieldString {
				c.width = f.meta
			}
			break
		}
		if c.charset, err = b.lookup.collation(f.collation); err != nil {
			return c, "", err
		}
		if f.members != nil {
			c.members, err = b.members(c.charset, f)
		}
	default:
	}
	c.sourceType = c.family().String()
	return c, "", err
}
