package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

//nolint:gochecknoglobals // builds are shared by the tests of a binary
var builds struct {
	mu    sync.Mutex
	dir   string
	paths map[string]string
}

// Binary builds cmd/tailstock with the given build tags, once per test binary,
// and returns its path. The tag "race" stands for the race detector.
func Binary(tb testing.TB, tags ...string) string {
	tb.Helper()
	builds.mu.Lock()
	defer builds.mu.Unlock()
	key := strings.Join(tags, ",")
	if path, ok := builds.paths[key]; ok {
		return path
	}
	if builds.dir == "" {
		dir, err := os.MkdirTemp("", "tailstock-binary-")
		if err != nil {
			tb.Fatal(err)
		}
		builds.dir, builds.paths = dir, make(map[string]string)
	}
	path := filepath.Join(builds.dir, "tailstock-"+strings.ReplaceAll(key, ",", "-"))
	cmd := exec.CommandContext(tb.Context(), "go", buildArgs(path, tags)...) //nolint:gosec // the tests' own arguments
	if out, err := cmd.CombinedOutput(); err != nil {
		tb.Fatalf("build cmd/tailstock: %v\n%s", err, out)
	}
	builds.paths[key] = path
	return path
}

func buildArgs(path string, tags []string) []string {
	args := []string{"build", "-o", path}
	var rest []string
	for _, tag := range tags {
		if tag == "race" {
			args = append(args, "-race")
		} else {
			rest = append(rest, tag)
		}
	}
	return append(args, "-tags", strings.Join(rest, ","), "tailstock/cmd/tailstock")
}
