package mysql

import "context"

// AwaitLogged has chunks of s wait for no more than that the server has logged
// what was delivered, as those do that take a place in the log for what is visible.
func (s *Source) AwaitLogged() {
	s.reads.await = func(a *reading, ctx context.Context) error {
		if a.session.isMariaDB() {
			var logged string
			if err := a.session.QueryRowContext(ctx, "SELECT @@GLOBAL.gtid_binlog_pos").Scan(&logged); err != nil {
				return err
			}
			state, err := parseMariaState(logged)
			if err != nil {
				return err
			}
			for _, g := range a.mark.token.state {
				if !state.reached(g) {
					return &invisibleError{logged}
				}
			}
			return nil
		}
		end, err := readPlace(ctx, a.session, a.session.facts.statusQuery())
		if err != nil {
			return err
		}
		if end.compare(a.mark.token.place) < 0 {
			return &invisibleError{end.String()}
		}
		return nil
	}
}

// AwaitNoXA has chunks of s not wait for XA transactions.
func (s *Source) AwaitNoXA() {
	s.reads.await = func(a *reading, ctx context.Context) error {
		marked := *a.mark
		marked.xa = nil
		a.mark = &marked
		return a.awaitMark(ctx)
	}
}

// AwaitOneRead has chunks of s believe the first answer of MariaDB's status
// variables, asked within the transaction that reads, as the documentation has it.
func (s *Source) AwaitOneRead() {
	s.reads.await = func(a *reading, ctx context.Context) error {
		p, err := a.session.committed(ctx)
		if err != nil {
			return err
		}
		if p.compare(a.mark.token.place) < 0 {
			return &invisibleError{p.String()}
		}
		return nil
	}
}

// AwaitNoRows has chunks of s wait for nothing.
func (s *Source) AwaitNoRows() {
	s.reads.await = func(*reading, context.Context) error { return nil }
}
