package mysql_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/internal/privateserver"
)

// TestNudgeBetweenParts expects no progress between the parts of a transaction,
// however often it is asked for.
func TestNudgeBetweenParts(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		const rows = 1 << 13
		d := newDatabase(t, f, "CREATE TABLE stock (id INT PRIMARY KEY, doc TEXT)", "CREATE TABLE seed (id INT PRIMARY KEY)", "INSERT INTO seed VALUES (0)")
		for n := 1; n < rows; n *= 2 {
			d.exec(fmt.Sprintf("INSERT INTO seed SELECT id + %d FROM seed", n))
		}
		cfg := d.config()
		cfg.PartRows, cfg.QueueBytes = 10, 1<<14
		s := d.source(cfg, "stock: doc")
		first := tail(t, s, "").started()
		token := first.token()
		first.stop()
		d.exec("INSERT INTO stock SELECT id, REPEAT('x', 100) FROM seed", "INSERT INTO stock VALUES (-1, '')")
		done := errors.New("done")
		open, parts, progress := false, 0, 0
		err := s.Tail(t.Context(), token, func(_ context.Context, tx *cdc.Transaction) error {
			s.Nudge()
			switch {
			case tx.Progress() && open:
				t.Fatalf("progress behind part %d", parts)
			case tx.Progress():
				if progress++; parts > 0 {
					return done
				}
			default:
				parts++
				open = !tx.Last
			}
			return nil
		})
		if !errors.Is(err, done) || parts < rows/10 {
			t.Fatalf("after %d parts: %v", parts, err)
		}
	})
}

// TestLargeTransaction reads a transaction of many rows in parts, in bounded
// memory, whether it is compressed or not.
//
//nolint:paralleltest // it measures memory
func TestLargeTransaction(t *testing.T) {
	for name, c := range map[string]struct {
		flavor   privateserver.Flavor
		settings map[string]string
	}{
		"MariaDB":    {privateserver.FlavorMariaDB, nil},
		"MySQL":      {privateserver.FlavorMySQL, nil},
		"compressed": {privateserver.FlavorMySQL, map[string]string{"binlog-transaction-compression": "ON"}},
	} {
		t.Run(name, func(t *testing.T) {
			const rows = 1 << 18
			d := newServer(t, c.flavor, c.settings, "CREATE TABLE stock (id INT PRIMARY KEY, qty INT, doc TEXT)",
				"CREATE TABLE seed (id INT PRIMARY KEY)", "INSERT INTO seed VALUES (0)")
			for n := 1; n < rows; n *= 2 {
				d.exec(fmt.Sprintf("INSERT INTO seed SELECT id + %d FROM seed", n))
			}
			s := d.source(d.config(), "stock: qty, doc")
			tl := tail(t, s, "").started()
			token := tl.token()
			tl.stop()
			d.exec("INSERT INTO stock SELECT id, id, REPEAT('x', 200) FROM seed", "INSERT INTO stock VALUES (-1, 0, '')")
			var base, now runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&base)
			done := errors.New("done")
			n, parts, peak := 0, 0, uint64(0)
			err := s.Tail(t.Context(), token, func(_ context.Context, tx *cdc.Transaction) error {
				switch {
				case tx.Progress():
					return nil
				case n == rows:
					return done
				case tx.Part != parts || tx.Last != (n+len(tx.Changes) == rows):
					t.Fatalf("part %d, last %v, after %d parts of %d rows", tx.Part, tx.Last, parts, n)
				}
				n += len(tx.Changes)
				if parts++; parts%20 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&now)
					peak = max(peak, now.HeapAlloc-min(base.HeapAlloc, now.HeapAlloc))
				}
				return nil
			})
			if !errors.Is(err, done) {
				t.Fatalf("after %d rows: %v", n, err)
			}
			t.Logf("%d parts, at most %d MiB", parts, peak>>20)
			if limit := uint64(32 << 20); peak > limit || parts < rows/2000 {
				t.Errorf("%d parts, %d MiB, want at most %d MiB", parts, peak>>20, limit>>20)
			}
		})
	}
}
