package privateserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server process that dies with its owner.
type process struct {
	name string
	log  string

	mu     sync.Mutex
	cmd    *exec.Cmd
	exited chan struct{}
}

// startTimeout bounds how long a server may take to answer.
const startTimeout = 60 * time.Second

// start runs the command and waits until ready says so. It fails with the end of
// the server's log if the server ends first.
func (p *process) start(ctx context.Context, ready func(context.Context) error, path string, args ...string) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // the server's user writes it too
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // outlives ctx, which bounds the start alone
	cmd.Dir = filepath.Dir(p.log)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: unprivileged(), Setpgid: true}
	exited := make(chan struct{})
	started := make(chan error, 1)
	go func() {
		// The parent-death signal is tied to the thread that starts the child
		// (prctl(2)), so that thread must live as long as the child does.
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
		close(exited)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.mu.Lock()
	p.cmd, p.exited = cmd, exited
	p.mu.Unlock()
	return p.await(ctx, exited, ready)
}

func (p *process) await(ctx context.Context, exited <-chan struct{}, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		err := ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-exited:
			return fmt.Errorf("start %s: it ended at once; its log says: %s", p.name, p.logTail())
		case <-ctx.Done():
			p.kill()
			return fmt.Errorf("start %s: %w; its log says: %s", p.name, errors.Join(context.Cause(ctx), err), p.logTail())
		case <-tick.C:
		}
	}
}

func (p *process) logTail() string {
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-2000):]))
}

// pid returns the process id, 0 if the server does not run.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cmd == nil || p.cmd.Process == nil {
		return 0
	}
	select {
	case <-p.exited:
		return 0
	default:
		return p.cmd.Process.Pid
	}
}

// signal sends sig to the server process.
func (p *process) signal(sig syscall.Signal) error {
	pid := p.pid()
	if pid == 0 {
		return fmt.Errorf("signal %s: it does not run", p.name)
	}
	return syscall.Kill(pid, sig)
}

// signalTree sends sig to the server process and all of its children.
func (p *process) signalTree(sig syscall.Signal) error {
	pid := p.pid()
	if pid == 0 {
		return fmt.Errorf("signal %s: it does not run", p.name)
	}
	// The first signal may let children start more; a stopped parent cannot.
	if err := syscall.Kill(pid, sig); err != nil {
		return err
	}
	for _, child := range children(pid) {
		_ = syscall.Kill(child, sig) // it may have ended since it was listed
	}
	return nil
}

// children lists the direct children of pid, from proc(5).
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	var out []int
	for _, file := range stats {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		_, after, ok := strings.Cut(string(text), ") ")
		fields := strings.Fields(after)
		if !ok || len(fields) < 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if n, err := strconv.Atoi(filepath.Base(filepath.Dir(file))); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// wait waits for the server to end, and kills it when ctx does.
func (p *process) wait(ctx context.Context) error {
	p.mu.Lock()
	exited := p.exited
	p.mu.Unlock()
	if exited == nil {
		return nil
	}
	select {
	case <-exited:
		return nil
	case <-ctx.Done():
		p.kill()
		return fmt.Errorf("stop %s: %w", p.name, context.Cause(ctx))
	}
}

// kill ends the server and its children at once and waits for it.
func (p *process) kill() {
	pid := p.pid()
	if pid == 0 {
		return
	}
	tree := children(pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for _, child := range tree {
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
	p.mu.Lock()
	exited := p.exited
	p.mu.Unlock()
	<-exited
}

// unprivileged returns the credential of "nobody" when the caller is root, whom
// PostgreSQL refuses; otherwise nil.
func unprivileged() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		return &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

// makeDir makes dir, gives it to the server's user and makes its parents
// traversable for that user.
func makeDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // the server's user must enter it
		return err
	}
	c := unprivileged()
	if c == nil {
		return nil
	}
	if err := os.Chown(dir, int(c.Uid), int(c.Gid)); err != nil {
		return err
	}
	for parent := filepath.Dir(dir); parent != "/" && strings.HasPrefix(parent, os.TempDir()+"/"); parent = filepath.Dir(parent) {
		info, err := os.Stat(parent)
		if err != nil {
			return err
		}
		if mode := info.Mode().Perm(); mode&0o011 != 0o011 {
			if err := os.Chmod(parent, mode|0o011); err != nil {
				return err
			}
		}
	}
	return nil
}

// freePort returns a TCP port on loopback that nobody listens on now.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	port := l.Addr().(*net.TCPAddr).Port
	return port, l.Close()
}
