package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what the operating system says of a process, as Linux does.
type usage struct {
	residentBytes, peakBytes int64
	cpu                      time.Duration
}

// usageOf reads proc(5) of a process.
func usageOf(pid int) (usage, error) {
	var u usage
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) {
		name, rest, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmHWM": &u.peakBytes, "VmRSS": &u.residentBytes}[name]
		if into == nil {
			continue
		}
		kib, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
		if err != nil {
			return u, err
		}
		*into = kib << 10
	}
	p, err := statOf(pid)
	u.cpu = p.cpu
	return u, err
}

// stat is a line of /proc/PID/stat.
type stat struct {
	parent int
	// cpu is the time of the process, gone that of its children that have ended.
	cpu, gone time.Duration
}

func statOf(pid int) (stat, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	_, after, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(after)
	number := func(i int) (n int) {
		if err == nil {
			n, err = strconv.Atoi(fields[i])
		}
		return n
	}
	// 100 clock ticks a second on every Linux that Go runs on.
	const tick = 10 * time.Millisecond
	return stat{
		parent: number(1),
		cpu:    time.Duration(number(11)+number(12)) * tick,
		gone:   time.Duration(number(13)+number(14)) * tick,
	}, err
}

// familyTime returns the CPU time of a server: of its process and all children.
func familyTime(pid int) (time.Duration, error) {
	own, err := statOf(pid)
	if err != nil {
		return 0, err
	}
	total := own.cpu + own.gone
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		// A child that has ended since is counted next time.
		if s, err := statOf(child); err == nil && s.parent == pid {
			total += s.cpu
		}
	}
	return total, nil
}
