package privateserver

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
)

// initialise fills the data directory from a template that is made once per
// build of PostgreSQL, user and machine: copying is several times faster than initdb.
func (p *Postgres) initialise(ctx context.Context) error {
	template, err := p.template(ctx)
	if err != nil {
		return fmt.Errorf("make template of PostgreSQL: %w", err)
	}
	return p.asServer(ctx, "cp", "-a", template, p.dataDir())
}

// template returns the directory of the template, which appears by a rename, so
// that it is complete if it exists.
func (p *Postgres) template(ctx context.Context) (string, error) {
	version, err := exec.CommandContext(ctx, filepath.Join(p.bin, "postgres"), "--version").Output() //nolint:gosec // found by us
	if err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	build := sha256.Sum256(version)
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tailstock-postgres-%x-%d", build[:6], os.Getuid()))
	// Many test binaries start at once, and initdb takes a second of a core.
	held, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer held.Close()
	if _, err := os.Stat(dir); err != nil {
		if err := p.makeTemplate(ctx, dir); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "data"), ownedByUs(dir)
}

func (p *Postgres) makeTemplate(ctx context.Context, dir string) error {
	building, err := os.MkdirTemp("", "tailstock-initdb-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(building) // nothing is left of it after the rename
	if err := makeDir(building); err != nil {
		return err
	}
	err = p.asServer(ctx, filepath.Join(p.bin, "initdb"), "-D", filepath.Join(building, "data"),
		"-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N")
	if err != nil {
		return err
	}
	return os.Rename(building, dir)
}

// ownedByUs refuses a template that another user put there, since everybody may
// write into a directory for temporary files.
func ownedByUs(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	want := uint32(os.Getuid()) //nolint:gosec // a user id is not negative
	if c := unprivileged(); c != nil {
		want = c.Uid
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !info.IsDir() || !ok || stat.Uid != want {
		return fmt.Errorf("%s is not a directory of user %d; remove it", dir, want)
	}
	return nil
}

// asServer runs a command as the server's user.
func (p *Postgres) asServer(ctx context.Context, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // found by us
	cmd.Dir = "/"                                  // the caller's own may be closed to that user
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, out)
	}
	return nil
}
