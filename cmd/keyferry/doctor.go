package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

func (p *program) doctor() *cli.Command {
	return p.command(leaf{
		name: "doctor", usage: "look at everything an import needs, and say what is wrong",
		about: "It creates nothing at a provider, and in the token only a throwaway object that it destroys.\n" +
			"The matrix says for each key spec and target by which plan a key goes there, or why not.\n" +
			"With --policy it prints the least permissions that keyferry needs at a provider's targets.",
		examples: []string{"keyferry doctor", "keyferry doctor --output json", "keyferry doctor --policy aws"},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Usage: "print the least permissions for `PROVIDER` instead"},
			targetFlag("only for this target: `NAME` (with --policy)"),
		},
		run: func(ctx context.Context, c *call) error {
			if c.String("policy") != "" {
				return c.leastPolicy()
			}
			return c.working(ctx, func(s *session) error { return s.examine(ctx) })
		},
	})
}

func (s *session) examine(ctx context.Context) error {
	d, err := s.broker.Doctor(ctx)
	if err != nil {
		return err
	}
	if err := s.print(answer{value: d, tables: []any{d.Findings, d.Matrix}}); err != nil {
		return err
	}
	failed := 0
	for _, f := range d.Findings {
		if f.State == broker.FindingFailed {
			failed++
		}
	}
	if failed > 0 {
		return &verdict{exitFailed, &broker.Error{
			Kind: broker.Rejected, Op: "examine", Cause: fmt.Errorf("%d of %d findings failed", failed, len(d.Findings)),
			Hint: "mend what the findings name; each says what it needs",
		}}
	}
	return nil
}

// leastPolicy prints the permissions for the first of the provider's targets, or
// for the one that was named.
func (c *call) leastPolicy() error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	name := c.String("policy")
	i := slices.IndexFunc(c.p.providers, func(p provider) bool { return p.name == name })
	if i < 0 {
		var names []string
		for _, p := range c.p.providers {
			names = append(names, p.name)
		}
		return misuse("--policy: provider %q is unknown%s", name, orNear(name, names))
	}
	t, err := c.targetOf(cfg, name)
	if err != nil {
		return err
	}
	policy, err := c.p.providers[i].policy(t)
	if err != nil {
		return err
	}
	return writeJSON(c.p.stdout, policy)
}

func (c *call) targetOf(cfg *config.Config, provider string) (config.Target, error) {
	asked := c.String("target")
	for _, t := range cfg.Targets {
		if t.Provider == provider && (asked == "" || t.Name == asked) {
			return t, nil
		}
	}
	if asked != "" {
		return config.Target{}, noTarget(cfg, asked)
	}
	return config.Target{}, misuse("--policy: the config has no target of %s, whose account and region the policy names", provider)
}
