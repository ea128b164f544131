package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) storeRecover() *cli.Command {
	return p.command(leaf{
		name: "recover", usage: "reconcile a store that is older than the token remembers, and go on with it",
		about: "A backup that was restored, or a copy of a machine, does not know what was done since, and no command changes\n" +
			"anything with it. This looks at every target and at the token for what carries keyferry's mark and is not on\n" +
			"record, puts it on record, and lets the token remember this store as it is. No key of a name that is found so\n" +
			"is begun again. Nothing is deleted and nothing taken over: keyferry inventory --orphans goes on listing it. A target\n" +
			"that this store has no enrolment of is not looked at, and said: enrol it, and recover once more.",
		examples: []string{"keyferry store recover --dry-run", "keyferry store recover --reason 'disk lost, backup of Monday'"},
		flags:    changeFlags(),
		run: func(ctx context.Context, c *call) error {
			return c.working(ctx, func(s *session) error { return s.recoverStore(ctx) })
		},
	})
}

func (s *session) recoverStore(ctx context.Context) error {
	if s.Bool("dry-run") {
		out, err := s.broker.PlanRecover(ctx)
		if err != nil {
			return err
		}
		s.p.say("a dry run: nothing went on record")
		return s.printRecovered(out)
	}
	if s.String("reason") == "" {
		return misuse("recover the store: a reason is required: --reason …")
	}
	if err := s.confirm(ctx, "Recover the store "+string(s.config.Store)); err != nil {
		return err
	}
	out, err := s.broker.RecoverStore(ctx, s.why())
	if err != nil {
		return err
	}
	return s.printRecovered(out)
}

// sayRecovered says what is left to do.
func (s *session) sayRecovered(out broker.Recovered) {
	if n := len(out.Missing); n > 0 {
		s.p.say("%d things are there that this store does not know of: keyferry inventory --orphans lists them, with how each is removed", n)
	}
	for _, name := range out.NotLooked {
		s.p.say("target %s was not looked at, since this store has no such enrolment of it: keyferry target enrol %s, and then keyferry store recover --reason … once more", name, name)
	}
}

func (s *session) printRecovered(out broker.Recovered) error {
	state := "as new as the token remembers"
	if out.Older {
		state = "older than the token remembers"
	}
	head := []fact{
		{"store", state},
		{"its audit ends at", fmt.Sprint(out.Head)},
		{"the token remembers", fmt.Sprint(out.Remembered)},
		{"missing in it", fmt.Sprint(len(out.Missing))},
	}
	s.sayRecovered(out)
	rows := []orphanRow{}
	for _, o := range out.Missing {
		rows = append(rows, orphanRowOf(o))
	}
	return s.print(answer{value: out, tables: []any{head, rows}})
}
