package pkcs11

import (
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// pair is the two objects of a key pair.
type pair struct{ public, private handle }

// found is the objects of one id, by class.
type found struct {
	secret, private, public []handle
}

// lookUp finds every object of one id.
func (s *session) lookUp(ctx context.Context, id broker.MaterialID) (found, error) {
	all, err := s.find(ctx, template{attribute(p11.CKA_ID, id)}) // one search: some tokens take as long as they have objects
	if err != nil {
		return found{}, err
	}
	var f found
	for _, h := range all {
		got, err := s.read(ctx, h, p11.CKA_CLASS)
		if err != nil {
			return found{}, err
		}
		switch class, _ := got.number(p11.CKA_CLASS); class {
		case p11.CKO_SECRET_KEY:
			f.secret = append(f.secret, h)
		case p11.CKO_PRIVATE_KEY:
			f.private = append(f.private, h)
		case p11.CKO_PUBLIC_KEY:
			f.public = append(f.public, h)
		}
	}
	return f, nil
}

func (f found) none() bool { return len(f.secret)+len(f.private)+len(f.public) == 0 }

// whole is the object that holds the material and, for pairs, the public one.
// Half a pair, or two of anything, is a Conflict.
func (f found) whole(op string, id broker.MaterialID, spec broker.KeySpec) (key, public handle, err error) {
	switch {
	case f.none():
		return 0, 0, refuse(broker.NotFound, op, "material "+string(id), "the token has no object of that id")
	case spec.Secret() && len(f.secret) == 1 && len(f.private)+len(f.public) == 0:
		return f.secret[0], 0, nil
	case !spec.Secret() && len(f.private) == 1 && len(f.public) == 1 && len(f.secret) == 0:
		return f.private[0], f.public[0], nil
	default:
		return 0, 0, refuse(broker.Conflict, op, "material "+string(id),
			"the token holds %d secret, %d private and %d public objects of that id", len(f.secret), len(f.private), len(f.public))
	}
}

// unborn: the token says that it did not generate the object, or not to its end. SoftHSM
// writes one with all that was asked of it, and then once more with its value and CKA_LOCAL:
// where its process is killed between the two, nothing else tells that there is no key in it.
func (s *session) unborn(ctx context.Context, h handle) (bool, error) {
	got, err := s.read(ctx, h, p11.CKA_LOCAL)
	if err != nil {
		return false, err
	}
	local := got.flag(p11.CKA_LOCAL)
	return local != nil && !*local, nil
}

// born is whole, of what the token generated to its end.
func (s *session) born(ctx context.Context, there found, op string, id broker.MaterialID, spec broker.KeySpec) (key, public handle, err error) {
	if key, public, err = there.whole(op, id, spec); err != nil {
		return 0, 0, err
	}
	for _, h := range []handle{key, public} {
		if h == 0 {
			continue
		}
		unborn, err := s.unborn(ctx, h)
		if err != nil {
			return 0, 0, err
		}
		if unborn {
			return 0, 0, refuse(broker.Conflict, op, "material "+string(id), "an object of that id was not generated in the token, or not to its end")
		}
	}
	return key, public, nil
}

// holder is the object that holds the material: all that wrapping needs of it.
func (s *session) holder(ctx context.Context, op string, m broker.Material) (handle, error) {
	class := uint(p11.CKO_PRIVATE_KEY)
	if m.Spec.Secret() {
		class = p11.CKO_SECRET_KEY
	}
	all, err := s.find(ctx, template{attribute(p11.CKA_CLASS, class), attribute(p11.CKA_ID, m.ID)})
	switch {
	case err != nil:
		return 0, err
	case len(all) == 0:
		return 0, refuse(broker.NotFound, op, m.String(), "the token has no such object")
	case len(all) > 1:
		return 0, refuse(broker.Conflict, op, m.String(), "%d objects have its id", len(all))
	}
	return all[0], nil
}

// material describes what two handles hold, as the token says it.
func (t *Token) material(ctx context.Context, s *session, in broker.GenerateIn, key, public handle) (broker.Material, facts, error) {
	got, err := s.read(ctx, key, evidenceOf(in.Spec)...)
	if err != nil {
		return broker.Material{}, nil, fmt.Errorf("read attributes: %w", err)
	}
	m := broker.Material{ID: in.ID, TokenSerial: t.serial, Spec: in.Spec, Attributes: got.attributes()}
	if !in.Spec.Secret() {
		m.PublicKey, err = s.publicKey(ctx, public, in.Spec)
		return m, got, err
	}
	check, err := s.read(ctx, key, p11.CKA_CHECK_VALUE)
	if kcv := check[p11.CKA_CHECK_VALUE]; len(kcv) == 3 {
		m.KCV = kcv
	}
	return m, got, err
}

// honours holds what the token made, or has, against what was asked. What is not
// answered is not honoured, except uses: a token may leave out one that the type
// of key does not have.
func (f facts) honours(in broker.GenerateIn) error {
	if got := f.spec(); got != in.Spec {
		return fmt.Errorf("the token holds %q, %s was asked", got, in.Spec)
	}
	for _, want := range []struct {
		name string
		kind uint
		set  bool
	}{
		{"CKA_SENSITIVE", p11.CKA_SENSITIVE, true},
		{"CKA_EXTRACTABLE", p11.CKA_EXTRACTABLE, true},
		{"CKA_PRIVATE", p11.CKA_PRIVATE, true},
		{"CKA_MODIFIABLE", p11.CKA_MODIFIABLE, in.Usage.Modifiable},
	} {
		if got := f.flag(want.kind); got == nil || *got != want.set {
			return fmt.Errorf("%s is %s, %t was asked", want.name, shown(got), want.set)
		}
	}
	for name, want := range map[string]struct {
		kind uint
		set  bool
	}{
		"CKA_WRAP_WITH_TRUSTED": {p11.CKA_WRAP_WITH_TRUSTED, in.Usage.Trusted},

		"CKA_SIGN":    {p11.CKA_SIGN, in.Usage.MAC},
		"CKA_ENCRYPT": {p11.CKA_ENCRYPT, in.Usage.Encrypt},
		"CKA_DECRYPT": {p11.CKA_DECRYPT, false},
		"CKA_WRAP":    {p11.CKA_WRAP, false},
		"CKA_UNWRAP":  {p11.CKA_UNWRAP, false},
		"CKA_DERIVE":  {p11.CKA_DERIVE, false},
	} {
		if got := f.flag(want.kind); got != nil && *got != want.set || got == nil && want.set {
			return fmt.Errorf("%s is %s, %t was asked", name, shown(got), want.set)
		}
	}
	return nil
}

func shown(flag *bool) string {
	if flag == nil {
		return "not answered"
	}
	return fmt.Sprint(*flag)
}
