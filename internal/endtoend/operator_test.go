package endtoend_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tailstock/connector"
)

// operator asks the daemon for one job after the other, until it is told to end:
// loads, backfills of parts, verifications, and jobs that it gives up.
type operator struct {
	s    *system
	rng  *rand.Rand
	stop context.CancelFunc
	done sync.WaitGroup
	// loads has it ask for nothing but loads of everything.
	loads atomic.Bool
	asked int
	// cut says that the daemon may go away, and the command fail with it.
	cut bool
	// ended counts the jobs of each kind that ended well.
	ended map[string]int
	// problem is what no job may come to, nil for nothing.
	problem error
}

// errBadJob is returned when a job came to what it must not.
var errBadJob = errors.New("a job went wrong")

// operate starts an operator. With cut, the daemon may be killed meanwhile.
func (s *system) operate(t *testing.T, rng *rand.Rand, cut bool) *operator {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	o := &operator{s: s, rng: rand.New(rand.NewPCG(rng.Uint64(), 1)), stop: stop, cut: cut, ended: make(map[string]int)}
	o.done.Go(func() {
		for ctx.Err() == nil && o.problem == nil {
			o.problem = o.ask(ctx)
		}
	})
	t.Cleanup(func() { stop(); o.done.Wait() })
	return o
}

// end ends the operator, and fails the test if a job went wrong.
func (o *operator) end(t *testing.T) {
	t.Helper()
	o.stop()
	o.done.Wait()
	if o.problem != nil {
		t.Error(o.problem)
	}
}

// jobKinds are the jobs that an operator asks for, in turn.
var jobKinds = []string{"load", "load of a table", "range", "condition", "verification", "sample", "cancelled"}

// ask asks for a job and waits for its end.
func (o *operator) ask(ctx context.Context) error {
	kind := jobKinds[o.asked%len(jobKinds)]
	if o.asked++; o.loads.Load() {
		kind = "load"
	}
	table := []string{"public.bin_stock", "public.order_line"}[o.rng.IntN(2)]
	args := []string{"backfill", "--source", "erp"}
	switch kind {
	case "load of a table":
		args = append(args, "--table", table)
	case "range":
		from := o.rng.IntN(bins)
		args = append(args, "--table", "public.bin_stock", "--from", fmt.Sprint(from), "--to", fmt.Sprint(from+o.rng.IntN(2*spread)))
	case "condition":
		args = append(args, "--table", "public.order_line", "--where", `status in ["open", "shipped"] and qty > 3`)
	case "verification":
		args = []string{"verify", "--json"}
	case "sample":
		args = []string{"verify", "--json", "--source", "erp", "--table", table, "--sample", "60%"}
	case "cancelled":
		return o.cancel(ctx, append(args, "--detach", "--json", "--throttle", "400"))
	}
	code, out := o.command(ctx, args...)
	switch {
	case ctx.Err() != nil:
		return nil
	case code == 0:
		o.ended[kind]++
		return nil
	case code == 3, !o.cut:
		return fmt.Errorf("%w: %s: tailstock %s ended with %d: %s", errBadJob, kind, strings.Join(args, " "), code, out)
	}
	return o.rest(ctx)
}

// cancel starts a job and gives it up again, before or after it is over.
func (o *operator) cancel(ctx context.Context, args []string) error {
	var job connector.JobStatus
	code, out := o.command(ctx, args...)
	if err := json.Unmarshal([]byte(out), &job); code != 0 || err != nil {
		if o.cut || ctx.Err() != nil {
			return o.rest(ctx)
		}
		return fmt.Errorf("%w: tailstock %s ended with %d: %s", errBadJob, strings.Join(args, " "), code, out)
	}
	for _, what := range []string{"pause", "resume", "cancel"} {
		if o.rng.IntN(3) > 0 || what == "cancel" {
			_, _ = o.command(ctx, "backfill", what, job.ID) // it may be over
		}
	}
	o.ended["cancelled"]++
	return nil
}

// rest waits a moment: whoever captures the source is just being started.
func (o *operator) rest(ctx context.Context) error {
	select {
	case <-ctx.Done():
	case <-time.After(50 * time.Millisecond):
	}
	return nil
}

// command runs a command to its end, or until ctx ends.
func (o *operator) command(ctx context.Context, args ...string) (code int, out string) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, o.s.binary, args...)
	cmd.Env = append(os.Environ(), o.s.env()...)
	text, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), string(text) + string(exit.Stderr)
	}
	if err != nil {
		return -1, err.Error()
	}
	return 0, string(text)
}

// lacks names the kinds of jobs of which none ended well.
func (o *operator) lacks() []string {
	var out []string
	for _, kind := range jobKinds {
		if o.ended[kind] == 0 {
			out = append(out, kind)
		}
	}
	return out
}
