package privateserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a server process that dies with its owner. It may be started again
// after it has ended. Its methods may be called from several goroutines.
type process struct {
	name string
	log  string

	mu sync.Mutex
	// cmd and exited are those of the newest start, nil before the first.
	cmd    *exec.Cmd
	exited chan struct{}
	// logged is how long the log was at that start.
	logged int64
}

const (
	// startTimeout bounds how long a server may take to answer.
	startTimeout = 60 * time.Second
	// killTimeout bounds how long a killed child is waited for.
	killTimeout = 5 * time.Second
	// pollInterval is how often something that has no event is looked at.
	pollInterval = 10 * time.Millisecond
	// quotedLog is how much of a log an error quotes, in bytes.
	quotedLog = 2000
)

// start runs the command and waits until ready says so. It fails with the end of
// the server's log if the server ends first. The process outlives ctx.
func (p *process) start(ctx context.Context, ready func(context.Context) error, path string, args ...string) error {
	exited, err := p.launch(path, args...)
	if err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	return p.await(ctx, exited, ready)
}

func (p *process) launch(path string, args ...string) (<-chan struct{}, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running() {
		return nil, errors.New("it runs already")
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644) //nolint:gosec // for whoever looks into a failure
	if err != nil {
		return nil, err
	}
	defer log.Close()
	info, err := log.Stat()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...) //nolint:gosec,noctx // outlives the context, which bounds the start alone
	cmd.Dir = filepath.Dir(p.log)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = attributes()
	exited := make(chan struct{})
	if err := runOnOwnThread(cmd, exited); err != nil {
		return nil, err
	}
	p.cmd, p.exited, p.logged = cmd, exited, info.Size()
	return exited, nil
}

// runOnOwnThread starts cmd and closes exited when it has ended. The kernel sends
// the parent-death signal when the thread that started the child ends (prctl(2),
// PR_SET_PDEATHSIG), so that thread is kept for as long as the child lives.
func runOnOwnThread(cmd *exec.Cmd, exited chan<- struct{}) error {
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how a server ends is its owner's doing
		}
		close(exited)
	}()
	return <-started
}

// running reports whether the process runs. The caller holds p.mu.
func (p *process) running() bool {
	if p.cmd == nil {
		return false
	}
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

func (p *process) await(ctx context.Context, exited <-chan struct{}, ready func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(pollInterval)
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

// logTail returns the end of what was logged since the newest start.
func (p *process) logTail() string {
	f, err := os.Open(p.log)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	text, err := io.ReadAll(io.NewSectionReader(f, p.logged, 1<<20))
	if err != nil {
		return err.Error()
	}
	return strings.TrimSpace(string(text[max(0, len(text)-quotedLog):]))
}

// pid returns the process id, 0 if the server does not run.
func (p *process) pid() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.running() {
		return 0
	}
	return p.cmd.Process.Pid
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
	if err := p.signal(sig); err != nil {
		return err
	}
	for _, child := range children(p.pid()) {
		_ = syscall.Kill(child, sig) // it may have ended since it was listed
	}
	return nil
}

// wait waits for the server to end, and kills it when ctx ends first.
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

// kill ends the server and its children at once and waits until all are gone,
// as a server that starts again on the same data demands.
func (p *process) kill() {
	pid := p.pid()
	if pid == 0 {
		return
	}
	// Stopped, it starts no more children while they are listed.
	_ = syscall.Kill(pid, syscall.SIGSTOP)
	tree := append(children(pid), pid)
	for _, member := range tree {
		_ = syscall.Kill(member, syscall.SIGKILL) // it may have ended by itself
	}
	p.mu.Lock()
	exited := p.exited
	p.mu.Unlock()
	<-exited
	awaitGone(tree[:len(tree)-1])
}

// awaitGone waits until killed processes have let go of their memory. It gives up
// on one that the kernel holds, or whose id another process was given.
func awaitGone(pids []int) {
	deadline := time.After(killTimeout)
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for _, pid := range pids {
		for !ended(pid) {
			select {
			case <-tick.C:
			case <-deadline:
				return
			}
		}
	}
}
