package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// checkRow is the outcome of one check.
type checkRow struct {
	Key     string             `json:"key"`
	Version int                `json:"version"`
	Target  string             `json:"target"`
	OK      bool               `json:"ok"`
	Level   broker.ProofLevel  `json:"level"`
	State   broker.RemoteState `json:"state"`
	At      time.Time          `json:"at"`
	Detail  string             `json:"detail"`
	// Provider and Place of the target, as the config has it now.
	Provider string `json:"provider"`
	Place    string `json:"place"`
}

func (p *program) verify() *cli.Command {
	return p.command(leaf{
		name: "verify", usage: "prove again that a provider holds the token's material", args: []string{"[NAME]"},
		about: "Read-only at the providers; the outcome goes to the inventory and the audit. Without --target a key is\n" +
			"checked wherever it is, in every cloud: level, time and result, or why the proof cannot be repeated.\n" +
			"Ends with 1 where nothing holds, with 3 where something does not.",
		examples: []string{"keyferry verify payments/db", "keyferry verify --all --output json", "keyferry verify payments/db --target aws-test --dry-run"},
		flags: []cli.Flag{
			&cli.BoolFlag{Name: "all", Usage: "every key"},
			targetFlag("only at this target: `NAME`"),
			&cli.BoolFlag{Name: "dry-run", Usage: "show what would be verified, and ask nobody"},
		},
		run: func(ctx context.Context, c *call) error {
			if (c.argument() == "") != c.Bool("all") {
				return misuse("verify: give the NAME of a key or --all, one of them")
			}
			if c.Bool("dry-run") {
				return c.reading(ctx, func(s *session) error { return s.planVerify(ctx) })
			}
			return c.working(ctx, func(s *session) error { return s.verifyKeys(ctx) })
		},
	})
}

// toVerify is the keys that were asked for.
func (s *session) toVerify(ctx context.Context) ([]broker.KeyView, error) {
	if name := s.argument(); name != "" {
		k, err := s.store.Key(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("verify key %s: %w", name, err)
		}
		return []broker.KeyView{k}, nil
	}
	var keys []broker.KeyView
	for k, err := range s.store.Keys(ctx, broker.KeyFilter{Target: s.String("target")}) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func (s *session) planVerify(ctx context.Context) error {
	keys, err := s.toVerify(ctx)
	if err != nil {
		return err
	}
	rows := []placementRow{}
	for _, k := range keys {
		for _, r := range s.placementRows(k) {
			if target := s.String("target"); target == "" || target == r.Target {
				rows = append(rows, r)
			}
		}
	}
	return s.print(answer{value: rows})
}

func (s *session) verifyKeys(ctx context.Context) error {
	keys, err := s.toVerify(ctx)
	if err != nil {
		return err
	}
	checks := []broker.Check{}
	var failed error
	for _, k := range keys {
		more, err := s.broker.Verify(ctx, broker.VerifyRequest{Name: k.Key.Name, Target: s.String("target")})
		checks = append(checks, more...)
		if s.Bool("all") && errors.Is(err, broker.NotFound) {
			continue // it has no placement there
		}
		if s.Bool("all") && errors.Is(err, broker.Conflict) {
			failed = errors.Join(failed, err) // somebody is at work on it: the others are verified all the same
			continue
		}
		if err != nil {
			failed = err
			break
		}
	}
	if err := s.print(answer{value: checks, tables: []any{s.checkRows(checks)}}); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return judge(checks)
}

func (s *session) checkRows(checks []broker.Check) []checkRow {
	var rows []checkRow
	for _, c := range checks {
		t, _ := s.config.Target(c.Target)
		rows = append(rows, checkRow{
			Key: c.Key, Version: c.Number, Target: c.Target, OK: c.OK, Level: c.Level, State: c.State, At: c.At, Detail: c.Detail,
			Provider: t.Provider, Place: placeOf(t),
		})
	}
	return rows
}

// judge is nil when everything holds.
func judge(checks []broker.Check) error {
	bad := 0
	for _, c := range checks {
		if !c.OK {
			bad++
		}
	}
	if bad == 0 {
		return nil
	}
	code := exitPartly
	if bad == len(checks) {
		code = exitFailed
	}
	return &verdict{code, &broker.Error{
		Kind: broker.Rejected, Op: "verify", Cause: fmt.Errorf("%d of %d checks do not hold", bad, len(checks)),
		Hint: "the detail of each says what differs; keyferry audit list --key NAME has the evidence",
	}}
}
