package postgres_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTailDeliversCommitsInOrder(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, `CREATE TABLE stock (id int PRIMARY KEY, sku text, qty numeric, secret text)`, "stock")
	tl := tail(t, db.source(db.config(), "public.stock: qty"), "").started()

	db.exec(`INSERT INTO stock VALUES (1, 'a', 1.50, 'x')`)
	db.exec(`BEGIN; INSERT INTO stock VALUES (2, 'b', NULL, 'x'); UPDATE stock SET qty = 7 WHERE id = 1; COMMIT`)
	db.exec(`BEGIN; INSERT INTO stock VALUES (3, 'c', 3, 'x'); ROLLBACK`)
	db.exec(`BEGIN; INSERT INTO stock VALUES (4, 'd', 4, 'x'); SAVEPOINT s; INSERT INTO stock VALUES (5, 'e', 5, 'x');
		ROLLBACK TO s; INSERT INTO stock VALUES (6, 'f', 6, 'x'); COMMIT`)
	db.exec(`UPDATE stock SET id = 10 WHERE id = 1`)
	db.exec(`DELETE FROM stock WHERE id = 2`)

	got := tl.take(5)
	want := []string{
		"insert public.stock to id=1,qty=1.50",
		"insert public.stock to id=2,qty=NULL",
		"update public.stock to id=1,qty=7",
		"insert public.stock to id=4,qty=4",
		"insert public.stock to id=6,qty=6",
		"update public.stock from id=1,qty=(unchanged) to id=10,qty=7",
		"delete public.stock from id=2,qty=(unchanged)",
	}
	if diff := cmp.Diff(want, lines(got)); diff != "" {
		t.Errorf("changes (-want +got):\n%s", diff)
	}
	for i, tx := range got {
		if tx.Part != 0 || !tx.Last || tx.ID == "" || tx.At == "" || tx.CommittedAt.IsZero() || tx.Resume == "" {
			t.Errorf("transaction %d is incomplete: %+v", i, tx)
		}
	}
	tl.stop()
}
