package sinktest

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"tailstock/connector"
)

// StockStore is a stock store as the suite uses it: the two ports, and what
// operators ask of a store.
type StockStore interface {
	connector.Store
	connector.RelayStore
	// Rebuild asks for every level to be published anew.
	Rebuild(ctx context.Context) error
	// Sweep deletes rows of dropped feeds and reports whether there may be more.
	Sweep(ctx context.Context) (bool, error)
	Close() error
}

// StoreDatabase is one database that holds a stock store.
type StoreDatabase interface {
	// Open opens the store, as another process would: several may be open at
	// once. The test closes it.
	Open(t testing.TB) StockStore
	// SetClock makes now the clock of the stores that are opened from now on.
	SetClock(now func() time.Time)
	// DB gives access to the tables and views, which have the same names and
	// columns in every dialect. It stays open until the test ends.
	DB(t testing.TB) *sql.DB
	// Crash stops the database without warning, as a power cut would, and starts
	// it again. Stores that are open may fail from now on. It reports whether what
	// was acknowledged while it ran is certain to be there, which it is not if the
	// database is a copy of the files that another process goes on writing.
	Crash(t testing.TB) (exact bool)
}

// Store runs the conformance suite of stock stores. create makes an empty
// database that is the test's alone.
func Store(t *testing.T, create func(t testing.TB) StoreDatabase) {
	t.Helper()
	for name, f := range map[string]func(*testing.T, func(testing.TB) StoreDatabase){
		"Identity":            testIdentity,
		"Fence":               testFence,
		"ForeignLog":          testForeignLog,
		"Zombie":              testZombie,
		"Redelivery":          testRedelivery,
		"Fold":                testFold,
		"Legs":                testLegs,
		"Problems":            testProblems,
		"Feeds":               testFeeds,
		"Load":                testLoad,
		"LoadFlipsTogether":   testLoadFlipsTogether,
		"LoadReplacesMapping": testLoadReplacesMapping,
		"LoadForOthers":       testLoadForOthers,
		"LoadTakesOver":       testLoadTakesOver,
		"LoadTruncated":       testLoadTruncated,
		"LoadDroppedWhole":    testLoadDroppedWhole,
		"Gap":                 testGap,
		"Rebase":              testRebase,
		"Loaded":              testLoaded,
		"Compare":             testCompare,
		"CompareCounts":       testCompareCounts,
		"CompareRepair":       testCompareRepair,
		"CompareInPlace":      testCompareInPlace,
		"CompareTruncated":    testCompareTruncated,
		"CompareFeeds":        testCompareFeeds,
		"CompareMany":         testCompareMany,
		"CompareMarks":        testCompareMarks,
		"CompareTwice":        testCompareTwice,
		"CompareBeforeFlip":   testCompareBeforeFlip,
		"Truncate":            testTruncate,
		"TruncateInBatch":     testTruncateInBatch,
		"TruncateStale":       testTruncateStale,
		"Views":               testViews,
		"Limits":              testLimits,
		"SumOutOfRange":       testSumOutOfRange,
		"LargeBatch":          testLargeBatch,
		"ConcurrentSources":   testConcurrentSources,
		"CrashWhileApplying":  testCrashWhileApplying,
		"Random":              testRandom,
		"RelayFirst":          testRelayFirst,
		"RelayFence":          testRelayFence,
		"RelayInFlight":       testRelayInFlight,
		"RelayMerges":         testRelayMerges,
		"RelayRestart":        testRelayRestart,
		"RelayRepublish":      testRelayRepublish,
		"RelayWalk":           testRelayWalk,
		"RelayWalkResumes":    testRelayWalkResumes,
		"RelayWalkInterleave": testRelayWalkInterleave,
		"RelayFlip":           testRelayFlip,
		"RelayLateCommit":     testRelayLateCommit,
		"RelayWake":           testRelayWake,
		"Sweep":               testSweep,
		"Validity":            testValidity,
		"ValidityMissed":      testValidityMissed,
		"ValidityChanged":     testValidityChanged,
		"ValidityOfProblems":  testValidityOfProblems,
		"ValidityMeets":       testValidityMeets,
		"ValidityLoads":       testValidityLoads,
		"ValidityCompared":    testValidityCompared,
		"ValidityMany":        testValidityMany,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, create)
		})
	}
}

// open opens the store of d and closes it when the test ends.
func open(t testing.TB, d StoreDatabase) StockStore {
	t.Helper()
	s := d.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close store: %v", err)
		}
	})
	return s
}

// table returns the rows of a query, their columns joined by bars.
func table(t testing.TB, d StoreDatabase, query string, args ...any) []string {
	t.Helper()
	rows, err := d.DB(t).QueryContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for rows.Next() {
		values := make([]sql.NullString, len(columns))
		targets := make([]any, len(columns))
		for i := range values {
			targets[i] = &values[i]
		}
		if err := rows.Scan(targets...); err != nil {
			t.Fatal(err)
		}
		texts := make([]string, len(columns))
		for i, v := range values {
			texts[i] = v.String
		}
		out = append(out, strings.Join(texts, "|"))
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// number returns the one number that a query gives.
func number(t testing.TB, d StoreDatabase, query string, args ...any) int {
	t.Helper()
	n := 0
	if err := d.DB(t).QueryRowContext(t.Context(), query, args...).Scan(&n); err != nil {
		t.Fatal(fmt.Errorf("%s: %w", query, err))
	}
	return n
}
