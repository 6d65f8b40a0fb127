package cli

import (
	"fmt"
	"strings"

	"tailstock/connector/mapping"
)

// tracedRule is the JSON of what one rule makes of a row.
type tracedRule struct {
	Rule string `json:"rule"`
	Leg  string `json:"leg"`
	// Applies says that its condition is true, or that it has none.
	Applies bool         `json:"applies"`
	Parts   []tracedPart `json:"parts"`
}

type tracedPart struct {
	Field      string `json:"field"`
	Expression string `json:"expression"`
	// Value is null for NULL, and where there is a problem.
	Value   *string        `json:"value"`
	Lookups []tracedLookup `json:"lookups,omitempty"`
	Problem *mappedProblem `json:"problem,omitempty"`
}

// tracedLookup is a value that an expression reads in another table.
type tracedLookup struct {
	Expression string `json:"expression"`
	// Value is null for NULL, and where there is none, for a reason.
	Value  *string `json:"value"`
	Reason string  `json:"reason,omitempty"`
}

func tracedRules(trace []mapping.TracedRule) []tracedRule {
	out := []tracedRule{}
	for i := range trace {
		r := tracedRule{Rule: trace[i].Path, Leg: trace[i].Leg, Applies: trace[i].Applies, Parts: []tracedPart{}}
		for _, p := range trace[i].Parts {
			part := tracedPart{Field: p.Field, Expression: p.Expression}
			switch {
			case p.Problem != nil:
				part.Problem = &mappedProblem{string(p.Problem.Kind), p.Problem.Rule, p.Problem.Reason}
			case !p.Null:
				part.Value = &p.Value
			}
			for _, l := range p.Looked {
				looked := tracedLookup{Expression: l.Spelled, Reason: l.Reason}
				if !l.Null && l.Reason == "" {
					looked.Value = &l.Value
				}
				part.Lookups = append(part.Lookups, looked)
			}
			r.Parts = append(r.Parts, part)
		}
		out = append(out, r)
	}
	return out
}

// writeRule prints what a rule makes of a row: why it does not apply, or what each of
// its expressions comes to.
func writeRule(b *strings.Builder, r *tracedRule) {
	condition := len(r.Parts) > 0 && r.Parts[0].Field == "when"
	switch {
	case r.Applies:
		fmt.Fprintf(b, "    %s applies\n", r.Rule)
	case condition && r.Parts[0].Problem != nil:
		fmt.Fprintf(b, "    %s: nobody knows whether it applies\n", r.Rule)
	default:
		fmt.Fprintf(b, "    %s does not apply\n", r.Rule)
	}
	for i := range r.Parts {
		p := &r.Parts[i]
		fmt.Fprintf(b, "      %s: %s => %s\n", p.Field, strings.Join(strings.Fields(p.Expression), " "), p.text())
		for _, l := range p.Lookups {
			if l.Expression == p.Expression {
				continue // it stands above
			}
			what := valueText(l.Value)
			if l.Reason != "" {
				what = l.Reason
			}
			fmt.Fprintf(b, "        %s => %s\n", l.Expression, what)
		}
	}
}

// text is what an expression comes to, for people.
func (p *tracedPart) text() string {
	switch {
	case p.Problem != nil:
		return p.Problem.Reason
	case p.Value != nil && p.Field != "sku" && p.Field != "location":
		return *p.Value // a number, true or false
	}
	return valueText(p.Value)
}

// valueText shows a value to people.
func valueText(v *string) string {
	if v == nil {
		return "NULL"
	}
	return fmt.Sprintf("%q", *v)
}
