package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// table collects what was measured.
type table struct{ rows []tableRow }

type tableRow struct{ what, measured, reference, ratio, goal string }

func (t *table) add(what, measured, reference, ratio, goal string) {
	t.rows = append(t.rows, tableRow{what, measured, reference, ratio, goal})
	fmt.Fprintf(os.Stderr, "  %s: %s (reference %s, ratio %s, goal %s)\n", what, measured, reference, ratio, goal)
}

// String renders the table as Markdown that also reads well as plain text.
func (t *table) String() string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 1, ' ', 0)
	fmt.Fprintln(w, "| what\t| measured\t| beside it in the same run\t| ratio\t| goal\t|")
	fmt.Fprintln(w, "| ---\t| ---\t| ---\t| ---\t| ---\t|")
	for _, r := range t.rows {
		fmt.Fprintf(w, "| %s\t| %s\t| %s\t| %s\t| %s\t|\n", r.what, r.measured, r.reference, r.ratio, r.goal)
	}
	_ = w.Flush()
	return b.String()
}

// heading names the machine, the servers and the settings of the run.
func (b *bench) heading(ctx context.Context) string {
	var postgres string
	if err := b.query(ctx, b.erp.DSN("postgres"), `show server_version`, &postgres); err != nil {
		postgres = "of an unknown version"
	}
	postgres, _, _ = strings.Cut(postgres, " ")
	nats := "nats-server"
	if out, err := exec.CommandContext(ctx, b.natsServer, "--version").Output(); err == nil {
		nats = strings.TrimSpace(strings.ReplaceAll(string(out), ":", ""))
	}
	return fmt.Sprintf("Machine: %s, %d CPUs, %s, %s/%s, everything on it. %s, PostgreSQL %s, %s with sync_interval always. Taken %s.\n\n",
		cpuModel(), runtime.NumCPU(), memory(), runtime.GOOS, runtime.GOARCH, runtime.Version(), postgres, nats,
		time.Now().UTC().Format(time.DateOnly))
}

// cpuModel names the processor, as Linux does.
func cpuModel() string { return field("/proc/cpuinfo", "model name", "unknown processor") }

func memory() string {
	kib, err := strconv.ParseInt(strings.TrimSuffix(field("/proc/meminfo", "MemTotal", ""), " kB"), 10, 64)
	if err != nil {
		return "unknown memory"
	}
	return fmt.Sprintf("%d GiB", (kib+1<<19)>>20)
}

// field returns the value of the first line "name: value" of a file.
func field(file, name, otherwise string) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return otherwise
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return otherwise
}

func perSecond(rate float64) string { return fmt.Sprintf("%.0fk rows/s", rate/1000) }

// count writes a number with commas.
func count(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
