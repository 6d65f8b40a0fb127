package config_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tailstock/internal/config"
)

// withDSN is a file whose source has a connection string, as YAML spells it.
func withDSN(dsn string) string {
	return strings.Replace(small, "host=erp", dsn, 1)
}

func TestVariablesAreReplaced(t *testing.T) {
	t.Parallel()
	for spelled, want := range map[string]string{
		`"${A}"`:                          "host=a",
		`'${A} port=${B_2}${B_2}'`:        "host=a port=77",
		`host=x password=$A`:              "host=x password=$A",
		`"host=x password=$${A}"`:         "host=x password=${A}",
		`"host=x password=$$A$$"`:         "host=x password=$$A$$",
		"\"host=x password='$${${B_2}'\"": "host=x password='${7'",
	} {
		c := parse(t, withDSN(spelled), "A", "host=a", "B_2", "7")
		if got := c.Sources[0].Postgres.DSN; got != want {
			t.Errorf("%s became %q, want %q", spelled, got, want)
		}
	}
}

func TestSecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, text := range map[string]string{"erp": "host=erp password=${A}\n", "stock": "host=stock\r\n", "cache": "redis://cache", "nats": "nats://n\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text := strings.Replace(withDSN(`"file:${PLACE}/erp"`), "{embedded: {dir: nats}}", "{url: file:nats}", 1) +
		"store: {postgres: file:stock}\ncache: {redis: '${CACHE}'}\n"
	c, err := config.Parse(filepath.Join(dir, "tailstock.yaml"), []byte(text), variables("PLACE", dir, "CACHE", "file:cache"))
	if err != nil {
		t.Fatal(err)
	}
	// What a file holds is taken as it is.
	if got, want := c.Sources[0].Postgres.DSN, "host=erp password=${A}"; got != want {
		t.Errorf("dsn %q, want %q", got, want)
	}
	if c.Store.Postgres != "host=stock" || c.Cache.URL != "redis://cache" || c.NATS.URL != "nats://n" {
		t.Errorf("store %q, cache %q, nats %q", c.Store.Postgres, c.Cache.URL, c.NATS.URL)
	}
}

func TestOnlySecretsComeFromFiles(t *testing.T) {
	t.Parallel()
	c := parse(t, small+"store: {sqlite: 'file:stock.db'}\n")
	if want := "/etc/tailstock/file:stock.db"; c.Store.SQLite != want {
		t.Errorf("sqlite %s, want %s", c.Store.SQLite, want)
	}
}

// secretText stands for everything that must not be shown.
const secretText = "hunter2"

// Whatever is wrong with a value that came from elsewhere, the error does not repeat it.
func TestErrorsShowNoSecrets(t *testing.T) {
	t.Parallel()
	values := []string{
		secretText, "postgres://u:" + secretText + "@erp/erp?sslmode=" + secretText, "postgres://u:p/" + secretText + "@erp/erp",
		"postgres://u:%zz" + secretText + "@erp/erp", "host=erp password=two " + secretText, "host=erp port=" + secretText,
		"host=erp sslrootcert=/" + secretText, "password='" + secretText, "postgres://" + secretText + ":x@erp:y/erp",
		"postgres://" + secretText + ":9" + secretText + "/db", "file:" + secretText, "file:/tmp/" + secretText, "nats://" + secretText,
		"redis://:" + secretText + "@h:x", "http://" + secretText + "@h", "`: " + secretText, secretText + "\n", "\"" + secretText + "\\",
		"postgres://u:1" + secretText + "/x@erp", "file:" + secretText + "//x", "file:./" + secretText + "\n",
	}
	places := []string{
		withDSN("'$'"), small + "store: {postgres: '$'}\n", small + "store: {sqlite: x, pool_size: '$'}\n", small + "cache: {redis: '$'}\n",
		small + "namespace: '$'\n", small + "log: {keep: '$', max_bytes: '$'}\n", small + "http: {listen: '$'}\n",
		small + "logging: {level: '$', format: '$'}\n", strings.Replace(small, "{embedded: {dir: nats}}", "{url: '$'}", 1),
		strings.Replace(small, "dir: nats", "dir: nats, listen: '$'", 1), strings.Replace(small, "host=erp", "host=erp, slot: '$'", 1),
		strings.Replace(small, "host=erp", "host=erp, publication: '$$$$$$$$$'", 1), strings.Replace(small, "host=erp", "host=erp, application_name: '$$$$$$$$$$'", 1),
		strings.Replace(small, "tables:", "on_reject: '$'\n    tables:", 1), strings.Replace(small, "part_no", "'$'", 1),
	}
	failed := 0
	for _, value := range values {
		for _, text := range places {
			text = strings.ReplaceAll(text, "$", "${S}")
			_, err := config.Parse("tailstock.yaml", []byte(text), variables("S", value))
			if err == nil {
				continue
			}
			failed++
			if strings.Contains(err.Error(), secretText) {
				t.Errorf("with %q in\n%s\nthe error is\n%v", value, text, err)
			}
			if strings.Count(err.Error(), "\n") >= len(errorsOf(t, err)) {
				t.Errorf("errors are not one line each:\n%v", err)
			}
		}
	}
	if failed < 100 {
		t.Errorf("only %d files had errors", failed)
	}
}

// errorsOf returns the single errors of a file.
func errorsOf(t *testing.T, err error) config.Errors {
	t.Helper()
	var list config.Errors
	if !errors.As(err, &list) {
		t.Fatalf("error %v (%T), want Errors", err, err)
	}
	return list
}

// However a Config is printed, it shows no secret.
func TestConfigShowsNoSecrets(t *testing.T) {
	t.Parallel()
	text := strings.Replace(withDSN("'${S}'"), "{embedded: {dir: nats}}", "{url: 'nats://${P}@n'}", 1) +
		"store: {postgres: '${S}'}\ncache: {redis: 'redis://:${P}@c'}\n"
	c := parse(t, text, "S", "postgres://u:"+secretText+"@erp/erp", "P", secretText)
	var logged bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&logged, nil), slog.NewJSONHandler(&logged, nil)} {
		slog.New(handler).Info("started", "config", c, "copy", *c, "source", c.Sources[0], "pointer", &c.Sources[0], "sources", c.Sources)
	}
	encoded, err := json.Marshal(map[string]any{"config": c, "sources": c.Sources})
	if err != nil {
		t.Fatal(err)
	}
	shown := []string{logged.String(), string(encoded), c.String()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{c, *c, c.Sources, c.Sources[0], &c.Sources[0]} {
			shown = append(shown, fmt.Sprintf(verb, value))
		}
	}
	hex := fmt.Sprintf("%x", secretText)
	for _, s := range shown {
		if strings.Contains(s, secretText) || strings.Contains(s, hex) {
			t.Errorf("it shows the secret: %s", s)
		}
		if !strings.Contains(s, "erp") {
			t.Errorf("it does not show the source: %s", s)
		}
	}
}
