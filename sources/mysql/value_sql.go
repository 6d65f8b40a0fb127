package mysql

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"tailstock/connector/cdc"
)

// fromSQL returns the canonical value of what a session of Config.open read of
// the column by a prepared statement: the binary protocol, unlike the text one,
// brings floats unrounded. v is what database/sql puts into an any. It equals what
// the stream makes of the same value, byte for byte.
func (c *column) fromSQL(v any) (cdc.Value, error) {
	if v == nil {
		return cdc.Null, nil
	}
	b, err := c.appendSQL(nil, v)
	if err != nil {
		return cdc.Value{}, fmt.Errorf("column %q: %w", c.name, err)
	}
	return cdc.Text(string(b)), nil
}

func (c *column) appendSQL(b []byte, v any) ([]byte, error) {
	switch v := v.(type) {
	case int64:
		return strconv.AppendInt(b, v, 10), nil
	case uint64:
		return strconv.AppendUint(b, v, 10), nil
	case float32:
		return appendFloat(b, float64(v), 32), nil
	case float64:
		if c.kind == kindFloat {
			return appendFloat(b, v, 32), nil
		}
		return appendFloat(b, v, 64), nil
	case []byte:
		return c.appendSQLText(b, v)
	case string:
		return c.appendSQLText(b, []byte(v))
	default:
		return b, fmt.Errorf("value of Go type %T", v)
	}
}

func (c *column) appendSQLText(b, text []byte) ([]byte, error) {
	switch c.kind {
	case kindBytes, kindGeometry, kindVector:
		return hex.AppendEncode(b, text), nil
	case kindBit:
		n, err := bigEndian(text)
		return strconv.AppendUint(b, n, 10), err
	case kindDecimal:
		return append(b, plainDecimal(string(text))...), nil
	case kindTimestamp:
		return append(append(b, text...), "+00"...), nil
	default:
		return append(b, text...), nil
	}
}

// bigEndian reads up to 8 bytes.
func bigEndian(b []byte) (n uint64, err error) {
	if len(b) > 8 {
		return 0, fmt.Errorf("bit value of %d bytes", len(b))
	}
	for _, c := range b {
		n = n<<8 | uint64(c)
	}
	return n, nil
}

// plainDecimal takes away the zeros that ZEROFILL puts in front.
func plainDecimal(s string) string {
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for len(s) > 1 && s[0] == '0' && s[1] != '.' {
		s = s[1:]
	}
	return sign + s
}

// appendFloat appends the shortest text that reads back as f.
func appendFloat(b []byte, f float64, bits int) []byte {
	return strconv.AppendFloat(b, f, 'g', -1, bits)
}
