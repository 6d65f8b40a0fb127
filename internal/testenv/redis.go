package testenv

import (
	"testing"

	"tailstock/internal/privateserver"
)

// Redis starts a private Redis for one test, empty and without persistence. It
// is killed when the test ends.
func Redis(tb testing.TB, options ...func(*privateserver.RedisOptions)) *privateserver.Redis {
	tb.Helper()
	o := privateserver.RedisOptions{Dir: tb.TempDir()}
	for _, change := range options {
		change(&o)
	}
	r, err := privateserver.StartRedis(tb.Context(), o)
	require(tb, "redis", err)
	tb.Cleanup(func() { _ = r.Close() })
	return r
}
