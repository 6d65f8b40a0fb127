package natslog_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"tailstock/connector/natslog"
)

// childEnv makes the test binary play a role instead of running tests: as
// another process, it can be killed and paused.
const (
	childEnv = "NATSLOG_TEST_CHILD"
	childDir = "NATSLOG_TEST_DIR"
)

// childTTL is that of the role "lease"; "lasting" holds its lease for a minute.
const childTTL = 400 * time.Millisecond

func child(role string) int {
	dir := os.Getenv(childDir)
	cfg := natslog.Config{Embedded: &natslog.EmbeddedConfig{Dir: dir}, MaxBytes: 64 << 20}
	run := map[string]func(context.Context, natslog.Config) error{"server": childServer, "lease": childLease(childTTL), "lasting": childLease(time.Minute)}[role]
	if err := run(context.Background(), cfg); err != nil {
		fmt.Println("error:", err)
		return 1
	}
	return 0
}

// childServer runs the embedded server until its input ends.
func childServer(ctx context.Context, cfg natslog.Config) error {
	s, err := natslog.StartEmbedded(ctx, cfg, nil)
	if err != nil {
		return err
	}
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	return s.Close()
}

// childLease holds a lease and checks it whenever it is asked to.
func childLease(ttl time.Duration) func(context.Context, natslog.Config) error {
	return func(ctx context.Context, cfg natslog.Config) error {
		c, err := natslog.Connect(ctx, cfg, natslog.Options{})
		if err != nil {
			return err
		}
		l, err := c.Lease("relay", ttl)
		if err != nil {
			return err
		}
		return l.Hold(ctx, func(ctx context.Context) error {
			fmt.Println("held")
			in := bufio.NewScanner(os.Stdin)
			for in.Scan() {
				fmt.Println("check:", l.Check(ctx))
			}
			<-ctx.Done()
			return context.Cause(ctx)
		})
	}
}

type childProcess struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func startChild(t *testing.T, role, dir string) *childProcess {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role, childDir+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &childProcess{t: t, cmd: cmd, in: in, lines: make(chan string, 100)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(p.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			p.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() { p.kill(); <-done })
	return p
}

// expect waits for a line that begins with prefix and returns the rest.
func (p *childProcess) expect(prefix string) string {
	p.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("the child ended before %q", prefix)
			}
			if rest, ok := strings.CutPrefix(line, prefix); ok {
				return rest
			}
			p.t.Logf("child: %s", line)
		case <-deadline:
			p.t.Fatalf("the child did not say %q", prefix)
		}
	}
}

func (p *childProcess) signal(s syscall.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
}

// kill ends the child without warning. It may be called again.
func (p *childProcess) kill() {
	if p.cmd.ProcessState == nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	}
}
