package mysql

import (
	"fmt"

	"github.com/go-mysql-org/go-mysql/mysql"
)

// readFrom is the set that the server is told: it sends what is not in it.
func (t *token) readFrom() (mysql.GTIDSet, error) {
	if t.server.flavor == flavorMariaDB {
		switch t.again {
		case "":
			return connectState(t.state.String()), nil
		case againStart:
			return connectState(""), nil
		}
		return connectState(t.again), nil
	}
	set := t.set
	if t.again != "" {
		again, err := parseMySQLSet(t.again)
		if err != nil {
			return nil, err
		}
		set = set.without(again)
	}
	out, err := mysql.ParseMysqlGTIDSet(set.String())
	if err != nil {
		return nil, fmt.Errorf("GTID set %q: %w", set, err)
	}
	return out, nil
}

// connectState is MariaDB's slave_connect_state, in the library's interface for GTID
// sets, of which the library uses nothing but the text.
type connectState string

func (c connectState) String() string               { return string(c) }
func (c connectState) Encode() []byte               { return nil }
func (c connectState) Equal(o mysql.GTIDSet) bool   { return o.String() == string(c) }
func (c connectState) Contain(o mysql.GTIDSet) bool { return c.Equal(o) }
func (c connectState) Clone() mysql.GTIDSet         { return c }
func (c connectState) IsEmpty() bool                { return c == "" }
func (c connectState) Update(string) error          { return fmt.Errorf("slave_connect_state does not change") }
