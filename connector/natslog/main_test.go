package natslog_test

import (
	"os"
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run if goroutines are left over, and plays the other
// process where a test needs one.
func TestMain(m *testing.M) {
	if role := os.Getenv(childEnv); role != "" {
		os.Exit(child(role))
	}
	goleak.VerifyTestMain(m)
}
