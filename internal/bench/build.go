package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// build compiles the binary under test and the external NATS server.
func (b *bench) build(ctx context.Context) error {
	b.tailstock = filepath.Join(b.dir, "tailstock")
	b.natsServer = filepath.Join(b.dir, "nats-server")
	overlay, err := b.overlay()
	if err != nil {
		return err
	}
	for _, args := range [][]string{
		append(overlay, "-o", b.tailstock, "./cmd/tailstock"),
		{"-o", b.natsServer, "github.com/nats-io/nats-server/v2"},
	} {
		cmd := exec.CommandContext(ctx, "go", append([]string{"build"}, args...)...)
		cmd.Stderr = os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("go build %v: %w", args, err)
		}
	}
	return nil
}

// profiler is compiled into the daemon for -profile alone: it profiles from the
// start of the process until SIGUSR1.
const profiler = `package main

import (
	"os"
	"os/signal"
	"runtime/pprof"
	"syscall"
)

func init() {
	prefix := os.Getenv("BENCH_PROFILE")
	cpu, err := os.Create(prefix + ".cpu")
	if err == nil {
		err = pprof.StartCPUProfile(cpu)
	}
	if err != nil {
		panic(err)
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGUSR1)
	go func() {
		<-stop
		pprof.StopCPUProfile()
		for _, name := range []string{"heap", "goroutine"} {
			if f, err := os.Create(prefix + "." + name); err == nil {
				_ = pprof.Lookup(name).WriteTo(f, 0)
				_ = f.Close()
			}
		}
		_ = os.WriteFile(prefix+".done", nil, 0o644)
	}()
}
`

// overlay returns the flags that compile the profiler in, none without -profile.
func (b *bench) overlay() ([]string, error) {
	if b.profile == "" {
		return nil, nil
	}
	if err := os.MkdirAll(b.profile, 0o755); err != nil {
		return nil, err
	}
	source, list := filepath.Join(b.dir, "profiler.go"), filepath.Join(b.dir, "overlay.json")
	if err := os.WriteFile(source, []byte(profiler), 0o644); err != nil {
		return nil, err
	}
	into, err := filepath.Abs("cmd/tailstock/profiler.go")
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(map[string]any{"Replace": map[string]string{into: source}})
	if err != nil {
		return nil, err
	}
	return []string{"-overlay", list}, os.WriteFile(list, text, 0o644)
}
