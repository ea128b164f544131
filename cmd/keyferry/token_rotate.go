package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// keeperRow is a keeper key in a table.
type keeperRow struct {
	Keeper      broker.KeeperID    `json:"keeper"`
	State       broker.KeeperState `json:"state"`
	Environment string             `json:"environment"`
	RetiredAt   time.Time          `json:"retired_at"`
}

func keeperRows(keepers []broker.KeptKeeper) []keeperRow {
	var rows []keeperRow
	for _, k := range keepers {
		rows = append(rows, keeperRow{k.ID, k.State, k.Environment, k.RetiredAt})
	}
	return rows
}

func (p *program) tokenRotateKeeper() *cli.Command {
	return p.command(leaf{
		name: "rotate-keeper", usage: "replace the key under which material is kept wrapped, and wrap all of it anew",
		about: "All happens inside the token. Interrupted, it goes on when run again; each record opens meanwhile. The key before\n" +
			"it stays, for older backups of the store need it. 30 days after the last record has left it, --destroy with its id\n" +
			"and a reason destroys it, instead of replacing anything.",
		examples: []string{"keyferry token rotate-keeper --reason 'once a year'", "keyferry token rotate-keeper --output json"},
		flags:    changeFlags(&cli.StringFlag{Name: "destroy", Usage: "destroy the retired keeper key with this `ID`; needs --reason"}),
		run: func(ctx context.Context, c *call) error {
			return c.working(ctx, func(s *session) error { return s.rotateKeeper(ctx) })
		},
	})
}

func (s *session) rotateKeeper(ctx context.Context) error {
	if id := broker.KeeperID(s.String("destroy")); id != "" {
		if _, err := s.broker.PlanDestroyKeeper(ctx, id); err != nil {
			return err
		}
		if s.Bool("dry-run") {
			s.p.say("a dry run: it was not destroyed, and could be")
			return s.print(answer{value: broker.KeeperRotation{}, tables: []any{}})
		}
		if err := s.confirm(ctx, "Destroy keeper key "+string(id)); err != nil {
			return err
		}
		k, err := s.broker.DestroyKeeper(ctx, id, s.why())
		if err != nil {
			return err
		}
		out := broker.KeeperRotation{Keepers: []broker.KeptKeeper{k}}
		return s.print(answer{value: out, tables: []any{keeperRows(out.Keepers)}})
	}
	if s.Bool("dry-run") {
		out, err := s.broker.PlanRotateKeeper(ctx)
		if err != nil {
			return err
		}
		s.p.say("a dry run: nothing was replaced; %d records would be wrapped anew", out.Rewrapped)
		return s.print(answer{value: out, tables: []any{keeperRows(out.Keepers)}})
	}
	if err := s.confirm(ctx, "Replace the keeper key"); err != nil {
		return err
	}
	out, err := s.broker.RotateKeeper(ctx, s.why())
	if err != nil {
		return err
	}
	s.p.say("%d records were wrapped anew", out.Rewrapped)
	if len(out.Left) > 0 {
		s.p.say("%d keys were in use by others, and are left: run it again", len(out.Left))
	}
	return s.print(answer{value: out, tables: []any{keeperRows(out.Keepers)}})
}
