package cli_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tailstock/cmd/tailstock/internal/cli"
	"tailstock/internal/testenv"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares what a command printed, without what differs from run to run, with
// a file in testdata.
func (r *rig) golden(name, got string) {
	r.t.Helper()
	for _, scrub := range []struct{ what, with string }{
		{`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d+)?Z?`, "TIME"},
		{`\d{15}-\d{12}`, "POSITION"},
		{`(transaction"?:? "?)\d+`, "${1}N"},
		{`(mapping"?:? "?)[0-9a-f]{16}`, "${1}MAPPING"},
	} {
		got = regexp.MustCompile(scrub.what).ReplaceAllString(got, scrub.with)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			r.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		r.t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		r.t.Errorf("%s (-want +got), -update writes it anew:\n%s", path, diff)
	}
}

// TestExplained pins how map and explain say how numbers come about: rows, what they
// look up, what each rule makes of them, commits, and problems.
func TestExplained(t *testing.T) {
	t.Parallel()
	onEachStore(t, explainedOn)
}

func explainedOn(r *rig) {
	t := r.t
	r.settled(none)
	r.stop()
	text, err := os.ReadFile(r.config)
	if err != nil {
		t.Fatal(err)
	}
	config := strings.Replace(string(text), "    tables:\n", "    lookups: {product: {table: public.product}}\n    tables:\n", 1) + `
      public.move:
        contributes:
          - {when: "kind == 'in'", sku: "product[product_id].code", location: "site ?? 'HQ'", on_hand: qty}
          - {leg: held, when: "product[product_id].hazard", sku: "product[product_id].code", location: "'QC'", unavailable: qty / 2}
`
	if err := os.WriteFile(r.config, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	publication := regexp.MustCompile(`publication: (\w+)`).FindStringSubmatch(string(text))[1]
	_, err = r.erp.Exec(t.Context(), `CREATE TABLE product (id int PRIMARY KEY, code text, hazard bool);
		INSERT INTO product VALUES (7, 'ACID', true), (8, 'SALT', NULL);
		CREATE TABLE move (doc text, line int, kind text, product_id int, site text, qty numeric, PRIMARY KEY (doc, line));
		INSERT INTO move VALUES ('A"1', 1, 'in', 7, 'DC1', 10), ('A"1', 2, 'out', 8, NULL, 3), ('B', 1, 'in', 7, NULL, 5);
		ALTER PUBLICATION `+publication+` ADD TABLE product, move`)
	if err != nil {
		t.Fatal(err)
	}
	r.start()
	r.wantLevels("ACID", "DC1 10 0", "HQ 5 0", "QC 0 7.5")
	if _, err := r.erp.Exec(t.Context(), `INSERT INTO move VALUES ('C', 1, 'in', 9, 'DC1', 1), ('D', 1, 'in', 8, '', 1);
		UPDATE move SET product_id = 9 WHERE doc = 'B'`); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, 30*time.Second, func() bool {
		return len(r.texts("select row_key from problem p join feed f on f.id = p.feed where f.state = 'active'")) == 3
	}, func() string { return "the rows are not marked" })
	r.golden("map.txt", r.must("map", "--table", "public.move"))
	r.golden("map.json", r.must("map", "--table", "public.move", "--json", "--rows", "2"))
	r.golden("explain.txt", r.must("explain", "ACID"))
	r.golden("explain.json", r.must("explain", "ACID", "--json"))
	r.golden("explainrows.txt", r.must("explain", "ACID", "--rows"))
	var e struct {
		Contributions []struct {
			Now struct {
				Row   string
				Rules []struct{ Applies bool }
			}
		}
	}
	if err := json.Unmarshal([]byte(r.must("explain", "ACID", "--rows", "--json")), &e); err != nil {
		t.Fatal(err)
	}
	if len(e.Contributions) != 4 || e.Contributions[0].Now.Row != `["A\"1",1]` || len(e.Contributions[0].Now.Rules) != 2 {
		t.Errorf("explain --rows --json: %+v", e)
	}
	if code, _, _ := r.run("map", "--table", "public.move", "--check"); code != cli.ExitProblems {
		t.Errorf("map --check ended with %d", code)
	}
}

// wantLevels waits until a SKU has just these levels: location, on hand and unavailable.
func (r *rig) wantLevels(sku string, want ...string) {
	r.t.Helper()
	var got []string
	testenv.Eventually(r.t, 30*time.Second, func() bool {
		got = nil
		var e struct {
			Levels []struct {
				Location    string
				OnHand      json.Number `json:"on_hand"`
				Unavailable json.Number
			}
		}
		if err := json.Unmarshal([]byte(r.must("explain", sku, "--json")), &e); err != nil {
			r.t.Fatal(err)
		}
		for _, l := range e.Levels {
			got = append(got, fmt.Sprintf("%s %s %s", l.Location, cmpOr(l.OnHand), cmpOr(l.Unavailable)))
		}
		return slices.Equal(got, want)
	}, func() string { return fmt.Sprintf("%s has %v, want %v", sku, got, want) })
}

func cmpOr(n json.Number) json.Number {
	if n == "" {
		return "0"
	}
	return n
}
