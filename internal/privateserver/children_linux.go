package privateserver

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// attributes makes the kernel kill the server when its owner dies. A group of its
// own keeps a terminal's interrupt for the owner, who then stops the server.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Credential: unprivileged(), Setpgid: true}
}

// children lists the direct children of pid that have not ended, from proc(5).
func children(pid int) []int {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is well-formed
	var out []int
	for _, file := range stats {
		child, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		if state, parent := status(child); parent == pid && state != "Z" {
			out = append(out, child)
		}
	}
	return out
}

// ended reports whether a process has let go of its memory.
func ended(pid int) bool {
	state, _ := status(pid)
	return state == "" || state == "Z" || state == "X"
}

// status reads the state and the parent of a process, "" if there is none.
func status(pid int) (state string, parent int) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", 0
	}
	// The name before it may hold anything, so that its last parenthesis counts.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 2 {
		return "", 0
	}
	parent, err = strconv.Atoi(fields[1])
	if err != nil {
		return "", 0
	}
	return fields[0], parent
}

// serves reports whether a process was started with the given argument.
func serves(pid int, argument string) bool {
	line, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "cmdline"))
	return err == nil && slices.Contains(strings.Split(string(line), "\x00"), argument)
}
