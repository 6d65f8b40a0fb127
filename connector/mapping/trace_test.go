package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tailstock/connector/cdc"
	"tailstock/connector/inventory"
	"tailstock/connector/mapping"
)

// TestTrace pins what every rule makes of a row: what applies, what does not and why,
// what was looked up, and what each expression came to, also behind a problem.
func TestTrace(t *testing.T) {
	t.Parallel()
	table, row := tableOf(append(quant(), cell{"note", cdc.TypeText, cdc.Null}))
	rules := []mapping.Rule{
		rule("stock"), rule("never"), rule("unknown"), rule("odd"), rule("waits"), rule("place"), rule("bad"),
	}
	for i, texts := range [][]string{
		{"", "product[product_id].code", "'L'", "qty * product[product_id].weight"},
		{"qty < 0 and product[product_id].active", "'A'", "'L'", "qty"},
		{"note == 'x'", "'A'", "'L'", "qty"},
		{"qty > 0", "note", "'L'", "qty / 0"},
		{"", "product[gone_id].code", "'L'", "1"},
		{"within(location[product_id], usage == 'view')", "nearest(location[product_id], usage == 'view').name", "'L'", "unit[note].factor == null ? 1 : 2"},
		{"qty / 0 > 1", "'A'", "'L'", "1"},
	} {
		for j, field := range []string{"when", "sku", "location", "on_hand"} {
			setField(t, &rules[i], field, mapping.Value{})
			if texts[j] != "" {
				setField(t, &rules[i], field, at(1, 1, texts[j]))
			}
		}
		rules[i].Leg = at(1, 1, []string{"stock", "never", "unknown", "odd", "waits", "place", "bad"}[i])
	}
	m, err := compileIn(t, shop(), rules...)
	if err != nil {
		t.Fatal(err)
	}
	p, err := m.Bind(table, tables())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "trace.txt", traceText(p.Trace(row)))
}

func traceText(rules []mapping.TracedRule) string {
	var b strings.Builder
	for _, r := range rules {
		fmt.Fprintf(&b, "%s %s applies %v\n", r.Path, r.Leg, r.Applies)
		for _, p := range r.Parts {
			fmt.Fprintf(&b, "  %s: %s => %q null %v %+v\n", p.Field, p.Expression, p.Value, p.Null, p.Problem)
			for _, l := range p.Looked {
				fmt.Fprintf(&b, "    %s => %q null %v %q\n", l.Spelled, l.Value, l.Null, l.Reason)
			}
		}
	}
	return b.String()
}

// agrees checks that a trace says what Map says.
func agrees(t *testing.T, trace []mapping.TracedRule, out []inventory.Contribution, problem *inventory.Problem) {
	t.Helper()
	var traced []inventory.Contribution
	for _, r := range trace {
		c := inventory.Contribution{Leg: r.Leg}
		for _, p := range r.Parts {
			if p.Problem != nil {
				if diff := cmp.Diff(problem, p.Problem); diff != "" {
					t.Fatalf("the first problem (-mapped +traced):\n%s", diff)
				}
				return
			}
			switch p.Field {
			case "sku":
				c.SKU = inventory.SKU(p.Value)
			case "location":
				c.Location = inventory.LocationID(p.Value)
			default:
				if k, ok := inventory.ParseKind(p.Field); ok {
					c.Quantities[k], _ = inventory.ParseQuantity(p.Value)
				}
			}
		}
		if r.Applies {
			traced = append(traced, c)
		}
	}
	if diff := cmp.Diff(out, traced); problem != nil || diff != "" {
		t.Fatalf("problem %v, contributions (-mapped +traced):\n%s", problem, diff)
	}
}
