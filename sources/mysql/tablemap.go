package mysql

import "fmt"

// tableMap is what a TABLE_MAP event says of a table. What its optional metadata
// lacks is nil.
type tableMap struct {
	schema, name string
	fields       []mapField
	// named says that it has the names of the columns and, of enums and sets, the members.
	named bool
	// signs and charsets say that it has the signs of numbers and the collations of texts.
	signs, charsets bool
	// key has the indexes of the primary key's columns.
	key []int
}

// mapField is one column of a table map.
type mapField struct {
	// kind is the field's type; of strings that are enums or sets, theirs.
	kind uint8
	// meta is the type's metadata: a length in bytes, a number of digits and so on.
	meta     int
	unsigned bool
	// collation is that of texts, enums and sets, 0 if it is not known.
	collation int
	name      string
	// members are those of an enum or set, in the column's character set.
	members []string
}

// parseTableMap decodes the body of a TABLE_MAP event behind the table's number
// and flags. The layout is that of Table_map_event in MySQL's documentation of the
// binary log. geometryText says that the flavor counts geometry among the texts.
func parseTableMap(body []byte, geometryText bool) (*tableMap, error) {
	w := &wire{b: body}
	m := &tableMap{schema: string(w.take(int(w.uint8())))}
	w.take(1)
	m.name = string(w.take(int(w.uint8())))
	w.take(1)
	n := w.count()
	types := w.take(n)
	metadata := w.text()
	w.take((n + 7) / 8) // which columns may be NULL
	if w.bad {
		return nil, errShort
	}
	m.fields = make([]mapField, n)
	mw := &wire{b: []byte(metadata)}
	for i, t := range types {
		m.fields[i].parseMeta(t, mw)
	}
	if mw.bad {
		return nil, errShort
	}
	for len(w.b) > 0 {
		kind := w.uint8()
		value := w.text()
		if w.bad {
			return nil, errShort
		}
		if err := m.optional(kind, &wire{b: []byte(value)}, geometryText); err != nil {
			return nil, fmt.Errorf("optional metadata %d: %w", kind, err)
		}
	}
	return m, nil
}

// parseMeta takes the metadata of a field of type t.
func (f *mapField) parseMeta(t uint8, w *wire) {
	f.kind = t
	switch t {
	case fieldFloat, fieldDouble, fieldBlob, fieldTinyBlob, fieldMediumBlob, fieldLongBlob, fieldBlobCompressed,
		fieldGeometry, fieldJSON, fieldVector, fieldTime2, fieldDateTime2, fieldTimestamp2:
		f.meta = int(w.uint8())
	case fieldVarchar, fieldVarcharCompressed:
		f.meta = int(w.uint16())
	case fieldBit:
		bits, bytes := int(w.uint8()), int(w.uint8())
		f.meta = 8*bytes + bits
	case fieldDecimal:
		precision, scale := int(w.uint8()), int(w.uint8())
		f.meta = precision<<8 | scale
	case fieldString, fieldVarString, fieldEnum, fieldSet:
		// The real type, and a length of which two bits are hidden in it.
		b0, b1 := int(w.uint8()), int(w.uint8())
		if b0&0x30 != 0x30 {
			f.meta = b1 | (b0&0x30^0x30)<<4
			b0 |= 0x30
		} else {
			f.meta = b1
		}
		f.kind = uint8(b0) //nolint:gosec // it is a byte still
	}
}

// Kinds of optional metadata.
const (
	metaSigns = iota + 1
	metaDefaultCharset
	metaCharsets
	metaNames
	metaSetMembers
	metaEnumMembers
	metaGeometry
	metaKey
	metaPrefixKey
	metaEnumDefaultCharset
	metaEnumCharsets
)

func (m *tableMap) optional(kind uint8, w *wire, geometryText bool) error {
	text := func(f *mapField) bool { return f.isText() || geometryText && f.kind == fieldGeometry }
	switch kind {
	case metaSigns:
		m.signs = true
		m.readSigns(w)
	case metaDefaultCharset:
		m.charsets = true
		m.defaultCollations(w, text)
	case metaCharsets:
		m.charsets = true
		m.each(text, func(f *mapField) { f.collation = int(w.packed()) }) //nolint:gosec // a wrong one is no collation
	case metaEnumDefaultCharset:
		m.defaultCollations(w, (*mapField).hasMembers)
	case metaEnumCharsets:
		m.each((*mapField).hasMembers, func(f *mapField) { f.collation = int(w.packed()) }) //nolint:gosec // a wrong one is no collation
	case metaNames:
		m.named = true
		for i := range m.fields {
			m.fields[i].name = w.text()
		}
	case metaSetMembers:
		m.each(func(f *mapField) bool { return f.kind == fieldSet }, func(f *mapField) { f.readMembers(w) })
	case metaEnumMembers:
		m.each(func(f *mapField) bool { return f.kind == fieldEnum }, func(f *mapField) { f.readMembers(w) })
	case metaKey, metaPrefixKey:
		for len(w.b) > 0 {
			column := w.packed()
			if kind == metaPrefixKey {
				w.packed() // the length of the prefix: a prefix that is unique makes the whole unique
			}
			if column >= uint64(len(m.fields)) {
				return errShort
			}
			m.key = append(m.key, int(column)) //nolint:gosec // it is below the number of fields
		}
	}
	return w.check()
}

// each calls f for the fields that match.
func (m *tableMap) each(match func(*mapField) bool, f func(*mapField)) {
	for i := range m.fields {
		if match(&m.fields[i]) {
			f(&m.fields[i])
		}
	}
}

// readSigns takes a bit for every numeric column, the highest of a byte first.
func (m *tableMap) readSigns(w *wire) {
	i := 0
	m.each((*mapField).isNumber, func(f *mapField) {
		if i/8 >= len(w.b) {
			w.bad = true
			return
		}
		f.unsigned = w.b[i/8]&(0x80>>(i%8)) != 0
		i++
	})
}

// defaultCollations takes the collation of most of the fields that match, and those
// of the others behind their numbers among them.
func (m *tableMap) defaultCollations(w *wire, match func(*mapField) bool) {
	usual := int(w.packed()) //nolint:gosec // a wrong one is no collation
	others := make(map[int]int)
	for len(w.b) > 0 {
		i := int(w.packed())        //nolint:gosec // a wrong one is of no field
		others[i] = int(w.packed()) //nolint:gosec // a wrong one is no collation
	}
	i := 0
	m.each(match, func(f *mapField) {
		f.collation = usual
		if c, ok := others[i]; ok {
			f.collation = c
		}
		i++
	})
}

func (f *mapField) readMembers(w *wire) {
	n := w.count()
	f.members = make([]string, n)
	for i := range f.members {
		f.members[i] = w.text()
	}
}

func (f *mapField) hasMembers() bool { return f.kind == fieldEnum || f.kind == fieldSet }

func (f *mapField) isText() bool {
	switch f.kind {
	case fieldString, fieldVarString, fieldVarchar, fieldBlob, fieldTinyBlob, fieldMediumBlob, fieldLongBlob,
		fieldBlobCompressed, fieldVarcharCompressed:
		return true
	}
	return false
}

func (f *mapField) isNumber() bool {
	switch f.kind {
	case fieldTiny, fieldShort, fieldInt24, fieldLong, fieldLongLong, fieldFloat, fieldDouble, fieldDecimal, fieldYear:
		return true
	}
	return false
}

// binaryCollation is the number of the collation of bytes that are no text.
const binaryCollation = 63
