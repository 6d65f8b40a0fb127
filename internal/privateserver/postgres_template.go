package privateserver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// initialise fills the data directory from a template: copying is several times
// faster than initdb.
func (p *Postgres) initialise(ctx context.Context) error {
	version, err := exec.CommandContext(ctx, filepath.Join(p.bin, "postgres"), "--version").Output() //nolint:gosec // found by us
	if err != nil {
		return fmt.Errorf("ask PostgreSQL for its version: %w", err)
	}
	return copyTemplate(ctx, "postgres", version, p.dataDir(), func(data string) error {
		return asServer(ctx, filepath.Join(p.bin, "initdb"), "-D", data,
			"-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
	})
}
