// Package demo runs an ERP and a warehouse to follow: a private PostgreSQL with the
// tables and the application of testdata/erp, a private MariaDB with the tables of
// testdata/wms, and people at work in both. It knows nothing of Tailstock, but for
// the accounts and the publication that their owners made for it.
package demo
