// Package demo runs an ERP to follow: a private PostgreSQL with the tables and the
// application of testdata/erp, and people at work in it. It knows nothing of
// Tailstock, but for the role and the publication that its owner made for it.
package demo
