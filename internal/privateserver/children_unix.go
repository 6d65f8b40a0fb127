//go:build unix && !linux

package privateserver

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// attributes gives the server a group of its own, which keeps a terminal's
// interrupt for the owner. Nothing here kills it when its owner is killed.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: unprivileged(), Setpgid: true}
}

// children lists the direct children of pid, by ps(1).
func children(pid int) []int {
	listed, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output() //nolint:noctx // ps ends by itself
	if err != nil {
		return nil
	}
	var out []int
	for line := range strings.Lines(string(listed)) {
		fields := strings.Fields(line)
		if len(fields) != 2 || fields[1] != strconv.Itoa(pid) {
			continue
		}
		if child, err := strconv.Atoi(fields[0]); err == nil {
			out = append(out, child)
		}
	}
	return out
}

// ended reports whether a process is gone.
func ended(pid int) bool { return syscall.Kill(pid, 0) == syscall.ESRCH }

// serves reports whether a process was started with the given argument.
func serves(pid int, argument string) bool {
	line, err := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output() //nolint:gosec,noctx // ps ends by itself
	return err == nil && strings.Contains(string(line), argument)
}
