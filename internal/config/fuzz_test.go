package config_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"tailstock/configs"
	"tailstock/internal/config"
)

// damages is how many damaged files TestDamagedFiles reads.
const damages = 2_000

// placesWithin fails the test for an error that points to nowhere in text.
func placesWithin(t *testing.T, list config.Errors, text []byte) {
	t.Helper()
	own := strings.Split(strings.TrimPrefix(string(text), "\ufeff"), "\n")
	for _, e := range list {
		lines := own
		if preset, ok := strings.CutPrefix(e.File, "configs/"); ok {
			text, err := configs.Presets.ReadFile(preset)
			if err != nil {
				t.Errorf("there is no such file: %v", e)
			}
			lines = strings.Split(string(text), "\n")
		}
		if e.Line < 1 || e.Line > len(lines) || e.Column < 1 || e.Column > utf8.RuneCountInString(lines[e.Line-1])+1 {
			t.Errorf("the place of this error is not in the file: %v", e)
		}
		if e.Reason == "" || strings.Contains(e.Reason, "\n") {
			t.Errorf("reason %q is not one line", e.Reason)
		}
	}
}

// seeds returns files, right and wrong.
func seeds(t testing.TB) [][]byte {
	t.Helper()
	out := [][]byte{[]byte(everything)}
	for _, pattern := range []string{"testdata/bad/*.yaml", "../../configs/*.yaml", "../../configs/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, text)
		}
	}
	return out
}

// holdsForAnything checks what must hold whatever a file says.
func holdsForAnything(t *testing.T, text []byte) {
	t.Helper()
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
}

func FuzzParse(f *testing.F) {
	for _, text := range seeds(f) {
		f.Add(text)
	}
	f.Fuzz(holdsForAnything)
}

// Files that were damaged at random are read without a panic, and their errors
// point into them. It is FuzzParse for every run of the tests.
func TestDamagedFiles(t *testing.T) {
	t.Parallel()
	const seed = 20261127
	random := rand.New(rand.NewPCG(seed, 1))
	all := seeds(t)
	pieces := []string{"\n", "  ", "- ", ": ", "{", "}", "[", "]", "'", "\"", "|\n", ">-\n", "&a ", "*a", "<<: ", "!!x ", "? ", "#", ",", "${A}", "$", "\t", "\r\n", "\x00", "\u00e9", "\u2028", "---\n", "...\n", "%YAML", "~", "null", "0x", ".inf", "@", "`"}
	for range damages {
		text := bytes.Clone(all[random.IntN(len(all))])
		for range 1 + random.IntN(4) {
			at := random.IntN(len(text) + 1)
			end := min(len(text), at+random.IntN(20))
			switch random.IntN(4) {
			case 0:
				text = slices.Delete(text, at, end)
			case 1:
				text = slices.Insert(text, at, []byte(pieces[random.IntN(len(pieces))])...)
			case 2:
				text = slices.Insert(text, at, bytes.Clone(text[at:end])...)
			default:
				other := all[random.IntN(len(all))]
				from := random.IntN(len(other))
				text = slices.Insert(text, at, other[from:min(len(other), from+random.IntN(40))]...)
			}
		}
		if holdsForAnything(t, text); t.Failed() {
			t.Fatalf("the file, with seed %d:\n%q", seed, text)
		}
	}
}
