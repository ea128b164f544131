package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
)

// headShown is the newest sealed head. Kept elsewhere, it shows later that the
// audit's tail was cut.
type headShown struct {
	Head      string    `json:"head"` // what audit verify --since takes
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"`
	Operation string    `json:"operation"`
	At        time.Time `json:"at"`
	Seal      []byte    `json:"seal"`
}

func (p *program) auditHead() *cli.Command {
	return p.command(leaf{
		name: "head", usage: "show the newest sealed head of the audit, to keep elsewhere",
		examples: []string{"keyferry audit head", "keyferry audit head --output json"},
		run: func(ctx context.Context, c *call) error {
			return c.reading(ctx, func(s *session) error {
				var newest *broker.Head
				for h, err := range s.store.Heads(ctx, 0) {
					if err != nil {
						return err
					}
					newest = &h
				}
				if newest == nil {
					return &broker.Error{
						Kind: broker.NotFound, Op: "find", Object: "a sealed head of the audit", Hint: "the first is made by keyferry token enrol",
					}
				}
				out := headShown{
					Head: headText(*newest), Seq: newest.Seq, Hash: newest.Hash, Operation: newest.Operation, At: newest.At, Seal: newest.Seal,
				}
				return c.print(answer{value: out, tables: []any{facts(out)}})
			})
		},
	})
}

func headText(h broker.Head) string { return fmt.Sprintf("%d:%s", h.Seq, h.Hash) }

// parseHead reads NUMBER:HASH as audit head prints it; nil for "".
func parseHead(text string) (*broker.Head, error) {
	if text == "" {
		return nil, nil //nolint:nilnil // no head was given, which is no error
	}
	number, hash, ok := strings.Cut(text, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || seq < 1 || strconv.FormatInt(seq, 10) != number || len(hash) != 64 || strings.Trim(hash, "0123456789abcdef") != "" {
		return nil, misuse("--since: %q is no head: write NUMBER:HASH as keyferry audit head prints it", text)
	}
	return &broker.Head{Seq: seq, Hash: hash}, nil
}
