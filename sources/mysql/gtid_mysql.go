package mysql

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// uuid is the 16 bytes of a server's UUID.
type uuid [16]byte

func parseUUID(s string) (u uuid, err error) {
	hexed := strings.ReplaceAll(s, "-", "")
	if len(s) != 36 || len(hexed) != 32 {
		return u, fmt.Errorf("%q is not a UUID", s)
	}
	if _, err := hex.Decode(u[:], []byte(hexed)); err != nil {
		return u, fmt.Errorf("%q is not a UUID: %w", s, err)
	}
	return u, nil
}

// appendUUID appends the 36-character form of b, which has 16 bytes.
func appendUUID(b, u []byte) []byte {
	for i, c := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, lowerHex[c>>4], lowerHex[c&15])
	}
	return b
}

const lowerHex = "0123456789abcdef"

// interval is a run of transaction numbers, both ends included.
type interval struct{ first, last uint64 }

// origin is what a set has of one server's UUID and tag.
type origin struct {
	uuid uuid
	tag  string
	runs []interval // sorted, apart from each other
	text []byte     // "uuid:1-5", made anew when runs change; nil then
}

// mysqlSet is a set of MySQL's GTIDs. The zero value is empty. Not for concurrent use.
type mysqlSet struct{ origins []*origin }

// parseMySQLSet reads the text of a set, as this package and the server write it.
func parseMySQLSet(text string) (*mysqlSet, error) {
	set := &mysqlSet{}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		if err := set.parse(part); err != nil {
			return nil, fmt.Errorf("GTID set %q: %w", text, err)
		}
	}
	return set, nil
}

// parse adds "uuid:1-5:7:tag:1-3".
func (s *mysqlSet) parse(part string) error {
	id, rest, _ := strings.Cut(part, ":")
	u, err := parseUUID(id)
	if err != nil {
		return err
	}
	if rest == "" {
		return fmt.Errorf("no number behind %s", id)
	}
	tag := ""
	for item := range strings.SplitSeq(rest, ":") {
		item = strings.TrimSpace(item)
		if item != "" && (item[0] == '_' || item[0]|0x20 >= 'a' && item[0]|0x20 <= 'z') {
			tag = strings.ToLower(item)
			continue
		}
		from, to, ranged := strings.Cut(item, "-")
		first, err := strconv.ParseUint(strings.TrimSpace(from), 10, 63)
		if err != nil {
			return err
		}
		last := first
		if ranged {
			if last, err = strconv.ParseUint(strings.TrimSpace(to), 10, 63); err != nil {
				return err
			}
		}
		if first == 0 || last < first {
			return fmt.Errorf("interval %q", item)
		}
		s.origin(u, tag).add(first, last)
	}
	return nil
}

// find returns what the set has of an origin, nil if nothing.
func (s *mysqlSet) find(u uuid, tag string) *origin {
	for _, o := range s.origins {
		if o.uuid == u && o.tag == tag {
			return o
		}
	}
	return nil
}

// origin returns the entry of an origin, which it makes if missing.
func (s *mysqlSet) origin(u uuid, tag string) *origin {
	if o := s.find(u, tag); o != nil {
		return o
	}
	o := &origin{uuid: u, tag: tag}
	s.origins = append(s.origins, o)
	slices.SortFunc(s.origins, func(a, b *origin) int {
		if c := bytes.Compare(a.uuid[:], b.uuid[:]); c != 0 {
			return c
		}
		return strings.Compare(a.tag, b.tag)
	})
	return o
}

// add adds one transaction.
func (s *mysqlSet) add(u uuid, tag string, n uint64) { s.origin(u, tag).add(n, n) }

func (o *origin) add(first, last uint64) {
	o.text = nil
	if n := len(o.runs); n > 0 && o.runs[n-1].last+1 == first {
		o.runs[n-1].last = last // the usual case
		return
	}
	at, _ := slices.BinarySearchFunc(o.runs, first, func(r interval, n uint64) int {
		if r.last+1 < n {
			return -1
		}
		return 1
	})
	end := at
	for end < len(o.runs) && o.runs[end].first <= last+1 {
		first, last = min(first, o.runs[end].first), max(last, o.runs[end].last)
		end++
	}
	o.runs = slices.Replace(o.runs, at, end, interval{first, last})
}

// has reports whether the set has one transaction.
func (s *mysqlSet) has(u uuid, tag string, n uint64) bool {
	o := s.find(u, tag)
	return o != nil && o.covers(interval{n, n})
}

func (o *origin) covers(r interval) bool {
	at, _ := slices.BinarySearchFunc(o.runs, r.first, func(have interval, n uint64) int {
		if have.last < n {
			return -1
		}
		return 1
	})
	return at < len(o.runs) && o.runs[at].first <= r.first && r.last <= o.runs[at].last
}

// contains reports whether every transaction of other is in s.
func (s *mysqlSet) contains(other *mysqlSet) bool {
	for _, o := range other.origins {
		have := s.find(o.uuid, o.tag)
		for _, r := range o.runs {
			if have == nil || !have.covers(r) {
				return false
			}
		}
	}
	return true
}

// without returns s less the transactions of other.
func (s *mysqlSet) without(other *mysqlSet) *mysqlSet {
	out := &mysqlSet{}
	for _, o := range s.origins {
		gone := other.find(o.uuid, o.tag)
		for _, r := range o.runs {
			first := r.first
			if gone != nil {
				for _, g := range gone.runs {
					if g.last < first || g.first > r.last {
						continue
					}
					if g.first > first {
						out.origin(o.uuid, o.tag).add(first, g.first-1)
					}
					first = g.last + 1
				}
			}
			if first <= r.last {
				out.origin(o.uuid, o.tag).add(first, r.last)
			}
		}
	}
	return out
}

func (s *mysqlSet) empty() bool { return len(s.origins) == 0 }

// append appends the text of the set, which the server takes.
func (s *mysqlSet) append(b []byte) []byte {
	for i, o := range s.origins {
		if i > 0 {
			b = append(b, ',')
		}
		if o.text == nil {
			o.text = o.append(nil)
		}
		b = append(b, o.text...)
	}
	return b
}

func (o *origin) append(b []byte) []byte {
	b = appendUUID(b, o.uuid[:])
	if o.tag != "" {
		b = append(append(b, ':'), o.tag...)
	}
	for _, r := range o.runs {
		b = strconv.AppendUint(append(b, ':'), r.first, 10)
		if r.last > r.first {
			b = strconv.AppendUint(append(b, '-'), r.last, 10)
		}
	}
	return b
}

// String returns the text of the set.
func (s *mysqlSet) String() string { return string(s.append(nil)) }

// parseGTID reads the GTID of one transaction, "uuid:5" or "uuid:tag:5".
func parseGTID(text string) (u uuid, tag string, n uint64, err error) {
	id, rest, _ := strings.Cut(text, ":")
	if u, err = parseUUID(id); err != nil {
		return u, "", 0, err
	}
	if i := strings.LastIndexByte(rest, ':'); i >= 0 {
		tag, rest = rest[:i], rest[i+1:]
	}
	n, err = strconv.ParseUint(rest, 10, 63)
	if err != nil {
		return u, "", 0, fmt.Errorf("GTID %q: %w", text, err)
	}
	return u, tag, n, nil
}
