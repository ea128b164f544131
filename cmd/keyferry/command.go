package main

import (
	"context"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// leaf is a command that does something, as its file describes it.
type leaf struct {
	name     string
	usage    string   // one line
	about    string   // what else a person should know; may be empty
	args     []string // names it takes: NAME, [NAME] where it may be left out, [NAME…] for any number
	examples []string // run by a test
	flags    []cli.Flag
	run      func(ctx context.Context, c *call) error
}

// call is one run of a leaf.
type call struct {
	*cli.Context
	p *program
}

// command makes urfave's command of a leaf: with the flags that every command
// has, the number of names held, and its examples in its help.
func (p *program) command(l leaf) *cli.Command {
	return &cli.Command{
		Name: l.name, Usage: l.usage, ArgsUsage: strings.Join(l.args, " "), HideHelp: true,
		Description: description(l), Flags: append(l.flags, commonFlags()...),
		OnUsageError: func(_ *cli.Context, err error, _ bool) error { return misuse("%w", err) },
		Action: func(c *cli.Context) error {
			if err := rightNumber(c.Command.HelpName, c.Args().Slice(), l.args); err != nil {
				return err
			}
			return l.run(c.Context, &call{Context: c, p: p})
		},
	}
}

// group of commands.
func group(name, usage string, commands ...*cli.Command) *cli.Command {
	return &cli.Command{Name: name, Usage: usage, Subcommands: commands, HideHelp: true, Flags: []cli.Flag{helpFlag()}}
}

func description(l leaf) string {
	text := "Examples:\n  " + strings.Join(l.examples, "\n  ")
	if l.about != "" {
		text = l.about + "\n\n" + text
	}
	return text
}

func rightNumber(command string, names, args []string) error {
	needed := 0
	for _, a := range args {
		if !strings.HasPrefix(a, "[") {
			needed++
		}
	}
	if slices.Contains(names, "") {
		return misuse("a name is empty")
	}
	switch {
	case len(names) < needed:
		return misuse("%s: %s is missing", command, missing(command, args[len(names):needed]))
	case len(args) > 0 && strings.HasSuffix(args[len(args)-1], "…]"): // any number
	case len(names) > len(args):
		return misuse("%q is too much: this command takes %s", names[len(args)], strings.Join(append(args, "flags"), ", "))
	}
	return nil
}

// missing says of what a name is.
func missing(command string, args []string) string {
	text := strings.Join(args, " ")
	switch {
	case text != "NAME":
		return text
	case strings.HasPrefix(command, "keyferry target "):
		return "NAME of a target"
	default:
		return "NAME of a key"
	}
}

// argument is the one name that a command takes; "" where it was left out.
func (c *call) argument() string { return c.Args().First() }

// why is what a person says about a change.
func (c *call) why() broker.Why {
	return broker.Why{Reason: c.String("reason"), Ticket: c.String("ticket")}
}
