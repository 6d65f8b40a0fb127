package stockstore

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// relistenPause is the time between attempts to listen again.
const relistenPause = time.Second

// notify sends the notification in a transaction of its own, after the apply and
// lazily: within the apply it would take a lock that all notifying commits share
// until each is on disk.
func (p *postgres) notify(ctx context.Context, channel, sender string) error {
	conn, err := p.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	b := new(pgx.Batch)
	b.Queue("begin")
	b.Queue("set local synchronous_commit = off")
	b.Queue("select pg_notify($1, $2)", channel, sender)
	b.Queue("commit")
	if err := conn.SendBatch(ctx, b).Close(); err != nil {
		rollback(ctx, conn.Conn())
		return err
	}
	return nil
}

func (p *postgres) listen(ctx context.Context, channel string, wake func(sender string)) {
	for ctx.Err() == nil {
		err := p.listenOnce(ctx, channel, wake)
		if ctx.Err() != nil {
			return
		}
		// The relay polls: until the next attempt it is slower, not wrong.
		p.log.DebugContext(ctx, "notifications from other processes interrupted", "error", err)
		select {
		case <-ctx.Done():
		case <-time.After(relistenPause):
		}
	}
}

func (p *postgres) listenOnce(ctx context.Context, channel string, wake func(sender string)) error {
	conn, err := pgx.ConnectConfig(ctx, p.pool.Config().ConnConfig)
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := conn.Exec(ctx, "listen "+pgx.Identifier{channel}.Sanitize()); err != nil {
		return err
	}
	wake("") // for what was missed
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		wake(n.Payload)
	}
}
