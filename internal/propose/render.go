package propose

import (
	"fmt"
	"slices"
	"strings"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
)

// Frame is what a configuration says around a proposal.
type Frame struct {
	// Source is the source's name.
	Source string
	// Kind is the section of the source: "postgres" or "mysql".
	Kind string
	// DSN is its connection string as the configuration spells it: a variable or a
	// file, never the string itself.
	DSN string
	// ServerID is the replica's id of a MySQL source.
	ServerID uint32
	// Setup is what is still missing at the source, with the SQL that mends it.
	Setup []cdc.Finding
	// Grants is the SQL that lets a role of its own read what is mapped.
	Grants string
}

// width is how long lines of comments get.
const width = 112

// Render writes a proposal as a configuration. Every line says what it rests on;
// alternatives stand in comments, and mean something when the comment is taken away.
func Render(p *Proposal, d *survey.Database, f *Frame) string {
	r := &renderer{}
	r.head(p, d, f)
	r.line("nats: {embedded: {dir: data/nats}}")
	r.line("store: {sqlite: data/stock.db}")
	r.line(`http: {listen: "127.0.0.1:8080"}`)
	r.line("sources:")
	r.line("  %s:", f.Source)
	r.connection(f)
	if p.Known != nil && p.Known.Preset != "" {
		r.preset(p.Known)
	}
	r.lookups(p.Lookups)
	r.constants(p.Constants)
	if len(p.Tables) > 0 {
		r.line("    tables:")
	}
	for i := range p.Tables {
		r.table(&p.Tables[i])
	}
	return r.String()
}

// renderer writes lines.
type renderer struct{ strings.Builder }

func (r *renderer) line(format string, args ...any) { fmt.Fprintf(r, format+"\n", args...) }

// comment writes text as comment lines that begin with indent.
func (r *renderer) comment(indent, text string) {
	for paragraph := range strings.SplitSeq(text, "\n") {
		hang := ""
		for line := range wrapped(paragraph, width-len(indent)-2) {
			r.line("%s# %s%s", indent, hang, line)
			if strings.HasPrefix(paragraph, "- ") {
				hang = "  "
			}
		}
	}
}

// wrapped yields text in lines of at most size bytes, if its words allow.
func wrapped(text string, size int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		line := ""
		for word := range strings.FieldsSeq(text) {
			if line != "" && len(line)+1+len(word) > size {
				if !yield(line) {
					return
				}
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += word
		}
		yield(line)
	}
}

// verbatim writes text as comment lines, as it is, with indent before each.
func (r *renderer) verbatim(indent, text string) {
	for line := range strings.SplitSeq(strings.TrimRight(text, "\n"), "\n") {
		r.line("%s", strings.TrimRight("#"+indent+printable(line), " "))
	}
}

// printable drops what would end a comment or hide in it.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c == '\t' {
			return ' '
		}
		if c < ' ' || c == 0x7f || c == 0x85 || c == 0x2028 || c == 0x2029 || c == 0xfeff {
			return -1
		}
		return c
	}, s)
}

func (r *renderer) head(p *Proposal, d *survey.Database, f *Frame) {
	where := "all databases that the account may see"
	if d.Name != "" {
		where = "database " + d.Name
	}
	r.comment("", printable(fmt.Sprintf(`Written by "tailstock init" from %s, %s, as %s, which may see %s. Each line says what it rests on. `+
		`It was read from names, types, keys and a few rows, and no person has looked at it yet: read it, then run`,
		d.Product, where, d.Role, count(len(d.Tables), "table"))))
	r.line("#   tailstock check    what is missing, with the exact SQL")
	r.line("#   tailstock map      what sample rows would contribute; compare it with what the ERP itself shows")
	r.line("#   tailstock run")
	if variable, ok := strings.CutPrefix(f.DSN, "${"); ok {
		r.line("# with the connection string in the variable %s.", strings.TrimSuffix(variable, "}"))
	}
	r.line("# Below, a # in the first column makes an alternative of a line: take it away to use that.")
	r.findings(p.Findings)
	r.setup(f)
	r.line("")
}

func (r *renderer) findings(findings []cdc.Finding) {
	if len(findings) == 0 {
		return
	}
	r.line("#")
	r.line("# What to know:")
	for _, state := range []cdc.FindingState{cdc.FindingProblem, cdc.FindingWarning, cdc.FindingOK} {
		for i := range findings {
			if g := &findings[i]; g.State == state {
				label := string(state) + ": "
				if state == cdc.FindingOK {
					label = ""
				}
				r.comment("", printable("- "+label+g.Requirement+": "+g.Detail))
				if g.Fix != "" {
					r.verbatim("   ", "to do: "+strings.ReplaceAll(g.Fix, "\n", "\n       "))
				}
			}
		}
	}
}

// setup writes what the database's administrator has to do.
func (r *renderer) setup(f *Frame) {
	if f.Grants != "" {
		r.line("#")
		r.line("# What a role of its own, called tailstock here, must be granted:")
		r.verbatim("     ", f.Grants)
	}
	if len(f.Setup) == 0 {
		return
	}
	r.line("#")
	r.line("# What is missing at the database, as \"tailstock check\" shows it:")
	for i := range f.Setup {
		g := &f.Setup[i]
		r.comment("", printable(fmt.Sprintf("- %s: %s: %s", g.State, g.Requirement, g.Detail)))
		if g.Fix != "" {
			r.verbatim("     ", g.Fix)
		}
	}
}

