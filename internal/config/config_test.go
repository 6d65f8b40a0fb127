package config_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector"
	"tailstock/connector/cdc"
	"tailstock/connector/natslog"
	"tailstock/internal/config"
	"tailstock/sinks/cache"
	"tailstock/sinks/stockstore"
	"tailstock/sources/postgres"
)

// variables makes a Lookup of pairs of names and values.
func variables(pairs ...string) config.Lookup {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

// parse reads text, which must be right, as /etc/tailstock/tailstock.yaml.
func parse(t *testing.T, text string, pairs ...string) *config.Config {
	t.Helper()
	c, err := config.Parse("/etc/tailstock/tailstock.yaml", []byte(text), variables(pairs...))
	if err != nil {
		t.Fatalf("the file has errors:\n%v\n%s", err, text)
	}
	return c
}

const everything = `
namespace: shop-1
log: {keep: 1d12h, max_bytes: 5GiB}
rejects: {max_bytes: 300MiB}
nats:
  url: "nats://one:4222,nats://two:4222"
  creds: secrets/daemon.creds
  tls: {ca: /etc/ca.pem, cert: tls/client.pem, key: tls/client.key}
  replicas: 3
  confirm_delay: 0s
store: {postgres: "${STOCK_DSN}", pool_size: 16, connect_timeout: 3s, transaction_rows: 5000}
cache: {redis: "redis://:${REDIS_PASSWORD}@cache:6379/1", channel: stock, connect_timeout: 1s, command_timeout: 2s}
http: {listen: "127.0.0.1:8080"}
logging: {level: warn, format: json}
sources:
  wms:
    postgres:
      dsn: ${WMS_DSN}
      slot: wms_slot
      publication: wms_pub
      application_name: stock
      connect_timeout: 4s
      wal_sender_timeout: 30s
      status_interval: 5s
    on_reject: stop
    verify: {every: 1d, sample: 12.5%, repair: true}
    tables:
      wms.bin_stock:
        contributes:
          - {sku: part_no, location: site, on_hand: qty}
  erp:
    postgres: {dsn: host=erp dbname=erp}
    tables:
      public.order_line:
        contributes:
          - when: status in ["open", "picking"]
            sku: part_no
            location: site
            committed: qty - qty_shipped
      '"Odd.Schema"."Tab le"':
        contributes: [{leg: a, sku: s, location: "'DC1'", incoming: 1}]
`

func TestEverythingIsFilledIn(t *testing.T) {
	t.Parallel()
	c := parse(t, everything, "STOCK_DSN", "postgres://u:p@stock/stock", "WMS_DSN", "host=wms", "REDIS_PASSWORD", "hunter2")
	none := time.Duration(0)
	if diff := cmp.Diff(natslog.Config{
		URL: "nats://one:4222,nats://two:4222", Creds: "/etc/tailstock/secrets/daemon.creds",
		TLS:       natslog.TLS{CA: "/etc/ca.pem", Cert: "/etc/tailstock/tls/client.pem", Key: "/etc/tailstock/tls/client.key"},
		Namespace: "shop-1", Replicas: 3, MaxBytes: 5 << 30, RejectsMaxBytes: 300 << 20, ConfirmDelay: &none, Keep: 36 * time.Hour,
	}, c.NATS); diff != "" {
		t.Errorf("NATS (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(stockstore.Config{
		Postgres: "postgres://u:p@stock/stock", PoolSize: 16, ConnectTimeout: 3 * time.Second,
	}.WithDefaults(), *c.Store); diff != "" {
		t.Errorf("store (-want +got):\n%s", diff)
	}
	if c.TransactionRows != 5000 {
		t.Errorf("transaction rows %d, want 5000", c.TransactionRows)
	}
	if diff := cmp.Diff(cache.Config{
		URL: "redis://:hunter2@cache:6379/1", Namespace: "shop-1", Channel: "stock", ConnectTimeout: time.Second, CommandTimeout: 2 * time.Second,
	}, *c.Cache); diff != "" {
		t.Errorf("cache (-want +got):\n%s", diff)
	}
	if c.HTTP.Listen != "127.0.0.1:8080" || c.Logging.Level != slog.LevelWarn || c.Logging.Format != config.FormatJSON {
		t.Errorf("HTTP %+v, logging %+v", c.HTTP, c.Logging)
	}
}

func TestSourcesStandInTheOrderOfTheFile(t *testing.T) {
	t.Parallel()
	c := parse(t, everything, "STOCK_DSN", "host=s", "WMS_DSN", "host=wms", "REDIS_PASSWORD", "x")
	if len(c.Sources) != 2 {
		t.Fatalf("%d sources, want 2", len(c.Sources))
	}
	wms, erp := c.Sources[0], c.Sources[1]
	if want := (config.Verify{Every: 24 * time.Hour, VerifySpec: connector.VerifySpec{Repair: true, Sample: 12.5}}); wms.Verify != want || erp.Verify != (config.Verify{}) {
		t.Errorf("verify %+v and %+v, want %+v and nothing", wms.Verify, erp.Verify, want)
	}
	if wms.Name != "wms" || wms.OnReject != config.OnRejectStop || erp.Name != "erp" || erp.OnReject != config.OnRejectKeep {
		t.Errorf("sources %v (%s), %v (%s)", wms, wms.OnReject, erp, erp.OnReject)
	}
	if diff := cmp.Diff(postgres.Config{
		DSN: "host=wms", Slot: "wms_slot", Publication: "wms_pub", ApplicationName: "stock",
		ConnectTimeout: 4 * time.Second, WALSenderTimeout: 30 * time.Second, StatusInterval: 5 * time.Second,
	}.WithDefaults(), *wms.Postgres); diff != "" {
		t.Errorf("wms (-want +got):\n%s", diff)
	}
	want := postgres.Config{DSN: "host=erp dbname=erp", Slot: "tailstock_shop_1_erp", Publication: "tailstock_shop_1_erp"}.WithDefaults()
	if diff := cmp.Diff(want, *erp.Postgres); diff != "" {
		t.Errorf("erp (-want +got):\n%s", diff)
	}
	var tables []cdc.TableName
	for _, m := range erp.Mappings {
		tables = append(tables, m.Table())
	}
	if diff := cmp.Diff([]cdc.TableName{{Schema: "public", Name: "order_line"}, {Schema: "Odd.Schema", Name: "Tab le"}}, tables); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
}

// small is the least that a file may hold.
const small = `
nats: {embedded: {dir: nats}}
sources:
  erp:
    postgres: {dsn: host=erp}
    tables:
      public.part: {contributes: [{sku: part_no, location: site, on_hand: qty}]}
`

func TestDefaults(t *testing.T) {
	t.Parallel()
	c := parse(t, small)
	if diff := cmp.Diff(natslog.Config{
		Embedded: &natslog.EmbeddedConfig{Dir: "/etc/tailstock/nats"},
		MaxBytes: 20 << 30, RejectsMaxBytes: 1 << 30, Keep: 24 * time.Hour,
	}, c.NATS); diff != "" {
		t.Errorf("NATS (-want +got):\n%s", diff)
	}
	if c.Store != nil || c.Cache != nil || c.HTTP.Listen != "" || c.TransactionRows != 100_000 ||
		c.Logging.Level != slog.LevelInfo || c.Logging.Format != config.FormatText {
		t.Errorf("store %v, cache %v, http %v, transaction rows %d, logging %v", c.Store, c.Cache, c.HTTP, c.TransactionRows, c.Logging)
	}
	if slot := c.Sources[0].Postgres.Slot; slot != "tailstock_erp" {
		t.Errorf("slot %s, want tailstock_erp", slot)
	}
}

func TestLoadReadsTheFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "tailstock.yaml")
	if err := os.WriteFile(name, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "nats"); c.NATS.Embedded.Dir != want {
		t.Errorf("dir %s, want %s", c.NATS.Embedded.Dir, want)
	}
}

