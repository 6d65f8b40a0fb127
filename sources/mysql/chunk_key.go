package mysql

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"tailstock/connector/backfill"
)

// keyColumn is a column of the key as its index orders it.
type keyColumn struct {
	*column
	// collation is that of text.
	collation string
}

// placeholder returns an expression with one parameter that has the column's own
// type, character set and collation: otherwise the server would convert the
// column to compare it, and not use the index, or compare by another order.
func (k *keyColumn) placeholder() string {
	switch k.kind {
	case kindDecimal:
		digits := "65,30"
		if _, rest, ok := strings.Cut(k.sourceType, "("); ok {
			digits, _, _ = strings.Cut(rest, ")")
		}
		return "CAST(? AS DECIMAL(" + digits + "))"
	case kindBytes:
		return "UNHEX(?)"
	case kindText:
		// What the character set lacks becomes "?". MySQL refuses it in a parameter
		// of that character set, which it makes of one that is converted just once.
		return "CONVERT(CONVERT(? USING utf8mb4) USING " + k.charset + ") COLLATE " + k.collation
	default:
		return "?"
	}
}

// parameter returns what placeholder's parameter is for a canonical text.
func (k *keyColumn) parameter(text string) (any, error) {
	switch k.kind {
	case kindInteger, kindYear, kindBit:
		if k.unsigned || k.kind == kindBit {
			return strconv.ParseUint(text, 10, 64)
		}
		return strconv.ParseInt(text, 10, 64)
	case kindFloat:
		return strconv.ParseFloat(text, 32)
	case kindDouble:
		return strconv.ParseFloat(text, 64)
	case kindEnum:
		return k.memberNumber(text)
	case kindSet:
		return k.memberBits(text)
	case kindTimestamp:
		return strings.TrimSuffix(text, "+00"), nil
	case kindJSON, kindGeometry, kindVector:
		return nil, fmt.Errorf("%s cannot be a key", k.sourceType)
	default:
		return text, nil
	}
}

// memberNumber returns the number by which the server keeps and orders a member
// of an enum: 0 for the empty string of a value that was invalid.
func (k *keyColumn) memberNumber(text string) (any, error) {
	if i := slices.Index(k.members, text); i >= 0 {
		return int64(i + 1), nil
	}
	if text == "" {
		return int64(0), nil
	}
	return nil, fmt.Errorf("%q is no member of %s", text, k.sourceType)
}

// memberBits returns the number by which the server keeps and orders a set.
func (k *keyColumn) memberBits(text string) (any, error) {
	var bits uint64
	if text == "" {
		return bits, nil
	}
	for member := range strings.SplitSeq(text, ",") {
		i := slices.Index(k.members, member)
		if i < 0 {
			return nil, fmt.Errorf("%q is no member of %s", member, k.sourceType)
		}
		bits |= 1 << i
	}
	return bits, nil
}

// parameters returns those of a whole key.
func (p *chunkPlan) parameters(key backfill.Key) ([]any, error) {
	if len(key) != len(p.key) {
		return nil, fmt.Errorf("the key %q has %d values, and the table's has %d", key, len(key), len(p.key))
	}
	params := make([]any, len(key))
	for i, text := range key {
		param, err := p.key[i].parameter(text)
		if err != nil {
			return nil, fmt.Errorf("value %q of key column %q: %w", text, p.key[i].name, err)
		}
		if f, ok := param.(float64); ok && math.IsInf(f, 0) {
			return nil, fmt.Errorf("value %q of key column %q is no number of the server", text, p.key[i].name)
		}
		params[i] = param
	}
	return params, nil
}

// compare returns the condition that compares the whole key with a bound:
// operator is ">" or "<", for the columns before the last one, and last the
// operator for that. The server's optimizer makes ranges of the index of it,
// which it does not of a comparison of rows.
func (p *chunkPlan) compare(params []any, operator, last string) (string, []any) {
	n := len(p.key) - 1
	condition := p.test(n, last)
	args := []any{params[n]}
	for i := n - 1; i >= 0; i-- {
		condition = fmt.Sprintf("(%s OR (%s AND %s))", p.test(i, operator), p.test(i, "="), condition)
		args = append([]any{params[i], params[i]}, args...)
	}
	if n > 0 { // a hint for where the range begins
		condition = p.test(0, operator+"=") + " AND " + condition
		args = append([]any{params[0]}, args...)
	}
	return condition, args
}

func (p *chunkPlan) test(i int, operator string) string {
	return quoteName(p.key[i].name) + " " + operator + " " + p.key[i].placeholder()
}
