package main

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

// targetShown is a target with what is on record of it.
type targetShown struct {
	Target       config.Target            `json:"target"`
	Account      string                   `json:"account"`
	Place        string                   `json:"place"`
	Enrolled     string                   `json:"enrolled"` // yes, no, or what differs from the config
	Enrolment    *broker.Enrolment        `json:"enrolment,omitempty"`
	WrappingKeys []broker.KeptWrappingKey `json:"wrapping_keys"` // that are kept between imports
	Quotas       []broker.Quota           `json:"quotas"`        // in force, of its account and place
}

// quotaRow is one in a table.
type quotaRow struct {
	Name      string   `json:"quota"`
	PerSecond float64  `json:"per_second"`
	Burst     int      `json:"burst"`
	From      string   `json:"from"`
	Calls     []string `json:"calls"`
}

// wrappingKeyRow is one that is kept, in a table.
type wrappingKeyRow struct {
	Ref         string    `json:"wrapping_key"`
	Operation   string    `json:"made_by"`
	MadeAt      time.Time `json:"made_at"`
	ExpiresAt   time.Time `json:"expires_at,omitzero"`
	Ended       string    `json:"ended" table:"filled"`
	Fingerprint string    `json:"fingerprint"`
}

func (p *program) targetShow() *cli.Command {
	return p.command(leaf{
		name: "show", usage: "show a target: its config, its enrolment, the wrapping keys that are kept for it, and its quotas", args: []string{"NAME"},
		about: "Where wrapping keys are made by us and kept, each is shown with the operation that had it made. Only those are\n" +
			"ever used: whoever may create keys at the target could plant one. Records are held against the token's seal;\n" +
			"the target is not asked. Quotas are of its account and place, and shared by all targets there: calls wait for\n" +
			"them. quotas in the target's config has other figures than the provider's usual ones.",
		examples: []string{"keyferry target show aws-test", "keyferry target show azure-test --output json"},
		run: func(ctx context.Context, c *call) error {
			return c.working(ctx, func(s *session) error { return s.showTarget(ctx, c.argument()) })
		},
	})
}

func (s *session) showTarget(ctx context.Context, name string) error {
	t, ok := s.config.Target(name)
	if !ok {
		return noTarget(s.config, name)
	}
	s.sayOlder(ctx)
	enrolled, err := s.store.Enrolments(ctx)
	if err != nil {
		return err
	}
	out := targetShown{Target: t, Account: accountOf(t), Place: placeOf(t), Enrolled: "no", WrappingKeys: []broker.KeptWrappingKey{}}
	for _, e := range enrolled {
		if e.Kind == broker.EnrolTarget && e.Name == t.Name {
			out.Enrolled, out.Enrolment = matches(e, t), &e
		}
	}
	kept, err := s.broker.TargetWrappingKeys(ctx, name)
	if err != nil {
		return err
	}
	out.WrappingKeys = append(out.WrappingKeys, kept...)
	if out.Quotas, err = s.broker.TargetQuotas(name); err != nil {
		return err
	}
	return s.print(answer{value: out, tables: out.tables()})
}

func (t targetShown) tables() []any {
	head := append(facts(t.Target), fact{"enrolled", t.Enrolled})
	if t.Enrolment != nil {
		head = append(head, fact{"enrolled at", t.Enrolment.At.UTC().Format(time.RFC3339)})
		for _, finding := range slices.Sorted(maps.Keys(t.Enrolment.Findings)) {
			head = append(head, fact{finding, t.Enrolment.Findings[finding]})
		}
	}
	var kept []wrappingKeyRow
	for _, k := range t.WrappingKeys {
		kept = append(kept, wrappingKeyRow{
			Ref: k.Ref, Operation: k.Operation, MadeAt: k.MadeAt, ExpiresAt: k.ExpiresAt, Ended: k.Ended, Fingerprint: k.Fingerprint,
		})
	}
	return []any{head, kept, quotaRows(t.Quotas)}
}

func quotaRows(quotas []broker.Quota) []quotaRow {
	var rows []quotaRow
	for _, q := range quotas {
		from := "provider"
		if q.Config {
			from = "config"
		}
		rows = append(rows, quotaRow{Name: q.Name, PerSecond: q.PerSecond, Burst: q.Burst, From: from, Calls: q.Calls})
	}
	return rows
}
