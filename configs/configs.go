// Package configs holds runnable samples of the configuration, and those that the
// program brings with it.
package configs

import _ "embed" // the files below

// Demo is the configuration of "tailstock demo".
//
//go:embed demo.yaml
var Demo []byte
