package stockstore

import (
	"context"
	"fmt"

	"tailstock/connector/cdc"
)

// Check looks at everything that the store of cfg needs from its database and
// returns what it found, all requirements at once. It changes nothing in the
// database and makes no store. What cannot be looked at because something else
// is missing has no finding.
func Check(ctx context.Context, cfg Config) []cdc.Finding {
	cfg = cfg.WithDefaults()
	c := &check{}
	if err := cfg.Validate(); err != nil {
		c.problem("configuration of the stock store", err.Error(), "correct the store section of the configuration")
		return c.findings
	}
	if cfg.SQLite != "" {
		c.sqlite(ctx, cfg)
	} else {
		c.postgres(ctx, cfg)
	}
	return c.findings
}

// check gathers findings.
type check struct{ findings []cdc.Finding }

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

// schema judges the schema version of a store that is there.
func (c *check) schema(version int) {
	const requirement = "schema of the stock store"
	switch {
	case version > schemaVersion:
		c.problem(requirement, (&SchemaError{Store: version, Known: schemaVersion}).Error(), "run the newer version of this program")
	case version < schemaVersion:
		c.ok(requirement, fmt.Sprintf("version %d; the next start migrates it to %d", version, schemaVersion))
	default:
		c.ok(requirement, fmt.Sprintf("version %d", version))
	}
}
