package mysql

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// appendValue appends the canonical text of a value that a row event has, the
// same that column.fromSQL makes of it.
func (f *field) appendValue(dst, v []byte) ([]byte, error) {
	switch f.kind {
	case fieldTiny, fieldShort, fieldInt24, fieldLong, fieldLongLong:
		return f.appendInteger(dst, v), nil
	case fieldYear:
		if v[0] == 0 {
			return append(dst, '0'), nil
		}
		return strconv.AppendInt(dst, 1900+int64(v[0]), 10), nil
	case fieldFloat:
		return appendFloat(dst, float64(math.Float32frombits(binary.LittleEndian.Uint32(v))), 32), nil
	case fieldDouble:
		return appendFloat(dst, math.Float64frombits(binary.LittleEndian.Uint64(v)), 64), nil
	case fieldDecimal:
		return appendDecimal(dst, v, f.meta>>8, f.meta&0xff)
	case fieldBit:
		n, err := bigEndian(v)
		return strconv.AppendUint(dst, n, 10), err
	case fieldEnum, fieldSet:
		return f.appendMembers(dst, v)
	case fieldDate, fieldNewDate:
		n := littleEndian(v)
		return appendDate(dst, int(n>>9), int(n>>5&15), int(n&31)), nil
	case fieldTime, fieldTime2:
		return f.appendTime(dst, v), nil
	case fieldDateTime, fieldDateTime2:
		return f.appendDateTime(dst, v), nil
	case fieldTimestamp, fieldTimestamp2:
		return f.appendTimestamp(dst, v), nil
	case fieldJSON:
		return appendJSON(dst, v)
	case fieldString, fieldVarString, fieldVarchar, fieldBlob, fieldTinyBlob, fieldMediumBlob, fieldLongBlob, fieldGeometry, fieldVector:
		return f.appendString(dst, v)
	default:
		return dst, fmt.Errorf("field of type %d", f.kind)
	}
}

func littleEndian(b []byte) (n uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		n = n<<8 | uint64(b[i])
	}
	return n
}

func (f *field) appendInteger(dst, v []byte) []byte {
	n := littleEndian(v)
	if f.column.unsigned {
		return strconv.AppendUint(dst, n, 10)
	}
	shift := 64 - 8*len(v)
	return strconv.AppendInt(dst, int64(n<<shift)>>shift, 10) //nolint:gosec // the sign is what matters
}

var errMember = errors.New("number of a member that the type does not have")

// appendMembers appends an enum's member, or a set's, separated by commas. An
// enum's number 0 is the empty string that stands for a value that was refused.
func (f *field) appendMembers(dst, v []byte) ([]byte, error) {
	n, members := littleEndian(v), f.column.members
	if f.kind == fieldEnum {
		switch {
		case n == 0:
			return dst, nil
		case n > uint64(len(members)):
			return dst, fmt.Errorf("%w: %d of %d", errMember, n, len(members))
		}
		return append(dst, members[n-1]...), nil
	}
	first := true
	for i := 0; n != 0; i, n = i+1, n>>1 {
		if n&1 == 0 {
			continue
		}
		if i >= len(members) {
			return dst, fmt.Errorf("%w: %d of %d", errMember, i+1, len(members))
		}
		if !first {
			dst = append(dst, ',')
		}
		dst, first = append(dst, members[i]...), false
	}
	return dst, nil
}

func (f *field) appendString(dst, v []byte) ([]byte, error) {
	switch f.column.kind {
	case kindText:
		return f.charset.append(dst, v)
	case kindUUID:
		return appendMariaUUID(dst, v)
	case kindINET4, kindINET6:
		return appendINET(dst, v, f.column.kind)
	default:
		dst = hex.AppendEncode(dst, v)
		for range f.column.width - len(v) { // the log leaves out the zeros at the end
			dst = append(dst, "00"...)
		}
		return dst, nil
	}
}

// digits appends n with at least width digits.
func digits(dst []byte, n, width int) []byte {
	for limit := pow10(width - 1); limit > 1 && n < limit; limit /= 10 {
		dst = append(dst, '0')
	}
	return strconv.AppendInt(dst, int64(n), 10)
}

func pow10(n int) int {
	p := 1
	for range n {
		p *= 10
	}
	return p
}

func appendDate(dst []byte, year, month, day int) []byte {
	dst = append(digits(dst, year, 4), '-')
	dst = append(digits(dst, month, 2), '-')
	return digits(dst, day, 2)
}

func appendClock(dst []byte, hour, minute, second int) []byte {
	dst = append(digits(dst, hour, 2), ':')
	dst = append(digits(dst, minute, 2), ':')
	return digits(dst, second, 2)
}

// appendFraction appends the decimals of a second of which v holds the fraction,
// big-endian, in hundredths for each of its bytes.
func appendFraction(dst []byte, fraction uint64, decimals int) []byte {
	if decimals == 0 {
		return dst
	}
	dst = append(dst, '.')
	from := len(dst)
	return digits(dst, int(fraction), 2*fractionBytes(decimals))[:from+decimals] //nolint:gosec // of three bytes at most
}

// appendTime handles TIME, whose newer form is one big-endian number with the
// fraction as its lowest bytes, so ordered that negative values sort.
func (f *field) appendTime(dst, v []byte) []byte {
	if f.kind == fieldTime {
		n := int64(littleEndian(v)<<40) >> 40 //nolint:gosec // of three bytes
		if n < 0 {
			dst, n = append(dst, '-'), -n
		}
		return appendClock(dst, int(n/10000), int(n/100%100), int(n%100))
	}
	low := 8 * fractionBytes(f.meta)
	all, _ := bigEndian(v)
	n := int64(all) - 0x800000<<low //nolint:gosec // of six bytes
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	whole := int(n >> low)
	dst = appendClock(dst, whole>>12&0x3ff, whole>>6&0x3f, whole&0x3f)
	return appendFraction(dst, uint64(n)&(1<<low-1), f.meta) //nolint:gosec // not negative
}

func (f *field) appendDateTime(dst, v []byte) []byte {
	if f.kind == fieldDateTime {
		n := littleEndian(v)
		date, clock := int(n/1_000_000), int(n%1_000_000) //nolint:gosec // of eight decimal parts
		dst = append(appendDate(dst, date/10000, date/100%100, date%100), ' ')
		return appendClock(dst, clock/10000, clock/100%100, clock%100)
	}
	whole, _ := bigEndian(v[:5])
	whole -= 0x8000000000
	clock, date := int(whole&(1<<17-1)), int(whole>>17)
	dst = append(appendDate(dst, date>>5/13, date>>5%13, date&31), ' ')
	dst = appendClock(dst, clock>>12, clock>>6&0x3f, clock&0x3f)
	fraction, _ := bigEndian(v[5:])
	return appendFraction(dst, fraction, f.meta)
}

func (f *field) appendTimestamp(dst, v []byte) []byte {
	var seconds, fraction uint64
	decimals := 0
	if f.kind == fieldTimestamp {
		seconds = littleEndian(v)
	} else {
		seconds, _ = bigEndian(v[:4])
		fraction, _ = bigEndian(v[4:])
		decimals = f.meta
	}
	if seconds == 0 && fraction == 0 {
		dst = append(dst, "0000-00-00 00:00:00"...)
	} else {
		at := time.Unix(int64(seconds), 0).UTC() //nolint:gosec // of four bytes
		year, month, day := at.Date()
		dst = append(appendDate(dst, year, int(month), day), ' ')
		dst = appendClock(dst, at.Hour(), at.Minute(), at.Second())
	}
	return append(appendFraction(dst, fraction, decimals), "+00"...)
}
