package mysql

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
	"unicode/utf8"
)

// charset converts texts of a character set to UTF-8, as the server itself does.
type charset struct {
	name string
	// plain says that the bytes are UTF-8 already.
	plain bool
	// single has the text of each byte of a single-byte set.
	single *[256]string
	// wide converts texts of a set whose characters have several bytes.
	wide func(dst, text []byte) ([]byte, error)
}

func (c *charset) append(dst, text []byte) ([]byte, error) {
	switch {
	case c.plain:
		return append(dst, text...), nil
	case c.single != nil:
		for _, b := range text {
			dst = append(dst, c.single[b]...)
		}
		return dst, nil
	default:
		return c.wide(dst, text)
	}
}

// unicodeCharset returns the sets that need nothing from the server, nil for others.
func unicodeCharset(name string) *charset {
	switch name {
	case "utf8mb4", "utf8mb3", "utf8", "ascii":
		return &charset{name: name, plain: true}
	case "ucs2", "utf16":
		return &charset{name: name, wide: func(dst, text []byte) ([]byte, error) { return appendUTF16(dst, text, binary.BigEndian) }}
	case "utf16le":
		return &charset{name: name, wide: func(dst, text []byte) ([]byte, error) { return appendUTF16(dst, text, binary.LittleEndian) }}
	case "utf32":
		return &charset{name: name, wide: appendUTF32}
	}
	return nil
}

// characterLength returns what tells the length of the character that a text of an
// East Asian set begins with, nil for a set that is not known. The text is not empty.
func characterLength(name string) func(text []byte) int {
	switch name {
	case "big5", "gbk", "gb2312", "euckr":
		return func(text []byte) int { return pairIfHigh(text[0]) }
	case "sjis", "cp932":
		return func(text []byte) int {
			if text[0] >= 0xa0 && text[0] <= 0xdf { // half-width katakana
				return 1
			}
			return pairIfHigh(text[0])
		}
	case "ujis", "eucjpms":
		return func(text []byte) int {
			if text[0] == 0x8f { // JIS X 0212
				return 3
			}
			return pairIfHigh(text[0])
		}
	case "gb18030":
		return func(text []byte) int {
			if text[0] >= 0x80 && len(text) > 1 && text[1] >= '0' && text[1] <= '9' {
				return 4
			}
			return pairIfHigh(text[0])
		}
	}
	return nil
}

// pairIfHigh returns 2 for a byte that begins a character of two, and otherwise 1.
func pairIfHigh(b byte) int {
	if b >= 0x80 {
		return 2
	}
	return 1
}

// multibyte converts texts of a set whose characters have several bytes. What each
// is, it asks the server, once.
type multibyte struct {
	name    string
	length  func(text []byte) int
	known   map[string]string
	convert func(set string, character []byte) (string, error)
}

func (m *multibyte) append(dst, text []byte) ([]byte, error) {
	for len(text) > 0 {
		n := min(m.length(text), len(text))
		character := text[:n]
		text = text[n:]
		if n == 1 && character[0] < 0x80 && m.name != "sjis" { // sjis has a yen sign, or not
			dst = append(dst, character[0])
			continue
		}
		s, ok := m.known[string(character)]
		if !ok {
			var err error
			if s, err = m.convert(m.name, character); err != nil {
				return dst, err
			}
			m.known[string(character)] = s
		}
		dst = append(dst, s...)
	}
	return dst, nil
}

func appendUTF16(dst, text []byte, order binary.ByteOrder) ([]byte, error) {
	if len(text)%2 != 0 {
		return dst, fmt.Errorf("UTF-16 text of %d bytes", len(text))
	}
	for i := 0; i < len(text); i += 2 {
		r := rune(order.Uint16(text[i:]))
		if utf16.IsSurrogate(r) && i+4 <= len(text) {
			i += 2
			r = utf16.DecodeRune(r, rune(order.Uint16(text[i:])))
		}
		dst = utf8.AppendRune(dst, r)
	}
	return dst, nil
}

func appendUTF32(dst, text []byte) ([]byte, error) {
	if len(text)%4 != 0 {
		return dst, fmt.Errorf("UTF-32 text of %d bytes", len(text))
	}
	for i := 0; i < len(text); i += 4 {
		dst = utf8.AppendRune(dst, rune(binary.BigEndian.Uint32(text[i:]))) //nolint:gosec // what is no character becomes U+FFFD
	}
	return dst, nil
}
