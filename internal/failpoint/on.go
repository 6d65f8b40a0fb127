//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

//nolint:gochecknoglobals // read once, at the first Hit of a test build
var (
	target, countdown = parse(os.Getenv("TAILSTOCK_FAILPOINT"))
	left              = func() *atomic.Int64 { n := new(atomic.Int64); n.Store(countdown); return n }()
)

func parse(s string) (name string, n int64) {
	name, count, ok := strings.Cut(s, ":")
	if !ok {
		return name, 1
	}
	n, err := strconv.ParseInt(count, 10, 64)
	if err != nil || n < 1 {
		n = 1
	}
	return name, n
}

// Hit kills the process if name is the chosen failpoint and its turn has come.
// It is safe for concurrent use.
func Hit(name string) {
	if name != target || left.Add(-1) != 0 {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // SIGKILL is not instantaneous; go no further
}
