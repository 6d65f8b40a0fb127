package stockstore_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"tailstock/connector/inventory"
	"tailstock/sinks/stockstore"
)

// killPath tells the test binary to be the process that is killed: it applies to
// the store at this path, and prints the number of every position acknowledged.
const killPath = "STOCKSTORE_TEST_KILL_PATH"

func applyForever(path string) error {
	ctx := context.Background()
	s, err := stockstore.Open(ctx, stockstore.Config{SQLite: path}, nil, nil)
	if err != nil {
		return err
	}
	state, err := s.SourceState(ctx, "wms")
	if err != nil {
		return err
	}
	w := &testLog{source: "wms", at: state.Position}
	for {
		n := int64(w.at.Number)
		events := make([]inventory.Event, 50)
		for i := range events {
			events[i] = w.row(i, inventory.SKU(fmt.Sprintf("S%d", i%7)), n)
		}
		if _, err := w.try(ctx, s, events...); err != nil {
			return err
		}
		fmt.Println(w.at.Number)
	}
}

// TestKilledWhileApplying kills a process with SIGKILL while it applies, again
// and again: the store is at a batch that was acknowledged or the next one, and
// all of its numbers are that batch's.
func TestKilledWhileApplying(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "stock.db")
	for range 8 {
		acknowledged := killAfter(t, path, 1+rand.IntN(30))
		s := openStore(t, stockstore.Config{SQLite: path})
		state, err := s.SourceState(t.Context(), "wms")
		if err != nil {
			t.Fatal(err)
		}
		at := state.Position.Number
		if at != acknowledged && at != acknowledged+50 {
			t.Errorf("the store is at %d, the last batch acknowledged was %d", at, acknowledged)
		}
		written := inventory.Quantity(at-50) * inventory.One
		for i := range 7 {
			rows := inventory.Quantity(7)
			if i == 0 { // of 50 rows
				rows = 8
			}
			levels, err := s.Levels(t.Context(), inventory.SKU(fmt.Sprintf("S%d", i)))
			if err != nil || len(levels) != 1 || levels[0].Quantities[inventory.OnHand] != rows*written {
				t.Errorf("S%d at %d: %+v (%v), want %s", i, at, levels, err, rows*written)
			}
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

// killAfter runs a process that applies, kills it when it has acknowledged n
// batches, and returns the last that it acknowledged.
func killAfter(t *testing.T, path string, n int) uint64 {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var last uint64
	lines := bufio.NewScanner(out)
	for i := 1; lines.Scan(); i++ {
		if last, err = strconv.ParseUint(lines.Text(), 10, 64); err != nil {
			t.Error(err)
		}
		if i == n {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait() // killed
	if last == 0 {
		t.Fatal("the process acknowledged nothing")
	}
	return last
}
