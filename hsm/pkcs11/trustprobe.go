package pkcs11

import (
	"context"
	"errors"
	"fmt"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// trusting completes the plans of a spec: whether material that is born to be wrapped
// under trusted keys alone is held back from a key that anybody can bring. Under a trusted
// one it cannot be tried: only the security officer makes that.
func (p prober) trusting(ctx context.Context, spec broker.KeySpec, plans []broker.Plan) (_ []broker.Plan, err error) {
	in := probeKey(spec)
	in.Usage.Trusted = true
	var key, public handle
	defer func() { err = errors.Join(err, p.s.discard(ctx, key, public)) }()
	why := p.bypass
	for i, plan := range plans {
		if !plan.Works {
			continue
		}
		if plan.Way == broker.TwoStep {
			plans[i].Distrust = "its second key is made by the user, and trusted by nobody"
			continue
		}
		if key == 0 && why == "" {
			if key, public, err = p.s.make(ctx, in); final(ctx, err) {
				return nil, err
			}
			if err != nil {
				why = "the token cannot make such a key: " + err.Error()
			}
		}
		if plans[i].Distrust = why; why == "" {
			if plans[i].Distrust, err = p.lets(ctx, plan, key); err != nil {
				return nil, err
			}
		}
		plans[i].Trusts = plans[i].Distrust == ""
	}
	return plans, nil
}

// lets says how the token fails to hold a key back from a wrapping key of the user's own;
// "" it does not fail.
func (p prober) lets(ctx context.Context, plan broker.Plan, key handle) (string, error) {
	got, err := p.s.read(ctx, key, p11.CKA_WRAP_WITH_TRUSTED)
	if err != nil {
		return "", err
	}
	if !isSet(got, p11.CKA_WRAP_WITH_TRUSTED) {
		return "the token does not make keys that are wrapped under trusted ones alone", nil
	}
	switch _, err := p.s.wrapUnder(ctx, &p.host.PublicKey, plan, key); {
	case final(ctx, err):
		return "", err
	case err == nil:
		return "the token wraps such a key under one that nobody marked", nil
	case refused(err):
		return "", nil
	default:
		return "whether the token holds such a key back could not be tried: " + err.Error(), nil
	}
}

// refused: the token answers that this may not be, or that it cannot do it at all. Anything
// else is a fault, and shows nothing. A token that asks for the officer's login says that
// nobody is logged in.
func refused(err error) bool {
	return is(
		err, p11.CKR_KEY_NOT_WRAPPABLE, p11.CKR_KEY_UNEXTRACTABLE, p11.CKR_KEY_FUNCTION_NOT_PERMITTED, p11.CKR_ACTION_PROHIBITED,
		p11.CKR_WRAPPING_KEY_HANDLE_INVALID, p11.CKR_WRAPPING_KEY_TYPE_INCONSISTENT, p11.CKR_KEY_HANDLE_INVALID,
		p11.CKR_ATTRIBUTE_READ_ONLY, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_ATTRIBUTE_VALUE_INVALID,
		p11.CKR_TEMPLATE_INCONSISTENT, p11.CKR_TEMPLATE_INCOMPLETE, p11.CKR_USER_NOT_LOGGED_IN,
		p11.CKR_FUNCTION_NOT_SUPPORTED, p11.CKR_MECHANISM_INVALID, p11.CKR_OBJECT_HANDLE_INVALID,
	)
}

// detour is a way for whoever has the PIN to get round the mark, if the token lets him.
type detour struct {
	says string
	try  func(context.Context) (handle, error)
	won  func(facts) bool
}

func (p prober) detours() []detour {
	marked := func(f facts) bool { return isSet(f, p11.CKA_TRUSTED) }
	freed := func(f facts) bool { return !isSet(f, p11.CKA_WRAP_WITH_TRUSTED) }
	trust, free := attribute(p11.CKA_TRUSTED, true), attribute(p11.CKA_WRAP_WITH_TRUSTED, false)
	public := append(without(wrappingKeyTemplate(&p.host.PublicKey), p11.CKA_MODIFIABLE), attribute(p11.CKA_MODIFIABLE, true))
	secret := append(without(ephemeralTemplate(), p11.CKA_MODIFIABLE), attribute(p11.CKA_MODIFIABLE, true))
	bring := func(ctx context.Context, t template) (handle, error) { return p.s.create(ctx, t) }
	generate := func(ctx context.Context, t template) (handle, error) {
		return p.s.generateKey(ctx, p11.CKM_AES_KEY_GEN, t)
	}
	bound := func(ctx context.Context, _ template) (handle, error) {
		in := probeKey(broker.AES256)
		in.Usage.Trusted, in.Usage.Modifiable = true, true
		h, _, err := p.s.make(ctx, in)
		return h, err
	}
	set := func(makes func(context.Context, template) (handle, error), t template, a *p11.Attribute) func(context.Context) (handle, error) {
		return func(ctx context.Context) (handle, error) {
			h, err := makes(ctx, t)
			if err != nil {
				return 0, err
			}
			return h, p.s.set(ctx, h, template{a})
		}
	}
	return []detour{
		{"a wrapping key that he brings", func(ctx context.Context) (handle, error) { return bring(ctx, append(public, trust)) }, marked},
		{"a key that he makes", func(ctx context.Context) (handle, error) { return generate(ctx, append(secret, trust)) }, marked},
		{"a wrapping key that he brought", set(bring, public, trust), marked},
		{"a key that he made", set(generate, secret, trust), marked},
		{"", set(bound, nil, free), freed},
		{"", func(ctx context.Context) (handle, error) { return p.copied(ctx, bound, free) }, freed},
	}
}

// copied is the copy of a key with one attribute changed; the key itself goes.
func (p prober) copied(ctx context.Context, makes func(context.Context, template) (handle, error), a *p11.Attribute) (_ handle, err error) {
	h, err := makes(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.s.destroy(ctx, h)) }()
	return p.s.copy(ctx, h, template{a})
}

// findBypass says how the token's user gets round the mark, or that it could not be tried;
// "" by nothing that was tried.
func (p prober) findBypass(ctx context.Context) (string, error) {
	for _, d := range p.detours() {
		won, err := p.wins(ctx, d)
		switch {
		case final(ctx, err):
			return "", err
		case err != nil:
			why := fmt.Sprintf("whether the token's user can mark keys himself could not be tried: %v", err)
			return why, nil // what cannot be tried is not trusted, and no reason to stop
		case won && d.says == "":
			return "the token lets its user take the demand for a trusted wrapping key off a key", nil
		case won:
			return fmt.Sprintf("the token lets its user mark %s as trusted himself", d.says), nil
		}
	}
	return "", nil
}

func (p prober) wins(ctx context.Context, d detour) (won bool, err error) {
	h, err := d.try(ctx)
	defer func() { err = errors.Join(err, p.s.discard(ctx, h)) }()
	if refused(err) {
		return false, nil // as it should be
	}
	if err != nil {
		return false, err
	}
	got, err := p.s.read(ctx, h, p11.CKA_TRUSTED, p11.CKA_WRAP_WITH_TRUSTED)
	return d.won(got), err
}
