package mysql

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

// monitor watches the server on an ordinary session: whether it lives, and where
// its log ends when somebody wants progress.
type monitor struct {
	cfg    Config
	conn   *sql.Conn
	reader *reader
	wake   <-chan struct{}
	// place is the statement that tells where the log ends.
	place string
}

const (
	// pingInterval is how often the server is asked whether it lives.
	pingInterval = time.Second
	// askInterval is the shortest time between two questions for its place.
	askInterval = time.Millisecond
)

// run watches until ctx ends or the server is gone.
func (m *monitor) run(ctx context.Context) error {
	ticker := time.NewTicker(pingInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
			if err := m.within(ctx, m.conn.PingContext); err != nil {
				return orCause(ctx, fmt.Errorf("the server ended the session that watches it: %w", err))
			}
		case <-m.wake:
			if err := m.within(ctx, m.ask); err != nil {
				return orCause(ctx, err)
			}
			if err := pause(ctx, askInterval); err != nil {
				return err
			}
		}
	}
}

// ask asks for the server's place, and for progress from there.
func (m *monitor) ask(ctx context.Context) error {
	at, err := readPlace(ctx, m.conn, m.place)
	if err != nil {
		return err
	}
	m.reader.arrive(at)
	return nil
}

// within gives f no longer than a dead server may stay unnoticed.
func (m *monitor) within(ctx context.Context, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, m.cfg.SilenceTimeout)
	defer cancel()
	return f(ctx)
}

// pause waits for d to pass.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
