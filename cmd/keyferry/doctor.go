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
			"The matrix says for each key spec, target and purpose by which plan a key under no policy goes there, or why not.\n" +
			"With --policy it prints the least permissions that keyferry needs at a target, as the provider's own\n" +
			"tools take them; with --proof also given, those of the separate identity that asks for proofs.",
		examples: []string{
			"keyferry doctor", "keyferry doctor --output json", "keyferry doctor --policy aws-test", "keyferry doctor --policy gcp --proof",
		},
		flags: []cli.Flag{
			&cli.StringFlag{Name: "policy", Usage: "print the least permissions at `TARGET` instead; a provider stands for its first target"},
			&cli.BoolFlag{Name: "proof", Usage: "of the identity that asks for proofs (with --policy)"},
			targetFlag("only for this target: `NAME` (with --policy and a provider)"),
		},
		run: func(ctx context.Context, c *call) error {
			if c.String("policy") != "" {
				return c.leastPolicy()
			}
			for _, flag := range []string{"proof", "target"} {
				if c.IsSet(flag) {
					return misuse("--%s goes with --policy", flag)
				}
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

// leastPolicy prints the permissions for the target that was named, or for a
// provider's first one.
func (c *call) leastPolicy() error {
	cfg, err := c.loadConfig()
	if err != nil {
		return err
	}
	t, err := c.policyTarget(cfg, c.String("policy"))
	if err != nil {
		return err
	}
	for _, p := range c.p.providers {
		if p.name != t.Provider {
			continue
		}
		policy, err := p.policy(asked{Target: t, config: cfg, now: c.p.now}, c.Bool("proof"))
		if err != nil {
			return err
		}
		return writeJSON(c.p.stdout, policy)
	}
	return notShipped(t.Provider)
}

// policyTarget is the target of that name, or the first of the provider of that
// name.
func (c *call) policyTarget(cfg *config.Config, name string) (config.Target, error) {
	asked := c.String("target")
	if t, ok := cfg.Target(name); ok {
		if asked != "" && asked != name {
			return t, misuse("--policy: %s is a target: --target %s says nothing about it", name, asked)
		}
		return t, nil
	}
	var names []string
	for _, p := range c.p.providers {
		names = append(names, p.name)
	}
	for _, t := range cfg.Targets {
		if t.Provider == name && (asked == "" || t.Name == asked) {
			return t, nil
		}
		names = append(names, t.Name)
	}
	switch {
	case !slices.Contains(names, name):
		return config.Target{}, misuse("--policy: there is no target or provider %q%s", name, orNear(name, names))
	case asked != "":
		return config.Target{}, noTarget(cfg, asked)
	default:
		return config.Target{}, misuse("--policy: the config has no target of %s, whose account and place the policy names", name)
	}
}
