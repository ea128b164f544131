package pkcs11

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// hostBits is the size of the probe's own wrapping key: large enough for the
// longest private key that fits any OAEP, and quick to make.
const hostBits = 3072

// shortScalarTries: a token that drops leading zeros shortens every second P-521
// scalar, and about one in 256 of the others.
const shortScalarTries = 16

// Plans is what was found by probing: now, or before with this token, firmware
// and library.
func (t *Token) Plans(ctx context.Context) ([]broker.Plan, error) {
	found, err := t.probed(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(found.Plans), nil
}

// KeepPlans is what of it is about keeping.
func (t *Token) KeepPlans(ctx context.Context) ([]broker.KeepPlan, error) {
	found, err := t.probed(ctx)
	if err != nil {
		return nil, err
	}
	return slices.Clone(found.Keep), nil
}

// probed is what probing finds, once a process.
func (t *Token) probed(ctx context.Context) (*cached, error) {
	if err := enter(ctx, t.probing); err != nil {
		return nil, fmt.Errorf("probe %s: %w", t.name(), err)
	}
	defer leave(t.probing)
	if t.found != nil {
		return t.found, nil
	}
	var found *cached
	err := t.do(ctx, "probe", t.name(), func(s *session) error {
		info, err := t.describe(ctx)
		if err != nil {
			return err
		}
		cache := cacheOf(t.config.CacheDir, info)
		var why string
		if found, why = cache.read(); found != nil {
			return nil
		}
		t.log.DebugContext(ctx, "probing the token", "token", t.name(), "why", why)
		if found, err = probe(ctx, s); err != nil {
			return err
		}
		if err := cache.write(found); err != nil {
			t.log.WarnContext(ctx, "what was probed is not kept", "token", t.name(), "error", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	t.found = found
	return found, nil
}

// prober tries plans with throwaway keys of its own. It takes no handle from
// outside.
type prober struct {
	s      *session
	host   *rsa.PrivateKey
	keeper handle // a keeper key of the probe's own; 0 where the token keeps nothing
	how    keepHow
	noKeep error  // why it keeps nothing
	bypass string // how its user gets round trusted wrapping keys; "" by nothing that was tried
}

// probe tries every key spec with every mechanism.
func probe(ctx context.Context, s *session) (found *cached, err error) {
	host, err := rsa.GenerateKey(rand.Reader, hostBits)
	if err != nil {
		return nil, fmt.Errorf("make a host key: %w", err)
	}
	p := prober{s: s, host: host}
	if err := p.findHow(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.discard(ctx, p.keeper)) }()
	if p.bypass, err = p.findBypass(ctx); err != nil {
		return nil, err
	}
	found = &cached{How: p.how}
	for _, spec := range broker.KeySpecs() {
		some, keep, err := p.spec(ctx, spec)
		if err != nil {
			return nil, err
		}
		found.Plans, found.Keep = append(found.Plans, some...), append(found.Keep, keep)
	}
	found.Plans = judge(found.Plans)
	return found, nil
}

// spec tries one key spec: with one throwaway key, or with as many as it takes to
// see a scalar shortened.
func (p prober) spec(ctx context.Context, spec broker.KeySpec) ([]broker.Plan, broker.KeepPlan, error) {
	plans, keep, err := p.once(ctx, spec)
	if spec != broker.ECP521 || err != nil || !anyWorks(plans) {
		return plans, keep, err
	}
	for range shortScalarTries - 1 {
		if plans, err = p.again(ctx, plans); err != nil {
			return nil, broker.KeepPlan{}, err
		}
	}
	return plans, keep, nil
}

func anyWorks(plans []broker.Plan) bool {
	for _, plan := range plans {
		if plan.Works {
			return true
		}
	}
	return false
}

// once finds, for one throwaway key, the best plan of each mechanism, and whether it
// can be kept wrapped.
func (p prober) once(ctx context.Context, spec broker.KeySpec) (plans []broker.Plan, keep broker.KeepPlan, err error) {
	keep.Spec = spec
	key, err := p.throwaway(ctx, spec)
	if final(ctx, err) {
		return nil, keep, err
	}
	if err != nil {
		keep.Reason = unusable + err.Error()
		for _, m := range broker.Mechanisms() {
			plans = append(plans, broker.Plan{Spec: spec, Mechanism: m, Reason: keep.Reason})
		}
		return plans, keep, nil
	}
	defer func() { err = errors.Join(err, p.s.discard(ctx, key.private, key.public)) }()
	for _, m := range broker.Mechanisms() {
		plan, err := p.best(ctx, key, m)
		if err != nil {
			return nil, keep, err
		}
		plans = append(plans, plan)
	}
	if keep, err = p.keeping(ctx, key, plans); err != nil {
		return nil, keep, err
	}
	plans, err = p.trusting(ctx, spec, plans)
	return plans, keep, err
}

// unusable begins the reason of a token that makes no such key.
const unusable = "the token cannot make and use such a key: "

// again tries the plans that work with one more key. A token that makes the first
// key and not the next has no plan for the spec; its others are not lost by it.
func (p prober) again(ctx context.Context, plans []broker.Plan) (_ []broker.Plan, err error) {
	key, err := p.throwaway(ctx, plans[0].Spec)
	if final(ctx, err) {
		return nil, err
	}
	if err != nil {
		for i := range plans {
			plans[i].Works, plans[i].Conforming, plans[i].Reason = false, false, unusable+err.Error()
		}
		return plans, nil
	}
	defer func() { err = errors.Join(err, p.s.discard(ctx, key.private, key.public)) }()
	for i, plan := range plans {
		if !plan.Conforming {
			continue
		}
		if plans[i], err = p.try(ctx, key, plan); err != nil {
			return nil, err
		}
	}
	return plans, nil
}

// best is the first way that works and conforms, else the first that works, else
// a plan with the reasons why none does.
func (p prober) best(ctx context.Context, key throwaway, m broker.Mechanism) (broker.Plan, error) {
	var works *broker.Plan
	var reasons []string
	for _, way := range ways(m) {
		way.Spec, way.Mechanism = key.spec, m
		plan, err := p.try(ctx, key, way)
		switch {
		case err != nil:
			return broker.Plan{}, err
		case plan.Conforming:
			return plan, nil
		case plan.Works && works == nil:
			works = &plan
		case !plan.Works:
			reasons = append(reasons, wayName(plan)+": "+plan.Reason)
		}
	}
	if works != nil {
		return *works, nil
	}
	return broker.Plan{Spec: key.spec, Mechanism: m, Reason: strings.Join(reasons, "; ")}, nil
}

// ways to perform a mechanism, in the order they are tried. 0x210B is RFC 5649 by
// its definition (PKCS #11 v3.0); 0x210A is so only in some tokens.
func ways(m broker.Mechanism) []broker.Plan {
	if m.Direct() {
		return []broker.Plan{{Way: broker.Direct}}
	}
	return []broker.Plan{
		{Way: broker.OneStep},
		{Way: broker.TwoStep, AESNumber: ckmAESKWP},
		{Way: broker.TwoStep, AESNumber: p11.CKM_AES_KEY_WRAP_PAD},
	}
}

func wayName(p broker.Plan) string {
	if p.Way == broker.TwoStep {
		return fmt.Sprintf("%s by 0x%X", p.Way, p.AESNumber)
	}
	return string(p.Way)
}

// try says what a plan is worth. Its error is only one that ends the probe.
func (p prober) try(ctx context.Context, key throwaway, plan broker.Plan) (broker.Plan, error) {
	plan.Works, plan.Conforming = false, false
	flaw, err := p.attempt(ctx, key, plan)
	switch {
	case final(ctx, err):
		return plan, err
	case err != nil:
		plan.Reason = err.Error()
	default:
		plan.Works, plan.Conforming, plan.Reason = true, flaw == "", flaw
	}
	return plan, nil
}

// attempt wraps the throwaway key just as Wrap would, opens what came out, and
// compares it.
func (p prober) attempt(ctx context.Context, key throwaway, plan broker.Plan) (flaw string, err error) {
	wrapped, err := p.s.wrapUnder(ctx, &p.host.PublicKey, plan, key.private)
	if err != nil {
		return "", err
	}
	material, err := open(p.host, plan.Mechanism, wrapped)
	if err == nil {
		flaw, err = key.compare(material)
	}
	if err != nil {
		return "", fmt.Errorf("what it wraps is wrong: %w", err)
	}
	return flaw, nil
}

// final errors say nothing about a plan: the caller gave up, or the token is gone.
func final(ctx context.Context, err error) bool {
	return err != nil && (ctx.Err() != nil || is(
		err, p11.CKR_DEVICE_REMOVED, p11.CKR_TOKEN_NOT_PRESENT, p11.CKR_SESSION_HANDLE_INVALID, p11.CKR_SESSION_CLOSED,
		p11.CKR_USER_NOT_LOGGED_IN, p11.CKR_CRYPTOKI_NOT_INITIALIZED, p11.CKR_TOKEN_NOT_RECOGNIZED, p11.CKR_DEVICE_MEMORY,
	))
}

// judge draws the conclusions that one key of a size cannot show. A token that
// shortens P-521 scalars shortens all scalars; one that pads keys to
// eight bytes pads RSA keys too, whose length is a multiple of eight by chance.
func judge(plans []broker.Plan) []broker.Plan {
	short, pads := false, false
	for _, p := range plans {
		short = short || p.Works && p.Reason == flawShort
		pads = pads || p.Works && p.Reason == flawPadded
	}
	for i, p := range plans {
		if !p.Conforming {
			continue
		}
		class := p.Spec.Class()
		if short && class == broker.ClassEC {
			plans[i].Conforming, plans[i].Reason = false, flawShort
		}
		if pads && class == broker.ClassRSA {
			plans[i].Conforming, plans[i].Reason = false, flawPadded
		}
	}
	return plans
}
