package cli

import (
	"context"
	"math"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"tailstock/internal/config"
)

const (
	// memoryFloor is the least soft limit of the runtime's memory, in bytes; the
	// program's text comes on top of it.
	memoryFloor = 72 << 20
	// memoryRoom is added to one and a half times of what is live.
	memoryRoom = 8 << 20
	// memoryLook is how often the limit is set.
	memoryLook = 500 * time.Millisecond
)

// boundMemory keeps the runtime's soft memory limit near what is live, until ctx
// ends. Garbage of bursts, as large batches are, is collected and given back to the
// system early then, instead of at twice what was live at the worst moment. It leaves the
// choice to GOMEMLIMIT where that is set, and to the collector where the process is a
// NATS server as well, which caches what it likes.
func (a *app) boundMemory(ctx context.Context, cfg *config.Config) {
	if _, set := a.Lookup("GOMEMLIMIT"); set || cfg.NATS.Embedded != nil {
		return
	}
	defer debug.SetMemoryLimit(math.MaxInt64)
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	look := time.NewTicker(memoryLook)
	defer look.Stop()
	limit := int64(0)
	for {
		metrics.Read(live)
		if next := memoryLimit(live[0].Value.Uint64()); next > limit || next < limit-limit/8 {
			limit = next
			debug.SetMemoryLimit(limit)
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return
		}
	}
}

// memoryLimit is the limit for so many bytes of live heap.
func memoryLimit(live uint64) int64 {
	return max(memoryFloor, int64(live)*3/2+memoryRoom) //nolint:gosec // a heap fits
}
