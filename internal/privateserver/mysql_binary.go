package privateserver

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Flavor says which of the two families a server is of.
type Flavor uint8

// The flavors.
const (
	FlavorMariaDB Flavor = iota + 1
	FlavorMySQL
)

// String returns the flavor's name as people write it.
func (f Flavor) String() string {
	switch f {
	case FlavorMariaDB:
		return "MariaDB"
	case FlavorMySQL:
		return "MySQL"
	default:
		return "unknown"
	}
}

// mysqlProgram is how a server of one flavor is run.
type mysqlProgram struct {
	path string
	// args come before all others.
	args []string
	// install makes a data directory, for MariaDB; MySQL's server does it itself.
	install string
	// version is what the server says about itself.
	version []byte
}

func findMySQL(ctx context.Context, flavor Flavor) (mysqlProgram, error) {
	switch flavor {
	case FlavorMariaDB:
		return findMariaDB(ctx)
	case FlavorMySQL:
		return findOracleMySQL(ctx)
	default:
		return mysqlProgram{}, fmt.Errorf("no server has the flavor %d", flavor)
	}
}

func findMariaDB(ctx context.Context) (mysqlProgram, error) {
	missing := &MissingError{Server: "MariaDB", Install: "apt-get install mariadb-server-core mariadb-client-core"}
	path, ok := lookServer("mariadbd")
	if !ok {
		return mysqlProgram{}, missing
	}
	install, err := exec.LookPath("mariadb-install-db")
	if err != nil {
		return mysqlProgram{}, missing
	}
	p := mysqlProgram{path: path, install: install}
	return p, p.askVersion(ctx)
}

// findOracleMySQL prefers an installed server to the one that scripts/install-mysql unpacks.
func findOracleMySQL(ctx context.Context) (mysqlProgram, error) {
	if path, ok := lookServer("mysqld"); ok {
		p := mysqlProgram{path: path}
		// MariaDB installs itself under this name, too.
		if err := p.askVersion(ctx); err == nil && !strings.Contains(string(p.version), "MariaDB") {
			return p, nil
		}
	}
	root, ok := findAbove(filepath.Join(".servers", "mysql"), func(dir string) bool {
		return executable(filepath.Join(dir, "usr", "sbin", "mysqld"))
	})
	if !ok {
		return mysqlProgram{}, &MissingError{Server: "MySQL", Install: "make mysql"}
	}
	return unpackedMySQL(ctx, root)
}

// unpackedMySQL runs a server through the dynamic loader beside it: its packages
// bring a C library that is newer than the system's.
func unpackedMySQL(ctx context.Context, root string) (mysqlProgram, error) {
	loaders, err := filepath.Glob(filepath.Join(root, "usr", "lib*", "ld-linux*"))
	if err != nil {
		return mysqlProgram{}, err
	}
	libraries, err := filepath.Glob(filepath.Join(root, "usr", "lib", "*-linux-gnu"))
	if err != nil {
		return mysqlProgram{}, err
	}
	if len(loaders) == 0 || len(libraries) == 0 {
		return mysqlProgram{}, fmt.Errorf("%s has no dynamic loader: remove it and run make mysql", root)
	}
	p := mysqlProgram{path: loaders[0], args: []string{
		"--library-path", strings.Join(libraries, ":"), filepath.Join(root, "usr", "sbin", "mysqld"),
		"--no-defaults", "--basedir=" + filepath.Join(root, "usr"),
	}}
	return p, p.askVersion(ctx)
}

// lookServer finds a server's program where it may stand outside the PATH of who is not root.
func lookServer(name string) (string, bool) {
	if path, err := exec.LookPath(name); err == nil {
		return path, true
	}
	path := filepath.Join("/usr/sbin", name)
	return path, executable(path)
}

func (p *mysqlProgram) askVersion(ctx context.Context) error {
	if len(p.args) == 0 {
		p.args = []string{"--no-defaults"} // the first argument, or it is none
	}
	out, err := exec.CommandContext(ctx, p.path, append(p.args[:len(p.args):len(p.args)], "--version")...).Output() //nolint:gosec // found by us
	if err != nil {
		return fmt.Errorf("ask %s for its version: %w", p.path, err)
	}
	p.version = out
	return nil
}
