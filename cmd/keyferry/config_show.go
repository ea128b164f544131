package main

import (
	"context"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker/config"
)

// policyRow is a policy in a table.
type policyRow struct {
	Name     string          `json:"policy"`
	Spec     string          `json:"spec"`
	Purpose  string          `json:"purpose"`
	Targets  []string        `json:"targets"`
	Retain   string          `json:"retain"`
	ValidFor config.Duration `json:"valid_for"`
	Owner    string          `json:"owner"`
}

func (p *program) configShow() *cli.Command {
	return p.command(leaf{
		name: "show", usage: "show the config as it is understood: paths in full",
		examples: []string{"keyferry config show", "keyferry config show --output yaml"},
		run: func(_ context.Context, c *call) error {
			cfg, err := c.loadConfig()
			if err != nil {
				return err
			}
			general := []fact{
				{"config", cfg.Path},
				{"store", string(cfg.Store)},
				{"token", cfg.Token.Name},
				{"module", string(cfg.Token.Module)},
				{"label", cfg.Token.Label},
				{"serial", cfg.Token.Serial},
				{"environment", cfg.Token.Environment},
				{"pin", pinWords(cfg.Token.Pin)},
			}
			var rows []policyRow
			for _, q := range cfg.Policies {
				rows = append(rows, policyRow{
					Name: q.Name, Spec: string(q.Spec), Purpose: string(q.Purpose), Targets: q.Targets,
					Retain: string(q.Retain), ValidFor: q.ValidFor, Owner: q.Owner,
				})
			}
			return c.print(answer{value: cfg, tables: []any{general, targetRows(cfg, nil), rows}})
		},
	})
}

// pinWords says where the PIN comes from.
func pinWords(p config.Pin) string {
	switch {
	case p.File != "":
		return "file " + string(p.File)
	case p.Credential != "":
		return "systemd credential " + p.Credential
	case len(p.Command) > 0:
		return "command " + strings.Join(p.Command, " ")
	case p.Prompt:
		return "asked at the terminal"
	default:
		return "environment variable " + p.Env
	}
}
