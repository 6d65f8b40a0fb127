package mysql

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
)

// Types of values in MySQL's binary JSON, from json_binary.h.
const (
	jsonSmallObject = 0x00
	jsonLargeObject = 0x01
	jsonSmallArray  = 0x02
	jsonLargeArray  = 0x03
	jsonLiteral     = 0x04
	jsonInt16       = 0x05
	jsonUint16      = 0x06
	jsonInt32       = 0x07
	jsonUint32      = 0x08
	jsonInt64       = 0x09
	jsonUint64      = 0x0a
	jsonDouble      = 0x0b
	jsonString      = 0x0c
	jsonOpaque      = 0x0f
)

var errJSON = errors.New("binary JSON is damaged")

// maxJSONDepth is above what the server allows.
const maxJSONDepth = 128

// jsonPrinter prints binary JSON as the server does.
type jsonPrinter struct {
	// left bounds the values that are printed, so that a damaged document ends.
	left int
}

// appendJSON appends a document's text. An empty value, which statements that
// ignore errors leave behind, is null.
func appendJSON(dst, doc []byte) ([]byte, error) {
	if len(doc) == 0 {
		return append(dst, "null"...), nil
	}
	p := &jsonPrinter{left: len(doc)}
	return p.value(dst, doc[0], doc[1:], 0)
}

func (p *jsonPrinter) value(dst []byte, kind byte, b []byte, depth int) ([]byte, error) {
	if p.left--; p.left < 0 || depth > maxJSONDepth {
		return dst, errJSON
	}
	w := &wire{b: b}
	switch kind {
	case jsonSmallObject, jsonLargeObject, jsonSmallArray, jsonLargeArray:
		return p.container(dst, kind, b, depth)
	case jsonLiteral:
		switch w.uint8() {
		case 0:
			dst = append(dst, "null"...)
		case 1:
			dst = append(dst, "true"...)
		case 2:
			dst = append(dst, "false"...)
		default:
			return dst, errJSON
		}
	case jsonInt16:
		dst = strconv.AppendInt(dst, int64(int16(w.uint16())), 10) //nolint:gosec // it is signed
	case jsonUint16:
		dst = strconv.AppendUint(dst, uint64(w.uint16()), 10)
	case jsonInt32:
		dst = strconv.AppendInt(dst, int64(int32(w.uint32())), 10) //nolint:gosec // it is signed
	case jsonUint32:
		dst = strconv.AppendUint(dst, uint64(w.uint32()), 10)
	case jsonInt64:
		dst = strconv.AppendInt(dst, int64(w.uint64()), 10) //nolint:gosec // it is signed
	case jsonUint64:
		dst = strconv.AppendUint(dst, w.uint64(), 10)
	case jsonDouble:
		dst = appendJSONDouble(dst, math.Float64frombits(w.uint64()))
	case jsonString:
		dst = appendServerJSONString(dst, w.take(w.jsonLength()))
	case jsonOpaque:
		field := w.uint8()
		return p.opaque(dst, field, w.take(w.jsonLength()), w.bad)
	default:
		return dst, errJSON
	}
	if w.bad {
		return dst, errJSON
	}
	return dst, nil
}

// jsonLength takes a length of seven bits a byte, the lowest first.
func (w *wire) jsonLength() (n int) {
	for shift := 0; shift < 35; shift += 7 {
		b := w.uint8()
		n |= int(b&0x7f) << shift
		if b&0x80 == 0 {
			return n
		}
	}
	w.bad = true
	return 0
}

// container prints an object or array: a count and a size, the places of the keys,
// and those of the values, or the values themselves if they are small.
func (p *jsonPrinter) container(dst []byte, kind byte, b []byte, depth int) ([]byte, error) {
	size := 2
	if kind == jsonLargeObject || kind == jsonLargeArray {
		size = 4
	}
	w := &wire{b: b}
	count, total := int(w.uint(size)), int(w.uint(size)) //nolint:gosec // of 32 bits at most
	if w.bad || total > len(b) || count > total {
		return dst, errJSON
	}
	b = b[:total]
	object := kind == jsonSmallObject || kind == jsonLargeObject
	var keys [][]byte
	if object {
		if keys = jsonKeys(w, b, count, size); keys == nil && count > 0 {
			return dst, errJSON
		}
	}
	brackets := "[]"
	if object {
		brackets = "{}"
	}
	dst = append(dst, brackets[0])
	for i := range count {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		if object {
			dst = append(appendServerJSONString(dst, keys[i]), ": "...)
		}
		kind, inline := w.uint8(), w.take(size)
		if w.bad {
			return dst, errJSON
		}
		value := inline
		if !jsonInline(kind, size) {
			offset := int(littleEndian(inline)) //nolint:gosec // of 32 bits at most
			if offset > len(b) {
				return dst, errJSON
			}
			value = b[offset:]
		}
		var err error
		if dst, err = p.value(dst, kind, value, depth+1); err != nil {
			return dst, err
		}
	}
	return append(dst, brackets[1]), nil
}