func TestLoadRefusesWhatIsNoFile(t *testing.T) {
	t.Parallel()
	large := filepath.Join(t.TempDir(), "large.yaml")
	if err := os.WriteFile(large, []byte(strings.Repeat("# nothing\n", 500_000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		filepath.Join(t.TempDir(), "none.yaml"): "no such file",
		t.TempDir():                             "not a regular file",
		large:                                   "larger than",
	} {
		_, err := config.Load(name, nil)
		var list config.Errors
		if !errors.As(err, &list) || len(list) != 1 || !strings.Contains(list[0].Reason, want) || list[0].File != name {
			t.Errorf("load %s: %v, want one error with %q", name, err, want)
		}
	}
}

// What expressions name besides columns may stand before or behind the tables.
func TestVocabulary(t *testing.T) {
	t.Parallel()
	const tables = `
    tables:
      public.quant:
        contributes:
          - when: company_id == const.company and const.code == '007'
            sku: partno(product[product_id].brand, product[product_id].code)
            on_hand: qty * pack[unit]
            unavailable: "within(place[place_id], scrap) ? qty : 0"
          - leg: named
            sku: few[product_id].code ?? 'none'
            location: nearest(tree[place_id], site != null).site
            on_hand: qty
`
	const vocabulary = `
    lookups:
      product: {table: public.product, key: id, columns: [brand, code], missing: reject}
      few: {table: public.product, missing: default}
      place: {table: public.place, path: full_path, separator: "."}
      tree: {table: public.place, nested_set: [lft, rgt]}
    maps:
      zone: {A: DC1, B: DC2}
      pack: {EA: 1, BOX: 12}
    constants: {company: 3, code: "007"}
    partno: {strip: "-. ", brands: {BOSCH: " "}}
    location: zone[zone_code] ?? 'DC9'
`
	const head = "nats: {url: \"nats://x\"}\nstore: {sqlite: stock.db}\nsources:\n  erp:\n    postgres: {dsn: host=erp}"
	before, behind := parse(t, head+vocabulary+tables), parse(t, head+tables+vocabulary)
	got, same := before.Sources[0].Mappings[0], behind.Sources[0].Mappings[0]
	if got.ID() != same.ID() {
		t.Errorf("before the tables %s, behind them %s", got.Canonical(), same.Canonical())
	}
	for _, want := range []string{
		`"name":"product","table":"public.product","key":"id","missing":"reject"`, `"path":"full_path","separator":"."`, `"left":"lft","right":"rgt"`,
		`["BOX","12"]`, `(company_id == 3)`, `('007' == '007')`, `"strip":" -."`, `["BOSCH"," "]`, `coalesce(zone[zone_code], 'DC9')`,
	} {
		if !strings.Contains(string(got.Canonical()), want) {
			t.Errorf("%s\nlacks %s", got.Canonical(), want)
		}
	}
}
