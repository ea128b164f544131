package main

import (
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// importCommands is a subcommand for each provider, one for all of a policy's targets,
// and one for a list of keys.
func (p *program) importCommands() []*cli.Command {
	var out []*cli.Command
	for _, one := range p.providers {
		out = append(out, p.importInto(one))
	}
	return append(out, p.importAll(), p.importFile())
}

// importAbout is said of every import.
const importAbout = "Interrupted, it goes on where it was when run again; finished already, it says so and ends with 0.\n" +
	"With another spec or policy than before it is a conflict and nothing happens.\n" +
	"With --object it makes nothing in the HSM, and brings a key that lives there already. Its provenance is then\n" +
	"adopted: its birth was not ours to see, so nobody here can say that no copy of it is elsewhere, and all\n" +
	"evidence says that. It must be sensitive and extractable, and able to do what its proof needs."

func (p *program) importInto(to provider) *cli.Command {
	return p.command(leaf{
		name: to.name, usage: "make version 1 of a key in the HSM and bring it to " + to.title, args: []string{"NAME"},
		about:    importAbout,
		examples: importExamples(to),
		flags:    changeFlags(slices.Concat(importFlags(), []cli.Flag{importTargetFlag()}, to.flags)...),
		run: func(ctx context.Context, c *call) error {
			req, err := c.importRequest()
			if err != nil {
				return err
			}
			return c.working(ctx, func(s *session) error {
				if err := s.onlyAt(to, req); err != nil {
					return err
				}
				return s.importKey(ctx, req)
			})
		},
	})
}

func importExamples(to provider) []string {
	line := "keyferry import " + to.name + " " + to.name
	return []string{
		line + "/payments --policy " + to.name + "-keys",
		line + "/release --spec ec-p384 --target " + to.name + "-test --tag team=release --reason 'first key'",
		line + "/web --policy " + to.name + "-keys --no-activate --output json",
		line + "/old --policy " + to.name + "-keys --object their-key",
		line + "/payments --policy " + to.name + "-keys --dry-run",
	}
}

// importFlags are on every import.
func importFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "policy", Usage: "the key's policy: `NAME`"},
		&cli.StringFlag{Name: "spec", Usage: "type and size, where the policy leaves it open: `SPEC`, like aes-256, hmac-256, rsa-3072, ec-p384"},
		&cli.StringFlag{Name: "purpose", Usage: "`PURPOSE` of the key: encrypt, raw-encrypt, mac, sign, decrypt, agree"},
		&cli.StringFlag{Name: "object", Usage: "bring the key with this CKA_ID, which lives in the token already: `ID` as keyferry token show --objects has it"},
		&cli.StringFlag{Name: "retain", Usage: "what happens to the token's copy after the last proof: `HOW`: token, wrapped, sealed, none"},
		&cli.StringFlag{Name: "activate-at", Usage: "prove it, and give it to consumers at a `TIME`, by keyferry activate: nothing does so by itself"},
		&cli.BoolFlag{Name: "no-activate", Usage: "prove it, and do not give it to consumers"},
		&cli.StringFlag{Name: "owner", Usage: "who answers for the key: `TEXT`"},
		&cli.StringSliceFlag{Name: "tag", Usage: "`NAME=VALUE`; may be repeated"},
	}
}

func importTargetFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "target", Usage: "`NAME` of a target; may be repeated; the policy's if left out"}
}

// importRequest reads the flags; nothing was touched when one is wrong.
func (c *call) importRequest() (broker.ImportRequest, error) {
	req := broker.ImportRequest{
		Name: c.argument(), Policy: c.String("policy"), Targets: c.StringSlice("target"), Owner: c.String("owner"),
		NoActivate: c.Bool("no-activate"), Object: broker.MaterialID(c.String("object")), Why: c.why(),
	}
	if err := broker.CheckKeyName(req.Name); err != nil {
		return req, err
	}
	var errs [6]error
	req.Spec, errs[0] = choice(c, "spec", broker.KeySpecs())
	req.Purpose, errs[1] = choice(c, "purpose", []broker.Purpose{broker.Encrypt, broker.RawEncrypt, broker.MAC, broker.Sign, broker.Decrypt, broker.Agree})
	req.Retain, errs[2] = choice(c, "retain", broker.Retains())
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

func (s *session) importKey(ctx context.Context, req broker.ImportRequest) error {
	intended, err := s.broker.PlanImport(ctx, req)
	if err != nil {
		return err
	}
	if s.Bool("dry-run") {
		return s.planKey(ctx, intended)
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
	s.sayWhoActivates(r)
	return s.printResult(r)
}

// sayWhoActivates: nothing runs at the planned time by itself.
func (s *session) sayWhoActivates(r broker.Result) {
	at := r.Operation.Operation.Params.ActivateAt
	if at.After(s.p.now()) {
		s.p.say("nobody gives it to consumers by itself: at %s, run keyferry activate %s", at.UTC().Format(time.RFC3339), r.Key.Key.Name)
	}
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
			return misuse("import %s: target %s belongs to provider %s; keyferry import all brings a key to every target of a policy", to.name, name, t.Provider)
		}
	}
	return nil
}
