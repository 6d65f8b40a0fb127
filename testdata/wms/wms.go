// Package wms holds the SQL of a small warehouse system on MariaDB: its tables, and
// its stock as plain SQL. The demo runs it beside the ERP; it knows nothing of
// Tailstock.
package wms

import _ "embed" // the files below

// Schema makes the tables: statements that end with a semicolon at the end of a line.
//
//go:embed schema.sql
var Schema string

// Levels is a query that computes every level from the rows: sku, location, on_hand,
// committed, unavailable.
//
//go:embed levels.sql
var Levels string
