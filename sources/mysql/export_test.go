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

// AwaitNoRows has chunks of s wait for nothing.
func (s *Source) AwaitNoRows() {
	s.reads.await = func(*reading, context.Context) error { return nil }
}
