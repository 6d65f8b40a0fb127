package config

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
	"tailstock/connector/natslog"
	"tailstock/sinks/cache"
	"tailstock/sinks/stockstore"
	"tailstock/sources/mysql"
	"tailstock/sources/postgres"
)

// The most of what an operator can ask for.
const (
	maxReplicas        = 5
	maxPoolSize        = 1_000
	maxTransactionRows = 10_000_000
)

// shape returns the layout of a whole file, which decodes into c.
func (d *decoder) shape(c *Config) shape {
	return &object{
		members: []member{
			{"namespace", "Prefix of every stream, subject and bucket, so that several installations can share a NATS account. Defaults to none.", text(&c.NATS.Namespace)},
			{"nats", "The NATS server that keeps the logs. Required.", d.nats(&c.NATS)},
			{"log", "The log of each source.", logSection(&c.NATS)},
			{"rejects", "The rows that could not be mapped.", rejects(&c.NATS)},
			{"store", "The stock store: exactly one of sqlite and postgres. Left out where no role needs it.", d.store(c)},
			{"cache", "The cache for storefronts. Left out if there is none.", d.cache(c)},
			{"http", "The HTTP endpoint for metrics, health and levels.", http(&c.HTTP)},
			{"logging", "How the daemon logs, on standard error.", logging(&c.Logging)},
			{"sum", "The kinds of quantity that several sources may contribute to one location, where they are added up. Of any other kind a location has one source. Defaults to none.", sums(&c.Sum)},
			{"sources", "The databases to follow, by name. Required.", d.sources(c)},
		},
	}
}

func (d *decoder) nats(c *natslog.Config) shape {
	return &object{members: []member{
		{"embedded", "Runs the server inside the daemon, instead of url.", d.embedded(c)},
		{"url", "Address of an external server, or several separated by commas.", secret(&c.URL)},
		{"creds", "Path of a credentials file.", d.filePath(&c.Creds)},
		{"nkey", "Path of a file with an nkey seed, instead of creds.", d.filePath(&c.NKey)},
		{"tls", "PEM files for an encrypted connection.", &object{members: []member{
			{"ca", "Path of the certificates that sign the server's. Defaults to the system's.", d.filePath(&c.TLS.CA)},
			{"cert", "Path of the client's certificate; needs key.", d.filePath(&c.TLS.Cert)},
			{"key", "Path of the client's private key; needs cert.", d.filePath(&c.TLS.Key)},
		}}},
		{"replicas", "How many servers keep each stream, 1 to 5. Defaults to 1.", whole(&c.Replicas, 1, maxReplicas)},
		{"confirm_delay", "How long a message is acknowledged before its source may forget it. Defaults to 2m10s, and to 0s with the embedded server.", delay(&c.ConfirmDelay)},
	}}
}

// delay is a duration that differs from none when it is zero.
func delay(p **time.Duration) *value {
	var length time.Duration
	v := duration(&length)
	set := v.set
	v.set = func(text, shown string) string {
		wrong := set(text, shown)
		*p = &length
		return wrong
	}
	return v
}

func (d *decoder) embedded(c *natslog.Config) shape {
	e := new(natslog.EmbeddedConfig)
	return &object{
		begin: func(*decoder, string, place) { c.Embedded = e },
		members: []member{
			{"dir", "Folder of its streams and keys, made if missing. Required.", d.filePath(&e.Dir)},
			{"listen", "Address for the command line and readers of levels, as host:port. Defaults to a free port of 127.0.0.1.", text(&e.Listen)},
		},
	}
}

func logSection(c *natslog.Config) shape {
	return &object{members: []member{
		{"keep", "How long applied messages stay, so that a store can be restored from a backup. Defaults to 24h.", duration(&c.Keep)},
		{"max_bytes", "Size limit of each source's log. A log full of messages that are not applied holds its source. Defaults to 20GiB.", size(&c.MaxBytes)},
	}}
}

