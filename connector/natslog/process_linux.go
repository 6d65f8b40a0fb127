package natslog

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// machine names the place in which this process's id means something: one boot
// of one kernel (random(4)) and one pid namespace on it (pid_namespaces(7)). It
// is empty if that cannot be told.
func machine() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	space, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + " " + space
}

// processStat returns a process's state and when it started, in clock ticks
// since the boot, which tells apart the processes that are given one id. Both are
// empty if that cannot be told.
func processStat(pid int) (state, started string) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", ""
	}
	// Field 2 of proc_pid_stat(5) is a name that may hold anything, so that its
	// last parenthesis counts. The state is field 3, the start time field 22.
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	if len(fields) < 20 {
		return "", ""
	}
	return fields[0], fields[19]
}

// processDied reports whether a process of this machine that started at the given
// time has certainly ended. A process that is stopped has not.
func processDied(pid int, started string) bool {
	if err := syscall.Kill(pid, 0); err != nil {
		return errors.Is(err, syscall.ESRCH) // EPERM: it is another user's
	}
	state, now := processStat(pid)
	return state == "Z" || state == "X" || now != "" && now != started
}
