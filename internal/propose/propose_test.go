package propose_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/internal/propose"
)

var update = flag.Bool("update", false, "write golden files")

var presets = []propose.Preset{{
	Name: "odoo", Versions: []string{"16", "17", "18"}, Databases: []string{"postgres"},
	Variables: []propose.Variable{{Name: "schema", About: "the schema", Default: "public"}, {Name: "companies", About: "the companies; all if left out"}},
}, {
	Name: "idempiere", Versions: []string{"11", "12"}, Databases: []string{"postgres"},
	Variables: []propose.Variable{{Name: "client", About: "the client", Required: true}},
}}

// What is proposed for a survey, and how it is written down, stands beside the
// survey. A file whose first line says so is of a source without lookups.
func TestProposals(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/proposals/*.txt")
	if err != nil || len(files) < 10 {
		t.Fatal(err, len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			options := propose.Options{Lookups: !strings.HasPrefix(string(text), "# without lookups"), Kind: "postgres", Presets: presets}
			d := parseSurvey(t, string(text))
			p := propose.Propose(d, options)
			got := propose.Render(p, d, &propose.Frame{Source: "erp", Kind: "postgres", DSN: "${TAILSTOCK_SOURCE_DSN}"})
			if !p.Active() && (p.Known == nil || p.Known.Preset == "") {
				got = "# Nothing is proposed.\n" + got
			}
			_, got, _ = strings.Cut(got, "take it away to use that.\n") // the beginning is always the same
			golden := strings.TrimSuffix(file, ".txt") + ".yaml"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", golden, diff)
			}
			if again := propose.Render(propose.Propose(d, options), d, &propose.Frame{Source: "erp", Kind: "postgres", DSN: "${TAILSTOCK_SOURCE_DSN}"}); !strings.HasSuffix(again, got) {
				t.Error("a second proposal is another")
			}
		})
	}
}
