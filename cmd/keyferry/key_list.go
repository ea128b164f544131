package main

import (
	"context"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) keyList() *cli.Command {
	return p.command(leaf{
		name: "list", usage: "list keys",
		examples: []string{"keyferry key list", "keyferry key list --owner 'payments team' --output jsonl", "keyferry key list --tag team=release --state active"},
		flags:    filterFlags(),
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				rows := []keyRow{}
				err := s.eachKey(ctx, func(k broker.KeyView) error { rows = append(rows, keyRowOf(k)); return nil })
				if err != nil {
					return err
				}
				return c.print(answer{value: rows})
			})
		},
	})
}

// filterFlags select keys.
func filterFlags() []cli.Flag {
	return []cli.Flag{
		targetFlag("only what is at this target: `NAME`"),
		&cli.StringFlag{Name: "owner", Usage: "only keys of this owner: `TEXT`"},
		&cli.StringSliceFlag{Name: "tag", Usage: "only keys with `NAME=VALUE`; may be repeated"},
		&cli.StringFlag{Name: "state", Usage: "only with a version in this `STATE`: pre-activation, active, suspended, deactivated, compromised, destroyed"},
		&cli.StringFlag{Name: "expiring", Usage: "only what ends within a `DURATION`, like 90d"},
	}
}

// eachKey calls f with every key that the flags select.
func (s *session) eachKey(ctx context.Context, f func(broker.KeyView) error) error {
	filter, err := s.filter()
	if err != nil {
		return err
	}
	for k, err := range s.store.Keys(ctx, filter) {
		if err != nil {
			return err
		}
		if err := f(k); err != nil {
			return err
		}
	}
	return nil
}

func (s *session) filter() (broker.KeyFilter, error) {
	f := broker.KeyFilter{Target: s.String("target"), Owner: s.String("owner")}
	if _, ok := s.config.Target(f.Target); f.Target != "" && !ok {
		return f, noTarget(s.config, f.Target)
	}
	var err error
	if f.State, err = choice(s.call, "state", broker.States()); err != nil {
		return f, err
	}
	if f.Tags, err = s.pairs("tag"); err != nil {
		return f, err
	}
	within, err := s.span("expiring")
	if err == nil && within > 0 {
		f.ValidToBefore = s.p.now().Add(within)
	}
	return f, err
}
