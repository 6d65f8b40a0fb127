package cli

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"tailstock/connector/cdc"
	"tailstock/connector/survey"
	"tailstock/internal/config"
	"tailstock/internal/propose"
)

//nolint:gosec // passwords of nobody
const initHelp = `Look at a PostgreSQL, MySQL or MariaDB database and write a configuration for it.
The database of a known ERP is recognised by its tables and columns, and the
configuration names its preset. In any other, names, types, keys, foreign keys and
a few rows say which tables hold stock, promises and what is on its way; each line
of the configuration says what it rests on, what is uncertain stands beside it in
comments, and so does the SQL that the database's administrator has to run.

Nothing is written to the database. Its catalog is read, and at most 500 rows of
each of at most 80 tables, in statements that end after 15 s; SELECT on what
shall be mapped is all that the role needs.

The connection string is that of --dsn or of the variable TAILSTOCK_SOURCE_DSN:
  postgres://user:password@host:5432/database
  user:password@tcp(host:3306)/database
It never stands in the configuration: ${NAME} and file:PATH are kept as they are,
and anything else becomes ${TAILSTOCK_SOURCE_DSN}.

Exit codes: 0 a configuration was written, 1 the database cannot be looked at, 2
usage, 3 nothing proposed says what is on hand, or a preset needs to be told something.`

// dsnVariable holds the connection string where the configuration does not say otherwise.
const dsnVariable = "TAILSTOCK_SOURCE_DSN"

// maxSurveyed bounds how many tables are looked at.
const maxSurveyed = 3_000

// initOptions are the flags of init.
type initOptions struct {
	dsn, name, output string
	schemas, tables   []string
	force             bool
}

func (a *app) initCommand() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use: "init", Short: "Look at a database and write a configuration for it", Long: initHelp, Args: arguments(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.init(cmd.Context(), &o) },
	}
	cmd.Flags().StringVar(&o.dsn, "dsn", "", "connection string, ${NAME} or file:PATH; "+dsnVariable+" if it is left out")
	cmd.Flags().StringVar(&o.name, "source-name", "", "what to call the source; the ERP or the database if it is left out")
	cmd.Flags().StringArrayVar(&o.schemas, "schema", nil, "look at this schema alone, MySQL's database; may be given several times")
	cmd.Flags().StringArrayVar(&o.tables, "table", nil, "look at this table alone; may be given several times")
	cmd.Flags().StringVarP(&o.output, "output", "o", "", "file to write; standard output if it is left out")
	cmd.Flags().BoolVar(&o.force, "force", false, "replace the file if it is there")
	return cmd
}

// surveyed is a source that can be looked at before anything is known of it.
type surveyed interface {
	// Survey looks at the tables that scope covers.
	Survey(ctx context.Context, scope survey.Scope) (*survey.Database, error)
	// Look reads some rows of each table that is asked for.
	Look(ctx context.Context, questions []survey.Question) ([]survey.Sample, error)
	// Grants returns the SQL that lets a role read what is wanted.
	Grants(role string) string
}

// initReport is the JSON of init.
type initReport struct {
	// OK says that the configuration is complete, as far as anybody can tell.
	OK       bool   `json:"ok"`
	Source   string `json:"source"`
	Kind     string `json:"kind"`
	Product  string `json:"product"`
	Database string `json:"database"`
	Role     string `json:"role"`
	// Output is the file that was written, empty for none.
	Output string `json:"output,omitempty"`
	*propose.Proposal
	// Findings are about the database, then about what is missing at the source.
	Findings []finding `json:"findings"`
	// Config is the configuration, empty if there is nothing to map.
	Config string `json:"config,omitempty"`

	// unset is the variable that the configuration has the connection string from, if
	// nothing has set it.
	unset string
}

