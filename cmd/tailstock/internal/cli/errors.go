package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tailstock/connector/cdc"
)

// errProblems ends check when it has shown problems: there is nothing to add.
var errProblems = errors.New("problems were found")

// usageError is a mistake on the command line.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// configError is a mistake in the configuration.
type configError struct{ err error }

func (e *configError) Error() string { return e.err.Error() }
func (e *configError) Unwrap() error { return e.err }

// arguments makes mistakes in a command's arguments usage errors.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return &usageError{err}
		}
		return nil
	}
}

// reportUsage shows a mistake on the command line with how to call the command.
func (a *app) reportUsage(cmd *cobra.Command, err error) {
	a.report(err)
	if !a.json {
		fmt.Fprintf(a.Err, "usage: %s\nrun '%s --help' for more.\n", cmd.UseLine(), cmd.CommandPath())
	}
}

// report shows an error as one line for each thing that is wrong, followed by what
// mends it; or as one JSON document.
func (a *app) report(err error) {
	lines, fixes := takeApart(err)
	if a.json {
		b, _ := json.Marshal(struct {
			Error string   `json:"error"`
			Fix   []string `json:"fix,omitempty"`
		}{strings.Join(lines, "\n"), fixes}) // strings always encode
		fmt.Fprintf(a.Err, "%s\n", b)
		return
	}
	for _, line := range lines {
		fmt.Fprintf(a.Err, "tailstock: %s\n", line)
	}
	for _, fix := range fixes {
		fmt.Fprintf(a.Err, "to fix:\n%s\n", indent(fix, "    "))
	}
}

// takeApart takes an error apart into lines and the fixes that its causes name.
func takeApart(err error) (lines, fixes []string) {
	text := err.Error()
	for _, fix := range fixesOf(err) {
		text = strings.ReplaceAll(text, "; to fix: "+fix, "")
		fixes = append(fixes, fix)
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return lines, fixes
}

// fixesOf returns what the operator can do about err, in order, each once.
func fixesOf(err error) []string {
	var fixes []string
	seen := make(map[string]bool)
	add := func(fix string) {
		if fix != "" && !seen[fix] {
			seen[fix] = true
			fixes = append(fixes, fix)
		}
	}
	var walk func(error)
	walk = func(err error) {
		//nolint:errorlint // the tree is walked by hand, one error at a time
		switch e := err.(type) {
		case *cdc.SetupError:
			add(e.Fix)
		case *cdc.GapError:
			add(e.Fix)
		}
		//nolint:errorlint // as above
		switch e := err.(type) {
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				walk(inner)
			}
		case interface{ Unwrap() []error }:
			for _, inner := range e.Unwrap() {
				walk(inner)
			}
		}
	}
	walk(err)
	return fixes
}

// indent puts prefix before every line of text.
func indent(text, prefix string) string {
	return prefix + strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n"+prefix)
}
