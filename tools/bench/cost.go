package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
)

// cost is what a store, an audit and all checks add to the calls of an import.
func cost(ctx context.Context, b *bench) ([]result, error) {
	n := b.keys(200)
	var ratios []float64
	var parts string
	for range b.rounds {
		ours, bare, err := b.sameCalls(ctx, n)
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, ours.wall.Seconds()/bare.wall.Seconds())
		parts = fmt.Sprintf("%d AES keys on SoftHSM, in the last round %.2f s ÷ %.2f s; processor time of the two %.2f s and %.2f s", n, ours.wall.Seconds(), bare.wall.Seconds(), ours.cpu.Seconds(), bare.cpu.Seconds())
	}
	return []result{{figure: median(ratios), parts: parts}}, nil
}

// sameCalls runs both, each on a new token, since SoftHSM makes a key the slower the more it has; and refuses to compare what made other
// calls.
func (b *bench) sameCalls(ctx context.Context, n int) (ours, bare spent, err error) {
	bare, byBare, err := b.onItsOwn(ctx, func(s *site) (spent, error) {
		return s.bare(ctx, ask{Do: "import", Keys: n, Workers: 1, Spec: "aes-256"})
	})
	if err != nil {
		return ours, bare, err
	}
	ours, byOurs, err := b.onItsOwn(ctx, func(s *site) (spent, error) { return s.bring(ctx, n, 1, "aws") })
	if err != nil {
		return ours, bare, err
	}
	delete(byOurs, "GetCallerIdentity") // once a run, for the account that was enrolled
	if !maps.Equal(byBare, byOurs) {
		return ours, bare, fmt.Errorf("the bare program made the calls %v, keyferry %v", byBare, byOurs)
	}
	return ours, bare, nil
}

// onItsOwn runs something on a site of its own, and counts its calls.
func (b *bench) onItsOwn(ctx context.Context, run func(*site) (spent, error)) (took spent, calls map[string]int, err error) {
	err = b.onNew(ctx, wish{}, func(s *site) error {
		before, err := s.calls(ctx, 0)
		if err != nil {
			return err
		}
		if took, err = run(s); err != nil {
			return err
		}
		made, err := s.calls(ctx, before.last)
		calls = made.count
		return err
	})
	return took, calls, err
}

// onNew runs something on a new site.
func (b *bench) onNew(ctx context.Context, w wish, run func(*site) error) error {
	s, err := b.site(ctx, w)
	if err != nil {
		return err
	}
	defer s.close()
	return run(s)
}

// inside is how long the bare program was at its keys, in seconds.
func (s spent) inside() (float64, error) {
	var t struct{ Seconds float64 }
	if err := json.Unmarshal(s.stdout, &t); err != nil {
		return 0, fmt.Errorf("read the bare program's answer: %w", err)
	}
	return t.Seconds, nil
}
