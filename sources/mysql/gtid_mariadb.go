package mysql

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mariaGTID is one of MariaDB's GTIDs.
type mariaGTID struct {
	domain, server uint32
	sequence       uint64
}

func (g mariaGTID) append(b []byte) []byte {
	b = append(strconv.AppendUint(b, uint64(g.domain), 10), '-')
	b = append(strconv.AppendUint(b, uint64(g.server), 10), '-')
	return strconv.AppendUint(b, g.sequence, 10)
}

// String returns "0-1-5".
func (g mariaGTID) String() string { return string(g.append(nil)) }

// parseMariaGTID is the inverse of String.
func parseMariaGTID(text string) (g mariaGTID, err error) {
	parts := strings.Split(text, "-")
	if len(parts) != 3 {
		return g, fmt.Errorf("%q is not a GTID", text)
	}
	domain, err1 := strconv.ParseUint(parts[0], 10, 32)
	server, err2 := strconv.ParseUint(parts[1], 10, 32)
	sequence, err3 := strconv.ParseUint(parts[2], 10, 64)
	if err := cmp.Or(err1, err2, err3); err != nil {
		return g, fmt.Errorf("%q is not a GTID: %w", text, err)
	}
	return mariaGTID{uint32(domain), uint32(server), sequence}, nil
}

// mariaState is a place in MariaDB's binary log: the last GTID of each domain,
// sorted by domain. A list of all servers' last GTIDs, as gtid_binlog_state has
// it, is sorted by domain and server.
type mariaState []mariaGTID

// parseMariaState reads a comma-separated list.
func parseMariaState(text string) (mariaState, error) {
	var s mariaState
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		g, err := parseMariaGTID(part)
		if err != nil {
			return nil, fmt.Errorf("GTID position %q: %w", text, err)
		}
		s = append(s, g)
	}
	slices.SortStableFunc(s, func(a, b mariaGTID) int {
		return cmp.Or(cmp.Compare(a.domain, b.domain), cmp.Compare(a.server, b.server))
	})
	return s, nil
}

// set makes g the last of its domain.
func (s mariaState) set(g mariaGTID) mariaState {
	for i := range s {
		if s[i].domain == g.domain {
			s[i] = g
			return s
		}
		if s[i].domain > g.domain {
			return slices.Insert(s, i, g)
		}
	}
	return append(s, g)
}

// get returns the last of a domain.
func (s mariaState) get(domain uint32) (g mariaGTID, ok bool) {
	for i := range s {
		if s[i].domain == domain {
			return s[i], true
		}
	}
	return g, false
}

// reached reports whether a server whose gtid_binlog_state is s has logged g.
func (s mariaState) reached(g mariaGTID) bool {
	for _, have := range s {
		if have.domain == g.domain && have.server == g.server {
			return have.sequence >= g.sequence
		}
	}
	return false
}

func (s mariaState) append(b []byte) []byte {
	for i, g := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = g.append(b)
	}
	return b
}

// String returns "0-1-5,1-2-7".
func (s mariaState) String() string { return string(s.append(nil)) }
