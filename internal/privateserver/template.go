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

// copyTemplate fills the directory data from a template that is made once per
// build of a server, user and machine. The function is given the directory to make.
func copyTemplate(ctx context.Context, server string, build []byte, data string, initialise func(data string) error) error {
	template, err := template(ctx, server, build, initialise)
	if err != nil {
		return fmt.Errorf("make template of %s: %w", server, err)
	}
	return asServer(ctx, "cp", "-a", template, data)
}

// template returns the directory of the template, which appears by a rename, so
// that it is complete if it exists.
func template(ctx context.Context, server string, build []byte, initialise func(data string) error) (string, error) {
	sum := sha256.Sum256(build)
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("tailstock-%s-%x-%d", server, sum[:6], os.Getuid()))
	// Many test binaries start at once, and making one takes seconds of a core.
	held, err := lock(ctx, dir+".lock")
	if err != nil {
		return "", err
	}
	defer held.Close()
	if _, err := os.Stat(dir); err != nil {
		if err := makeTemplate(dir, initialise); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, "data"), ownedByUs(dir)
}

func makeTemplate(dir string, initialise func(data string) error) error {
	building, err := os.MkdirTemp("", "tailstock-template-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(building) // nothing is left of it after the rename
	if err := makeDir(building); err != nil {
		return err
	}
	if err := initialise(filepath.Join(building, "data")); err != nil {
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
func asServer(ctx context.Context, path string, args ...string) error {
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // found by us
	cmd.Dir = "/"                                  // the caller's own may be closed to that user
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: unprivileged()}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", filepath.Base(path), err, out)
	}
	return nil
}
