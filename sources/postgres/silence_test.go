package postgres_test

import (
	"testing"
	"time"
)

// TestIdleServerIsNotTakenForDead: a server that gets status updates has no
// reason to say anything when nothing happens.
func TestIdleServerIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	cfg := db.config()
	cfg.WALSenderTimeout = time.Second
	tl := tail(t, db.source(cfg, "public.stock: qty"), "").started()
	select {
	case <-tl.done:
		t.Fatalf("Tail of an idle server ended: %v", tl.err)
	case <-time.After(4 * time.Second):
	}
	tl.stop()
}
