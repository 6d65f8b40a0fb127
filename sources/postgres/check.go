package postgres

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"tailstock/connector/cdc"
)

// Check looks at everything that a source needs from its database and returns
// what it found, all requirements at once: the server and its settings, the
// role, the slot, then the publication and each table. It only reads, with
// SELECT and SHOW, apart from opening and closing a replication connection; it
// needs no right but LOGIN, REPLICATION and SELECT on the tables. What cannot be
// looked at because something else is missing has no finding. It takes no longer
// than a minute, also when the server accepts connections and does not answer.
func (s *Source) Check(ctx context.Context) []cdc.Finding {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	c := &check{cfg: s.cfg}
	conn, err := s.cfg.connectReader(ctx)
	if err != nil {
		c.problem("connection", err.Error(), connectFix(err))
		return c.findings
	}
	defer closeReader(ctx, conn)
	f, err := readServerFacts(ctx, conn)
	if err != nil {
		c.problem("connection", err.Error(), "")
		return c.findings
	}
	c.ok("connection", fmt.Sprintf("to database %q as role %q", f.database, f.role))
	c.checkServer(f)
	c.checkRole(ctx, f)
	if !f.standby {
		c.checkSlot(ctx, conn, f)
	}
	c.checkRetention(f)
	c.checkSettings(f)
	c.checkCatalog(ctx, conn, s.plans.wantedNow())
	return c.findings
}

// checkTimeout is long enough for a catalog of many thousand tables.
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

// checkCatalog adds the verdicts on the publication and the tables.
func (c *check) checkCatalog(ctx context.Context, conn *pgx.Conn, wanted cdc.Wanted) {
	catalog, err := readCatalog(ctx, conn, c.cfg.Publication, wanted)
	if err != nil {
		c.problem("catalog", err.Error(), "")
		return
	}
	for _, v := range catalog.review().verdicts {
		c.findings = append(c.findings, v.Finding)
	}
}

// connectFix says what to look at after a connection error.
func connectFix(err error) string {
	switch state := sqlState(err); {
	case state == statePassword:
		return "correct the user and password in the dsn"
	case state == stateAuthorization:
		return "correct the user in the dsn, or add a line to pg_hba.conf that lets it in from this machine"
	case state == stateNoDatabase:
		return "correct the database in the dsn"
	case state == "":
		return "see that the server runs, that the dsn names its host and port, and that nothing between them blocks the way"
	default:
		return ""
	}
}

// bytesText returns n bytes in the largest unit that leaves a number of at least 1.
func bytesText(n int64) string {
	units := []string{"bytes", "kB", "MB", "GB", "TB"}
	value, unit := float64(n), 0
	for value >= 1024 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", value), ".0") + " " + units[unit]
}