func (a *app) init(ctx context.Context, o *initOptions) error {
	if o.name != "" && !sourceName.MatchString(o.name) {
		return &usageError{fmt.Errorf("--source-name %q: give 1 to 32 lower-case letters, digits and underscores, beginning with a letter", o.name)}
	}
	if err := o.refuseOutput(); err != nil {
		return err
	}
	target, err := a.initTarget(o)
	if err != nil {
		return err
	}
	report, err := target.look(ctx, o)
	if err != nil {
		return err
	}
	if _, set := a.Lookup(dsnVariable); !set && target.dsn == "${"+dsnVariable+"}" {
		report.unset = dsnVariable
	}
	if report.Config != "" && o.output != "" {
		if err := o.write(report.Config); err != nil {
			return err
		}
		report.Output = o.output
	}
	if err := a.show(report, func() error { return a.showInit(report) }); err != nil {
		return err
	}
	if !report.OK {
		return errProblems
	}
	return nil
}

// refuseOutput fails early where a file would be replaced.
func (o *initOptions) refuseOutput() error {
	if o.output == "" || o.force {
		return nil
	}
	switch _, err := os.Lstat(o.output); {
	case err == nil:
		return &usageError{fmt.Errorf("--output %s: is there already; --force replaces it", o.output)}
	case errors.Is(err, fs.ErrNotExist):
		return nil
	default:
		return err
	}
}

// write writes the configuration, which holds no secret.
func (o *initOptions) write(text string) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if o.force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(o.output, flags, 0o644) //nolint:gosec // the daemon may run as somebody else, and there is no secret in it
	if err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	if _, err := f.WriteString(text); err != nil {
		return errors.Join(fmt.Errorf("write the configuration: %w", err), f.Close())
	}
	return f.Close()
}

// initTarget is the database that is looked at.
type initTarget struct {
	// dsn is the connection string as a configuration spells it.
	dsn    string
	kind   string
	lookup config.Lookup
	// probe is a source that maps nothing that matters.
	probe config.Source
}

var (
	oneVariable = regexp.MustCompile(`^\$\{[A-Za-z_][A-Za-z0-9_]*\}$`)
	sourceName  = regexp.MustCompile(`^[a-z][a-z0-9_]{0,31}$`)
)

// initTarget finds out what kind of database the connection string is of.
func (a *app) initTarget(o *initOptions) (*initTarget, error) {
	t := &initTarget{dsn: "${" + dsnVariable + "}", lookup: a.Lookup}
	path, isFile := strings.CutPrefix(o.dsn, "file:")
	value, set := a.Lookup(dsnVariable)
	switch {
	case oneVariable.MatchString(o.dsn):
		t.dsn = o.dsn
	case isFile:
		absolute, err := filepath.Abs(path)
		if err != nil {
			return nil, err
		}
		t.dsn = "file:" + absolute
	case o.dsn == "" && (!set || value == ""):
		return nil, &usageError{fmt.Errorf("no connection string: give --dsn, or set %s, to postgres://user:password@host:5432/database "+
			"or user:password@tcp(host:3306)/database", dsnVariable)}
	case o.dsn != "":
		t.lookup = func(name string) (string, bool) {
			if name == dsnVariable {
				return o.dsn, true
			}
			return a.Lookup(name)
		}
	}
	// A data source name of MySQL is no connection string of PostgreSQL, nor the other way round.
	for _, kind := range []string{"mysql", "postgres"} {
		t.kind = kind
		cfg, err := config.Parse("--dsn", []byte(t.minimal()), t.lookup)
		if err == nil {
			t.probe = cfg.Sources[0]
			return t, nil
		}
		if isFile || oneVariable.MatchString(o.dsn) {
			var errs config.Errors
			if errors.As(err, &errs) && len(errs) > 0 && !strings.Contains(errs[0].Reason, "is not user:password") && kind == "mysql" {
				return nil, &usageError{fmt.Errorf("--dsn %s: %s", o.dsn, errs[0].Reason)}
			}
		}
	}
	return nil, &usageError{errors.New("the connection string is neither postgres://user:password@host:5432/database, nor host=… dbname=…, " +
		"nor user:password@tcp(host:3306)/database, nor user:password@unix(/path)/database")}
}

