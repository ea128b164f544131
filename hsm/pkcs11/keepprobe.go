package pkcs11

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// keepHow is how a token keeps material, whatever its spec.
type keepHow struct {
	Number     uint `json:"number"`     // of AES key wrap with padding
	Guard      int  `json:"guard"`      // the strictest of guards that it takes
	Modifiable bool `json:"modifiable"` // what it unwraps is modifiable, or not unwrapped
}

// findHow tries an AES key with the strictest guard first. Its error is only one that
// ends the probe.
func (p *prober) findHow(ctx context.Context) error {
	key, err := p.throwaway(ctx, broker.AES256)
	if final(ctx, err) {
		return err
	}
	if err != nil {
		p.noKeep = err
		return nil
	}
	defer func() { _ = p.s.discard(ctx, key.private) }() // a session object
	var faults []error
	for guard, t := range guards() {
		p.keeper, err = p.s.makeGuarded(ctx, keeperTemplate("keyferry-probe-keeper", "keyferry probe", false), t)
		if final(ctx, err) {
			return err
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, how := range []keepHow{
			{ckmAESKWP, guard, false}, {ckmAESKWP, guard, true}, {p11.CKM_AES_KEY_WRAP_PAD, guard, false}, {p11.CKM_AES_KEY_WRAP_PAD, guard, true},
		} {
			p.how = how
			_, err := p.keptAndOpened(ctx, key)
			if err == nil || final(ctx, err) {
				return err
			}
			faults = append(faults, fmt.Errorf("by 0x%X: %w", how.Number, err))
		}
		if err := p.s.destroy(ctx, p.keeper); err != nil {
			return err
		}
	}
	p.keeper, p.noKeep = 0, errors.New(reasons(faults))
	return nil
}

// keeping finds out whether a throwaway key comes out of a wrap under a keeper key as it
// went in, and whether that keeper key guards what it opens.
func (p prober) keeping(ctx context.Context, key throwaway, plans []broker.Plan) (broker.KeepPlan, error) {
	out := broker.KeepPlan{Spec: key.spec}
	if p.noKeep != nil {
		out.Reason = "the token keeps nothing wrapped: " + p.noKeep.Error()
		return out, nil //nolint:nilerr // the reason is the answer
	}
	wrapped, err := p.keptAndOpened(ctx, key, plans...)
	switch {
	case final(ctx, err):
		return out, err
	case err != nil:
		out.Reason = err.Error()
		return out, nil //nolint:nilerr // the reason is the answer
	default:
		out.AESNumber, out.Works = p.how.Number, true
		return p.guarded(ctx, key, wrapped, out)
	}
}

// guarded completes the plan of a key that can be kept.
func (p prober) guarded(ctx context.Context, key throwaway, wrapped []byte, out broker.KeepPlan) (broker.KeepPlan, error) {
	readable, err := p.s.opensReadable(ctx, p.keeper, p.how, probeKey(key.spec), wrapped)
	switch {
	case final(ctx, err):
		return out, err
	case err != nil:
		out.Reason = "whether it opens to keys that can be read is not known: " + err.Error()
	case readable:
		out.Reason = "the token opens to keys that can be read, whatever the keeper key forbids"
	default:
		out.Guarded = true
	}
	return out, nil
}

// reasons in one line, each once.
func reasons(faults []error) string {
	var words []string
	for _, err := range faults {
		if !slices.Contains(words, err.Error()) {
			words = append(words, err.Error())
		}
	}
	return strings.Join(words, "; ")
}

// probeKey is a throwaway key as it was asked for.
func probeKey(spec broker.KeySpec) broker.GenerateIn {
	return broker.GenerateIn{ID: "keyferry-probe", Label: "keyferry probe", Spec: spec, Usage: broker.Usage{
		Session: true, MAC: spec.Class() == broker.ClassHMAC, Encrypt: spec.Class() == broker.ClassAES,
	}}
}

// keptAndOpened wraps the key, opens the wrap, and holds what came out against the key:
// it wraps to the same bytes, and arrives at the far side as well as the key itself.
func (p prober) keptAndOpened(ctx context.Context, key throwaway, plans ...broker.Plan) (wrapped []byte, err error) {
	wrapped, err = p.s.wrapKey(ctx, mechanism(p.how.Number, nil), p.keeper, key.private)
	if err != nil {
		return nil, err
	}
	in := broker.OpenIn{GenerateIn: probeKey(key.spec), PublicKey: key.spki, Wrapped: wrapped}
	h, _, err := p.s.openUnder(ctx, p.keeper, in, p.how)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.s.destroy(ctx, h)) }()
	again, err := p.s.wrapKey(ctx, mechanism(p.how.Number, nil), p.keeper, h)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(wrapped, again) {
		return nil, errors.New("what it opens does not wrap to the same bytes")
	}
	if err := p.refusesDamaged(ctx, in); err != nil || len(plans) == 0 {
		return wrapped, err
	}
	return wrapped, p.arrives(ctx, key, h, plans)
}

