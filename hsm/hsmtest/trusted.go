package hsmtest

import (
	"context"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// trustsMarked: a plan that trusts wraps such material under a marked key, and under no
// other; what cannot do that is said to be so, with the reason.
func trustsMarked(ctx context.Context, s *suite) error {
	var faults []error
	trusting := 0
	for _, p := range s.plans {
		faults = append(faults,
			that(!p.Trusts || p.Works && p.Way != broker.TwoStep, "%s by %s, %s: it trusts", p.Spec, p.Mechanism, p.Way),
			that(!p.Works || p.Trusts == (p.Distrust == ""), "%s by %s: trusts %t, for the reason %q", p.Spec, p.Mechanism, p.Trusts, p.Distrust))
		if !p.Trusts || s.Marked == nil || !slices.Contains([]broker.KeySpec{broker.AES256, broker.HMAC256, broker.ECP384}, p.Spec) {
			continue
		}
		trusting++
		if err := s.wrapsMarked(ctx, p); err != nil {
			faults = append(faults, fmt.Errorf("%s by %s, %s: %w", p.Spec, p.Mechanism, p.Way, err))
		}
	}
	untrusting := !slices.ContainsFunc(s.plans, func(p broker.Plan) bool { return p.Trusts })
	return all(append(faults, that(trusting > 0 || untrusting, "no plan was tried"), that(untrusting == (s.Marked == nil), "no plan trusts: %t", untrusting))...)
}

func (s *suite) wrapsMarked(ctx context.Context, p broker.Plan) error {
	u := usageOf(p.Spec)
	u.Trusted = true
	m, err := s.generate(ctx, p.Spec, u)
	if err != nil {
		return err
	}
	foreign, err := s.checked(p)
	if err != nil {
		return err
	}
	marked, err := checkedKey(s.Marked, p)
	if err != nil {
		return err
	}
	_, refused := s.Token.Wrap(ctx, m, foreign)
	keeper, err := s.keeper(ctx)
	if err != nil {
		return err
	}
	_, kept := s.Token.Keep(ctx, m, keeper)
	faults := []error{
		that(is(m.Attributes.WrapWithTrusted, true), "it was born as %+v", m.Attributes),
		want("under a key that nobody marked", refused, broker.Denied), want("asked for that key", s.Token.Trusts(ctx, foreign), broker.Denied),
		want("under a keeper key", kept, broker.Rejected), s.Token.Trusts(ctx, marked),
	}
	wrapped, err := s.Token.Wrap(ctx, m, marked)
	if err == nil {
		var material []byte
		if material, err = open(s.Marked, p.Mechanism, wrapped); err == nil {
			err = s.isMaterial(ctx, m, material)
		}
	}
	return all(append(faults, err, s.Token.Change(ctx, m, broker.Destroy))...)
}