func rejects(c *natslog.Config) shape {
	return &object{members: []member{
		{"max_bytes", "Size limit over all sources. When it is reached, sources with further such rows stop. Defaults to 1GiB.", size(&c.RejectsMaxBytes)},
	}}
}

func (d *decoder) store(c *Config) shape {
	s := new(stockstore.Config)
	return &object{
		begin: func(*decoder, string, place) { c.Store = s },
		members: []member{
			{"sqlite", "Path of the database file, made if missing.", d.filePath(&s.SQLite)},
			{"postgres", "Connection string of the database.", secret(&s.Postgres)},
			{"pool_size", "Most connections to PostgreSQL, or readers of SQLite: 2 to 1000. Defaults to 8.", whole(&s.PoolSize, 2, maxPoolSize)},
			{"connect_timeout", "Bound on connecting to PostgreSQL, unless the connection string has one. Defaults to 10s.", duration(&s.ConnectTimeout)},
			{"busy_timeout", "How long SQLite waits for another process that writes. Defaults to 30s.", duration(&s.BusyTimeout)},
			{"transaction_rows", "Most rows of a source transaction that are applied as one; a larger one is applied in parts. Defaults to 100000.", whole(&c.TransactionRows, 1, maxTransactionRows)},
		},
	}
}

func (d *decoder) cache(c *Config) shape {
	s := new(cache.Config)
	return &object{
		begin: func(*decoder, string, place) { c.Cache = s },
		members: []member{
			{"redis", "URL of the Redis or Valkey server: redis://, rediss:// for TLS, or unix://. Required.", secret(&s.URL)},
			{"channel", "Where SKUs whose numbers changed are published. Defaults to stock:changed, behind the namespace and a colon if there is one.", text(&s.Channel)},
			{"connect_timeout", "Bound on making a connection. Defaults to 5s.", duration(&s.ConnectTimeout)},
			{"command_timeout", "Bound on one command. Defaults to 10s.", duration(&s.CommandTimeout)},
		},
		refused: map[string]string{"cluster": "Redis Cluster is not supported by this version; use a single server with replicas"},
	}
}

func http(c *HTTP) shape {
	v := text(&c.Listen)
	v.set = func(text, shown string) string {
		if _, _, err := net.SplitHostPort(text); err != nil {
			return fmt.Sprintf("%s is not like 127.0.0.1:8080", shown)
		}
		c.Listen = text
		return ""
	}
	return &object{members: []member{{"listen", "Its address, as host:port. Without it there is no endpoint.", v}}}
}

func logging(c *Logging) shape {
	level := choice(new(string), "debug", "info", "warn", "error")
	set := level.set
	level.set = func(text, shown string) string {
		if wrong := set(text, shown); wrong != "" {
			return wrong
		}
		if err := c.Level.UnmarshalText([]byte(text)); err != nil {
			return fmt.Sprintf("%s is no level", shown)
		}
		return ""
	}
	return &object{members: []member{
		{"level", "The least that is logged. Defaults to info.", level},
		{"format", "Lines of text or of JSON. Defaults to text.", choice(&c.Format, FormatText, FormatJSON)},
	}}
}

func (d *decoder) sources(c *Config) shape {
	return &dictionary{
		name:    "<source>",
		example: d.source(new(Source), c),
		entry: func(name string, _ place) (shape, string) {
			s := &Source{Name: name, OnReject: OnRejectKeep, OnGap: OnGapReload}
			if !sourceName.MatchString(name) {
				return d.source(s, c), "is no name for a source: 1 to 32 lower-case letters, digits and underscores, beginning with a letter"
			}
			return d.source(s, c), ""
		},
	}
}