func (r *renderer) connection(f *Frame) {
	if f.Kind == "mysql" {
		r.comment("    ", "server_id: a number that no other replica of the server has.")
		r.line("    mysql: {dsn: %s, server_id: %d}", scalar(f.DSN, true), f.ServerID)
		return
	}
	r.line("    postgres: {dsn: %s}", scalar(f.DSN, true))
}

func (r *renderer) preset(k *Known) {
	r.comment("    ", printable(fmt.Sprintf("Recognised as %s: %s. What the preset maps stands in docs/presets.md; tables beside it add to it.", k.Name, k.Why)))
	r.line("    preset: %s", k.Preset)
	if len(k.Variables) == 0 {
		return
	}
	given := slices.ContainsFunc(k.Variables, func(v Variable) bool { return v.Value != "" })
	r.line("%s    variables:", marked(given))
	for i := range k.Variables {
		v := &k.Variables[i]
		about := v.About
		if len(v.Choices) > 0 {
			about += "; one of " + strings.Join(v.Choices, ", ")
		}
		if len(v.Others) > 0 {
			about += "; further ones in the database: " + strings.Join(v.Others, ", ")
		}
		if len(v.Others) > 0 && v.Value == "" {
			about = v.About + "; in the database there are " + strings.Join(v.Others, ", ")
		}
		r.comment("      ", about+".")
		switch {
		case v.Value != "":
			r.line("      %s: %s", v.Name, scalar(v.Value, false))
		case v.Required:
			r.line("#      %s:  # required, and nothing in the database says it", v.Name)
		case v.Default != "":
			r.line("#      %s: %s", v.Name, v.Default)
		default:
			r.line("#      %s:", v.Name)
		}
	}
}

func (r *renderer) lookups(lookups []Lookup) {
	if len(lookups) == 0 {
		return
	}
	mark := marked(slices.ContainsFunc(lookups, func(l Lookup) bool { return l.Active }))
	r.comment("    ", "Tables that rules look into by their keys, as in name[column].column. When such a row changes, levels follow.")
	r.line("%s    lookups:", mark)
	for _, l := range lookups {
		r.line("%s      %s: {table: %s}", marked(l.Active), l.Name, scalar(l.Table, true))
	}
}

func (r *renderer) constants(constants []Constant) {
	if len(constants) == 0 {
		return
	}
	r.line("%s    constants:", marked(slices.ContainsFunc(constants, func(c Constant) bool { return c.Active })))
	for _, c := range constants {
		value := c.Value
		if c.Text {
			value = single(value)
		}
		r.line("%s      %s: %s  # %s", marked(c.Active), c.Name, value, printable(c.Why))
	}
}

func (r *renderer) table(t *Table) {
	var b renderer
	b.line("%s:", scalar(t.Name, false))
	b.line("  contributes:")
	for i := range t.Rules {
		b.rule(&t.Rules[i])
	}
	rows := "nobody knows how many rows"
	if t.Rows >= 0 {
		rows = "about " + count(t.Rows, "row")
	}
	r.line("")
	about := sentence(fmt.Sprintf("%s; %s", t.Shape, rows))
	if !t.Active {
		about = "Not proposed, because " + t.Because + ". " + about
	}
	r.comment("      ", printable(about))
	for _, note := range t.Notes {
		r.comment("      ", "- "+printable(note))
	}
	for line := range strings.Lines(b.String()) {
		r.WriteString(marked(t.Active) + "      " + line)
	}
}

// marked is what a line begins with: nothing if it is proposed, and otherwise what
// makes a comment of it. Comments for people are indented, so that the two differ.
func marked(active bool) string {
	if active {
		return ""
	}
	return "#"
}

func (r *renderer) rule(rule *Rule) {
	fields := rule.Fields
	if rule.Leg != "" {
		fields = slices.Insert(slices.Clone(fields), 0, Field{Name: "leg", Expr: rule.Leg})
	}
	lead := "    - "
	for _, f := range fields {
		line := lead + f.Name + ": " + scalar(f.Expr, false)
		why := printable(f.Why)
		switch {
		case why == "":
			r.line("%s", line)
		case len(line)+4+len(why) <= width:
			r.line("%s  # %s", line, why)
		default:
			indent := "      "
			if lead == "    - " {
				indent = "    "
			}
			r.comment(indent, why)
			r.line("%s", line)
		}
		lead = "      "
	}
}

// scalar writes a value or a key of YAML: as it is where that reads back the same,
// or else in quotes. Within braces or brackets more needs them.
func scalar(s string, inside bool) string {
	special := s == "" || strings.ContainsAny(s[:1], "!&*?|>%@`\"'#,[]{}-:=~<") || strings.TrimSpace(s) != s ||
		strings.Contains(s, ": ") || strings.Contains(s, " #") || strings.HasSuffix(s, ":") || strings.ContainsAny(s, "\\$") ||
		inside && strings.ContainsAny(s, ",[]{}:")
	if !special {
		return s
	}
	if inside && strings.HasPrefix(s, "${") {
		return `"` + s + `"`
	}
	return single(s)
}

// single puts a value into single quotes.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// sentence writes text with a capital and a full stop.
func sentence(text string) string {
	if text == "" || text[0] >= 0x80 {
		return text + "."
	}
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// count writes a number with its noun.
func count[N int | int64](n N, noun string) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	if n == 1 {
		return "1 " + noun
	}
	return digits + " " + noun + "s"
}
