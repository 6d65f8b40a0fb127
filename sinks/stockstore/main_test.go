package stockstore_test

import (
	"fmt"
	"os"
	"testing"

	"tailstock/internal/testenv"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(killPath); path != "" {
		fmt.Fprintln(os.Stderr, applyForever(path))
		os.Exit(1)
	}
	os.Exit(testenv.Main(m))
}
