package cdc

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"unicode/utf8"
)

// MaxRowKey is the longest RowKey, in bytes. PostgreSQL cannot index much more
// (a 6 KB key breaks its index), and a key is stored with every contribution.
const MaxRowKey = 512

// keyPrefix is how much of an overlong key stays readable before its hash:
// MaxRowKey less the ellipsis, the 64 hexadecimal digits and the bracket.
const keyPrefix = MaxRowKey - 3 - 64 - 2

// RowKey is the canonical text of a row's key: a JSON array with one element
// per key column, in key order, such as [42] or ["DC1","BRK-1234"]. Integers
// stand as JSON numbers, everything else as strings. Two rows of a table have
// the same RowKey exactly if the canonical texts of their key values are equal.
// A key that is longer than MaxRowKey, or not UTF-8 (an SQL_ASCII database),
// becomes a readable prefix and a SHA-256; such a text is no JSON, so it never
// equals that of another key.
type RowKey string

// ErrKey is returned when a row has no complete key: a key column is NULL or
// was not sent.
var ErrKey = errors.New("incomplete row key")

// KeyOf returns the RowKey of row in t. It fails with ErrKey if a key column is
// NULL, unchanged or beyond the row's end, as every one of a nil row is.
func (t *Table) KeyOf(row Row) (RowKey, error) {
	var scratch [64]byte
	b := append(scratch[:0], '[')
	valid := true
	for i, c := range t.Key {
		if c >= len(row) || row[c].state != statePresent {
			return "", ErrKey
		}
		if i > 0 {
			b = append(b, ',')
		}
		text := row[c].text
		valid = valid && utf8.ValidString(text)
		b = appendKeyValue(b, t.Columns[c].Type, text)
	}
	b = append(b, ']')
	switch {
	case !valid:
		return hashedKey(b, t.rawKeySum(row)), nil
	case len(b) > MaxRowKey:
		return hashedKey(b, sha256.Sum256(b)), nil
	}
	return RowKey(b), nil
}

// rawKeySum hashes key values as they are, each behind its length: the text of
// a key cannot tell apart two values that are not UTF-8.
func (t *Table) rawKeySum(row Row) [sha256.Size]byte {
	var b []byte
	for _, c := range t.Key {
		b = binary.AppendUvarint(b, uint64(len(row[c].text)))
		b = append(b, row[c].text...)
	}
	return sha256.Sum256(b)
}

func appendKeyValue(b []byte, t Type, text string) []byte {
	if t == TypeInteger && plainInteger(text) {
		return append(b, text...)
	}
	return AppendJSONString(b, text)
}

// plainInteger reports whether s is a JSON integer in its only spelling, so
// that equal keys have equal text.
func plainInteger(s string) bool {
	digits := s
	if digits != "" && digits[0] == '-' {
		digits = digits[1:]
	}
	if digits == "" || (digits[0] == '0' && (len(digits) > 1 || s[0] == '-')) {
		return false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '9' {
			return false
		}
	}
	return true
}

// hashedKey returns the beginning of b, which ends with a bracket, and sum.
func hashedKey(b []byte, sum [sha256.Size]byte) RowKey {
	cut := min(keyPrefix, len(b)-1)
	for cut > 0 && !utf8.RuneStart(b[cut]) {
		cut--
	}
	// An escape sequence may be cut in two; dropping the backslashes at the end
	// keeps the text readable, and the hash alone makes it unique.
	for cut > 0 && b[cut-1] == '\\' {
		cut--
	}
	out := append([]byte(nil), b[:cut]...)
	out = append(out, "..."...)
	out = hex.AppendEncode(out, sum[:])
	return RowKey(append(out, ']'))
}

const hexDigits = "0123456789abcdef"

// AppendJSONString appends s as a JSON string to b: the shortest escapes for
// quote, backslash and control characters, other characters as they are, and
// U+FFFD for bytes that are not UTF-8.
func AppendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
			b = append(append(b, s[start:i]...), "\uFFFD"...)
			i++
			start = i
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}
