package main

import (
	"context"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) operationShow() *cli.Command {
	return p.command(leaf{
		name: "show", usage: "show an operation and its effects", args: []string{"ID"},
		about: "Of an undecided one also what was seen when it stopped, and the commands that end it: nothing else does. What was seen\n" +
			"is in the audit, which is held against the token's seal: without the token the commands alone are shown.",
		examples: []string{"keyferry operation show " + exampleID, "keyferry operation show " + exampleID + " --output json"},
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				o, err := s.store.Operation(ctx, c.argument())
				if err != nil {
					return fmt.Errorf("show operation %s: %w", c.argument(), err)
				}
				shown := operationShown{OperationView: standing(o)}
				if shown.Dilemma, err = s.dilemma(ctx, o); err != nil {
					return err
				}
				return c.print(answer{value: shown, tables: []any{append(facts(viewRowOf(o)), waysOut(shown.Dilemma)...), sightingRows(shown.Dilemma), effectRows(o)}})
			})
		},
	})
}

// operationShown is an operation and, where it is undecided, why.
type operationShown struct {
	broker.OperationView
	Dilemma *broker.Dilemma `json:"dilemma,omitempty"`
}

// dilemma of an operation is in the audit, whose entries stay when it goes on. Whoever
// may write the store can write them, and they tell a person what to do: they are held
// against the token's seal, or nothing of them is said.
func (s *session) dilemma(ctx context.Context, o broker.OperationView) (d *broker.Dilemma, err error) {
	if o.Standing() != broker.UndecidedState {
		return nil, nil //nolint:nilnil // most operations have none
	}
	err = s.withToken(ctx, s.config, func(token broker.Token) error {
		b, err := broker.New(s.options(s.config, s.store, token, nil))
		if err == nil {
			d, err = b.Dilemma(ctx, o)
		}
		return err
	})
	if err == nil || ctx.Err() != nil {
		return d, err
	}
	s.p.say("what it saw when it stopped is not shown, since the audit could not be held against the token's seal: %v", err)
	return broker.DilemmaOf(o, nil)
}

// waysOut are what a person does, and the commands that end it then.
func waysOut(d *broker.Dilemma) (out []fact) {
	if d == nil {
		return nil
	}
	if d.First != "" {
		out = append(out, fact{"first", d.First})
	}
	for i, command := range d.Do {
		out = append(out, fact{[]string{"do", "or do"}[min(i, 1)], command})
	}
	return out
}

// sightingRow is one thing that was seen where a person must choose.
type sightingRow struct {
	Target      string             `json:"target" table:"filled"`
	Seen        string             `json:"seen"`
	Why         string             `json:"why"`
	State       broker.RemoteState `json:"state" table:"filled"`
	HasMaterial string             `json:"has_material" table:"filled"`
	Effect      string             `json:"effect" table:"filled"`
	CreatedAt   time.Time          `json:"created_at" table:"filled"`
}

func sightingRows(d *broker.Dilemma) (rows []sightingRow) {
	if d == nil {
		return nil
	}
	for _, g := range d.Seen {
		row := sightingRow{Target: g.Target, Seen: g.Ref, Why: g.Why}
		if o := g.Observation; o != nil && o.Version.Key.ID != "" {
			row.State, row.HasMaterial, row.Effect, row.CreatedAt = o.State, fmt.Sprint(o.HasMaterial), o.Effect, o.CreatedAt
		}
		rows = append(rows, row)
	}
	return rows
}

// exampleID stands for an operation's id in help texts.
const exampleID = "20261124T093005-1f2e3d4c5b6a"
