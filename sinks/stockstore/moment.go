package stockstore

import (
	"fmt"

	"tailstock/connector/inventory"
)

// momentColumn reads a column of milliseconds, null for no moment.
type momentColumn inventory.Moment

// Scan implements sql.Scanner.
func (m *momentColumn) Scan(value any) error {
	switch v := value.(type) {
	case nil:
		*m = 0
	case int64:
		*m = momentColumn(inventory.MomentAt(v))
	default:
		return fmt.Errorf("a moment is a %T", value)
	}
	return nil
}

// momentValue is what a column of milliseconds holds for m.
func momentValue(m inventory.Moment) *int64 {
	if m.IsZero() {
		return nil
	}
	ms := m.Milliseconds()
	return &ms
}
