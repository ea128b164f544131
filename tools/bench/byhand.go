package main

import (
	"context"
	"fmt"
	"path/filepath"
)

// byHand is one key by the tools that people have, and by one command.
func byHand(ctx context.Context, b *bench) ([]result, error) {
	s, err := b.site(ctx, wish{})
	if err != nil {
		return nil, err
	}
	defer s.close()
	script := filepath.Join(b.programs.root, "tools", "bench", "byhand.sh")
	env := append([]string{"AWS_CA_BUNDLE=" + filepath.Join(s.dir, "ca.pem")}, s.env...)
	var ratios []float64
	var parts string
	for i := range 2*b.rounds - 1 {
		hand, err := spend(ctx, s.dir, env, script, s.token.Module, s.token.PINFile, "bench", fmt.Sprintf("hand-%d", i), fmt.Sprintf("%04x", i+1), s.aws.TLSURL())
		if err != nil {
			return nil, err
		}
		ours, err := s.keyferry(ctx, "import", "aws", fmt.Sprintf("one-%d", i), "--spec", "aes-256", "--policy", "plain", "--target", "aws", "--reason", "bench")
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, hand.wall.Seconds()/ours.wall.Seconds())
		parts = fmt.Sprintf("in the last round %.2f s ÷ %.2f s; by hand without a proof", hand.wall.Seconds(), ours.wall.Seconds())
	}
	return []result{{figure: median(ratios), parts: parts}}, nil
}
