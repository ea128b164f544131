package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker/config"
)

// checked is what config check says of a config that holds.
type checked struct {
	Config   string `json:"config"`
	Targets  int    `json:"targets"`
	Policies int    `json:"policies"`
}

// tryTargets opens each target, and closes it again.
func (p *program) tryTargets(ctx context.Context, cfg *config.Config) error {
	for _, t := range cfg.Targets {
		_, done, err := p.openTarget(ctx, asked{Target: t, config: cfg, now: p.now})
		if err != nil {
			return fmt.Errorf("open target %s: %w", t.Name, err)
		}
		done()
	}
	return nil
}

func (p *program) configCheck() *cli.Command {
	return p.command(leaf{
		name: "check", usage: "read the config and say what is wrong with it, all at once",
		about:    "It reads the config and the files that targets name, and speaks to nobody.",
		examples: []string{"keyferry config check", "keyferry config check --config ./keyferry.yaml"},
		run: func(ctx context.Context, c *call) error {
			cfg, err := c.loadConfig()
			if err != nil {
				return err
			}
			if err := p.tryTargets(ctx, cfg); err != nil {
				return err
			}
			out := checked{Config: cfg.Path, Targets: len(cfg.Targets), Policies: len(cfg.Policies)}
			return c.print(answer{value: out, tables: []any{facts(out)}})
		},
	})
}
