package postgres_test

import (
	"testing"

	"tailstock/connector/backfill"
)

// BenchmarkRead reads 200,000 rows in chunks of 10,000.
func BenchmarkRead(b *testing.B) {
	const rows, limit = 200_000, 10_000
	db := newDatabase(b, `CREATE TABLE inventory (id bigint PRIMARY KEY, sku text, location text,
		on_hand int, reserved int, updated_at timestamptz);
		INSERT INTO inventory SELECT i, 'SKU-' || i, 'DC' || i % 7, i % 1000, 0, now() FROM generate_series(1, 200000) i;
		ANALYZE inventory`, "inventory")
	s := db.source(db.config(), "public.inventory: sku location on_hand reserved")
	tail(b, s, "").started()
	b.ReportAllocs()
	for b.Loop() {
		r := backfill.Request{Table: public("inventory"), Limit: limit}
		for {
			c := chunk(b, s, r)
			if len(c.Rows) < limit {
				break
			}
			r.After = c.Last
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
