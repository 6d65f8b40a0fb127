package testenv

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"tailstock/internal/privateserver"
)

// require fails or skips the test when its server could not be had.
func require(tb testing.TB, server string, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	var missing *privateserver.MissingError
	if !errors.As(err, &missing) {
		tb.Fatal(err)
	}
	if slices.Contains(strings.Split(os.Getenv("TAILSTOCK_TEST_REQUIRE"), ","), server) {
		tb.Fatalf("required by TAILSTOCK_TEST_REQUIRE: %v", err)
	}
	tb.Skipf("skipped for want of a server: %v", err)
}