// arrives: what was opened reaches the far side by a plan that works, as the key did.
func (p prober) arrives(ctx context.Context, key throwaway, h handle, plans []broker.Plan) error {
	for _, plan := range plans {
		if !plan.Works {
			continue
		}
		opened := key
		opened.private = h
		flaw, err := p.attempt(ctx, opened, plan)
		if err == nil && flaw != "" && plan.Conforming {
			err = errors.New(flaw)
		}
		if err != nil {
			return fmt.Errorf("what it opens is wrong: %w", err)
		}
		return nil
	}
	return errors.New("no plan shows whether what it opens is right")
}

// refusesDamaged: a wrap of which one bit is another opens to nothing.
func (p prober) refusesDamaged(ctx context.Context, in broker.OpenIn) error {
	in.Wrapped = bytes.Clone(in.Wrapped)
	in.Wrapped[len(in.Wrapped)/2] ^= 1
	h, _, err := p.s.openUnder(ctx, p.keeper, in, p.how)
	switch {
	case final(ctx, err):
		return err
	case err == nil:
		return errors.Join(errors.New("it opens a wrap that was changed"), p.s.destroy(ctx, h))
	default:
		return nil
	}
}

// opensReadable asks for what nobody may get: the key in a wrap as an object that is not
// sensitive, said so or left unsaid.
func (s *session) opensReadable(ctx context.Context, keeper handle, how keepHow, in broker.GenerateIn, wrapped []byte) (bool, error) {
	in.Usage.Modifiable = how.Modifiable
	hidden := without(unwrapTemplate(in), p11.CKA_SENSITIVE)
	for _, t := range []template{append(slices.Clip(hidden), attribute(p11.CKA_SENSITIVE, false)), hidden} {
		readable, err := s.readable(ctx, keeper, how.Number, wrapped, t)
		if readable || err != nil {
			return readable, err
		}
	}
	return false, nil
}

func (s *session) readable(ctx context.Context, keeper handle, number uint, wrapped []byte, t template) (readable bool, err error) {
	h, err := s.unwrapKey(ctx, mechanism(number, nil), keeper, wrapped, t)
	if final(ctx, err) {
		return false, err
	}
	if err != nil {
		return false, nil // refused, as it should be
	}
	defer func() { err = errors.Join(err, s.destroy(ctx, h)) }()
	got, err := s.read(ctx, h, p11.CKA_SENSITIVE)
	sensitive := got.flag(p11.CKA_SENSITIVE)
	return sensitive == nil || !*sensitive, err
}

// checkGuard tries a stored keeper key once a session: one that was put in the place of
// ours opens to what can be read.
func (t *Token) checkGuard(ctx context.Context, s *session, id broker.KeeperID, keeper handle, plan keepPlan) (err error) {
	if !plan.Guarded {
		return nil // no keeper key of this token is
	}
	in := probeKey(broker.AES256)
	h, _, err := s.make(ctx, in)
	if err != nil {
		return fmt.Errorf("try %s: %w", keeperName(id), err)
	}
	defer func() { err = errors.Join(err, s.destroy(ctx, h)) }()
	wrapped, err := s.wrapKey(ctx, mechanism(plan.Number, nil), keeper, h)
	if err != nil {
		return fmt.Errorf("try %s: %w", keeperName(id), err)
	}
	readable, err := s.opensReadable(ctx, keeper, plan.keepHow, in, wrapped)
	if err == nil && readable {
		return altered(id, errors.New("it opens to keys that can be read, and was not made so"))
	}
	return err
}
