package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

func (p *program) orphanRemove() *cli.Command {
	return p.command(leaf{
		name: "remove", usage: "clean up one orphan that the inventory lists", args: []string{"REF"},
		about: "It looks again first, and refuses what is on record, what carries no mark of keyferry and what was not imported. A\n" +
			"mark names no store: one store serves an account, and with another one on it, what is listed here may be that one's.\n" +
			"So what is enabled is refused until --unused says that nobody uses it. A key, or with --version one version of it,\n" +
			"is scheduled for deletion after the target's waiting period, during which that can be cancelled there; a wrapping\n" +
			"key is disabled, and never while an operation at its target is running. With --token it is an object in the token,\n" +
			"which is destroyed at once and for good: refused as long as a target has a key of it that is not on its way out,\n" +
			"one that waits for its material again included, and while a target on record cannot be asked. Stopped midway, the\n" +
			"same command goes on. A reason is required.",
		examples: []string{
			"keyferry orphan remove " + exampleOrphan + " --target aws-test --unused --reason 'its answer was lost' --dry-run",
			"keyferry orphan remove " + exampleOrphan + " --target aws-test --unused --reason 'its answer was lost'",
			"keyferry orphan remove " + exampleObject + " --token --reason 'of a store that is gone'",
		},
		flags: changeFlags(
			&cli.StringFlag{Name: "target", Usage: "where it is: `NAME`"},
			&cli.StringFlag{Name: "version", Usage: "one version of the key alone: `ID`"},
			&cli.BoolFlag{Name: "token", Usage: "it is an object in the token"},
			&cli.BoolFlag{Name: "unused", Usage: "nobody uses it, of this store or another: needed where it is enabled"},
		),
		run: func(ctx context.Context, c *call) error {
			req := broker.OrphanRequest{Target: c.String("target"), Ref: c.argument(), Version: c.String("version"), Unused: c.Bool("unused"), Why: c.why()}
			switch {
			case (req.Target == "") != c.Bool("token"):
				return misuse("remove orphan %s: say where it is, --target NAME or --token", req.Ref)
			case c.Bool("token") && req.Version != "":
				return misuse("--version says nothing about --token")
			case c.Bool("token") && req.Unused:
				return misuse("--unused says nothing about --token: the targets are asked")
			case req.Reason == "":
				return misuse("remove orphan %s: a reason is required: --reason TEXT", req.Ref)
			}
			return c.working(ctx, func(s *session) error { return s.removeOrphan(ctx, req) })
		},
	})
}

// Examples of what the inventory lists.
const (
	exampleOrphan = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
	exampleObject = "kf-0a1b2c3d4e5f60718293a4b5c6d7e8f9-1"
)

func (s *session) removeOrphan(ctx context.Context, req broker.OrphanRequest) error {
	planned, err := s.broker.PlanRemoveOrphan(ctx, req)
	if err != nil {
		return err
	}
	if s.Bool("dry-run") {
		s.p.say("a dry run: nothing was removed")
		return s.printRemoval(planned)
	}
	var at []string
	if req.Target != "" {
		at = []string{req.Target}
	}
	if err := s.confirm(ctx, s.whatGoes(req, planned), at...); err != nil {
		return err
	}
	done, err := s.broker.RemoveOrphan(ctx, req)
	if err != nil {
		return err
	}
	return s.printRemoval(done)
}

// whatGoes is what a person is asked about.
func (s *session) whatGoes(req broker.OrphanRequest, planned broker.OrphanRemoval) string {
	if req.Target == "" {
		what := "Destroy " + req.Ref + " in token " + s.config.Token.Name
		if len(planned.Asked) > 0 {
			what += " for good (nothing that needs it is at " + strings.Join(planned.Asked, ", ") + ")"
		}
		return what
	}
	o := planned.Orphan.Observation
	what := strings.TrimSuffix("Remove "+req.Ref+" "+req.Version, " ") + " at target " + req.Target
	if planned.Already || planned.Orphan.WrappingKey != "" {
		return what
	}
	return fmt.Sprintf("%s (%s, origin %s, key id %s; where another store serves this account, it may be that one's)", what, o.State, o.Origin, o.KeyID)
}

func (s *session) printRemoval(r broker.OrphanRemoval) error {
	if r.Already {
		s.p.say("it was removed already")
	}
	head := facts(orphanRowOf(r.Orphan))
	if at := r.Orphan.Observation.DeletionAt; !at.IsZero() {
		head = append(head, fact{"deletion_at", at.UTC().Format("2006-01-02T15:04:05Z")})
	}
	if len(r.Asked) > 0 {
		head = append(head, fact{"asked", strings.Join(r.Asked, ", ")})
	}
	return s.print(answer{value: r, tables: []any{head}})
}
