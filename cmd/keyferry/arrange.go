package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker/config"
)

// wordsAndFlags is a command line taken apart.
type wordsAndFlags struct {
	words []string // of the command: key list
	flags []string // with their values, as they were written
	given []string // names of the flags
	names []string // what is left: the names of keys and the like
	group []*cli.Command
	leaf  *cli.Command // nil: a group
}

// arrange brings a command line into the one order that urfave/cli v2 reads:
// command, flags, --, names. By itself it stops reading flags at the first name
// and would ignore the rest in silence. What looks like a flag and is none is an
// error, as is an unknown command.
func arrange(app *cli.App, args []string) ([]string, error) {
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	if len(args) == 1 && args[0] == "--version" {
		args = []string{"version"}
	}
	l, err := takeApart(app, args)
	if err != nil {
		return nil, err
	}
	help := slices.Contains(l.given, "help") || slices.Contains(l.given, "h")
	switch {
	case l.leaf == nil && len(l.words) == 0 && (help || len(args) == 0):
		return []string{app.Name, "--help"}, nil
	case help:
		return append(append([]string{app.Name}, l.words...), "--help"), nil
	case l.leaf == nil:
		return nil, misuse("%s needs one of %s", commandName(l.words), strings.Join(commandNames(l.group), ", "))
	}
	for _, name := range l.given {
		if !hasFlag(l.leaf, name) {
			return nil, unknownFlag(commandName(l.words), name, l.leaf)
		}
	}
	ordered := append(append([]string{app.Name}, l.words...), l.flags...)
	return append(append(ordered, "--"), l.names...), nil
}

// commandOf is the command, or the group, that a line names.
func commandOf(app *cli.App, args []string) string {
	l, err := takeApart(app, args)
	if err != nil && len(l.words) == 0 {
		return app.Name
	}
	return commandName(l.words)
}

func takeApart(app *cli.App, args []string) (wordsAndFlags, error) {
	l := wordsAndFlags{group: app.Commands}
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			l.names = append(l.names, args[i+1:]...)
			return l, nil
		case len(arg) > 1 && arg[0] == '-':
			used, err := l.flag(app, args[i:])
			if err != nil {
				return l, err
			}
			i += used - 1
		case l.leaf == nil:
			if err := l.descend(arg); err != nil {
				return l, err
			}
		default:
			l.names = append(l.names, arg)
		}
	}
	return l, nil
}

// flag takes a flag and, where it has one, its value; used is how many arguments
// that were.
func (l *wordsAndFlags) flag(app *cli.App, args []string) (used int, err error) {
	name, _, joined := strings.Cut(strings.TrimLeft(args[0], "-"), "=")
	f := findFlag(app.Commands, name)
	if f == nil {
		return 0, unknownFlag(commandName(l.words), name, l.leaf)
	}
	l.given = append(l.given, name)
	used = 1
	if takesValue(f) && !joined {
		if len(args) < 2 {
			return 0, misuse("flag --%s needs a value", name)
		}
		used = 2
	}
	l.flags = append(l.flags, args[:used]...)
	return used, nil
}

func (l *wordsAndFlags) descend(word string) error {
	for _, c := range l.group {
		if !c.HasName(word) {
			continue
		}
		l.words = append(l.words, c.Name)
		l.group = c.Subcommands
		if len(c.Subcommands) == 0 {
			l.leaf = c
		}
		return nil
	}
	return misuse("%s has no command %q%s", commandName(l.words), word, orNear(word, commandNames(l.group)))
}

func unknownFlag(command, name string, leaf *cli.Command) error {
	if leaf == nil {
		return misuse("there is no flag --%s", name)
	}
	return misuse("%s has no flag --%s%s", command, name, orNear("--"+name, dashed(leaf)))
}

// orNear is a suggestion where one of the words is close, else the list.
func orNear(word string, words []string) string {
	if near := config.Near(word, words); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return thereAre(words)
}

func thereAre(words []string) string {
	if len(words) == 0 {
		return "; there is none"
	}
	return "; there are " + strings.Join(config.Distinct(words), ", ")
}

func commandName(words []string) string {
	return strings.Join(append([]string{"keyferry"}, words...), " ")
}

func commandNames(group []*cli.Command) []string {
	var names []string
	for _, c := range group {
		if !c.Hidden {
			names = append(names, c.Name)
		}
	}
	return names
}

// findFlag anywhere in the tree: a name means the same everywhere.
func findFlag(group []*cli.Command, name string) cli.Flag {
	for _, c := range group {
		for _, f := range c.Flags {
			if slices.Contains(f.Names(), name) {
				return f
			}
		}
		if f := findFlag(c.Subcommands, name); f != nil {
			return f
		}
	}
	return nil
}

func hasFlag(c *cli.Command, name string) bool { return slices.Contains(flagNames(c.Flags), name) }

func flagNames(flags []cli.Flag) []string {
	var names []string
	for _, f := range flags {
		names = append(names, f.Names()...)
	}
	return names
}

func takesValue(f cli.Flag) bool {
	d, ok := f.(cli.DocGenerationFlag)
	return ok && d.TakesValue()
}
