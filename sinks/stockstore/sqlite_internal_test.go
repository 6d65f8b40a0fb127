package stockstore

import (
	"path/filepath"
	"testing"
)

// TestSQLiteSynchronous looks at what no test without a power cut can show:
// durable transactions wait for the disk, also right after a lazy one.
func TestSQLiteSynchronous(t *testing.T) {
	t.Parallel()
	d, err := openSQLite(t.Context(), Config{SQLite: filepath.Join(t.TempDir(), "x.db")}.WithDefaults())
	if err != nil {
		t.Fatal(err)
	}
	const normal, full = 1, 2 // of pragma synchronous
	for _, c := range []struct {
		how  durability
		want int
	}{{durable, full}, {lazy, normal}, {lazy, normal}, {durable, full}} {
		mode, journal := 0, ""
		err := d.write(t.Context(), c.how, func(tx transaction) error {
			err := tx.query(t.Context(), func(scan scanFunc) error { return scan(&journal) }, `pragma journal_mode`)
			if err != nil {
				return err
			}
			return tx.query(t.Context(), func(scan scanFunc) error { return scan(&mode) }, `pragma synchronous`)
		})
		if err != nil || mode != c.want || journal != "wal" {
			t.Errorf("durability %d: synchronous is %d, want %d; journal_mode is %s (%v)", c.how, mode, c.want, journal, err)
		}
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
}
