package config_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"tailstock/internal/config"
)

// placesWithin fails the test for an error that points to nowhere in text.
func placesWithin(t *testing.T, list config.Errors, text []byte) {
	t.Helper()
	lines := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	for _, e := range list {
		if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1 {
			t.Errorf("the place of this error is not in the file: %v", e)
		}
		if e.Reason == "" || strings.Contains(e.Reason, "\n") {
			t.Errorf("reason %q is not one line", e.Reason)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "../../configs/*.yaml", "../../configs/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(text)
		}
	}
	f.Add([]byte(everything))
	f.Fuzz(func(t *testing.T, text []byte) {
		const canary = "postgres://canary:hunter2@erp:5432/erp"
		c, err := config.Parse("tailstock.yaml", text, func(string) (string, bool) { return canary, true })
		var list config.Errors
		switch {
		case err == nil && c == nil, err != nil && c != nil:
			t.Fatalf("config %v and error %v", c, err)
		case err != nil && (!errors.As(err, &list) || len(list) == 0):
			t.Fatalf("error %v (%T), want Errors", err, err)
		case err != nil && strings.Contains(err.Error(), "hunter2") && !strings.Contains(string(text), "hunter2"):
			t.Fatalf("the errors show a password:\n%v", err)
		}
		placesWithin(t, list, text)
	})
}
