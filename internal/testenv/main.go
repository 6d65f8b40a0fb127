package testenv

import (
	"errors"
	"fmt"
	"os"
	"testing"
)

// Main runs the tests of a package, then ends and removes what they shared. Call
// it from TestMain: os.Exit(testenv.Main(m)).
func Main(m *testing.M) int {
	code := m.Run()
	if err := errors.Join(stopShared(), stopSharedMySQLs(), removeDir(builds.dir)); err != nil {
		fmt.Fprintln(os.Stderr, "clean up after the tests:", err)
		return max(code, 1)
	}
	return code
}
