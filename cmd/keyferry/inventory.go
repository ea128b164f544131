package main

import (
	"context"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// orphanRow is what no record names at a target: a key, or one version of a key.
type orphanRow struct {
	Target      string             `json:"target"`
	What        string             `json:"what"`
	KeyRef      string             `json:"key_ref"`
	Version     string             `json:"version"`
	Name        string             `json:"name"`
	State       broker.RemoteState `json:"state"`
	HasMaterial bool               `json:"has_material"`
	Origin      broker.Origin      `json:"origin"`
	KeyID       string             `json:"key_id"`
	CreatedAt   time.Time          `json:"created_at"`
	Effect      string             `json:"effect"`
	Do          string             `json:"do"`
}

func (p *program) inventory() *cli.Command {
	return p.command(leaf{
		name: "inventory", usage: "list every key version at every target",
		about: "What was seen, and when; what was expected; and the difference. It asks nobody: keyferry verify does.\n" +
			"With --orphans it asks the targets for keys that carry keyferry's mark and that no record names, for such\n" +
			"versions of keys on record, and for wrapping keys that no operation had made; and the token, where no --target is\n" +
			"named, for objects that no version has. It says of each how it is removed; nothing is that was not asked for.\n" +
			"A mark names no store: what another store on the same account has there is listed like what nobody has.",
		examples: []string{
			"keyferry inventory",
			"keyferry inventory --expiring 90d --output csv",
			"keyferry inventory --target aws-test --owner 'payments team' --state active",
			"keyferry inventory --orphans --output json",
		},
		flags: append(filterFlags(), &cli.BoolFlag{Name: "orphans", Usage: "list what no record names instead"}),
		run: func(ctx context.Context, c *call) error {
			if c.Bool("orphans") {
				if err := c.without("orphans", "owner", "tag", "state", "expiring"); err != nil {
					return err
				}
				return c.working(ctx, func(s *session) error { return s.orphans(ctx) })
			}
			return c.reading(ctx, func(s *session) error { return s.listPlacements(ctx) })
		},
	})
}

func (s *session) listPlacements(ctx context.Context) error {
	filter, err := s.filter()
	if err != nil {
		return err
	}
	aborting, err := s.aborting(ctx, "")
	if err != nil {
		return err
	}
	rows := []placementRow{}
	err = s.eachKey(ctx, func(k broker.KeyView) error {
		at, err := s.plannedActivation(ctx, k)
		for _, r := range aborting.rows(s.placementRows(k)) {
			if fits(r, filter) {
				rows = append(rows, r.planned(at, s.p.now()))
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return s.print(answer{value: rows})
}

// plannedActivation of a key whose version consumers do not get yet; zero where
// none is planned.
func (s *session) plannedActivation(ctx context.Context, k broker.KeyView) (time.Time, error) {
	if !slices.ContainsFunc(k.Versions, func(v broker.KeyVersion) bool { return v.State == broker.PreActivation }) {
		return time.Time{}, nil
	}
	for o, err := range s.store.Operations(ctx, broker.OperationFilter{KeyName: k.Key.Name}) {
		if err != nil {
			return time.Time{}, err
		}
		if o.Operation.Kind == broker.OpImport {
			return o.Operation.Params.ActivateAt, nil
		}
	}
	return time.Time{}, nil
}

// fits: a filter selects keys by any of their placements; the inventory shows the
// placements that it means.
func fits(r placementRow, f broker.KeyFilter) bool {
	return (f.Target == "" || r.Target == f.Target) && (f.State == "" || r.State == f.State) &&
		(f.ValidToBefore.IsZero() || !r.ValidTo.IsZero() && r.ValidTo.Before(f.ValidToBefore))
}

func (s *session) orphans(ctx context.Context) error {
	s.sayOlder(ctx)
	var names []string
	if t := s.String("target"); t != "" {
		names = []string{t}
	}
	found, err := s.broker.Orphans(ctx, names)
	if err != nil {
		return err
	}
	if names == nil {
		stray, err := s.broker.StrayObjects(ctx)
		if err != nil {
			return err
		}
		found = append(found, stray...)
	}
	rows, told := []orphanRow{}, map[string]bool{}
	for _, o := range found {
		rows = append(rows, orphanRowOf(o))
		if o.WrappingKey != "" && !told[o.Target] {
			told[o.Target] = true
			s.p.say("at target %s there is a wrapping key that no operation on record had made: it is never used; "+
				"keyferry target show %s lists those that are ours", o.Target, o.Target)
		}
	}
	return s.print(answer{value: found, tables: []any{rows}})
}

func orphanRowOf(o broker.Orphan) orphanRow {
	row := orphanRow{
		Target: o.Target, What: "key", KeyRef: o.Key.ID, Version: o.Version, Name: o.Name, State: o.State, HasMaterial: o.HasMaterial,
		Origin: o.Observation.Origin, KeyID: o.Observation.KeyID, CreatedAt: o.Observation.CreatedAt, Effect: o.Effect, Do: o.Do,
	}
	switch {
	case o.Material != "":
		row.What, row.KeyRef = "token object", string(o.Material)
		row.KeyID, _, _ = o.Material.Parse()
	case o.WrappingKey != "":
		row.What = "wrapping key"
	case o.Version != "":
		row.What = "version"
	}
	return row
}
