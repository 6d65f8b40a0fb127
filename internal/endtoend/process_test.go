package endtoend_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tailstock/internal/testenv"
)

// secretMark is part of every password of these tests, and must never be in
// anything that tailstock says.
const secretMark = "hush7f3a"

// patience bounds every wait, on a machine that may be busy with other tests.
const patience = 2 * time.Minute

// process is a running tailstock.
type process struct {
	cmd    *exec.Cmd
	output lockedBuffer
	exited <-chan struct{}
}

// lockedBuffer collects a process's output.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// launch starts a command that dies with this process, and returns what is closed
// when it has ended. The kernel sends the parent-death signal when the thread that
// started the child ends (prctl(2)), so that thread waits for it.
func launch(cmd *exec.Cmd) (<-chan struct{}, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, exited := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the test judges how it ended
		}
		close(exited)
	}()
	return exited, <-started
}

// start starts the binary with arguments and more environment.
func start(t *testing.T, binary string, env []string, args ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(binary, args...)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = &p.output, &p.output
	var err error
	if p.exited, err = launch(p.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.kill()
		checkOutput(t, p.output.String())
	})
	return p
}

// checkOutput fails the test if a secret or a stack trace was printed.
func checkOutput(t *testing.T, out string) {
	t.Helper()
	if strings.Contains(out, secretMark) {
		t.Errorf("a secret was printed:\n%s", out)
	}
	for _, trace := range []string{"goroutine ", "panic:", "DATA RACE"} {
		if strings.Contains(out, trace) {
			t.Errorf("%q was printed:\n%s", trace, out)
		}
	}
}

// kill ends the process as a crash would. It may be called again.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// dead reports whether the process has ended.
func (p *process) dead() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// waitFor reports whether the process ends within limit.
func (p *process) waitFor(limit time.Duration) bool {
	select {
	case <-p.exited:
		return true
	case <-time.After(limit):
		return false
	}
}

// expectExit waits for the end of the process and checks its exit code.
func (p *process) expectExit(t *testing.T, code int) {
	t.Helper()
	if !p.waitFor(patience) {
		t.Fatalf("tailstock still runs:\n%s", p.recent())
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Fatalf("exit code %d, want %d:\n%s", got, code, p.recent())
	}
}

// killed reports whether an ended process was ended by SIGKILL.
func (p *process) killed() bool {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// recent is the end of the output.
func (p *process) recent() string {
	out := p.output.String()
	return out[max(0, len(out)-6000):]
}

// result is what a command did.
type result struct {
	code     int
	out, err string
}

// command runs the binary to its end, which must come by itself.
func (s *system) command(t *testing.T, args ...string) result {
	t.Helper()
	return runBinary(t, s.binary, s.env(), args...)
}

func runBinary(t *testing.T, binary string, env []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(t.Context(), binary, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	timer := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	checkOutput(t, out.String()+errs.String())
	return result{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// eventually waits for a condition, for as long as patience lasts.
func eventually(t *testing.T, condition func() bool, explain func() string) {
	t.Helper()
	testenv.Eventually(t, patience, condition, explain)
}
