package cli

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tailstock/connector/cdc"
	"tailstock/internal/config"
)

const presetListHelp = `List the ERPs for which a mapping comes with the program, with their versions and
the variables that they are told of an installation. A source uses one with
preset: NAME@VERSION and variables, as docs/presets.md says.`

const presetShowHelp = `Print what a preset stands for: what a source that names it has under tables,
lookups and so on. Nothing is read but the program's own files. --set gives
variables, the values of a list separated by commas. --file prints the preset's
file as it is, with its comments, to which errors in a preset point.`

// presetOptions are the flags of preset show.
type presetOptions struct {
	set  []string
	file bool
}

func (a *app) presetCommand() *cobra.Command {
	list := &cobra.Command{
		Use: "list", Short: "List the ERPs that there are mappings for", Long: presetListHelp, Args: arguments(cobra.NoArgs),
		RunE: func(*cobra.Command, []string) error {
			presets := config.Presets()
			return a.show(presets, func() error { return a.listPresets(presets) })
		},
	}
	var o presetOptions
	show := &cobra.Command{
		Use: "show NAME@VERSION", Short: "Print what a preset stands for", Long: presetShowHelp, Args: arguments(cobra.ExactArgs(1)),
		RunE: func(_ *cobra.Command, args []string) error {
			if o.file {
				return a.showPresetFile(args[0], &o)
			}
			return a.showPreset(args[0], &o)
		},
	}
	show.Flags().StringArrayVar(&o.set, "set", nil, "value of a variable, as company=1; repeat it for others")
	show.Flags().BoolVar(&o.file, "file", false, "print the preset's file as it is")
	return group("preset", "Look at the mappings of known ERPs", list, show)
}

func (a *app) listPresets(presets []config.Preset) error {
	for i := range presets {
		p := &presets[i]
		references := make([]string, len(p.Versions))
		for j, v := range p.Versions {
			references[j] = p.Name + "@" + v
		}
		if _, err := fmt.Fprintf(a.Out, "%s, for %s\n  %s\n", strings.Join(references, ", "), strings.Join(p.Databases, " and "), p.About); err != nil {
			return err
		}
		var rows [][]string
		for j := range p.Variables {
			v := &p.Variables[j]
			rows = append(rows, []string{"  " + v.Name, v.What() + ", " + v.Absent(), v.About})
		}
		if err := a.table(rows); err != nil {
			return err
		}
	}
	return nil
}

// shownPreset is the JSON of preset show.
type shownPreset struct {
	Preset    string               `json:"preset"`
	Variables []config.PresetValue `json:"variables"`
	YAML      string               `json:"yaml"`
}

func (a *app) showPreset(reference string, o *presetOptions) error {
	var set []config.PresetValue
	for _, s := range o.set {
		name, value, ok := strings.Cut(s, "=")
		if !ok {
			return &usageError{fmt.Errorf("--set %s: write NAME=VALUE", s)}
		}
		set = append(set, config.PresetValue{Name: name, Value: value})
	}
	text, use, err := config.ExpandPreset(reference, set)
	if err != nil {
		return &usageError{err}
	}
	return a.show(shownPreset{use.String(), use.Variables, text}, func() error {
		_, err := fmt.Fprintf(a.Out, "# preset %s%s\n%s", use, told(use, "\n#   "), text)
		return err
	})
}

func (a *app) showPresetFile(reference string, o *presetOptions) error {
	if len(o.set) > 0 {
		return &usageError{errors.New("--set and --file: the file is printed as it is, for all values")}
	}
	name, _, _ := strings.Cut(reference, "@")
	text, err := config.PresetFile(name)
	if err != nil {
		return &usageError{err}
	}
	file := struct {
		Preset string `json:"preset"`
		File   string `json:"file"`
	}{name, string(text)}
	return a.show(file, func() error {
		_, err := a.Out.Write(text)
		return err
	})
}

// told lists the values of variables, each behind a separator.
func told(use *config.PresetUse, separator string) string {
	var b strings.Builder
	for _, v := range use.Variables {
		fmt.Fprintf(&b, "%s%s: %s", separator, v.Name, v.Value)
		if !v.Given {
			b.WriteString(" (default)")
		}
	}
	return b.String()
}

// checkPreset says which preset a source uses, how it was told of the installation,
// and what of it the source replaces.
func checkPreset(s *config.Source) []cdc.Finding {
	if s.Preset == nil {
		return nil
	}
	detail := strings.TrimPrefix(told(s.Preset, ", "), ", ")
	if len(s.Preset.Overrides) > 0 {
		detail += "; replaced by the configuration: " + strings.Join(s.Preset.Overrides, ", ")
	}
	return []cdc.Finding{{Requirement: "preset " + s.Preset.String(), State: cdc.FindingOK, Detail: detail}}
}