// minimal is the smallest configuration with a source at the database.
func (t *initTarget) minimal() string {
	section := `postgres: {dsn: "` + t.dsn + `"}`
	if t.kind == "mysql" {
		section = `mysql: {dsn: "` + t.dsn + `", server_id: 1}`
	}
	return "nats: {embedded: {dir: nats}}\nsources:\n  init:\n    " + section +
		"\n    tables: {no.table: {contributes: [{sku: a, location: b, on_hand: c}]}}\n"
}

// look looks at the database, proposes, and writes it down.
func (t *initTarget) look(ctx context.Context, o *initOptions) (*initReport, error) {
	source, err := sourceOf(&t.probe, nil, nil)
	if err != nil {
		return nil, err
	}
	defer source.Close()
	from, ok := source.(surveyed)
	if !ok {
		return nil, fmt.Errorf("look at the database: sources of kind %s cannot be looked at", t.kind)
	}
	_, looks := source.(lookedInto)
	options := propose.Options{Lookups: looks, Kind: t.kind, Presets: presets()}
	d, err := surveyOf(ctx, from, o, options)
	if err != nil {
		return nil, err
	}
	p := propose.Propose(d, options)
	report := &initReport{
		Source: nameOf(o, p, d), Kind: t.kind, Product: d.Product, Database: d.Name, Role: d.Role, Proposal: p, Findings: []finding{},
	}
	report.addFindings("database", p.Findings)
	if !p.Active() && (p.Known == nil || p.Known.Preset == "") {
		return report, nil
	}
	frame := &propose.Frame{Source: report.Source, Kind: t.kind, DSN: t.dsn, ServerID: serverID(report.Source, d.Name)}
	report.Config = propose.Render(p, d, frame)
	cfg, err := config.Parse("tailstock.yaml", []byte(report.Config), t.lookup)
	switch {
	case err != nil && report.asks():
		return report, nil // the preset has to be told something first
	case err != nil:
		return nil, fmt.Errorf("write a configuration: what was proposed is wrong: %w", err)
	}
	frame.Setup, frame.Grants = missingAt(ctx, &cfg.Sources[0])
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	report.addFindings("source "+report.Source, frame.Setup)
	report.Config, report.OK = propose.Render(p, d, frame), p.Complete() || p.Known != nil && p.Known.Preset != ""
	return report, nil
}

func (r *initReport) addFindings(subject string, found []cdc.Finding) {
	for _, f := range found {
		r.Findings = append(r.Findings, finding{subject, f.Requirement, f.State, f.Detail, f.Fix})
	}
}

// asks reports whether a preset lacks something that nobody but people know.
func (r *initReport) asks() bool {
	if r.Known == nil {
		return false
	}
	for i := range r.Known.Variables {
		if v := &r.Known.Variables[i]; v.Required && v.Value == "" {
			return true
		}
	}
	return false
}

func surveyOf(ctx context.Context, from surveyed, o *initOptions, options propose.Options) (*survey.Database, error) {
	scope := survey.Scope{Schemas: o.schemas, Limit: maxSurveyed}
	for _, t := range o.tables {
		scope.Tables = append(scope.Tables, cdc.ParseTableName(t))
	}
	d, err := from.Survey(ctx, scope)
	if err != nil {
		return nil, err
	}
	if len(d.Tables) == 0 {
		what := "the database has no tables that " + d.Role + " may see"
		if len(o.schemas)+len(o.tables) > 0 {
			what = "there is no such table that " + d.Role + " may see; leave out --schema and --table, or correct them"
		}
		return nil, &cdc.SetupError{Object: "database " + d.Name, Problem: what, Fix: "name the database in the connection string, and see that the role may read the tables that hold stock"}
	}
	questions := propose.Questions(d, options)
	samples, err := from.Look(ctx, questions)
	if err != nil {
		return nil, err
	}
	for i := range questions {
		d.Table(questions[i].Table).Sample = &samples[i]
	}
	return d, nil
}

