package stockstore

import (
	"errors"
	"fmt"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
)

// ErrNoStore is returned when a store is wanted that no daemon has made yet.
var ErrNoStore = errors.New("there is no stock store yet; the daemon makes it when it first starts")

// SchemaError is returned when the store has another schema than this program,
// because a newer version has migrated it or, for Config.Existing, none has yet.
// It is a fence: errors.Is reports connector.ErrFenced.
type SchemaError struct {
	// Store is the version of the store's schema, Known the newest that this
	// program knows.
	Store, Known int
}

// Error names both versions and what to do.
func (e *SchemaError) Error() string {
	if e.Store < e.Known {
		return fmt.Sprintf("the store has schema version %d and this program needs %d: start the daemon of this version, which migrates it",
			e.Store, e.Known)
	}
	return fmt.Sprintf("the store has schema version %d and this program knows up to %d: "+
		"a newer version has been at work; run that version, or restore a store from before it", e.Store, e.Known)
}

// Unwrap returns connector.ErrFenced.
func (e *SchemaError) Unwrap() error { return connector.ErrFenced }

// Halts tells the engine that a retry is pointless.
func (e *SchemaError) Halts() bool { return true }

// InstallationError is returned when the store belongs to another installation.
type InstallationError struct {
	Held, Offered string
}

// Error names both installations.
func (e *InstallationError) Error() string {
	return fmt.Sprintf("the store belongs to installation %q, not to %q: check the store and the namespace in the configuration",
		e.Held, e.Offered)
}

// Halts tells the engine that a retry is pointless.
func (e *InstallationError) Halts() bool { return true }

// DataError is returned when the database refuses what a row says. Limits are
// checked before the log, so it is a mistake in this program or a foreign
// constraint on its tables; a retry does not help.
type DataError struct {
	Source string
	Table  string
	Row    cdc.RowKey
	// Position is that of the message that has the row's event.
	Position inventory.Position
	Err      error
}

// Error names the row and where it stands in the log.
func (e *DataError) Error() string {
	return fmt.Sprintf("source %s: the store refuses row %s of table %s (message %s): %v",
		e.Source, e.Row, e.Table, e.Position, e.Err)
}

// Unwrap returns the database's error.
func (e *DataError) Unwrap() error { return e.Err }

// Halts tells the engine that a retry is pointless.
func (e *DataError) Halts() bool { return true }
