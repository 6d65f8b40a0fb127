package mysql

import (
	"context"
	"fmt"
	"time"

	"tailstock/connector/cdc"
)

// Check looks at everything that a source needs from its server and returns what
// it found, all requirements at once: the server and its settings, the account,
// then each table. It only reads, with SELECT and SHOW. What cannot be looked at
// because something else is missing has no finding. It takes no longer than a
// minute, also when the server accepts connections and does not answer.
func (s *Source) Check(ctx context.Context) []cdc.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c := &check{cfg: s.cfg}
	err := s.reads.use(ctx, s.cfg, func(session *readSession) error {
		c.findings = nil // a session that had broken is replaced
		f, err := readCheckFacts(ctx, session)
		if err != nil {
			return err
		}
		c.ok("connection", fmt.Sprintf("to the server %s as %s, %s", f.server.id, f.account, f.encryption()))
		c.checkServer(f)
		c.checkLog(f)
		c.checkGTIDs(f)
		c.checkKeeping(f)
		c.checkClock(f)
		c.checkAccount(f)
		c.checkServerID(f)
		c.checkCatalog(ctx, session, s.wantedNow())
		return nil
	})
	if err != nil {
		c.problem("connection", err.Error(), connectFix(err))
	}
	return c.findings
}

// checkTimeout is long enough for many hundred tables.
const checkTimeout = time.Minute

// check gathers findings.
type check struct {
	cfg      Config
	findings []cdc.Finding
}

func (c *check) add(state cdc.FindingState, requirement, detail, fix string) {
	c.findings = append(c.findings, cdc.Finding{Requirement: requirement, State: state, Detail: detail, Fix: fix})
}

func (c *check) ok(requirement, detail string) { c.add(cdc.FindingOK, requirement, detail, "") }

func (c *check) warn(requirement, detail, fix string) {
	c.add(cdc.FindingWarning, requirement, detail, fix)
}

func (c *check) problem(requirement, detail, fix string) {
	c.add(cdc.FindingProblem, requirement, detail, fix)
}

// checkCatalog adds the verdicts on the tables.
func (c *check) checkCatalog(ctx context.Context, q queryer, wanted cdc.Wanted) {
	catalog, err := readTables(ctx, q, wanted)
	if err != nil {
		c.problem("catalog", err.Error(), "")
		return
	}
	catalog.cascades, catalog.lookups = c.cfg.Cascades, c.cfg.Lookups
	for _, v := range catalog.review().verdicts {
		c.findings = append(c.findings, v.Finding)
	}
}

// connectFix says what to look at after a connection error.
func connectFix(err error) string {
	switch errorNumber(err) {
	case errAccessDenied, errDatabaseDenied:
		return "correct the user and password in the dsn, and see that the account may log in from this machine"
	case errUnknownDatabase:
		return "correct the database in the dsn, or leave it out"
	case 0:
		return "see that the server runs, that the dsn names its host and port, and that nothing between them blocks the way"
	default:
		return ""
	}
}
