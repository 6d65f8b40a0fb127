package config

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
)

// String describes c in one line, without a connection string or URL.
func (c Config) String() string {
	sources := make([]string, len(c.Sources))
	for i := range c.Sources {
		sources[i] = c.Sources[i].String()
	}
	return fmt.Sprintf("namespace %q, nats %s, store %s, cache %t, http %q, sources [%s]",
		c.NATS.Namespace, c.natsKind(), c.storeKind(), c.Cache != nil, c.HTTP.Listen, strings.Join(sources, ", "))
}

func (c Config) natsKind() string {
	if c.NATS.Embedded != nil {
		return "embedded"
	}
	return "external"
}

func (c Config) storeKind() string {
	switch {
	case c.Store == nil:
		return "none"
	case c.Store.SQLite != "":
		return "sqlite"
	default:
		return "postgres"
	}
}

// Format prints String for every verb, so that %+v and %#v show no secret.
func (c Config) Format(f fmt.State, _ rune) { fmt.Fprint(f, c.String()) }

// LogValue is what a log shows of c.
func (c Config) LogValue() slog.Value { return slog.StringValue(c.String()) }

// MarshalJSON encodes String.
func (c Config) MarshalJSON() ([]byte, error) { return json.Marshal(c.String()) }

// String describes s in a few words, without its connection string.
func (s Source) String() string {
	place := ""
	switch {
	case s.Postgres != nil:
		place = " postgres slot " + s.Postgres.Slot
	case s.MySQL != nil:
		place = fmt.Sprintf(" mysql server_id %d", s.MySQL.ServerID)
	}
	return fmt.Sprintf("%s:%s, %d tables", s.Name, place, len(s.Mappings))
}

// Format prints String for every verb.
func (s Source) Format(f fmt.State, _ rune) { fmt.Fprint(f, s.String()) }

// LogValue is what a log shows of s.
func (s Source) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalJSON encodes String.
func (s Source) MarshalJSON() ([]byte, error) { return json.Marshal(s.String()) }