func (d *decoder) source(s *Source, c *Config) shape {
	v := new(mapping.Vocabulary)
	// Tables are compiled when all of the source was read: what they name may stand behind them.
	var compile []func()
	return &presetSource{s, &object{
		end: func(d *decoder, path string, _ place) {
			if d.checkVocabulary(v, path) {
				for _, f := range compile {
					f()
				}
			}
			c.Sources = append(c.Sources, *s)
		},
		members: slices.Concat([]member{
			{"postgres", "Follows a PostgreSQL database, version 13 or later. This or mysql is required.", postgresSection(s)},
			{"mysql", "Follows a MySQL server, version 5.7 or later, or a MariaDB server, version 10.5 or later. This or postgres is required.", mysqlSection(s)},
			{"on_reject", "What a row does that cannot be mapped: keep puts it into the rejects stream and goes on, stop halts the source. Defaults to keep.", choice(&s.OnReject, string(OnRejectKeep), string(OnRejectStop))},
			{"on_gap", "What a source does whose changes were lost, as with its slot: reload loads all tables anew beside the old numbers, halt waits for an operator. Defaults to reload.", choice(&s.OnGap, string(OnGapReload), string(OnGapHalt))},
			{"verify", "Has the daemon compare stores with the source by itself, and count what differs.", verify(&s.Verify)},
			{"preset", "The mapping of a known ERP, with its version, as in odoo@17; docs/presets.md lists them. What stands under tables, lookups, maps, constants, partno and location adds to it, and replaces what has the same name.", &presetKey{what: "a preset with its version"}},
			{"variables", "What the preset is told of the installation, by the names of its variables.", presetVariables()},
			{"tables", "The tables to capture, by name with schema; MySQL calls that the database. Required, unless there is a preset.", d.tables(s, v, func(f func()) { compile = append(compile, f) })},
		}, d.vocabulary(v)),
		refused: map[string]string{
			"mariadb": "a MariaDB server stands under mysql: they are followed alike",
		},
	}}
}

func postgresSection(s *Source) shape {
	p := new(postgres.Config)
	return &object{
		begin: func(*decoder, string, place) { s.Postgres = p },
		members: []member{
			{"dsn", "Connection string of the database. Required.", secret(&p.DSN)},
			{"slot", "Name of the replication slot, made if missing. Defaults to tailstock_<source>, with a namespace tailstock_<namespace>_<source>.", text(&p.Slot)},
			{"publication", "Name of the publication that the DBA made. Defaults to what slot defaults to.", text(&p.Publication)},
			{"application_name", "What pg_stat_activity shows. Defaults to tailstock.", text(&p.ApplicationName)},
			{"connect_timeout", "Bound on making a connection, unless the connection string has one. Defaults to 10s.", duration(&p.ConnectTimeout)},
			{"wal_sender_timeout", "After so long without a sign of life either side gives up the other; a dead daemon holds the slot for so long. 1s to 1h. Defaults to 10s.", duration(&p.WALSenderTimeout)},
			{"status_interval", "Time between reports to the server, at most half of wal_sender_timeout. Defaults to the smaller of that and 10s.", duration(&p.StatusInterval)},
		},
	}
}

// highestServerID is the highest server_id that MySQL knows.
const highestServerID = 1<<32 - 1

func mysqlSection(s *Source) shape {
	m := new(mysql.Config)
	var id int
	var xaBytes int64
	return &object{
		begin: func(*decoder, string, place) { s.MySQL = m },
		end: func(*decoder, string, place) {
			m.ServerID = uint32(id) //nolint:gosec // within its limits
			m.XABytes = int(xaBytes)
		},
		members: []member{
			{"dsn", "Data source name of the server, as user:password@tcp(host:3306)/?tls=true or user:password@unix(/path)/. Required.", secret(&m.DSN)},
			{"server_id", "The id that this source has among the replicas of the server, 1 to 4294967295; nobody else may have it. Required.", whole(&id, 1, highestServerID)},
			{"cascades", "What to do where foreign keys change rows without a word in the server's log: refuse the source, verify the table whenever that may have happened, or accept what is lost. Defaults to refuse.", choice(&m.Cascades, mysql.CascadesRefuse, mysql.CascadesVerify, mysql.CascadesAccept)},
			{"connect_timeout", "Bound on making a connection, unless the data source name has a timeout. Defaults to 10s.", duration(&m.ConnectTimeout)},
			{"heartbeat_interval", "How often an idle server says where its log ends, 1ms to 1m. Defaults to 500ms.", duration(&m.HeartbeatInterval)},
			{"silence_timeout", "After so long without a sign of life from the server the source connects anew, at least two heartbeat_intervals. Defaults to 30s.", duration(&m.SilenceTimeout)},
			{"xa_bytes", "Most memory for the rows of XA transactions that are prepared and not decided. Defaults to 64MiB.", size(&xaBytes)},
		},
	}
}

