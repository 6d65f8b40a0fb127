package mysql

import (
	"context"
	"time"

	"tailstock/connector/cdc"
)

// AwaitLogged has chunks of s wait for no more than that the server has logged what
// was delivered, as those do that take their low mark from gtid_binlog_pos, or from
// the end of the log: a commit is there before the storage engine has it.
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

// AwaitNothing has chunks of s wait for nothing.
func (s *Source) AwaitNothing() {
	s.reads.await = func(*reading, context.Context) error { return nil }
}

// AwaitNoXA has chunks of s wait for all but XA transactions.
func (s *Source) AwaitNoXA() { s.reads.await = (*reading).awaitOrdered }

// SeeExecuted has views of s claim what MySQL has executed a while after the moment
// as of which they read.
func (s *Source) SeeExecuted(while time.Duration) {
	s.reads.see = func(a *reading, ctx context.Context) (func(*cdc.Transaction) bool, error) {
		var text string
		const query = "SELECT @@GLOBAL.gtid_executed FROM (SELECT SLEEP(?)) AS a_while"
		if err := a.session.QueryRowContext(ctx, query, while.Seconds()).Scan(&text); err != nil {
			return nil, err
		}
		executed, err := parseMySQLSet(text)
		if err != nil {
			return nil, err
		}
		return func(t *cdc.Transaction) bool {
			one := new(mysqlSet)
			u, tag, n, err := parseGTID(t.ID)
			if err != nil {
				return false
			}
			one.add(u, tag, n)
			return executed.contains(one)
		}, nil
	}
}
