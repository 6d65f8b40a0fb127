package lookup

import (
	"encoding/binary"
	"iter"
	"strings"

	"tailstock/connector/cdc"
)

// pageBytes is how much a page holds. A longer record has a page of its own.
const pageBytes = 256 << 10

// place is where a record begins: its page above, the offset below.
type place uint64

const noPlace = ^place(0)

func placeOf(page, offset int) place {
	return place(page)<<32 | place(offset) //nolint:gosec // neither is negative
}

func (p place) page() int { return int(p >> 32) }

func (p place) offset() int { return int(p & (1<<32 - 1)) }

// arena holds records one behind the other in pages that are only ever written
// behind what they hold: texts out of them stay valid.
//
// A record is the length of the key and the key, and for each column its length
// plus one and its text, or zero for NULL.
type arena struct {
	pages []page
	// last is the page that is being filled, if there is any.
	last int
	// vacant are pages that were dropped.
	vacant []int
	b      []byte // scratch
}

type page struct {
	*strings.Builder
	wasted int
}

// bytes is about how much memory the pages take.
func (a *arena) bytes() int64 {
	n := int64(0)
	for i := range a.pages {
		if a.pages[i].Builder != nil {
			n += int64(a.pages[i].Cap())
		}
	}
	return n
}

// add writes a record.
func (a *arena) add(key string, values []cdc.Value) place {
	b := binary.AppendUvarint(a.b[:0], uint64(len(key)))
	b = append(b, key...)
	for _, v := range values {
		switch {
		case v.IsUnchanged():
			panic("lookup: a value that was not sent")
		case v.IsNull():
			b = append(b, 0)
		default:
			b = binary.AppendUvarint(b, uint64(len(v.Text()))+1)
			b = append(b, v.Text()...)
		}
	}
	a.b = b
	p := a.room(len(b))
	at := placeOf(p, a.pages[p].Len())
	a.pages[p].Write(b)
	return at
}

// move writes a record that another page holds.
func (a *arena) move(record string) place {
	p := a.room(len(record))
	at := placeOf(p, a.pages[p].Len())
	a.pages[p].WriteString(record)
	return at
}

// room returns a page that has room for n bytes more.
func (a *arena) room(n int) int {
	if len(a.pages) > 0 && a.pages[a.last].Builder != nil && a.pages[a.last].Cap()-a.pages[a.last].Len() >= n {
		return a.last
	}
	fresh := page{Builder: new(strings.Builder)}
	fresh.Grow(max(n, pageBytes))
	if v := len(a.vacant); v > 0 {
		a.last, a.vacant = a.vacant[v-1], a.vacant[:v-1]
		a.pages[a.last] = fresh
	} else {
		a.last = len(a.pages)
		a.pages = append(a.pages, fresh)
	}
	return a.last
}

// from is what a page holds from a place on.
func (a *arena) from(at place) string { return a.pages[at.page()].String()[at.offset():] }

// key returns the key of a record, and its columns.
func (a *arena) key(at place) (key, columns string) { return cutKey(a.from(at)) }

// discard notes that the record of n bytes at a place is not used any more, and
// reports whether so little of its page is that the rest should move.
func (a *arena) discard(at place, n int) bool {
	p := &a.pages[at.page()]
	p.wasted += n
	return at.page() != a.last && p.wasted >= p.Len()/4*3
}

// records yields the records of a page of rows with so many columns.
func (a *arena) records(p, columns int) iter.Seq2[place, string] {
	return func(yield func(place, string) bool) {
		whole := a.pages[p].String()
		for rest := whole; rest != ""; {
			record := rest
			_, rest = cutKey(rest)
			for range columns {
				_, rest = cutValue(rest)
			}
			if !yield(placeOf(p, len(whole)-len(record)), record[:len(record)-len(rest)]) {
				return
			}
		}
	}
}

// drop forgets a page. Texts that were handed out keep it alive.
func (a *arena) drop(p int) {
	a.pages[p] = page{}
	a.vacant = append(a.vacant, p)
}

func cutKey(record string) (key, rest string) {
	n, rest := cutLength(record)
	return rest[:n], rest[n:]
}

func cutValue(s string) (cdc.Value, string) {
	n, rest := cutLength(s)
	if n == 0 {
		return cdc.Null, rest
	}
	return cdc.Text(rest[:n-1]), rest[n-1:]
}

// cutLength reads a number as binary.AppendUvarint writes it.
func cutLength(s string) (n int, rest string) {
	if s[0] < 0x80 {
		return int(s[0]), s[1:]
	}
	for i, shift := 0, 0; ; i, shift = i+1, shift+7 {
		n |= int(s[i]&0x7f) << shift
		if s[i] < 0x80 {
			return n, s[i+1:]
		}
	}
}
