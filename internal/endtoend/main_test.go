package endtoend_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"tailstock/internal/testenv"
)

var (
	rounds = flag.Int("rounds", 50, "rounds of the crash loop")
	seed   = flag.Uint64("seed", 0, "seed of the random choices; 0 chooses one")
	// A million rows are loaded in a minute or two.
	loadRows = flag.Int("load-rows", 150_000, "rows of the load in the middle of which the daemon is killed")
	update   = flag.Bool("update", false, "write the golden files")
)

// TestMain plays the NATS server where a test needs one that can be killed.
func TestMain(m *testing.M) {
	if dir := os.Getenv(natsChild); dir != "" {
		if err := serveNATS(dir); err != nil {
			fmt.Println("error:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(testenv.Main(m))
}

// random returns the choices of a test, from a seed that is printed.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Logf("go test ./internal/endtoend -run '^%s$' -seed %d -rounds %d", t.Name(), n, *rounds)
	return rand.New(rand.NewPCG(n, 0))
}
