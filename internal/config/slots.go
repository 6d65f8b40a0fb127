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
