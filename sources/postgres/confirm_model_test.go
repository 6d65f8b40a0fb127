package postgres

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestConfirmationModel drives a confirmation with random histories of a server
// whose commits are streamed in one order and become visible in another.
func TestConfirmationModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := server{"1", 1}
		epoch := uint64(rapid.IntRange(0, 3).Draw(t, "epoch")) << 32
		next := epoch + uint64(rapid.IntRange(3, 5).Draw(t, "first xid"))
		if rapid.Bool().Draw(t, "close to wraparound") {
			next = epoch + math.MaxUint32 - 3
		}
		base := next
		end := lsn(100)
		type commit struct {
			xid        uint64
			start, end lsn
			visible    bool
		}
		var commits []commit
		running := make(map[uint64]bool)
		snap := func() snapshot {
			// As the server does: xmax is one above the highest that ended, and
			// nothing at or above it is listed.
			s := snapshot{xmax: next}
			for s.xmax > base && running[s.xmax-1] {
				s.xmax--
			}
			s.xmin = s.xmax
			for x := range running {
				s.xmin = min(s.xmin, x)
			}
			for x := s.xmin; x < s.xmax; x++ {
				if running[x] {
					s.running = append(s.running, x)
				}
			}
			return s
		}
		c := new(confirmation)
		requested := token{end, id}
		c.begin(requested, end, snap())
		flushed := end
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(*rapid.T) { running[next] = true; next++ },
			"commit": func(t *rapid.T) {
				for x := range running {
					streamed := false
					for _, done := range commits {
						streamed = streamed || done.xid == x
					}
					if streamed {
						continue
					}
					start := end + lsn(rapid.IntRange(0, 10).Draw(t, "gap"))
					end = start + 10
					commits = append(commits, commit{x, start, end, false})
					c.committed(uint32(x), start, end)
					return
				}
			},
			"become visible": func(t *rapid.T) {
				for i := range commits {
					if !commits[i].visible && rapid.Bool().Draw(t, "this one") {
						commits[i].visible = true
						delete(running, commits[i].xid)
						return
					}
				}
			},
			"snapshot": func(*rapid.T) { c.observe(snap()) },
			"confirm": func(t *rapid.T) {
				if len(commits) > 0 {
					n := rapid.IntRange(0, len(commits)-1).Draw(t, "commit")
					if commits[n].end > requested.position {
						requested.position = commits[n].end
					}
					c.request(token{commits[n].end, id})
				}
			},
			"": func(t *rapid.T) {
				flush, read := c.positions()
				if flush < flushed || flush > requested.position || flush > read || read != end && len(commits) > 0 {
					t.Fatalf("confirms %d after %d, requested %d, read %d of %d", flush, flushed, requested.position, read, end)
				}
				flushed = flush
				for _, done := range commits {
					if !done.visible && flush > done.start {
						t.Fatalf("confirms %d beyond the invisible commit of %d at %d", flush, done.xid, done.start)
					}
				}
			},
		})
		// At rest, all that was asked for is confirmed.
		clear(running)
		c.observe(snap())
		if flush, _ := c.positions(); flush != max(requested.position, flushed) {
			t.Fatalf("at rest confirms %d, requested %d", flush, requested.position)
		}
	})
}

func TestStaleRequestIsForgotten(t *testing.T) {
	t.Parallel()
	id := server{"1", 1}
	c := new(confirmation)
	c.begin(token{100, id}, 100, snapshot{3, 3, nil})
	c.committed(5, 200, 210)
	c.request(token{210, id})
	// Downstream lost what it had confirmed, and asks again from 150.
	c.begin(token{150, id}, 100, snapshot{9, 9, nil})
	c.committed(5, 200, 210)
	if flush, _ := c.positions(); flush != 150 {
		t.Errorf("confirms %d, want 150", flush)
	}
	c.begin(token{300, server{"2", 1}}, 300, snapshot{9, 9, nil})
	c.committed(7, 300, 310)
	if flush, _ := c.positions(); flush != 300 {
		t.Errorf("on another server confirms %d, want 300", flush)
	}
}

func TestConfirmationIsBounded(t *testing.T) {
	t.Parallel()
	c := new(confirmation)
	c.begin(token{1, server{"1", 1}}, 1, snapshot{10, 10, nil})
	room := true
	n := 0
	for ; room; n++ {
		room = c.committed(uint32(10+n), lsn(10+n), lsn(11+n))
	}
	if n != maxUnseen {
		t.Errorf("was full after %d commits, want %d", n, maxUnseen)
	}
	c.observe(snapshot{uint64(10 + n - 1), uint64(10 + n), nil})
	if c.pending() != 0 {
		t.Errorf("%d commits pending after all became visible", c.pending())
	}
	// A snapshot that is newer than what is read keeps the list empty.
	if c.committed(10, 20, 21); c.pending() != 0 {
		t.Error("a commit that is known to be visible was remembered")
	}
}

func TestSnapshotText(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]snapshot{
		"727:727:":                            {727, 727, nil},
		"728:732:730,728":                     {728, 732, []uint64{728, 730}},
		"12884902615:12884902620:12884902617": {12884902615, 12884902620, []uint64{12884902617}},
	} {
		got, err := parseSnapshot(text)
		if err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(snapshot{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", text, diff)
		}
	}
	for _, text := range []string{"", "1:2", "1:2:3:4", "a:2:", "1:b:", "1:2:c", "1:2:,", "3:2:", "-1:2:"} {
		if got, err := parseSnapshot(text); err == nil {
			t.Errorf("%q was read as %v", text, got)
		}
	}
}

func TestVisibility(t *testing.T) {
	t.Parallel()
	s := snapshot{xmin: 1<<32 + 5, xmax: 1<<32 + 9, running: []uint64{1<<32 + 5, 1<<32 + 7}}
	for xid, visible := range map[uint32]bool{
		4: true, 5: false, 6: true, 7: false, 8: true, 9: false, 10: false, math.MaxUint32: true, math.MaxUint32 - 1000: true,
	} {
		if wide := s.widen(xid); s.visible(wide) != visible {
			t.Errorf("transaction %d, widened to %d: visible %v, want %v", xid, wide, !visible, visible)
		}
	}
	if got, want := s.widen(math.MaxUint32), uint64(math.MaxUint32); got != want {
		t.Errorf("the transaction before the epoch changed is %d, want %d", got, want)
	}
	before := snapshot{xmin: 3<<32 - 2, xmax: 3<<32 - 1}
	if got, want := before.widen(3), uint64(3<<32+3); got != want {
		t.Errorf("the transaction after the epoch changes is %d, want %d", got, want)
	}
}
