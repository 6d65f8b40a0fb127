package lookup

import "hash/maphash"

// The hash table of keys is one slice of numbers, without a pointer for the
// garbage collector to follow: 32 bits of the key's hash above, the Ref below.
// Collisions go to the next slot.
const (
	firstSlots = 16
	// emptySlot ends a search; deletedSlot does not.
	emptySlot   = uint64(0)
	deletedSlot = uint64(1)
	// refBase sets Refs apart from those two.
	refBase = 2
)

func slotOf(h uint32, r Ref) uint64 { return uint64(h)<<32 | uint64(r+refBase) }

func refOf(slot uint64) Ref { return Ref(slot&(1<<32-1)) - refBase }

func (t *Table) hash(key string) uint32 { return uint32(maphash.String(t.seed, key) >> 32) }

// slot returns where key is, or where it goes if it is nowhere.
func (t *Table) slot(key string, h uint32) (at int, found bool) {
	mask := len(t.slots) - 1
	vacant := -1
	for i := int(h) & mask; ; i = (i + 1) & mask {
		switch s := t.slots[i]; {
		case s == emptySlot:
			if vacant < 0 {
				vacant = i
			}
			return vacant, false
		case s == deletedSlot:
			if vacant < 0 {
				vacant = i
			}
		case uint32(s>>32) == h && t.Key(refOf(s)) == key:
			return i, true
		}
	}
}

// grow makes room when three quarters of the slots are taken, or sweeps those that
// are taken by nothing.
func (t *Table) grow() {
	if t.used < len(t.slots)/4*3 {
		return
	}
	n := len(t.slots)
	if t.live >= n/2 {
		n *= 2
	}
	old := t.slots
	t.slots, t.used = make([]uint64, n), t.live
	for _, s := range old {
		if s == emptySlot || s == deletedSlot {
			continue
		}
		i := int(s>>32) & (n - 1)
		for t.slots[i] != emptySlot {
			i = (i + 1) & (n - 1)
		}
		t.slots[i] = s
	}
}
