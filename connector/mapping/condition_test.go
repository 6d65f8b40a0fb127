package mapping_test

import (
	"fmt"
	"strings"
	"testing"

	"tailstock/connector/cdc"
	"tailstock/connector/mapping"
)

// oneLine is a condition in one line.
func oneLine(c *cdc.Condition) string {
	var parts []string
	for _, a := range c.Args {
		parts = append(parts, oneLine(a))
	}
	for _, v := range c.Values {
		parts = append(parts, fmt.Sprintf("%s:%q", v.Type, v.Text))
	}
	names := map[cdc.ConditionOp]string{
		cdc.ConditionAnd: "and", cdc.ConditionOr: "or", cdc.ConditionNot: "not",
		cdc.ConditionEqual: "=", cdc.ConditionNotEqual: "!=", cdc.ConditionLess: "<", cdc.ConditionLessEqual: "<=",
		cdc.ConditionGreater: ">", cdc.ConditionGreaterEqual: ">=", cdc.ConditionIn: "in", cdc.ConditionNull: "null", cdc.ConditionNotNull: "not null",
	}
	return strings.TrimSpace(names[c.Op]+" "+c.Column) + "(" + strings.Join(parts, ", ") + ")"
}

func TestParseCondition(t *testing.T) {
	t.Parallel()
	text, number, boolean := cdc.TypeText.String(), cdc.TypeDecimal.String(), cdc.TypeBool.String()
	for _, c := range []struct{ text, want string }{
		{"qty > 1.50", "> qty(" + number + `:"1.5")`},
		{"-3 <= qty", ">= qty(" + number + `:"-3")`},
		{"1 < qty", "> qty(" + number + `:"1")`},
		{"1 >= qty", "<= qty(" + number + `:"1")`},
		{"2 > qty", "< qty(" + number + `:"2")`},
		{"2 != qty", "!= qty(" + number + `:"2")`},
		{`site == "it's; DROP TABLE x"`, "= site(" + text + `:"it's; DROP TABLE x")`},
		{"`a \"b` == null", `null a "b()`},
		{"null != site", "not null site()"},
		{"active", "= active(" + boolean + `:"true")`},
		{"active == false", "= active(" + boolean + `:"false")`},
		{"not active or site in ['A', 'B'] and qty in [1]", "or(not(= active(" + boolean + `:"true")), and(in site(` +
			text + `:"A", ` + text + `:"B"), in qty(` + number + `:"1")))`},
		{"qty >= 9000000.000001", ">= qty(" + number + `:"9000000.000001")`},
	} {
		got, err := mapping.ParseCondition(c.text)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		if w := oneLine(got); w != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.text, w, c.want)
		}
	}
}

func TestParseConditionColumns(t *testing.T) {
	t.Parallel()
	c, err := mapping.ParseCondition("a > 1 and (not b or c == null) and a < 9")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(c.Columns(), " "); got != "a b c" {
		t.Errorf("columns %s", got)
	}
}

// TestParseConditionRefuses holds what is outside of the part of the language that
// a source is given.
func TestParseConditionRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "is empty"},
		{"upper(site) == 'A'", "one side must be a column"},
		{"qty + 1 > 2", "one side must be a column"},
		{"qty > 1 + 1", "must be a literal"},
		{"qty == other", "must be a literal"},
		{"qty > len('x')", "must be a literal"},
		{"site contains 'x'", "a condition for the source"},
		{"site matches 'x'", "a condition for the source"},
		{"site startsWith 'x'", "a condition for the source"},
		{"(site ?? 'x') == 'x'", "one side must be a column"},
		{"upper(site) in ['A']", "before in stands a column"},
		{"active ? qty > 1 : qty > 2", "a condition for the source"},
		{"true", "a condition for the source"},
		{"null == null", "one side must be a column"},
		{"1 == 1", "one side must be a column"},
		{"qty > null", "null has no order"},
		{"qty = 1", "compare with =="},
		{"qty > 1; DROP TABLE x", "semicolons"},
		{"qty > 1 -- x", "must be a literal"},
		{"'x'", "text where true or false is wanted"},
		{"a.b == 1", "without its table"},
		{strings.Repeat("(", 300) + "a" + strings.Repeat(")", 300), "nests deeper"},
	} {
		got, err := mapping.ParseCondition(c.text)
		switch {
		case err == nil:
			t.Errorf("%s: got %s", c.text, oneLine(got))
		case !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: got %q, want %q", c.text, err, c.want)
		}
	}
}
