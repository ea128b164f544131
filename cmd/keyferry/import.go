package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// importCommands is a subcommand for each provider.
func (p *program) importCommands() []*cli.Command {
	var out []*cli.Command
	for _, one := range p.providers {
		out = append(out, p.importInto(one))
	}
	return out
}

func (p *program) importInto(to provider) *cli.Command {
	return p.command(leaf{
		name: to.name, usage: "make version 1 of a key in the HSM and bring it to " + to.title, args: []string{"NAME"},
		about: "Interrupted, it goes on where it was when run again; finished already, it says so and ends with 0.\n" +
			"With another spec or policy than before it is a conflict and nothing happens.",
		examples: []string{
			"keyferry import " + to.name + " payments/db --policy payments",
			"keyferry import " + to.name + " signing/release --spec ec-p384 --target aws-test --tag team=release --reason 'first key'",
			"keyferry import " + to.name + " payments/web --policy payments --no-activate --output json",
			"keyferry import " + to.name + " payments/db --policy payments --dry-run",
		},
		flags: changeFlags(append(importFlags(), to.flags...)...),
		run: func(ctx context.Context, c *call) error {
			req, err := c.importRequest()
			if err != nil {
				return err
			}
			return c.working(ctx, func(s *session) error { return s.importKey(ctx, to, req) })
		},
	})
}

func importFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "policy", Usage: "the key's policy: `NAME`"},
		&cli.StringFlag{Name: "spec", Usage: "type and size, where the policy leaves it open: `SPEC`, like aes-256, hmac-256, rsa-3072, ec-p384"},
		&cli.StringFlag{Name: "purpose", Usage: "`PURPOSE` of the key: encrypt, mac, sign, decrypt, agree"},
		&cli.StringSliceFlag{Name: "target", Usage: "`NAME` of a target; may be repeated; the policy's if left out"},
		&cli.StringFlag{Name: "retain", Usage: "what happens to the token's copy after the last proof: `HOW`: token, sealed, none"},
		&cli.StringFlag{Name: "activate-at", Usage: "give it to consumers at a `TIME`, not at once"},
		&cli.BoolFlag{Name: "no-activate", Usage: "prove it, and do not give it to consumers"},
		&cli.StringFlag{Name: "owner", Usage: "who answers for the key: `TEXT`"},
		&cli.StringSliceFlag{Name: "tag", Usage: "`NAME=VALUE`; may be repeated"},
	}
}

// importRequest reads the flags; nothing was touched when one is wrong.
func (c *call) importRequest() (broker.ImportRequest, error) {
	req := broker.ImportRequest{
		Name: c.argument(), Policy: c.String("policy"), Targets: c.StringSlice("target"), Owner: c.String("owner"),
		NoActivate: c.Bool("no-activate"), Why: c.why(),
	}
	if err := broker.CheckKeyName(req.Name); err != nil {
		return req, err
	}
	var errs [6]error
	req.Spec, errs[0] = choice(c, "spec", broker.KeySpecs())
	req.Purpose, errs[1] = choice(c, "purpose", []broker.Purpose{broker.Encrypt, broker.MAC, broker.Sign, broker.Decrypt, broker.Agree})
	req.Retain, errs[2] = choice(c, "retain", []broker.Retain{broker.RetainToken, broker.RetainSealed, broker.RetainNone})
	req.ValidTo, errs[3] = c.when("valid-to")
	req.FromNow = c.fromNow("valid-to")
	req.ActivateAt, errs[4] = c.when("activate-at")
	req.Tags, errs[5] = c.pairs("tag")
	for _, err := range errs {
		if err != nil {
			return req, err
		}
	}
	if req.NoActivate && !req.ActivateAt.IsZero() {
		return req, misuse("--no-activate and --activate-at exclude each other")
	}
	return req, nil
}

func (s *session) importKey(ctx context.Context, to provider, req broker.ImportRequest) error {
	if err := s.onlyAt(to, req); err != nil {
		return err
	}
	intended, err := s.broker.PlanImport(ctx, req)
	if err != nil {
		return err
	}
	if s.Bool("dry-run") {
		return s.print(intendedAnswer(intended))
	}
	if !intended.Done {
		if err := s.confirm(ctx, "Import "+req.Name, intendedTargets(intended)...); err != nil {
			return err
		}
	}
	r, err := s.broker.Import(ctx, req)
	if err != nil {
		return err
	}
	return s.printResult(r)
}

// onlyAt refuses targets of another provider than the subcommand's.
func (s *session) onlyAt(to provider, req broker.ImportRequest) error {
	names := slices.Clone(req.Targets)
	for _, p := range s.config.Policies {
		if p.Name == req.Policy && len(names) == 0 {
			names = p.Targets
		}
	}
	for _, name := range names {
		if t, ok := s.config.Target(name); ok && t.Provider != to.name {
			return misuse("import %s: target %s belongs to provider %s", to.name, name, t.Provider)
		}
	}
	return nil
}

func intendedTargets(in broker.Intended) []string {
	var names []string
	for _, t := range in.Targets {
		names = append(names, t.Target)
	}
	return names
}

// intendedAnswer is what --dry-run says.
func intendedAnswer(in broker.Intended) answer {
	head := []fact{
		{"key", in.Key}, {"version", fmt.Sprint(in.Number)}, {"spec", string(in.Spec)}, {"purpose", string(in.Purpose)}, {"retain", string(in.Retain)},
	}
	if in.Resumes != "" {
		head = append(head, fact{"goes on with", "operation " + in.Resumes})
	}
	if in.Done {
		head = append(head, fact{"done", "before; there is nothing to do"})
	}
	return answer{value: in, tables: []any{head, in.Targets}}
}

// printResult of an operation: its placements, and how it ended.
func (s *session) printResult(r broker.Result) error {
	if r.AlreadyDone {
		s.p.say("operation %s was finished before; nothing was done now", r.Operation.Operation.ID)
	}
	return s.print(answer{value: r, tables: []any{placementRows(r.Key, s.p.now()), []operationRow{operationRowOf(r.Operation.Operation)}}})
}
