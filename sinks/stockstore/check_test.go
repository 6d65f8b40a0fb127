package stockstore_test

import (
	"database/sql"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sinks/stockstore"
)

// findingOf returns the one finding about a requirement.
func findingOf(t testing.TB, findings []cdc.Finding, requirement string) cdc.Finding {
	t.Helper()
	var found []cdc.Finding
	for _, f := range findings {
		if f.Requirement == requirement {
			found = append(found, f)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d findings about %q in %+v", len(found), requirement, findings)
	}
	return found[0]
}

// wantFine fails the test if a finding is a problem.
func wantFine(t testing.TB, findings []cdc.Finding) {
	t.Helper()
	for _, f := range findings {
		if f.State == cdc.FindingProblem || f.Detail == "" || (f.State == cdc.FindingOK) != (f.Fix == "") {
			t.Errorf("%+v", f)
		}
	}
}

func TestCheckFine(t *testing.T) {
	t.Parallel()
	dialects(t, func(t *testing.T, cfg stockstore.Config, db *sql.DB) {
		wantFine(t, stockstore.Check(t.Context(), cfg))
		// Checking has made nothing.
		if _, err := db.ExecContext(t.Context(), `select 1 from store_meta`); err == nil {
			t.Error("checking made the store")
		}
		s := openStore(t, cfg)
		defer s.Close()
		findings := stockstore.Check(t.Context(), cfg)
		wantFine(t, findings)
		if f := findingOf(t, findings, "schema of the stock store"); f.Detail != "version 2" {
			t.Errorf("%+v", f)
		}
	})
}

func TestCheckProblems(t *testing.T) {
	t.Parallel()
	dsn := testenv.Database(t)
	db := openSQL(t, "pgx", dsn)
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	database := strings.TrimPrefix(u.Path, "/")
	role := "reader_" + database
	mustExec(t, db, `create role `+role+` login; revoke create on schema public from public`)
	as := func(change func(*url.URL)) stockstore.Config {
		other := *u
		change(&other)
		return stockstore.Config{Postgres: other.String()}
	}
	reader := as(func(u *url.URL) { u.User = url.User(role) })

	f := findingOf(t, stockstore.Check(t.Context(), reader), "right to make the stock store")
	if f.State != cdc.FindingProblem || !strings.HasPrefix(f.Fix, "grant usage, create on schema ") {
		t.Errorf("%+v", f)
	}
	mustExec(t, db, f.Fix)
	if f := findingOf(t, stockstore.Check(t.Context(), reader), "right to make the stock store"); f.State != cdc.FindingOK {
		t.Errorf("after the fix: %+v", f)
	}
	s := openStore(t, stockstore.Config{Postgres: dsn})
	defer s.Close()
	f = findingOf(t, stockstore.Check(t.Context(), reader), "rights on the stock store")
	if f.State != cdc.FindingProblem || !strings.Contains(f.Detail, "contribution") {
		t.Errorf("%+v", f)
	}
	mustExec(t, db, f.Fix)
	wantFine(t, stockstore.Check(t.Context(), reader))

	for requirement, cfg := range map[string]stockstore.Config{
		"connection to the stock store":       as(func(u *url.URL) { u.Host = "127.0.0.1:1"; u.User = url.UserPassword("u", "secret") }),
		"schema for the stock store":          as(func(u *url.URL) { u.RawQuery += "&search_path=nosuch" }),
		"writable stock store":                as(func(u *url.URL) { u.RawQuery += "&default_transaction_read_only=on" }),
		"configuration of the stock store":    {},
		"directory of the stock store":        {SQLite: filepath.Join(os.Args[0], "stock.db")}, // a file is no directory
		"file of the stock store":             {SQLite: t.TempDir()},
		"connection to the stock store again": as(func(u *url.URL) { u.Path = "/nosuch" }),
	} {
		f := findingOf(t, stockstore.Check(t.Context(), cfg), strings.TrimSuffix(requirement, " again"))
		if f.State != cdc.FindingProblem || f.Fix == "" || strings.Contains(f.Detail, "secret") {
			t.Errorf("%s: %+v", requirement, f)
		}
	}
	warned := findingOf(t, stockstore.Check(t.Context(), reader), "durability of the stock store")
	if warned.State != cdc.FindingWarning || !strings.Contains(warned.Detail, "fsync is off") {
		t.Errorf("a test server without fsync: %+v", warned)
	}
}

// The directory of a file is made with it, as that of the embedded server is.
func TestDirectoryIsMade(t *testing.T) {
	t.Parallel()
	cfg := stockstore.Config{SQLite: filepath.Join(t.TempDir(), "deep", "data", "stock.db")}
	findings := stockstore.Check(t.Context(), cfg)
	wantFine(t, findings)
	if f := findingOf(t, findings, "directory of the stock store"); !strings.Contains(f.Detail, "the first start makes it") {
		t.Errorf("%+v", f)
	}
	s := openStore(t, cfg)
	defer s.Close()
	wantFine(t, stockstore.Check(t.Context(), cfg))
}
