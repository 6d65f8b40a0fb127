package mysql

import (
	"encoding/binary"
	"fmt"
)

// field is a column of a bound table map: how its values lie in rows.
type field struct {
	kind uint8
	meta int
	// fixed is the length of values that all have the same; otherwise prefix is
	// that of the length in front of each.
	fixed, prefix int
	// index is the column's index in the table, -1 if it is not wanted.
	index int
	// key says that the column belongs to the key.
	key bool
	// column says what to make of the bytes, if the column is wanted.
	column *column
	// charset converts texts to UTF-8.
	charset *charset
}

// layout sets how long values are.
func (f *field) layout() error {
	switch f.kind {
	case fieldNull:
	case fieldTiny, fieldYear:
		f.fixed = 1
	case fieldShort:
		f.fixed = 2
	case fieldInt24, fieldDate, fieldNewDate, fieldTime:
		f.fixed = 3
	case fieldLong, fieldFloat, fieldTimestamp:
		f.fixed = 4
	case fieldLongLong, fieldDouble, fieldDateTime:
		f.fixed = 8
	case fieldTime2:
		f.fixed = 3 + fractionBytes(f.meta)
	case fieldTimestamp2:
		f.fixed = 4 + fractionBytes(f.meta)
	case fieldDateTime2:
		f.fixed = 5 + fractionBytes(f.meta)
	case fieldDecimal:
		f.fixed = decimalBytes(f.meta>>8, f.meta&0xff)
	case fieldBit:
		f.fixed = (f.meta + 7) / 8
	case fieldEnum, fieldSet:
		f.fixed = f.meta
	case fieldString, fieldVarchar, fieldVarString, fieldVarcharCompressed:
		f.prefix = 1
		if f.meta > 255 {
			f.prefix = 2
		}
	case fieldBlob, fieldTinyBlob, fieldMediumBlob, fieldLongBlob, fieldBlobCompressed, fieldGeometry, fieldJSON, fieldVector:
		f.prefix = f.meta
		if f.prefix < 1 || f.prefix > 4 {
			return fmt.Errorf("field of type %d has a length of %d bytes", f.kind, f.prefix)
		}
	default:
		return fmt.Errorf("field of unknown type %d", f.kind)
	}
	temporal := f.kind == fieldTime2 || f.kind == fieldTimestamp2 || f.kind == fieldDateTime2
	number := f.kind == fieldBit || f.kind == fieldEnum || f.kind == fieldSet
	if f.fixed > 64 || f.fixed < 0 || f.meta < 0 || temporal && f.meta > 6 || number && (f.fixed < 1 || f.fixed > 8) {
		return fmt.Errorf("field of type %d with metadata %d", f.kind, f.meta)
	}
	return nil
}

// take cuts the field's value off b, without the length in front of it.
func (f *field) take(b []byte) (value, rest []byte, ok bool) {
	n := f.fixed
	if f.prefix > 0 {
		if len(b) < f.prefix {
			return nil, nil, false
		}
		switch f.prefix {
		case 1:
			n = int(b[0])
		case 2:
			n = int(binary.LittleEndian.Uint16(b))
		case 3:
			n = int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		default:
			n = int(binary.LittleEndian.Uint32(b))
		}
		b = b[f.prefix:]
	}
	if n > len(b) {
		return nil, nil, false
	}
	return b[:n], b[n:], true
}

// fractionBytes is what digits of a second's fraction take.
func fractionBytes(digits int) int { return (digits + 1) / 2 }
