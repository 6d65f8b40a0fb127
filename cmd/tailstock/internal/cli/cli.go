package cli

import (
	"context"
	"errors"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes. They do not change.
const (
	// ExitOK: done.
	ExitOK = 0
	// ExitFailed: something failed.
	ExitFailed = 1
	// ExitUsage: the command line or the configuration is wrong.
	ExitUsage = 2
	// ExitProblems: problems were found.
	ExitProblems = 3
)

// System is what a process gives to the command line.
type System struct {
	// Version of the program, for people.
	Version string
	// In is what answers to questions are read from; nil if nobody answers.
	In io.Reader
	// Out takes results, Err errors and logs.
	Out, Err io.Writer
	// Lookup finds a variable of the environment, as os.LookupEnv does.
	Lookup func(name string) (string, bool)
}

// Main runs the command that args name and returns the exit code. When ctx ends,
// run and demo drain and others stop.
func Main(ctx context.Context, args []string, system System) int {
	a := &app{System: system}
	root := a.root() //nolint:contextcheck // commands get it from cobra
	root.SetArgs(args)
	root.SetOut(system.Out)
	root.SetErr(system.Err)
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(cmd, err)
}

// app is one run of the program.
type app struct {
	System
	json   bool
	config string
}

// exit reports err and returns the code for it.
func (a *app) exit(cmd *cobra.Command, err error) int {
	var usage *usageError
	var config *configError
	switch {
	case err == nil:
		return ExitOK
	case errors.Is(err, errProblems):
		return ExitProblems
	case errors.As(err, &usage):
		a.reportUsage(cmd, err)
		return ExitUsage
	case errors.As(err, &config):
		a.report(err)
		return ExitUsage
	default:
		a.report(err)
		return ExitFailed
	}
}
