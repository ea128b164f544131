package main

import (
	"context"
	"path/filepath"

	"github.com/urfave/cli/v2"
)

// backedUp is what store backup wrote, or would write.
type backedUp struct {
	Store  string `json:"store"`
	Backup string `json:"backup"`
	DryRun bool   `json:"dry_run,omitempty"` // nothing was written
}

func (p *program) storeBackup() *cli.Command {
	return p.command(leaf{
		name: "backup", usage: "write a copy of the store as it is at one moment", args: []string{"FILE"},
		about:    "Others may go on working meanwhile. Nothing is overwritten. The copy holds no key material.",
		examples: []string{"keyferry store backup keyferry-2026-11-24.db", "keyferry store backup keyferry-2026-11-24.db --dry-run"},
		flags:    []cli.Flag{&cli.BoolFlag{Name: "dry-run", Usage: "show what would be written, and write nothing"}},
		run: func(ctx context.Context, c *call) error {
			path, err := filepath.Abs(c.argument())
			if err != nil {
				return err
			}
			return c.reading(ctx, func(s *session) error {
				out := backedUp{Store: string(s.config.Store), Backup: path, DryRun: c.Bool("dry-run")}
				if !c.Bool("dry-run") {
					if err := s.store.Backup(ctx, path); err != nil {
						return err
					}
				}
				return c.print(answer{value: out, tables: []any{facts(out)}})
			})
		},
	})
}
