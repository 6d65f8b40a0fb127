package cli

import (
	"bytes"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

const completionHelp = `Print a script that completes commands and flags in a shell.

  bash   source <(tailstock completion bash)
  zsh    tailstock completion zsh > "${fpath[1]}/_tailstock"
  fish   tailstock completion fish > ~/.config/fish/completions/tailstock.fish
  powershell  tailstock completion powershell | Out-String | Invoke-Expression`

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "completion {bash|zsh|fish|powershell}", Short: "Print a script that completes commands in a shell", Long: completionHelp,
		Args:      arguments(cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)),
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			var script bytes.Buffer
			if err := writeCompletion(cmd.Root(), args[0], &script); err != nil {
				return fmt.Errorf("write completion for %s: %w", args[0], err)
			}
			result := struct {
				Shell  string `json:"shell"`
				Script string `json:"script"`
			}{args[0], script.String()}
			return a.show(result, func() error {
				_, err := script.WriteTo(a.Out)
				return err
			})
		},
	}
}

func writeCompletion(root *cobra.Command, shell string, w io.Writer) error {
	switch shell {
	case "bash":
		return root.GenBashCompletionV2(w, true)
	case "zsh":
		return root.GenZshCompletion(w)
	case "fish":
		return root.GenFishCompletion(w, true)
	default:
		return root.GenPowerShellCompletionWithDesc(w)
	}
}
