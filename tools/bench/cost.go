package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
)

// cost is what a store, an audit and all checks add to the calls of an import.
func cost(ctx context.Context, b *bench) ([]result, error) {
	s, err := b.site(ctx, wish{})
	if err != nil {
		return nil, err
	}
	defer s.close()
	n := b.keys(200)
	var ratios []float64
	var parts string
	for range b.rounds {
		ours, bare, err := s.sameCalls(ctx, n)
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, ours.wall.Seconds()/bare.wall.Seconds())
		parts = fmt.Sprintf("%d AES keys on SoftHSM, in the last round %.2f s ÷ %.2f s; processor time of the two %.2f s and %.2f s", n, ours.wall.Seconds(), bare.wall.Seconds(), ours.cpu.Seconds(), bare.cpu.Seconds())
	}
	return []result{{figure: median(ratios), parts: parts}}, nil
}

// sameCalls runs both, and refuses to compare what made other calls.
func (s *site) sameCalls(ctx context.Context, n int) (ours, bare spent, err error) {
	log, err := s.calls(ctx, 0)
	if err != nil {
		return ours, bare, err
	}
	if bare, err = s.bare(ctx, ask{Do: "import", Keys: n, Workers: 1, Spec: "aes-256"}); err != nil {
		return ours, bare, err
	}
	byBare, err := s.calls(ctx, log.last)
	if err != nil {
		return ours, bare, err
	}
	if ours, err = s.bring(ctx, n, 1, "aws"); err != nil {
		return ours, bare, err
	}
	byOurs, err := s.calls(ctx, byBare.last)
	if err != nil {
		return ours, bare, err
	}
	delete(byOurs.count, "GetCallerIdentity") // once a run, for the account that was enrolled
	if !maps.Equal(byBare.count, byOurs.count) {
		return ours, bare, fmt.Errorf("the bare program made the calls %v, keyferry %v", byBare.count, byOurs.count)
	}
	return ours, bare, nil
}

// inside is how long the bare program was at its keys, in seconds.
func (s spent) inside() (float64, error) {
	var t struct{ Seconds float64 }
	if err := json.Unmarshal(s.stdout, &t); err != nil {
		return 0, fmt.Errorf("read the bare program's answer: %w", err)
	}
	return t.Seconds, nil
}
