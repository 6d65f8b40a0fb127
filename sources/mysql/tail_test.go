package mysql_test

import (
	"testing"

	"tailstock/internal/privateserver"
)

func TestTail(t *testing.T) {
	t.Parallel()
	flavors(t, func(t *testing.T, f privateserver.Flavor) {
		d := newDatabase(t, f, "CREATE TABLE stock (id INT PRIMARY KEY, sku VARCHAR(40), qty DECIMAL(12,3))", "INSERT INTO stock VALUES (9, 'early', 1)")
		tl := d.follow("stock: sku, qty")
		d.exec("INSERT INTO stock VALUES (1, 'A', 1.5), (2, 'ä€', -0.001)", "UPDATE stock SET qty = 7 WHERE id = 1",
			"UPDATE stock SET id = 3 WHERE id = 2", "DELETE FROM stock WHERE id = 3", "TRUNCATE TABLE stock")
		got := tl.take(5)
		expect(t, got,
			"insert stock to id=1,sku=A,qty=1.500", "insert stock to id=2,sku=ä€,qty=-0.001",
			"update stock to id=1,sku=A,qty=7.000",
			"update stock from id=2,sku=ä€,qty=-0.001 to id=3,sku=ä€,qty=-0.001",
			"delete stock from id=3,sku=ä€,qty=-0.001", "truncate stock")
		for _, tx := range got {
			t.Log(tx.ID, tx.At, tx.CommittedAt, tx.Resume)
		}
		tl.stop()
	})
}