// presets are what a configuration may name in place of a mapping.
func presets() []propose.Preset {
	var out []propose.Preset
	for _, p := range config.Presets() {
		preset := propose.Preset{Name: p.Name, Versions: p.Versions, Databases: p.Databases}
		for i := range p.Variables {
			v := &p.Variables[i]
			preset.Variables = append(preset.Variables, propose.Variable{
				Name: v.Name, About: v.About, Default: v.Default, Choices: v.Choices, Required: v.Required,
			})
		}
		out = append(out, preset)
	}
	return out
}

// nameOf chooses the name of the source: what was asked for, the ERP, the database.
func nameOf(o *initOptions, p *propose.Proposal, d *survey.Database) string {
	switch {
	case o.name != "":
		return o.name
	case p.Known != nil:
		return p.Known.Name
	}
	name := strings.TrimLeft(strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, strings.ToLower(d.Name)), "_0123456789")
	if !sourceName.MatchString(name) || name == "postgres" {
		return "erp"
	}
	return name
}

// serverID is a number that other replicas hardly have.
func serverID(source, database string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(source + "/" + database)) // never fails
	return 10_000 + h.Sum32()%1_000_000
}

// missingAt is what check finds missing at the source, and what a role of its own
// must be granted there.
func missingAt(ctx context.Context, s *config.Source) (out []cdc.Finding, grants string) {
	source, err := sourceOf(s, nil, nil)
	if err != nil {
		return []cdc.Finding{{Requirement: "source", State: cdc.FindingProblem, Detail: err.Error()}}, ""
	}
	defer source.Close()
	if g, ok := source.(surveyed); ok {
		grants = g.Grants("tailstock")
	}
	for _, f := range append(source.Check(ctx), checkMappings(ctx, s, source)...) {
		if f.State != cdc.FindingOK {
			out = append(out, f)
		}
	}
	return out, grants
}

// showInit prints the configuration, or what is in the file that was written.
func (a *app) showInit(r *initReport) error {
	if r.Config != "" && r.Output == "" {
		_, err := fmt.Fprint(a.Out, r.Config)
		return err
	}
	var b strings.Builder
	switch {
	case r.Config == "":
		fmt.Fprintf(&b, "Nothing in %s, %s, looks like stock that can be mapped.\n", r.Product, r.Database)
	case r.Known != nil && r.Known.Preset != "":
		fmt.Fprintf(&b, "wrote %s: recognised %s, preset %s\n", r.Output, r.Known.Name, r.Known.Preset)
	default:
		fmt.Fprintf(&b, "wrote %s\n", r.Output)
	}
	for i := range r.Tables {
		state := "proposed"
		if !r.Tables[i].Active {
			state = "left out"
		}
		fmt.Fprintf(&b, "  %-9s %s: %s", state, r.Tables[i].Name, r.Tables[i].Shape)
		if r.Tables[i].Because != "" {
			fmt.Fprintf(&b, "; %s", r.Tables[i].Because)
		}
		b.WriteByte('\n')
	}
	for i := range r.Findings {
		f := &r.Findings[i]
		if f.State == cdc.FindingOK {
			continue
		}
		fmt.Fprintf(&b, "  %-9s %s: %s\n", f.State, f.Requirement, f.Detail)
	}
	if r.Config != "" {
		if r.unset != "" {
			fmt.Fprintf(&b, "set %s to the connection string, which is not in the file\n", r.unset)
		}
		fmt.Fprintf(&b, "read it, then: tailstock check -c %[1]s, tailstock map -c %[1]s\n", r.Output)
	} else {
		b.WriteString("See with --schema and --table that the tables that hold stock are looked at and readable, or write the mapping by hand: docs/mapping.md.\n")
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}
