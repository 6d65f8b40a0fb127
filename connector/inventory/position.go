package inventory

import (
	"cmp"
	"fmt"
	"strconv"
)

// Position is a message's place in a source's log: the run that appended it,
// and its number in that run. Positions are compared run first. The zero
// Position is before every message.
type Position struct {
	Run    uint64
	Number uint64
}

const (
	runDigits    = 15
	numberDigits = 12
	positionText = runDigits + 1 + numberDigits
)

// IsZero reports whether p is before every message.
func (p Position) IsZero() bool { return p == Position{} }

// Compare returns -1, 0 or +1 as p is before, at or after o.
func (p Position) Compare(o Position) int {
	if c := cmp.Compare(p.Run, o.Run); c != 0 {
		return c
	}
	return cmp.Compare(p.Number, o.Number)
}

// Before reports whether p comes before o.
func (p Position) Before(o Position) bool { return p.Compare(o) < 0 }

// String returns the fixed-width text "RRRRRRRRRRRRRRR-NNNNNNNNNNNN", which
// sorts as the positions do.
func (p Position) String() string {
	return fmt.Sprintf("%0*d-%0*d", runDigits, p.Run, numberDigits, p.Number)
}

// ParsePosition reads the text that String writes.
func ParsePosition(s string) (Position, error) {
	if len(s) != positionText || s[runDigits] != '-' || !allDigits(s[:runDigits]) || !allDigits(s[runDigits+1:]) {
		return Position{}, fmt.Errorf("position %q: want %d digits, a hyphen and %d digits", s, runDigits, numberDigits)
	}
	// All digits and short enough for a uint64, so neither can fail.
	run, _ := strconv.ParseUint(s[:runDigits], 10, 64)
	number, _ := strconv.ParseUint(s[runDigits+1:], 10, 64)
	return Position{Run: run, Number: number}, nil
}
