package main

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/localstack/awsemu"
)

// faster is how much faster the clock of the quotas goes than AWS's.
const faster = 20

// parameters is the call whose quota is the pace of a list.
const parameters = "GetParametersForImport"

// documented are the quotas of what an import calls, in calls a second and region (AWS KMS Developer Guide, Request quotas, 2026).
func documented() map[string]float64 {
	return map[string]float64{
		parameters: 1, "CreateKey": 5, "ImportKeyMaterial": 15, "CreateAlias": 5, "ListAliases": 500, "GetKeyPolicy": 1000,
		"DescribeKey": 2000, "ListResourceTags": 2000,
	}
}

// scaled is the emulator with AWS's quotas, and a config that knows of it, so many times faster.
func scaled(by float64) (awsemu.Settings, map[string]float64) {
	rates := documented()
	for call := range rates {
		rates[call] *= by
	}
	return awsemu.Settings{Quotas: true, Rates: rates}, rates
}

// underQuota is how much of the scarcest quota a list uses, and how often it is throttled.
func underQuota(ctx context.Context, b *bench) ([]result, error) {
	settings, quotas := scaled(faster)
	s, err := b.site(ctx, wish{aws: settings, quotas: quotas})
	if err != nil {
		return nil, err
	}
	defer s.close()
	n := b.keys(300)
	var used, throttled []float64
	for range b.rounds {
		before, err := s.calls(ctx, 0)
		if err != nil {
			return nil, err
		}
		if _, err := s.bring(ctx, n, workers, "aws"); err != nil {
			return nil, err
		}
		log, err := s.calls(ctx, before.last)
		if err != nil {
			return nil, err
		}
		at := log.at[parameters]
		span := at[len(at)-1].Sub(at[0]).Seconds()
		used = append(used, float64(len(at)-1)/(span*faster))
		throttled = append(throttled, float64(log.throttled)/float64(log.total()))
	}
	parts := fmt.Sprintf("%d AES keys, two such calls each, %d a second allowed", n, faster)
	return []result{
		{figure: median(used), parts: parts},
		{of: "share of calls that were throttled", figure: median(throttled), must: &bound{most: 0.001}, parts: parts},
	}, nil
}

// threeTargets is a list whose keys go to three targets, and to the slowest of them alone: AWS, by its quota.
func threeTargets(ctx context.Context, b *bench) ([]result, error) {
	settings, quotas := scaled(2)
	s, err := b.site(ctx, wish{aws: settings, quotas: quotas, targets: []string{"aws", "gcp", "pool"}})
	if err != nil {
		return nil, err
	}
	defer s.close()
	n := b.keys(40)
	var ratios []float64
	var parts string
	for range b.rounds {
		alone, err := s.bring(ctx, n, workers, "aws")
		if err != nil {
			return nil, err
		}
		all, err := s.bring(ctx, n, workers, "aws gcp pool")
		if err != nil {
			return nil, err
		}
		ratios = append(ratios, all.wall.Seconds()/alone.wall.Seconds())
		parts = fmt.Sprintf("%d AES keys to AWS, Google and Managed HSM, in the last round %.1f s ÷ %.1f s; %s twice a second", n, all.wall.Seconds(), alone.wall.Seconds(), parameters)
	}
	return []result{{figure: median(ratios), parts: parts}}, nil
}
