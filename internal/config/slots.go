package config

import (
	"net"
	"net/url"
	"strings"
)

// sharedSlots reports sources that would follow the same slot. A slot's name is
// unique on a server, whichever database it is of.
func (d *decoder) sharedSlots(sources []Source) {
	type slot struct{ server, name string }
	taken := make(map[slot]string)
	for i := range sources {
		s := &sources[i]
		if s.Postgres == nil || s.Postgres.DSN == "" {
			continue
		}
		key := slot{serverOf(s.Postgres.DSN), s.Postgres.Slot}
		if first, ok := taken[key]; ok {
			d.reportPath("sources."+s.Name+".postgres.slot", "is the slot of source %s on the same server already; every source needs one of its own", first)
			continue
		}
		taken[key] = s.Name
	}
}

// sharedServerIDs reports sources that would throw each other out of a server,
// which takes one replica with an id.
func (d *decoder) sharedServerIDs(sources []Source) {
	type replica struct {
		address string
		id      uint32
	}
	taken := make(map[replica]string)
	for i := range sources {
		s := &sources[i]
		if s.MySQL == nil || s.MySQL.DSN == "" || s.MySQL.ServerID == 0 {
			continue
		}
		key := replica{addressOf(s.MySQL.DSN), s.MySQL.ServerID}
		if first, ok := taken[key]; ok {
			d.reportPath("sources."+s.Name+".mysql.server_id", "is that of source %s on the same server already; every source needs one of its own", first)
			continue
		}
		taken[key] = s.Name
	}
}

// addressOf returns what stands between the brackets of user:password@tcp(host:3306)/:
// enough to see that two that are written alike lead to one server.
func addressOf(dsn string) string {
	rest := dsn[strings.LastIndexByte(dsn, '@')+1:]
	_, rest, _ = strings.Cut(rest, "(")
	address, _, _ := strings.Cut(rest, ")")
	return strings.ToLower(address)
}

// serverOf returns host and port of a connection string, as far as it names
// them: enough to see that two that are written alike lead to one server.
func serverOf(dsn string) string {
	host, port := "localhost", "5432"
	if u, err := url.Parse(dsn); err == nil && u.Scheme != "" {
		if u.Hostname() != "" {
			host = u.Hostname()
		}
		if u.Port() != "" {
			port = u.Port()
		}
		return net.JoinHostPort(strings.ToLower(host), port)
	}
	for field := range strings.FieldsSeq(dsn) {
		switch name, value, _ := strings.Cut(field, "="); name {
		case "host":
			host = strings.Trim(value, "'")
		case "port":
			port = strings.Trim(value, "'")
		}
	}
	return net.JoinHostPort(strings.ToLower(host), port)
}
