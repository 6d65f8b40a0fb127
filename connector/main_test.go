package connector_test

import (
	"testing"

	"go.uber.org/goleak"
)

// TestMain fails the run if goroutines are left over.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
