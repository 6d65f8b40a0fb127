// Package config reads the one YAML file of an installation: its shape,
// defaults, references to the environment and to files of secrets, and every
// check that needs no server. docs/configuration.md is the reference.
//
// It does not open connections and does not know what a valid value of an
// adapter's is: it fills the adapter's Config, asks it to Validate, and finds
// the place in the file of what that reports. Nothing else reads YAML.
//
// Invariants:
//   - Every problem of a file is reported at once, each with line, column and
//     path. Only what is no YAML at all hides the rest.
//   - What was not understood is an error: unknown and repeated keys, values of
//     another kind, a second document.
//   - A value that came from a variable or from a file of secrets is in no error,
//     and a Config prints without any.
//   - Reading takes bounded time and memory, whatever the file holds.
package config
