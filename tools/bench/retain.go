package main

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/awsemu"
)

// retainWrapped is what it saves that a key is kept under a key of the token, and not as an object in it: the token's own part, in
// one session, and whole lists.
func retainWrapped(ctx context.Context, b *bench) ([]result, error) {
	var results []result
	for _, kind := range softtoken.Kinds() {
		if kind.Skipped() {
			continue
		}
		r, err := b.keptOn(ctx, kind)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	whole, err := b.keptLists(ctx)
	return append(results, whole), err
}

// keptOn is the token's part alone.
func (b *bench) keptOn(ctx context.Context, kind softtoken.Kind) (result, error) {
	s, err := b.site(ctx, wish{kind: kind})
	if err != nil {
		return result{}, err
	}
	defer s.close()
	n := b.keys(500)
	var ratios []float64
	var parts string
	for range b.rounds {
		stored, err := s.rate(ctx, "token", n, 1)
		if err != nil {
			return result{}, err
		}
		kept, err := s.rate(ctx, "kept", n, 1)
		if err != nil {
			return result{}, err
		}
		ratios = append(ratios, kept/stored)
		parts = fmt.Sprintf("%d AES keys, in the last round %.1f a second ÷ %.1f", n, kept, stored)
	}
	r := result{of: "the token's part, " + string(kind), figure: median(ratios), parts: parts}
	if kind != softtoken.SoftHSM {
		r.must = &bound{} // reported
	}
	return r, nil
}

// keptLists are whole lists on SoftHSM, of both kinds.
func (b *bench) keptLists(ctx context.Context) (result, error) {
	n := b.keys(300)
	var sites [2]*site
	for i, retain := range []string{"wrapped", "token"} {
		s, err := b.site(ctx, wish{retain: retain})
		if err != nil {
			return result{}, err
		}
		defer s.close()
		if err := s.aws.Admin().Configure(ctx, awsemu.Change{Settings: &awsemu.Settings{FormOnly: true}}); err != nil {
			return result{}, fmt.Errorf("let the emulator look at form alone: %w", err)
		}
		sites[i] = s
	}
	var ratios []float64
	var parts string
	for range b.rounds {
		kept, _, err := sites[0].timed(ctx, n)
		if err != nil {
			return result{}, err
		}
		stored, _, err := sites[1].timed(ctx, n)
		if err != nil {
			return result{}, err
		}
		ratios = append(ratios, stored.Seconds()/kept.Seconds())
		parts = fmt.Sprintf("%d AES keys to an AWS emulator that looks at the form of what it gets, in the last round %.1f a second ÷ %.1f",
			n, float64(n)/kept.Seconds(), float64(n)/stored.Seconds())
	}
	if err := sites[0].keeps(ctx, b.rounds*n); err != nil {
		return result{}, err
	}
	return result{of: "whole lists, SoftHSM", figure: median(ratios), parts: parts, must: &bound{least: 3}}, nil
}

// memory of a list that is ten times as long. The token is in another process: a software token's own memory would be in both.
func memory(ctx context.Context, b *bench) ([]result, error) {
	s, err := b.site(ctx, wish{apart: true})
	if err != nil {
		return nil, err
	}
	defer s.close()
	var resident [2]float64
	n := b.keys(1000)
	for i, keys := range []int{n, 10 * n} {
		path, err := s.list(keys, "aws")
		if err != nil {
			return nil, err
		}
		resident[i], err = b.programs.resident(ctx, s.dir, s.env, append([]string{b.programs.keyferry}, importing(path, workers)...)...)
		if err != nil {
			return nil, err
		}
	}
	parts := fmt.Sprintf("one round; %d HMAC keys, %.1f MiB ÷ %d, %.1f MiB; SoftHSM in another process", 10*n, resident[1], n, resident[0])
	return []result{
		{figure: resident[1] / resident[0], parts: parts},
		{of: "MiB resident", figure: resident[1], must: &bound{most: 64}, parts: parts},
	}, nil
}
