package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// abortedRow is a key at a provider that an abort schedules for deletion.
type abortedRow struct {
	Target     string             `json:"target"`
	KeyRef     string             `json:"key_ref"`
	VersionRef string             `json:"version_ref"`
	State      broker.RemoteState `json:"state"`
	DeletionAt time.Time          `json:"deletion_at,omitzero"`
}

func (p *program) operationAbort() *cli.Command {
	return p.command(leaf{
		name: "abort", usage: "take an unfinished or unwanted import back", args: []string{"ID"},
		about: "The key at the provider is scheduled for deletion after its waiting period, during which the deletion can be\n" +
			"cancelled there; each has its own date. Stopped midway, the same command goes on. The object in the token is named and stays. A reason is required.",
		examples: []string{
			"keyferry operation abort " + exampleID + " --reason 'wrong spec'",
			"keyferry operation abort " + exampleID + " --reason 'wrong spec' --window 7d --dry-run",
		},
		flags: changeFlags(&cli.StringFlag{Name: "window", Usage: "waiting period before deletion: `DURATION`; the target's if left out"}),
		run: func(ctx context.Context, c *call) error {
			window, err := c.span("window")
			if err != nil {
				return err
			}
			req := broker.AbortRequest{Operation: c.argument(), Window: window, Why: c.why()}
			if req.Reason == "" {
				return misuse("abort operation %s: a reason is required: --reason TEXT", req.Operation)
			}
			return c.working(ctx, func(s *session) error { return s.abort(ctx, req) })
		},
	})
}

func (s *session) abort(ctx context.Context, req broker.AbortRequest) error {
	planned, err := s.broker.PlanAbort(ctx, req)
	if err != nil {
		return err
	}
	if s.Bool("dry-run") {
		return s.printAborted(planned)
	}
	what := fmt.Sprintf("Take back %s of %s", planned.Operation.Kind, planned.Operation.KeyName)
	if err := s.confirm(ctx, what, planned.Operation.Targets...); err != nil {
		return err
	}
	out, err := s.broker.Abort(ctx, req)
	if err != nil {
		return err
	}
	return s.printAborted(out)
}

func (s *session) printAborted(a broker.Aborted) error {
	head := facts(operationRowOf(a.Operation))
	if a.Material != "" {
		head = append(head, fact{"stays in the token", string(a.Material)})
	}
	var rows []abortedRow
	for _, k := range a.Keys {
		rows = append(rows, abortedRow{Target: k.Target, KeyRef: k.Version.Key.ID, VersionRef: k.Version.ID, State: k.State, DeletionAt: k.DeletionAt})
	}
	return s.print(answer{value: a, tables: []any{head, rows}})
}
