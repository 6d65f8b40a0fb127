package cases_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"tailstock/internal/testenv"
)

// parallelCases is how many cases run at a time: what they do most is wait for each
// other's commits, levels and disks.
const parallelCases = "8"

var (
	seed   = flag.Uint64("seed", 0, "seed of the random choices; 0 chooses one")
	rounds = flag.Int("rounds", 0, "rounds of the random workload, with a comparison after each; 0 means 40, in short runs 10")
)

func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", parallelCases); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if *rounds == 0 {
		*rounds = 40
		if testing.Short() {
			*rounds = 10
		}
	}
	code := testenv.Main(m)
	stopNATS()
	os.Exit(code)
}

// random returns the choices of a test, from a seed that is printed.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	n := *seed
	if n == 0 {
		n = rand.Uint64()
	}
	t.Logf("go test ./cmd/tailstock/internal/cases -run '^%s$' -seed %d -rounds %d", t.Name(), n, *rounds)
	return rand.New(rand.NewPCG(n, 0))
}