// jsonKeys takes the places of an object's keys, and returns the keys, nil if they are not there.
func jsonKeys(w *wire, b []byte, count, size int) [][]byte {
	keys := make([][]byte, 0, count)
	for range count {
		offset, length := int(w.uint(size)), int(w.uint16()) //nolint:gosec // of 32 bits at most
		if w.bad || offset > len(b) || length > len(b)-offset {
			return nil
		}
		keys = append(keys, b[offset:offset+length])
	}
	return keys
}

// jsonInline reports whether a value stands in place of its offset.
func jsonInline(kind byte, size int) bool {
	switch kind {
	case jsonLiteral, jsonInt16, jsonUint16:
		return true
	case jsonInt32, jsonUint32:
		return size == 4
	}
	return false
}

// opaque prints a value of an SQL type that JSON does not have.
func (p *jsonPrinter) opaque(dst []byte, field uint8, b []byte, bad bool) ([]byte, error) {
	if bad {
		return dst, errJSON
	}
	switch field {
	case fieldDecimal:
		if len(b) < 2 || len(b)-2 != decimalBytes(int(b[0]), int(b[1])) {
			return dst, errJSON
		}
		return appendDecimal(dst, b[2:], int(b[0]), int(b[1]))
	case fieldDate, fieldDateTime, fieldTimestamp, fieldTime:
		if len(b) != 8 {
			return dst, errJSON
		}
		dst = append(dst, '"')
		dst = appendPackedTime(dst, field, int64(binary.LittleEndian.Uint64(b))) //nolint:gosec // it is signed
		return append(dst, '"'), nil
	}
	dst = append(dst, `"base64:type`...)
	dst = append(strconv.AppendUint(dst, uint64(field), 10), ':')
	return append(base64.StdEncoding.AppendEncode(dst, b), '"'), nil
}

// appendPackedTime prints the server's packed form of a time: microseconds in the
// lower 24 bits, above them the parts of the clock, day and month.
func appendPackedTime(dst []byte, field uint8, n int64) []byte {
	if n < 0 {
		dst, n = append(dst, '-'), -n
	}
	whole, micros := n>>24, uint64(n&(1<<24-1))
	if field == fieldTime {
		dst = appendClock(dst, int(whole>>12&0x3ff), int(whole>>6&0x3f), int(whole&0x3f))
		return appendFraction(dst, micros, 6)
	}
	date, clock := int(whole>>17), int(whole&(1<<17-1))
	dst = appendDate(dst, date>>5/13, date>>5%13, date&31)
	if field == fieldDate {
		return dst
	}
	dst = appendClock(append(dst, ' '), clock>>12, clock>>6&0x3f, clock&0x3f)
	return appendFraction(dst, micros, 6)
}

// maxFixedExponent is DBL_DIG, up to which the server writes numbers without exponent.
const maxFixedExponent = 15

// appendJSONDouble prints a double as my_gcvt does: the shortest digits, an exponent
// only for large and small ones, and always one that looks like a double.
func appendJSONDouble(dst []byte, f float64) []byte {
	if f == 0 {
		if math.Signbit(f) {
			return append(dst, "-0.0"...)
		}
		return append(dst, "0.0"...)
	}
	text := strconv.FormatFloat(f, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	e, _ := strconv.Atoi(exponent)
	if point := e + 1; point > maxFixedExponent || point < -maxFixedExponent+1 {
		dst = append(append(dst, mantissa...), 'e')
		return strconv.AppendInt(dst, int64(e), 10)
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	for _, c := range dst[from:] {
		if c == '.' {
			return dst
		}
	}
	return append(dst, ".0"...)
}

// appendServerJSONString appends a string with the escapes that the server uses.
func appendServerJSONString(dst, s []byte) []byte {
	dst = append(dst, '"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c >= 0x20:
			dst = append(dst, c)
		default:
			if short := strings.IndexByte("\b\f\n\r\t", c); short >= 0 {
				dst = append(dst, '\\', "bfnrt"[short])
				continue
			}
			dst = append(dst, `\u00`...)
			dst = append(dst, lowerHex[c>>4], lowerHex[c&15])
		}
	}
	return append(dst, '"')
}
