package pkcs11

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// keepPlan is how material of one spec is kept.
type keepPlan struct {
	broker.KeepPlan
	keepHow
}

// keepPlan of a spec; an error where the token cannot keep such material.
func (t *Token) keepPlan(ctx context.Context, op, object string, spec broker.KeySpec) (keepPlan, error) {
	found, err := t.probed(ctx)
	if err != nil {
		return keepPlan{}, err
	}
	for _, p := range found.Keep {
		if p.Spec == spec && p.Works {
			return keepPlan{p, found.How}, nil
		}
		if p.Spec == spec {
			return keepPlan{}, refuse(broker.Unsupported, op, object, "%s", p.Reason)
		}
	}
	return keepPlan{}, refuse(broker.Unsupported, op, object, "the key spec %q is unknown", spec)
}

// Keep wraps material under a keeper key inside the token.
func (t *Token) Keep(ctx context.Context, m broker.Material, under broker.KeeperID) ([]byte, error) {
	if err := t.own("keep", m); err != nil {
		return nil, err
	}
	plan, err := t.keepPlan(ctx, "keep", m.String(), m.Spec)
	if err != nil {
		return nil, err
	}
	var wrapped []byte
	err = t.do(ctx, "keep", m.String(), func(s *session) error {
		key, err := t.holder(ctx, s, "keep", m)
		if err != nil {
			return err
		}
		keeper, err := t.findKeeper(ctx, s, under, plan)
		if err != nil {
			return err
		}
		wrapped, err = s.wrapKey(ctx, mechanism(plan.Number, nil), keeper, key)
		return err
	})
	return wrapped, err
}

// Open unwraps kept material inside the token, and destroys what is not as asked.
func (t *Token) Open(ctx context.Context, in broker.OpenIn) (broker.Material, error) {
	object := "material " + string(in.ID)
	if err := t.own("open", broker.Material{ID: in.ID}); err != nil {
		return broker.Material{}, err
	}
	if len(in.Wrapped) == 0 {
		return broker.Material{}, refuse(broker.Rejected, "open", object, "nothing was kept")
	}
	plan, err := t.keepPlan(ctx, "open", object, in.Spec)
	if err != nil {
		return broker.Material{}, err
	}
	with := t.pool.with
	if in.Usage.Session {
		with = t.pool.withAnchor
	}
	var m broker.Material
	err = with(ctx, func(s *session) (err error) {
		if !in.Usage.Session {
			err = s.vacant(ctx, in)
		} else if o, ok := t.open(in.ID, s.epoch); ok {
			m = broker.Material{ID: in.ID, TokenSerial: t.serial, Spec: in.Spec, PublicKey: o.spki}
			return nil
		}
		if err == nil {
			m, err = t.unwrap(ctx, s, in, plan)
		}
		return err
	})
	if is(err, p11.CKR_GENERAL_ERROR, p11.CKR_DEVICE_ERROR, p11.CKR_FUNCTION_FAILED) {
		// what a token says of a wrap that is not whole
		err = &broker.Error{Kind: broker.Rejected, Op: "open", Object: object, Cause: err}
	}
	if err != nil {
		return broker.Material{}, failed("open", object, err)
	}
	return m, nil
}

// vacant: what is to be stored finds nothing of its id there.
func (s *session) vacant(ctx context.Context, in broker.OpenIn) error {
	all, err := s.find(ctx, template{attribute(p11.CKA_ID, in.ID), attribute(p11.CKA_TOKEN, true)})
	if err == nil && len(all) > 0 {
		err = refuse(broker.Conflict, "open", "material "+string(in.ID), "the token has %d objects of that id", len(all))
	}
	return err
}

func (t *Token) unwrap(ctx context.Context, s *session, in broker.OpenIn, plan keepPlan) (m broker.Material, err error) {
	keeper, err := t.findKeeper(ctx, s, in.Keeper, plan)
	if err != nil {
		return m, err
	}
	key, got, err := s.openUnder(ctx, keeper, in, plan.keepHow)
	if err != nil {
		return m, err
	}
	m = broker.Material{ID: in.ID, TokenSerial: t.serial, Spec: in.Spec, PublicKey: in.PublicKey, Attributes: got.attributes()}
	if in.Usage.Session {
		t.remember(in.ID, opened{key: key, epoch: s.epoch, spki: in.PublicKey})
		return m, nil
	}
	if !in.Spec.Secret() {
		if _, err = s.createPublic(ctx, in); err != nil {
			err = errors.Join(err, s.destroy(ctx, key))
		}
	}
	return m, err
}

