package privateserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
)

// MissingError is returned when a server is not installed.
type MissingError struct {
	// Server is what is missing: "PostgreSQL", "Redis".
	Server string
	// Install is the command that installs it on Debian and its kin.
	Install string
}

// Error says what is missing and how to get it.
func (e *MissingError) Error() string {
	return fmt.Sprintf("%s is not installed; to install it: %s", e.Server, e.Install)
}

// postgresBin returns the directory with the binaries of the wanted major
// version, or of the newest one if major is 0.
func postgresBin(major int) (string, error) {
	dirs, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", err
	}
	sort.Slice(dirs, func(i, j int) bool { return majorOf(dirs[i]) > majorOf(dirs[j]) })
	if major != 0 {
		dirs = append(dirs, embeddedBins(major)...)
	}
	for _, dir := range dirs {
		wanted := major == 0 || majorOf(dir) == major || filepath.Base(filepath.Dir(dir)) == "native"
		if wanted && executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	if path, err := exec.LookPath("initdb"); err == nil && major == 0 {
		return filepath.Dir(path), nil
	}
	if major == 0 {
		return "", &MissingError{Server: "PostgreSQL", Install: "apt-get install postgresql-15"}
	}
	return "", &MissingError{Server: fmt.Sprintf("PostgreSQL %d", major), Install: "make postgres-versions"}
}

// majorOf reads the version out of "/usr/lib/postgresql/15/bin".
func majorOf(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// embeddedBins lists where "make postgres-versions" puts other major versions.
func embeddedBins(major int) []string {
	var out []string
	dir, err := os.Getwd()
	for err == nil {
		out = append(out, filepath.Join(dir, "scripts", "postgres-versions", "node_modules",
			fmt.Sprintf("postgres-%d", major), "native", "bin"))
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return out
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir() && info.Mode()&0o111 != 0
}
