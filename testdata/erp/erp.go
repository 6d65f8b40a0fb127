// Package erp holds the SQL of a small ERP of a dealer in auto parts: its tables,
// the application that works on them, and its stock as plain SQL. The demo runs it
// and docker-compose.yml brings it up; it knows nothing of Tailstock.
package erp

import _ "embed" // the files below

// Schema makes the tables.
//
//go:embed schema.sql
var Schema string

// Workload makes the schema "app": app.fill(parts, bins) fills the tables, and each
// call of app.step(parts) is one transaction of somebody at work, which returns how
// many rows it changed.
//
//go:embed workload.sql
var Workload string

// Levels is a query that computes every level from the rows: sku, location, on_hand,
// committed, unavailable, safety_stock, incoming.
//
//go:embed levels.sql
var Levels string
