package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// tokenShown is the token as it is found.
type tokenShown struct {
	Name    string                  `json:"name"`
	Info    broker.TokenInfo        `json:"info"`
	Keepers []broker.KeeperStanding `json:"keepers"`
	Plans   []broker.Plan           `json:"plans"`
	Objects []broker.Object         `json:"objects,omitempty"`
}

// planRow is a plan in a table.
type planRow struct {
	Spec       broker.KeySpec   `json:"spec"`
	Mechanism  broker.Mechanism `json:"mechanism"`
	Way        broker.Way       `json:"way"`
	AESNumber  string           `json:"aes_number" table:"-"` // as PKCS#11 writes it
	Works      bool             `json:"works"`
	Conforming bool             `json:"conforming"`
	Reason     string           `json:"reason"`
}

func planRows(plans []broker.Plan) []planRow {
	var rows []planRow
	for _, p := range plans {
		row := planRow{Spec: p.Spec, Mechanism: p.Mechanism, Way: p.Way, Works: p.Works, Conforming: p.Conforming, Reason: p.Reason}
		if p.AESNumber != 0 {
			row.AESNumber = fmt.Sprintf("0x%04X", p.AESNumber)
		}
		rows = append(rows, row)
	}
	return rows
}

// objectRow is an object of the token in a table.
type objectRow struct {
	ID          broker.MaterialID `json:"id"`
	Class       string            `json:"class"`
	Label       string            `json:"label"`
	Spec        broker.KeySpec    `json:"spec"`
	Sensitive   string            `json:"sensitive"`
	Extractable string            `json:"extractable"`
	Local       string            `json:"local"`
	ForTrusted  string            `json:"wrap_with_trusted"`
	Trusted     string            `json:"trusted"` // the security officer marked it
}

func (p *program) tokenShow() *cli.Command {
	return p.command(leaf{
		name: "show", usage: "show the token and what probing it found",
		about: "A plan that pads or shortens material works, but is not conforming: it is refused unless a policy allows it.\n" +
			"Of each keeper key (of retain: wrapped) it says how many wrapped records nothing else opens, and whether the token\n" +
			"still has it. Where it has not, or not as it was made, fault says what that means and what to do.",
		examples: []string{"keyferry token show", "keyferry token show --objects --output json"},
		flags:    []cli.Flag{&cli.BoolFlag{Name: "objects", Usage: "also list what is in the token, with attributes and without values"}},
		run: func(ctx context.Context, c *call) error {
			return c.working(ctx, func(s *session) error { return s.showToken(ctx) })
		},
	})
}

func (s *session) showToken(ctx context.Context) (err error) {
	s.sayOlder(ctx)
	out := tokenShown{Name: s.config.Token.Name, Objects: []broker.Object{}}
	if out.Info, err = s.token.Info(ctx); err != nil {
		return err
	}
	if out.Plans, err = s.token.Plans(ctx); err != nil {
		return err
	}
	keepers, unread := s.broker.KeeperStandings(ctx)
	out.Keepers = append([]broker.KeeperStanding{}, keepers...)
	tables := []any{facts(out.Info), keeperStandingRows(out.Keepers), planRows(out.Plans)}
	if s.Bool("objects") {
		for o, err := range s.token.Objects(ctx, broker.ObjectQuery{}) {
			if err != nil {
				return err
			}
			out.Objects = append(out.Objects, o)
		}
		tables = append(tables, objectRows(out.Objects))
	}
	if err := s.print(answer{value: out, tables: tables}); err != nil {
		return err
	}
	return unread // what is on record is not to be believed; the token itself was shown
}

func objectRows(objects []broker.Object) []objectRow {
	var rows []objectRow
	for _, o := range objects {
		rows = append(rows, objectRow{
			ID: o.ID, Class: o.Class, Label: o.Label, Spec: o.Spec,
			Sensitive: known(o.Attributes.Sensitive), Extractable: known(o.Attributes.Extractable), Local: known(o.Attributes.Local),
			ForTrusted: known(o.Attributes.WrapWithTrusted), Trusted: known(o.Attributes.Trusted),
		})
	}
	return rows
}

// known is an attribute that the token may not have answered.
func known(b *bool) string {
	switch {
	case b == nil:
		return ""
	case *b:
		return "yes"
	default:
		return "no"
	}
}
