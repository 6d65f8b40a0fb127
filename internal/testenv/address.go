package testenv

import (
	"testing"

	"tailstock/internal/privateserver"
)

// Address returns a host and port on loopback for a server of the test, which
// no other server is given until the test ends, even while this one is down.
func Address(tb testing.TB) string {
	tb.Helper()
	port, err := privateserver.ReservePort()
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = port.Release() })
	return port.Address()
}
