package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// checkRole judges the role's right to replicate, by opening a replication
// connection where nothing speaks against it: only that shows a connection
// pooler on the way, which does not let one through.
func (c *check) checkRole(ctx context.Context, f *serverFacts) {
	const requirement = "role"
	role := quoteName(f.role)
	switch {
	case !f.superuser && !f.replication && f.managed && !f.member:
		c.problem(requirement, fmt.Sprintf("role %s may not replicate", role), fmt.Sprintf("GRANT rds_replication TO %s;", role))
		return
	case !f.superuser && !f.replication && !f.member:
		c.problem(requirement, fmt.Sprintf("role %s lacks REPLICATION", role), fmt.Sprintf("ALTER ROLE %s REPLICATION;", role))
		return
	case f.superuser:
		c.warn(requirement, fmt.Sprintf("role %s is a superuser, and needs to be none", role),
			"CREATE ROLE tailstock LOGIN REPLICATION PASSWORD '…';  -- and name it in the dsn")
	default:
		c.ok(requirement, fmt.Sprintf("role %s may log in and replicate", role))
	}
	if f.senders >= f.maxSenders {
		return
	}
	conn, err := c.cfg.connectWALSender(ctx)
	if err != nil {
		c.problem("replication connection", err.Error(),
			"see that the dsn leads to the server itself and not to a connection pooler, and that pg_hba.conf lets the role in")
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	_ = conn.Close(ctx)
	c.ok("replication connection", "can be made")
}

// checkSlot judges the slot, or whether there is room to make it.
func (c *check) checkSlot(ctx context.Context, conn *pgx.Conn, f *serverFacts) {
	slot, err := readSlot(ctx, conn, c.cfg.Slot)
	if err != nil {
		c.problem(c.slotObject(), err.Error(), "")
		return
	}
	c.checkCapacity(f, slot)
	if slot == nil {
		c.ok(c.slotObject(), "does not exist yet; it is made at the first start")
	} else {
		c.checkSlotState(f, slot)
	}
	c.checkFailover(ctx, conn, f, slot)
}

func (c *check) slotObject() string { return fmt.Sprintf("slot %q", c.cfg.Slot) }

func (c *check) checkCapacity(f *serverFacts, slot *slotState) {
	capacity := func(setting, what string, used, limit int, ours bool) {
		switch {
		case ours || used < limit:
			c.ok(setting, fmt.Sprintf("%d of %d %s are in use", used, limit, what))
		default:
			c.problem(setting, fmt.Sprintf("all of %d %s are in use", limit, what),
				fmt.Sprintf("ALTER SYSTEM SET %s = %d;\nthen restart the server", setting, limit+5))
		}
	}
	capacity("max_replication_slots", "slots", f.slots, f.maxSlots, slot != nil)
	capacity("max_wal_senders", "replication connections", f.senders, f.maxSenders, slot != nil && slot.activePID != 0)
}

func (c *check) checkSlotState(f *serverFacts, slot *slotState) {
	object := c.slotObject()
	if why := slot.foreign(); why != "" {
		c.problem(object, why, "name another slot in the configuration")
		return
	}
	if err := slot.lost(); err != nil {
		var gap *cdc.GapError
		detail, fix := err.Error(), ""
		if errors.As(err, &gap) {
			detail, fix = gap.Detail, gap.Fix
		}
		c.problem(object, detail, fmt.Sprintf("SELECT pg_drop_replication_slot('%s');\n%s", slot.name, fix))
		return
	}
	reader := "nobody reads it"
	if slot.activePID != 0 {
		reader = fmt.Sprintf("server process %d reads it", slot.activePID)
	}
	detail := fmt.Sprintf("%s, it keeps %s of log, status %s", reader, bytesText(slot.retained), slot.walStatus)
	switch {
	case slot.walStatus == "unreserved":
		c.warn(object, detail+": the server may remove its log at the next checkpoint", "start the capture, or raise max_slot_wal_keep_size")
	case f.keepSize > 0 && slot.retained*2 > f.keepSize:
		c.warn(object, fmt.Sprintf("%s: %d %% of max_slot_wal_keep_size", detail, slot.retained*100/f.keepSize),
			"start the capture, or raise max_slot_wal_keep_size")
	default:
		c.ok(object, detail)
	}
}

// checkFailover judges whether the slot would survive a failover to a standby,
// which PostgreSQL can do from 17 on.
func (c *check) checkFailover(ctx context.Context, conn *pgx.Conn, f *serverFacts, slot *slotState) {
	const requirement = "failover"
	switch {
	case len(f.standbySlots) == 0:
		return
	case f.version < version17:
		c.warn(requirement, "the server has standbys, and before PostgreSQL 17 none of them takes the slot over: "+
			"after a failover the tables must be loaded anew", "")
		return
	}
	failover := true
	if slot != nil {
		const query = `SELECT coalesce((to_jsonb(s)->>'failover')::bool, false) FROM pg_replication_slots s WHERE slot_name = $1`
		if err := conn.QueryRow(ctx, query, slot.name).Scan(&failover); err != nil && !errors.Is(err, pgx.ErrNoRows) {
			c.problem(requirement, fmt.Sprintf("read slot %q: %v", slot.name, err), "")
			return
		}
	}
	switch {
	case !failover:
		c.warn(requirement, "the slot was made without failover: a promoted standby will not have it",
			fmt.Sprintf("ALTER_REPLICATION_SLOT %s (FAILOVER);  -- on a replication connection, while nobody reads the slot", slot.name))
	case f.synchronized == "":
		c.warn(requirement, "synchronized_standby_slots is empty: after a failover we may have seen changes that the new primary lacks",
			fmt.Sprintf("ALTER SYSTEM SET synchronized_standby_slots = '%s';  -- the slots of the standbys that may be promoted\nSELECT pg_reload_conf();",
				strings.Join(f.standbySlots, ", ")))
	default:
		c.ok(requirement, "the slot is kept on standbys that have sync_replication_slots, and waits for "+f.synchronized)
	}
}
