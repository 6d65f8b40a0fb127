package inventory

import (
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// MaxName is the longest SKU, location or leg, in bytes.
const MaxName = 200

// Errors of Validate, wrapped with the field and the offending value.
var (
	ErrNameEmpty   = errors.New("empty")
	ErrNameLong    = fmt.Errorf("longer than %d bytes", MaxName)
	ErrNameUTF8    = errors.New("not valid UTF-8")
	ErrNameControl = errors.New("contains a control character")
)

// Validate checks c against the limits that every store can hold. The error
// names the field and says what is wrong.
func (c *Contribution) Validate() error {
	if err := ValidName(c.Leg); err != nil {
		return fmt.Errorf("leg: %w", err)
	}
	if err := ValidName(string(c.SKU)); err != nil {
		return fmt.Errorf("sku: %w", err)
	}
	if err := ValidName(string(c.Location)); err != nil {
		return fmt.Errorf("location: %w", err)
	}
	for k, q := range c.Quantities {
		if !q.Valid() {
			return fmt.Errorf("%s: %w", Kind(k), ErrQuantityRange)
		}
	}
	return nil
}

// ValidName checks a SKU, location or leg: 1 to MaxName bytes of UTF-8 without
// control characters.
func ValidName(s string) error {
	switch {
	case s == "":
		return ErrNameEmpty
	case len(s) > MaxName:
		return ErrNameLong
	case printableASCII(s):
		return nil
	case !utf8.ValidString(s):
		return ErrNameUTF8
	}
	for _, r := range s {
		if unicode.IsControl(r) {
			return ErrNameControl
		}
	}
	return nil
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
