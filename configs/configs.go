// Package configs holds runnable samples of the configuration, and what the
// program brings with it: the demonstration's configuration and the presets.
package configs

import "embed" // the files below

// Demo is the configuration of "tailstock demo".
//
//go:embed demo.yaml
var Demo []byte

// Presets holds the mappings of known ERPs, as presets/NAME.yaml.
//
//go:embed presets/*.yaml
var Presets embed.FS
