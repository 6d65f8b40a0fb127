package architecture_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// TestAlertsNameMetrics holds alerts.yaml to metrics that the code has.
func TestAlertsNameMetrics(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "configs", "prometheus", "alerts.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []struct {
				Alert, Expr string
				For         string
				Labels      map[string]string
				Annotations map[string]string
			}
		}
	}
	if err := yaml.UnmarshalWithOptions(text, &file, yaml.Strict()); err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, s := range sources(t) {
		if !s.test() {
			code.Write(s.text)
		}
	}
	metric := regexp.MustCompile(`tailstock_[a-z_]+`)
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
				t.Errorf("%s has no severity or no summary", r.Alert)
			}
			for _, name := range metric.FindAllString(r.Expr, -1) {
				short := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(name, "tailstock_"), "postgres_"), "_bucket")
				if !strings.Contains(code.String(), `"`+short+`"`) && !strings.Contains(code.String(), `"`+name+`"`) {
					t.Errorf("%s asks for %s, which no code makes", r.Alert, name)
				}
			}
		}
	}
	if len(file.Groups) == 0 || len(file.Groups[0].Rules) == 0 {
		t.Error("no rules")
	}
}
