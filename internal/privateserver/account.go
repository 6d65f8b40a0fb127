package privateserver

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// unprivileged returns the credential of "nobody" when the caller is root, as
// whom PostgreSQL refuses to run; otherwise nil.
func unprivileged() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	overflow := &syscall.Credential{Uid: 65534, Gid: 65534}
	u, err := user.Lookup("nobody")
	if err != nil {
		return overflow
	}
	uid, errUID := strconv.ParseUint(u.Uid, 10, 32)
	gid, errGID := strconv.ParseUint(u.Gid, 10, 32)
	if errUID != nil || errGID != nil {
		return overflow
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// makeDir makes dir and gives it to the server's user, who must be able to get
// there: parents below the system's directory for temporary files are opened for
// passage, any other parent is the caller's to open.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's user must enter it
		return err
	}
	c := unprivileged()
	if c == nil {
		return nil
	}
	if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
		return err
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	for parent := filepath.Dir(abs); parent != filepath.Dir(parent); parent = filepath.Dir(parent) {
		if err := openForPassage(parent); err != nil {
			return err
		}
	}
	return nil
}

func openForPassage(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	switch {
	case mode&0o001 != 0:
		return nil
	case strings.HasPrefix(dir, filepath.Clean(os.TempDir())+"/"):
		return os.Chmod(dir, mode|0o011)
	default:
		return fmt.Errorf("the user nobody, as whom the server runs, may not pass through %s: "+
			"choose another directory, or chmod o+x it", dir)
	}
}