// openUnder unwraps, and destroys what is not as asked.
func (s *session) openUnder(ctx context.Context, keeper handle, in broker.OpenIn, how keepHow) (key handle, got facts, err error) {
	asked := in.GenerateIn
	asked.Usage.Modifiable = asked.Usage.Modifiable || how.Modifiable && asked.Usage.Session
	if how.Modifiable && !asked.Usage.Session {
		key, err = s.openAndCopy(ctx, keeper, in, how)
	} else {
		key, err = s.unwrapKey(ctx, mechanism(how.Number, nil), keeper, in.Wrapped, unwrapTemplate(asked))
	}
	if err != nil {
		return 0, nil, err
	}
	got, err = s.read(ctx, key, append(evidenceOf(in.Spec), p11.CKA_PUBLIC_EXPONENT)...)
	if err == nil {
		if err = got.opensTo(asked, in.PublicKey, in.Wrapped); err != nil {
			err = refuse(broker.Rejected, "open", "material "+string(in.ID), "the token did not make what was asked, and it was destroyed: %w", err)
		}
	}
	if err != nil {
		return 0, nil, errors.Join(err, s.destroy(ctx, key))
	}
	return key, got, nil
}

// openAndCopy stores what is opened where a token does not unwrap to what is
// unmodifiable: its copy is. That the copy can be copied is not forbidden too, which
// SoftHSM refuses; its copies get no other uses.
func (s *session) openAndCopy(ctx context.Context, keeper handle, in broker.OpenIn, how keepHow) (key handle, err error) {
	loose := in.GenerateIn
	loose.Usage.Session, loose.Usage.Modifiable = true, true
	h, err := change(ctx, "C_UnwrapKey", func() (handle, error) { // copyable
		return s.ctx.UnwrapKey(s.handle, mechanism(how.Number, nil), keeper, in.Wrapped, unwrapTemplate(loose))
	})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, s.destroy(ctx, h)) }()
	t := template{attribute(p11.CKA_TOKEN, true), attribute(p11.CKA_MODIFIABLE, in.Usage.Modifiable)}
	return change(ctx, "C_CopyObject", func() (handle, error) { return s.ctx.CopyObject(s.handle, h, t) })
}

// opensTo holds what came out of an unwrap against what was asked. Of an RSA key the
// token tells the public half; of others its proof at the far side will.
func (f facts) opensTo(in broker.GenerateIn, public, wrapped []byte) error {
	if n, _ := f.number(p11.CKA_VALUE_LEN); n == 0 && in.Spec.Secret() && len(wrapped) == wrappedLength(in.Spec) {
		f[p11.CKA_VALUE_LEN] = binary.NativeEndian.AppendUint64(nil, uint64(in.Spec.Bits()/8)) //nolint:gosec // positive
	}
	if err := f.honours(in); err != nil {
		return err
	}
	if in.Spec.Class() != broker.ClassRSA || len(f[p11.CKA_PUBLIC_EXPONENT]) == 0 {
		return nil
	}
	spki, err := rsaSPKI(f[p11.CKA_MODULUS], f[p11.CKA_PUBLIC_EXPONENT])
	if err == nil && !bytes.Equal(spki, public) {
		err = errors.New("it is another key pair")
	}
	return err
}

// wrappedLength is what AES key wrap with padding makes of a secret: SoftHSM does not
// say how long the one is that it unwrapped.
func wrappedLength(spec broker.KeySpec) int { return 8 + (spec.Bits()/8+7)/8*8 }

// unwrapTemplate is what material is made with, said to an unwrap: the length comes out
// of the wrap, class and type do not.
func unwrapTemplate(in broker.GenerateIn) template {
	var t template
	class, keyType := uint(p11.CKO_SECRET_KEY), uint(p11.CKK_AES)
	if in.Spec.Secret() {
		t = without(secretTemplate(in), p11.CKA_VALUE_LEN)
	} else {
		class, t = p11.CKO_PRIVATE_KEY, privateTemplate(in)
	}
	switch in.Spec.Class() {
	case broker.ClassHMAC:
		keyType = p11.CKK_GENERIC_SECRET
	case broker.ClassRSA:
		keyType = p11.CKK_RSA
	case broker.ClassEC:
		keyType = p11.CKK_EC
	case broker.ClassEdwards:
		keyType = ckkEdwards
	default:
	}
	return append(template{attribute(p11.CKA_CLASS, class), attribute(p11.CKA_KEY_TYPE, keyType)}, t...)
}

func without(t template, kind uint) template {
	var rest template
	for _, a := range t {
		if a.Type != kind {
			rest = append(rest, a)
		}
	}
	return rest
}
