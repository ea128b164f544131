package main

import (
	"context"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// workers are as many keys at once as `keyferry import file` takes by itself.
const workers = 8

// bulk is a list without quotas, at the speed of what is slower, token or cloud. The proofs, which come after the last import,
// are timed apart. What the bare program makes of both together is told: on few processors token, client and emulator wait for
// each other, and no program comes to the slower one's own rate.
func bulk(ctx context.Context, b *bench) ([]result, error) {
	var results []result
	for _, kind := range softtoken.Kinds() {
		if kind.Skipped() {
			continue
		}
		r, err := b.bulkOn(ctx, kind)
		if err != nil {
			return nil, err
		}
		results = append(results, r)
	}
	return results, nil
}

// bulkOn measures each on a site of its own: a software token is the slower the more it has.
func (b *bench) bulkOn(ctx context.Context, kind softtoken.Kind) (result, error) {
	n := b.keys(1000)
	var ratios []float64
	var parts string
	for range b.rounds {
		rates := map[string]float64{}
		for _, part := range []string{"token", "cloud", "both"} {
			err := b.onNew(ctx, wish{kind: kind}, func(s *site) (err error) {
				rates[part], err = s.rate(ctx, part, n, workers)
				return err
			})
			if err != nil {
				return result{}, err
			}
		}
		var imports, proofs time.Duration
		err := b.onNew(ctx, wish{kind: kind}, func(s *site) (err error) {
			imports, proofs, err = s.timed(ctx, n)
			return err
		})
		if err != nil {
			return result{}, err
		}
		ours := float64(n) / imports.Seconds()
		ratios = append(ratios, ours/min(rates["token"], rates["cloud"]))
		parts = fmt.Sprintf("%d keys, in the last round %.1f a second; token %.1f, emulator %.1f, the bare program with both %.1f; the proofs after it %.1f a second",
			n, ours, rates["token"], rates["cloud"], rates["both"], float64(n)/proofs.Seconds())
	}
	return result{of: string(kind), figure: median(ratios), parts: parts}, nil
}

// rate of a part of an import alone, so many keys at once, in keys a second.
func (s *site) rate(ctx context.Context, part string, n, atOnce int) (float64, error) {
	spent, err := s.bare(ctx, ask{Do: part, Keys: n, Workers: atOnce, Spec: "aes-256"})
	if err != nil {
		return 0, err
	}
	took, err := spent.inside()
	return float64(n) / took, err
}

// timed brings a list and is how long it took until the last import, and from then on.
func (s *site) timed(ctx context.Context, n int) (imports, proofs time.Duration, err error) {
	before, err := s.calls(ctx, 0)
	if err != nil {
		return 0, 0, err
	}
	begun := time.Now() //nolint:forbidigo // a benchmark's clock
	spent, err := s.bring(ctx, n, workers, "aws")
	if err != nil {
		return 0, 0, err
	}
	log, err := s.calls(ctx, before.last)
	if err != nil {
		return 0, 0, err
	}
	sent := log.at["ImportKeyMaterial"]
	if len(sent) != 2*n {
		return 0, 0, fmt.Errorf("%d imports were answered, %d keys and as many proofs make %d", len(sent), n, 2*n)
	}
	imports = sent[n-1].Sub(begun)
	return imports, spent.wall - imports, nil
}
