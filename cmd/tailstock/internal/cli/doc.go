// Package cli is the command line of tailstock: it reads the configuration, makes
// the adapters that it names, joins them to the loops of package connector, and
// shows what people and scripts ask for.
//
// It decides nothing about data: what may be written where is decided by the loops
// and by the systems that they write to. Nor does it retry: the supervisor does.
//
// Every command prints one JSON document with --json, or JSON lines where it
// follows something; what it prints otherwise is for people and may change. Errors
// go to standard error, as one line and what to do about it. Exit codes are
// ExitOK, ExitFailed, ExitUsage and ExitProblems.
package cli
