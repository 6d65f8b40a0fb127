package config_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/sources/mysql"
)

func TestMySQLSource(t *testing.T) {
	t.Parallel()
	const text = `
nats: {embedded: {dir: nats}}
sources:
  wms:
    mysql:
      dsn: "${WMS_DSN}"
      server_id: 4294967295
      cascades: verify
      connect_timeout: 3s
      heartbeat_interval: 1s
      silence_timeout: 1m
      xa_bytes: 8MiB
    tables:
      '` + "wms.`tabStock Ledger Entry`" + `':
        contributes: [{sku: item_code, location: warehouse, on_hand: qty}]
`
	c := parse(t, text, "WMS_DSN", "tailstock:hunter2@tcp(wms:3306)/?tls=true")
	want := mysql.Config{
		DSN: "tailstock:hunter2@tcp(wms:3306)/?tls=true", ServerID: 4294967295, Cascades: mysql.CascadesVerify,
		ConnectTimeout: 3 * time.Second, HeartbeatInterval: time.Second, SilenceTimeout: time.Minute, XABytes: 8 << 20,
	}.WithDefaults()
	if diff := cmp.Diff(want, *c.Sources[0].MySQL); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if c.Sources[0].Postgres != nil {
		t.Error("the source is PostgreSQL's as well")
	}
	if got := c.Sources[0].Mappings[0].Table().Name; got != "tabStock Ledger Entry" {
		t.Errorf("table %q", got)
	}
	if s := fmt.Sprintf("%+v", c); strings.Contains(s, "hunter2") || !strings.Contains(s, "wms: mysql server_id 4294967295, 1 tables") {
		t.Errorf("prints as %s", s)
	}
}

func TestMySQLDefaults(t *testing.T) {
	t.Parallel()
	c := parse(t, "nats: {embedded: {dir: nats}}\nsources: {wms: {mysql: {dsn: root@tcp(wms)/, server_id: 7}, tables: {a.b: {contributes: [{sku: s, location: l, on_hand: q}]}}}}")
	want := mysql.Config{DSN: "root@tcp(wms)/", ServerID: 7}.WithDefaults()
	if diff := cmp.Diff(want, *c.Sources[0].MySQL); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
