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
		dst = utf8.AppendRune(dst, rune(binary.BigEndian.Uint32(text[i:])))
	}
	return dst, nil
}
