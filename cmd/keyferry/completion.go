package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completeWord is the hidden first word with which shells ask what could come next.
const completeWord = "__complete"

func (p *program) completion() *cli.Command {
	return p.command(leaf{
		name: "completion", usage: "print a script with which a shell completes commands and flags", args: []string{"SHELL"},
		about:    "SHELL is bash, zsh or fish.\n  bash: source <(keyferry completion bash)\n  zsh:  source <(keyferry completion zsh)\n  fish: keyferry completion fish | source",
		examples: []string{"keyferry completion bash", "keyferry completion zsh", "keyferry completion fish"},
		run: func(_ context.Context, c *call) error {
			script, ok := scripts()[c.argument()]
			if !ok {
				return misuse("completion: shell %q is unknown%s", c.argument(), orNear(c.argument(), []string{"bash", "zsh", "fish"}))
			}
			_, err := fmt.Fprint(p.stdout, script)
			return err
		},
	})
}

// scripts hand the words so far, and the one being typed, to keyferry itself.
func scripts() map[string]string {
	return map[string]string{
		"bash": `_keyferry() {
  local IFS=$'\n'
  COMPREPLY=($("${COMP_WORDS[0]}" ` + completeWord + ` "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
}
complete -o default -F _keyferry keyferry
`,
		"zsh": `#compdef keyferry
_keyferry() {
  local -a found
  found=("${(@f)$("${words[1]}" ` + completeWord + ` "${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "${found[1]}" ]]; then compadd -- "${found[@]}"; else _files; fi
}
compdef _keyferry keyferry
`,
		"fish": `function __keyferry
  set -l words (commandline -opc)
  keyferry ` + completeWord + ` $words[2..] (commandline -ct) 2>/dev/null
end
complete -c keyferry -e
complete -c keyferry -f -a '(__keyferry)'
complete -c keyferry -F -n 'not count (__keyferry) >/dev/null'
`,
	}
}

// complete prints what the last of the words could become.
func (p *program) complete(app *cli.App, words []string) {
	if len(words) == 0 {
		words = []string{""}
	}
	typed := words[len(words)-1]
	for _, candidate := range candidates(app, words[:len(words)-1], typed) {
		if strings.HasPrefix(candidate, typed) {
			fmt.Fprintln(p.stdout, candidate)
		}
	}
}

func candidates(app *cli.App, before []string, typed string) []string {
	if n := len(before); n > 0 && strings.HasPrefix(before[n-1], "-") {
		name := strings.TrimLeft(before[n-1], "-")
		if f := findFlag(app.Commands, name); f != nil && takesValue(f) {
			return valuesOf(f)
		}
	}
	l, err := takeApart(app, before)
	switch {
	case err != nil:
		return nil
	case strings.HasPrefix(typed, "-"):
		return dashed(l.leaf)
	case l.leaf == nil:
		return commandNames(l.group)
	case l.leaf.Name == "completion":
		return []string{"bash", "zsh", "fish"}
	default:
		return nil
	}
}

func valuesOf(f cli.Flag) []string {
	if slices.Contains(f.Names(), "output") {
		return formats()
	}
	return nil
}

func dashed(leaf *cli.Command) []string {
	flags := commonFlags()
	if leaf != nil {
		flags = leaf.Flags
	}
	var out []string
	for _, f := range flags {
		out = append(out, "--"+f.Names()[0])
	}
	return out
}
