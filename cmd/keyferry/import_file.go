package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
)

func (p *program) importFile() *cli.Command {
	return p.command(leaf{
		name: "file", usage: "make version 1 of every key in a list and bring each to its targets", args: []string{"FILE"},
		about: "A list is YAML, or CSV where FILE ends in .csv. A row has name and, where they differ from policy and flags,\n" +
			"policy, spec, purpose, targets, retain, valid_to, object, owner and tags:\n\n" +
			"  keys:\n" +
			"    - {name: payments/db, policy: payments, tags: {cost: \"4711\"}}\n" +
			"    - {name: payments/log, policy: payments}\n\n" +
			"  name,policy,targets,tags\n" +
			"  payments/db,payments,aws pool,cost=4711 team=pay\n\n" +
			"A row that cannot be used, a key that fails, and a target that is slow or does not answer hold no others up.\n" +
			"Proofs that import again (AES and HMAC at AWS) come after the last import, because both take the same scarce\n" +
			"calls; until then such a key is begun, and consumers get nothing. Interrupted, it finishes what is under way\n" +
			"and says what is left. Run again, it does only what is missing; a row that says something else than before is\n" +
			"a conflict and changes nothing. It ends with 3 where some keys are not imported.",
		examples: []string{
			"keyferry import file ./keys.yaml --policy payments --dry-run",
			"keyferry import file ./keys.yaml --policy payments --reason 'change window'",
			"keyferry import file ./keys.csv --target aws-test --at-once 8 --output jsonl",
		},
		flags: changeFlags(
			&cli.StringFlag{Name: "policy", Usage: "of the rows that name none: `NAME`"},
			importTargetFlag(),
			&cli.BoolFlag{Name: "no-activate", Usage: "prove them, and do not give them to consumers"},
			&cli.IntFlag{Name: "at-once", Value: 8, Usage: "so many keys at a time at each target: `N`"},
		),
		run: func(ctx context.Context, c *call) error {
			list, err := c.listed()
			if err != nil {
				return err
			}
			return c.working(ctx, func(s *session) error { return s.importList(ctx, list) })
		},
	})
}

// listed reads the list; nothing was touched when it is none.
func (c *call) listed() (*keyList, error) {
	if n := c.Int("at-once"); n < 1 || n > 256 {
		return nil, misuse("--at-once: %d is not within 1 and 256", n)
	}
	path := c.argument()
	content, err := os.ReadFile(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, misuse("read list of keys %s: %w", path, errors.Unwrap(err))
	}
	rows, err := config.ParseKeys(path, content)
	if err != nil {
		return nil, err
	}
	return c.requests(rows), nil
}

// requests makes a request of each row that can be used.
func (c *call) requests(rows []config.KeyRow) *keyList {
	l := &keyList{
		rows: make([]importedRow, len(rows)), reqs: make([]broker.ImportRequest, 0, len(rows)), at: make([]int, 0, len(rows)),
		told: make([]bool, len(rows)),
	}
	for i, r := range rows {
		l.rows[i] = importedRow{Line: r.Line, Key: r.Name, State: rowLeft, Targets: []string{}}
		req, err := c.requestOf(r)
		if err != nil {
			l.rows[i].failed(err)
			continue
		}
		l.reqs, l.at = append(l.reqs, req), append(l.at, i)
	}
	return l
}

func (c *call) requestOf(r config.KeyRow) (broker.ImportRequest, error) {
	if r.Err != nil {
		return broker.ImportRequest{}, r.Err
	}
	end, err := c.timeIn("valid_to", r.ValidTo)
	req := broker.ImportRequest{
		Name: r.Name, Policy: r.Policy, Spec: r.Spec, Purpose: r.Purpose, Targets: r.Targets, Retain: r.Retain,
		ValidTo: end, FromNow: isSpan(r.ValidTo), Object: broker.MaterialID(r.Object), Owner: r.Owner, Tags: r.Tags,
		NoActivate: c.Bool("no-activate"), Why: c.why(),
	}
	if req.Policy == "" {
		req.Policy = c.String("policy")
	}
	if len(req.Targets) == 0 {
		req.Targets = c.StringSlice("target")
	}
	return req, err
}

func (s *session) importList(ctx context.Context, l *keyList) error {
	if s.Bool("dry-run") {
		return s.planList(ctx, l)
	}
	if err := s.confirm(ctx, fmt.Sprintf("Import %d keys", len(l.reqs)), s.targetsOf(l)...); err != nil {
		return err
	}
	if err := s.bringAll(ctx, l); err != nil {
		return err
	}
	return l.answer(s.call)
}

// A list of more than longList keys is most of what is in memory, and the collector lets
// the heap grow to twice that: to half again as much with longListGC, which takes some
// processor time.
const (
	longList   = 2000
	longListGC = 50 // percent
)

// bringAll imports the rows, and tells of each when it ends.
func (s *session) bringAll(ctx context.Context, l *keyList) error {
	if len(l.reqs) > longList && s.p.getenv("GOGC") == "" {
		defer debug.SetGCPercent(debug.SetGCPercent(longListGC))
	}
	watch := s.p.watch(len(l.reqs))
	defer watch.over()
	for o := range s.broker.ImportEach(ctx, l.reqs, s.Int("at-once")) {
		row := &l.rows[l.at[o.Index]]
		row.ended(o)
		watch.one(row)
		if s.String("output") != "jsonl" || row.State == rowBegun {
			continue
		}
		if err := l.tell(s.call, l.at[o.Index]); err != nil {
			return err
		}
	}
	return nil
}

// targetsOf are all that the list's keys go to.
func (s *session) targetsOf(l *keyList) []string {
	var all []string
	for _, req := range l.reqs {
		names := req.Targets
		for _, p := range s.config.Policies {
			if p.Name == req.Policy && len(names) == 0 {
				names = p.Targets
			}
		}
		all = append(all, names...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
