package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// errDeclined is a person's no.
var errDeclined = errors.New("not done: you did not say yes")

// confirm asks a person before anything in production is changed, naming what,
// where and whose. Without a terminal it takes --yes.
func (s *session) confirm(ctx context.Context, what string, targets ...string) error {
	if !s.inProduction(targets) || s.Bool("yes") {
		return nil
	}
	where := s.places(targets)
	if !s.p.interactive {
		return &broker.Error{
			Kind: broker.Misuse, Op: what, Cause: fmt.Errorf("this changes production: %s", where),
			Hint: "give --yes, or run it at a terminal, where it asks",
		}
	}
	fmt.Fprintf(s.p.stderr, "%s: this changes production: %s.\nGo on? [y/N] ", what, where)
	answer, err := waitFor(ctx, func() (string, error) { return bufio.NewReader(s.p.stdin).ReadString('\n') })
	if err != nil && answer == "" {
		return fmt.Errorf("ask: %w", err)
	}
	if !slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer))) {
		return &verdict{exitFailed, errDeclined}
	}
	return nil
}

func (s *session) inProduction(targets []string) bool {
	if s.config.Token.Environment == broker.Production {
		return true
	}
	return slices.ContainsFunc(targets, func(name string) bool {
		t, ok := s.config.Target(name)
		return ok && t.Environment == broker.Production
	})
}

// places is environment, account and place of each target, or the environment of the token.
func (s *session) places(targets []string) string {
	var parts []string
	for _, name := range targets {
		if t, ok := s.config.Target(name); ok {
			parts = append(parts, fmt.Sprintf("environment %s, %s, %s (target %s)", t.Environment, whose(t), placeOf(t), name))
		}
	}
	if len(parts) == 0 {
		return fmt.Sprintf("environment %s (token %s)", s.config.Token.Environment, s.config.Token.Name)
	}
	return strings.Join(parts, "; ")
}
