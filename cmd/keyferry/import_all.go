package main

import (
	"context"

	"github.com/urfave/cli/v2"
)

func (p *program) importAll() *cli.Command {
	return p.command(leaf{
		name: "all", usage: "make version 1 of a key in the HSM and bring it to every target of a policy", args: []string{"NAME"},
		about: "The same material goes to all of them, in two phases: it is imported and proven everywhere, and only then\n" +
			"given to consumers. A failure before that changes nothing that a consumer gets; the report names what stays\n" +
			"behind, and keyferry operation resume or abort go on from there.\n" + importAbout,
		examples: []string{
			"keyferry import all release/signing --policy everywhere",
			"keyferry import all release/signing --policy everywhere --no-activate --output json",
			"keyferry import all release/signing --policy everywhere --dry-run",
		},
		flags: changeFlags(append(importFlags(),
			validToFlag("when it ends at every target: `TIME` (2027-01-31, 2027-01-31T12:00:00Z or 90d); the policy's, or never, if left out"))...),
		run: func(ctx context.Context, c *call) error {
			req, err := c.importRequest()
			if err != nil {
				return err
			}
			if req.Policy == "" {
				return misuse("import all: --policy NAME is missing: its targets are where the key goes")
			}
			return c.working(ctx, func(s *session) error { return s.importKey(ctx, req) })
		},
	})
}