func (d *decoder) tables(s *Source, v *mapping.Vocabulary, later func(func())) shape {
	seen := make(map[string]place)
	return &dictionary{
		name:    "<table>",
		example: d.table(s, v, later, tableKey{}),
		entry: func(key string, at place) (shape, string) {
			name, wrong := parseTable(key)
			if wrong != "" {
				return d.table(s, v, later, tableKey{at: at}), wrong
			}
			if first, ok := seen[name.String()]; ok {
				return nil, fmt.Sprintf("is a duplicate: table %s stands at %s already", name, first)
			}
			seen[name.String()] = at
			return d.table(s, v, later, tableKey{name: name, at: at, sound: true}), ""
		},
	}
}

func (d *decoder) table(s *Source, v *mapping.Vocabulary, later func(func()), key tableKey) shape {
	spec := &mapping.Spec{File: d.file, Place: key.at, Vocabulary: v}
	r := new(resetting)
	return &object{
		end: func(d *decoder, path string, _ place) {
			if !r.check(d, path) {
				later(func() { d.compile(s, key, spec, path) })
			}
		},
		members: []member{
			{"contributes", "What each row contributes: rules, all of which every row is put to. Required.", &list{item: func() shape {
				return rule(spec)
			}}},
			{"reset", "Whether some rows of the table set a quantity rather than add to it, as a ledger's counts do. Such rows cannot be added up: the table is refused, with the one to map instead. Defaults to false.", truth(&r.reset)},
			{"derived", "With reset, the table in which the database keeps what the rows come to.", r.derivedShape()},
		},
		refused: map[string]string{
			"lookups": "lookups belong to the source, beside tables",
			"key":     "the key of a table is the database's: its primary key or replica identity",
		},
	}
}

func rule(spec *mapping.Spec) shape {
	r := new(mapping.Rule)
	o := &object{
		begin: func(_ *decoder, _ string, at place) { r.Place = at },
		end:   func(*decoder, string, place) { spec.Contributes = append(spec.Contributes, *r) },
		members: []member{
			{"leg", "Name of the rule within its table. One rule may go without; it is called stock.", &expression{&r.Leg, "a name"}},
			{"when", "Condition under which the rule applies. Defaults to always.", &expression{&r.When, anExpression}},
			{"sku", "Expression for the SKU. Required.", &expression{&r.SKU, anExpression}},
			{"location", "Expression for the location. Required, unless the source has one.", &expression{&r.Location, anExpression}},
		},
	}
	for k := range r.Quantities {
		name := inventory.Kind(k).String()
		about := fmt.Sprintf("Expression for the quantity %s. One kind of quantity at least is required.", strings.ReplaceAll(name, "_", " "))
		o.members = append(o.members, member{name, about, &expression{&r.Quantities[k], anExpression}})
	}
	o.members = append(
		o.members,
		member{"valid_from", "Expression for the date or time from which on the contribution counts. Defaults to always.", &expression{&r.ValidFrom, anExpression}},
		member{"valid_until", "Expression for the date or time from which on it does not count any more. Defaults to never.", &expression{&r.ValidUntil, anExpression}},
	)
	return o
}
