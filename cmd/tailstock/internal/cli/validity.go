package cli

import (
	"time"

	"tailstock/connector/inventory"
)

// validity shows when a contribution counts as JSON.
type validity struct {
	ValidFrom  time.Time `json:"valid_from,omitzero"`
	ValidUntil time.Time `json:"valid_until,omitzero"`
}

func validityOf(v inventory.Validity) (out validity) {
	if !v.From.IsZero() {
		out.ValidFrom = v.From.Time()
	}
	if !v.Until.IsZero() {
		out.ValidUntil = v.Until.Time()
	}
	return out
}

// validityText is the same for people, as the end of a line: nothing if it always counts.
func validityText(v inventory.Validity) (s string) {
	if !v.From.IsZero() {
		s += ", from " + v.From.Time().Local().Format(timeFormat)
	}
	if !v.Until.IsZero() {
		s += ", until " + v.Until.Time().Local().Format(timeFormat)
	}
	return s
}
