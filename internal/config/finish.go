package config

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/mapping"
)

var sourceName = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)

// tableKey is a table as the file names it.
type tableKey struct {
	name  cdc.TableName
	at    place
	sound bool
}

// parseTable reads the name of a table, and says what is wrong with it.
func parseTable(key string) (name cdc.TableName, wrong string) {
	name = cdc.ParseTableName(key)
	switch {
	case strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c == 0x7f }):
		return name, "holds a control character"
	case name.Name == "":
		return name, "is no table; write schema.table"
	case name.Schema == "":
		return name, fmt.Sprintf("has no schema; write %s", cdc.TableName{Schema: "public", Name: name.Name})
	case !strings.ContainsAny(key, "\"`") && strings.Count(key, ".") > 1:
		return name, fmt.Sprintf("has more than one dot; a part with dots stands in double quotes: '%s'", name)
	}
	return name, ""
}

// compile makes the mapping of a table, and finds its errors in the file.
func (d *decoder) compile(s *Source, key tableKey, spec *mapping.Spec, path string) {
	if d.failed[join(path, "contributes")] {
		return // not a list, or no value: there is nothing to compile
	}
	m, err := mapping.Compile(key.name, *spec)
	var list mapping.Errors
	switch {
	case errors.As(err, &list):
		for _, e := range list {
			d.report(e.Place, join(path, e.Path), "%s", e.Reason)
		}
	case err != nil:
		d.report(key.at, path, "%v", err)
	case key.sound:
		s.Mappings = append(s.Mappings, m)
	}
}

// finish fills in what depends on several values and checks the whole.
func (d *decoder) finish(c *Config) {
	d.finishNATS(c)
	d.finishStore(c)
	d.finishCache(c)
	if !d.has("sources") {
		d.reportPath("sources", "is missing: name at least one database to follow")
	} else if len(c.Sources) == 0 && !d.below["sources"] {
		d.reportPath("sources", "is empty: name at least one database to follow")
	}
	for i := range c.Sources {
		d.finishSource(c, &c.Sources[i])
	}
	d.sharedSlots(c.Sources)
	d.sharedServerIDs(c.Sources)
	d.owners(c)
}

func (d *decoder) finishNATS(c *Config) {
	v := c.NATS
	switch url, embedded := d.has("nats.url"), d.has("nats.embedded"); {
	case !d.has("nats"):
		d.reportPath("nats", "is missing: write nats: {embedded: {dir: PATH}} or nats: {url: nats://HOST:4222}")
	case url && embedded:
		d.reportPath("nats.url", "is given beside embedded; remove one of them")
		v.URL = ""
	case !url && !embedded && !d.failed["nats"]:
		d.reportPath("nats", "has neither embedded nor url; write embedded: {dir: PATH} or url: nats://HOST:4222")
	}
	if v.URL == "" && v.Embedded == nil {
		v.URL = "nats://reported:4222" // the rest is still to be judged
	}
	d.adapter("nats", v.Validate(), map[string]string{
		"namespace": "namespace", "max_bytes": "log.max_bytes", "rejects_max_bytes": "rejects.max_bytes", "keep": "log.keep",
	})
}

func (d *decoder) finishStore(c *Config) {
	switch {
	case c.Store == nil:
		return
	case d.has("store.sqlite") && d.has("store.postgres"):
		d.reportPath("store", "has both sqlite and postgres; remove one of them")
		c.Store.Postgres = ""
	case !d.has("store.sqlite") && !d.has("store.postgres"):
		d.reportPath("store", "has neither sqlite nor postgres; write sqlite: PATH or postgres: CONNECTION STRING")
	}
	*c.Store = c.Store.WithDefaults()
	v := *c.Store
	if v.SQLite == "" && v.Postgres == "" {
		v.SQLite = "reported" // the rest is still to be judged
	}
	d.adapter("store", v.Validate(), nil)
}

func (d *decoder) finishCache(c *Config) {
	if c.Cache == nil {
		return
	}
	c.Cache.Namespace = c.NATS.Namespace
	*c.Cache = c.Cache.WithDefaults()
	d.adapter("cache", c.Cache.Validate(), map[string]string{"namespace": "namespace", "url": "cache.redis"})
}

func (d *decoder) finishSource(c *Config, s *Source) {
	path := "sources." + s.Name
	if !d.has(path + ".tables") {
		d.reportPath(path+".tables", "is missing: name at least one table with what its rows contribute")
	} else if len(s.Mappings) == 0 && !d.below[path+".tables"] {
		d.reportPath(path+".tables", "is empty: name at least one table with what its rows contribute")
	}
	switch {
	case s.Postgres != nil && s.MySQL != nil:
		d.reportPath(path+".mysql", "is given beside postgres; a source is one of them")
	case s.MySQL != nil:
		*s.MySQL = s.MySQL.WithDefaults()
		d.adapter(path+".mysql", s.MySQL.Validate(), nil)
	case s.Postgres != nil:
		d.finishPostgres(c, s, path)
	case !d.below[path+".postgres"] && !d.below[path+".mysql"]:
		d.reportPath(path+".postgres", "is missing: say which database to follow, as in postgres: {dsn: \"${ERP_DSN}\"} or mysql: {dsn: \"${WMS_DSN}\", server_id: 7201}")
	}
}

func (d *decoder) finishPostgres(c *Config, s *Source, path string) {
	name := "tailstock_" + s.Name
	if c.NATS.Namespace != "" {
		name = "tailstock_" + strings.ReplaceAll(c.NATS.Namespace, "-", "_") + "_" + s.Name
	}
	if d.failed[path] || d.failed["namespace"] {
		name = "tailstock" // what is wrong with it was said there
	}
	d.setDefault(&s.Postgres.Slot, path+".postgres.slot", name)
	d.setDefault(&s.Postgres.Publication, path+".postgres.publication", name)
	*s.Postgres = s.Postgres.WithDefaults()
	d.adapter(path+".postgres", s.Postgres.Validate(), nil)
}

// setDefault gives the value at path a default, if the file has none.
func (d *decoder) setDefault(p *string, path, name string) {
	if d.has(path) {
		return
	}
	if *p = name; len(name) > maxIdentifier {
		d.reportPath(path, "is missing: its default %s is longer than %d bytes; choose a name", name, maxIdentifier)
	}
}

// maxIdentifier is the longest name in PostgreSQL, in bytes.
const maxIdentifier = 63
