package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tailstock/connector/cdc"
	"tailstock/sources/tailing"
)

// openFirst prepares for a source of which nothing counts that was read. The
// publication is looked at before the slot is made: the server decodes each
// change with the publication as it was then.
func (s *Source) openFirst(ctx context.Context, o *opened, id identity, slot *slotState) (err error) {
	if o.catalog, err = s.preflight(ctx, o.conn); err != nil {
		return err
	}
	if slot != nil {
		if err := s.claim(ctx, o.conn, slot); err != nil {
			return err
		}
		if slot.lost() != nil || s.spoilt.Load() {
			s.log.Warn("dropping the replication slot, which is of no use any more, to make it anew",
				"slot", s.cfg.Slot, "status", slot.walStatus, "invalidation", slot.invalidation)
			if err := dropSlot(ctx, o.repl, s.cfg.Slot); err != nil {
				return err
			}
			slot = nil
		}
	}
	if slot == nil {
		s.log.Info("making the replication slot, which waits for running transactions to end", "slot", s.cfg.Slot)
		o.confirmed, err = createSlot(ctx, o.repl, s.cfg.Slot, id.version)
	} else {
		s.log.Info("adopting the replication slot", "slot", s.cfg.Slot, "confirmed", slot.confirmed.String())
		o.confirmed = slot.confirmed
	}
	if err != nil {
		return err
	}
	s.spoilt.Store(false)
	o.from = token{o.confirmed, id.server}
	return s.settle(ctx, o.conn)
}

// claim makes sure that a slot is ours to adopt or to replace: made by the DBA,
// by us before a crash kept its first token from being stored, or by us for what
// does not count any more. The server still delivers every commit that starts at
// or after the slot's confirmed position, and none from before it.
func (s *Source) claim(ctx context.Context, conn *pgx.Conn, slot *slotState) error {
	if what := slot.foreign(); what != "" {
		return &cdc.SetupError{
			Object: fmt.Sprintf("slot %q", slot.name), Problem: what,
			Fix: "configure the name of a slot that does not exist",
		}
	}
	switch {
	case slot.activePID != 0:
		return slot.busy(ctx, conn, s.cfg)
	case slot.confirmed == 0 && slot.lost() == nil:
		return fmt.Errorf("slot %q is still being made", slot.name)
	}
	return nil
}

// dropSlot drops a slot that no process reads.
func dropSlot(ctx context.Context, conn *pgconn.PgConn, name string) error {
	if _, err := conn.Exec(ctx, `DROP_REPLICATION_SLOT `+pgx.Identifier{name}.Sanitize()).ReadAll(); err != nil {
		return fmt.Errorf("drop slot %q: %w", name, err)
	}
	return nil
}

// settle waits until every commit before the slot's position is visible. The
// stream never brings those, so that nothing later would tell that a query does
// not see them yet. Such a transaction, which perhaps waits for a synchronous
// standby, holds the lock on its number for as long; so do transactions that
// merely run, and cannot be told from it. Those of other databases do not matter.
func (s *Source) settle(ctx context.Context, conn *pgx.Conn) error {
	running, err := readRunning(ctx, conn)
	if err != nil {
		return err
	}
	w := tailing.Wait{Log: s.log.With("waits", "the start from a slot, which some commits precede")}
	for {
		snap, err := readSnapshot(ctx, conn)
		if err != nil {
			return err
		}
		xid, found := firstInvisible(running, &snap)
		if !found {
			return nil
		}
		if err := w.Pause(ctx, xid); err != nil {
			return err
		}
	}
}

func firstInvisible(xids []uint32, snap *snapshot) (xid uint64, found bool) {
	for _, narrow := range xids {
		if xid := snap.widen(narrow); !snap.visible(xid) {
			return xid, true
		}
	}
	return 0, false
}

// readRunning returns the transactions of this database that have a number and
// have not ended, prepared ones included. A snapshot does not have them all: one
// that waits for a standby may be numbered above its upper end (observed).
func readRunning(ctx context.Context, conn *pgx.Conn) ([]uint32, error) {
	const query = `
		SELECT l.transactionid::text::int8 FROM pg_catalog.pg_locks l
		LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
		LEFT JOIN pg_catalog.pg_prepared_xacts p ON p.transaction = l.transactionid
		WHERE l.locktype = 'transactionid' AND l.mode = 'ExclusiveLock' AND l.granted
			AND coalesce(a.datname, p.database, current_database()) = current_database()`
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("look for running transactions: %w", err)
	}
	wide, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("look for running transactions: %w", err)
	}
	running := make([]uint32, len(wide))
	for i, xid := range wide {
		running[i] = uint32(xid) //nolint:gosec // the server's xid has 32 bits
	}
	return running, nil
}
