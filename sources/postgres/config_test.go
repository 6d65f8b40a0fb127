package postgres_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"tailstock/connector/cdc"
	"tailstock/internal/testenv"
	"tailstock/sources/postgres"
)

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	got := postgres.Config{DSN: "host=db", Slot: "s", Publication: "p"}.WithDefaults()
	want := postgres.Config{
		DSN: "host=db", Slot: "s", Publication: "p",
		ApplicationName: "tailstock", ConnectTimeout: 10 * time.Second,
		WALSenderTimeout: 10 * time.Second, StatusInterval: 5 * time.Second,
		PartRows: 2000, PartBytes: 1 << 20, QueueBytes: 4 << 20, GulpWait: 2 * time.Millisecond,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("defaults (-want +got):\n%s", diff)
	}
	if got := (postgres.Config{WALSenderTimeout: time.Minute}).WithDefaults().StatusInterval; got != 10*time.Second {
		t.Errorf("status interval %v with a timeout of a minute, want 10s", got)
	}
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
}

func TestConfigReportsAllProblems(t *testing.T) {
	t.Parallel()
	err := postgres.Config{
		DSN: "postgres://u:hunter2@host:port/db", Slot: "No Slot", Publication: strings.Repeat("p", 64),
		ApplicationName: strings.Repeat("a", 64), WALSenderTimeout: 4 * time.Second, StatusInterval: 3 * time.Second,
		ConnectTimeout: -1, PartRows: -1, PartBytes: -1, QueueBytes: -1, GulpWait: time.Second,
	}.Validate()
	if err == nil {
		t.Fatal("was accepted")
	}
	for _, field := range []string{
		"dsn: ", "slot: ", "publication: ", "application_name: ", "status_interval: ",
		"connect_timeout: ", "part_rows: ", "part_bytes: ", "queue_bytes: ", "gulp_wait: ",
	} {
		if !strings.Contains("\n"+err.Error(), "\n"+field) {
			t.Errorf("no problem of %sin\n%v", field, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Errorf("the password is shown:\n%v", err)
	}
	if _, err := postgres.New(postgres.Config{}, nil, slog.New(slog.DiscardHandler), nil); err == nil {
		t.Error("New accepted an empty configuration")
	}
}

func TestMetrics(t *testing.T) {
	t.Parallel()
	db := newDatabase(t, plainStock, "stock")
	registry := prometheus.NewPedanticRegistry()
	wanted := cdc.Wanted{{Schema: "public", Name: "stock"}: {"qty"}}
	s, err := postgres.New(db.config(), wanted, slog.New(slog.DiscardHandler), registry)
	if err != nil {
		t.Fatal(err)
	}
	tl := tail(t, s, "").started()
	db.exec(`INSERT INTO stock VALUES (1, 1), (2, 2)`)
	db.exec(`INSERT INTO stock VALUES (3, 3)`)
	tl.take(2)
	got := make(map[string]float64)
	gather := func() {
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			m := f.GetMetric()[0]
			got[strings.TrimPrefix(f.GetName(), "tailstock_postgres_")] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	// The slot is looked at every few seconds, and bytes count once what they hold is handed on.
	testenv.Eventually(t, 30*time.Second, func() bool {
		gather()
		return got["retained_wal_bytes"] > 0 && got["received_bytes_total"] >= 100
	}, func() string { return fmt.Sprint(got) })
	tl.stop()
	gather()
	if got["transactions_total"] != 2 || got["changes_total"] != 3 {
		t.Errorf("metrics: %v", got)
	}
	if _, err := postgres.New(db.config(), wanted, slog.New(slog.DiscardHandler), registry); err == nil {
		t.Error("two sources share a registry without labels")
	}
}
