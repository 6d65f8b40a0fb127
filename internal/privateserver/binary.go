package privateserver

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
)

// MissingError is returned when a server is not installed.
type MissingError struct {
	// Server is what is missing: "PostgreSQL", "Redis".
	Server string
	// Install is the command that installs it.
	Install string
}

// Error says what is missing and how to get it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed; to install it: %s", e.Server, e.Install)
}

// oldestPostgres is the oldest major version that Tailstock supports.
const oldestPostgres = 13

// postgresBin returns the directory with the binaries of the wanted major
// version, or of the newest one if major is 0.
func postgresBin(major int) (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin") // where Debian and its kin have them
	if err != nil {
		return "", err
	}
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(majorOf(b), majorOf(a)) })
	for _, dir := range dirs {
		if found := majorOf(dir); (found == major || major == 0 && found >= oldestPostgres) && hasServer(dir) {
			return dir, nil
		}
	}
	if major != 0 {
		return embeddedBin(major)
	}
	if path, err := exec.LookPath("initdb"); err == nil && hasServer(filepath.Dir(path)) {
		return filepath.Dir(path), nil
	}
	return "", &MissingError{Server: "PostgreSQL", Install: "apt-get install postgresql"}
}

// majorOf reads the version out of "/usr/lib/postgresql/15/bin".
func majorOf(dir string) int {
	n, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	if err != nil {
		return 0
	}
	return n
}

func hasServer(dir string) bool {
	return executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres"))
}

// embeddedBin finds what "make postgres-versions" installs.
func embeddedBin(major int) (string, error) {
	bin, ok := findAbove(filepath.Join("scripts", "postgres-versions", "node_modules",
		fmt.Sprintf("postgres-%d", major), "native", "bin"), hasServer)
	if !ok {
		return "", &MissingError{Server: fmt.Sprintf("PostgreSQL %d", major), Install: "make postgres-versions"}
	}
	return bin, nil
}

// findAbove looks for a path in the working directory and those above it.
func findAbove(path string, good func(string) bool) (string, bool) {
	dir, err := os.Getwd()
	if err != nil {
		return "", false
	}
	for {
		if found := filepath.Join(dir, path); good(found) {
			return found, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}
