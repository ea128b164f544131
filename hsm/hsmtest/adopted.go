package hsmtest

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// Planted is material that somebody else makes in the token, as tokens are found
// that were in use before the broker came. The zero value of all but ID and Spec is
// material that can be wrapped and does nothing else.
type Planted struct {
	ID    []byte // CKA_ID
	Spec  broker.KeySpec
	Usage broker.Usage // MAC, Encrypt, Modifiable
	Open  bool         // not sensitive
	Fixed bool         // not extractable
	// Stored: made elsewhere, and stored in the token. So looks what a token that writes
	// an object in two steps leaves where it is stopped between them.
	Stored bool
}

// plant makes it under an id of its own, and asks for it as it was made.
func (s *suite) plant(p Planted) broker.GenerateIn {
	if p.ID == nil {
		p.ID = fmt.Appendf(nil, "theirs-%s", s.nextID())
	}
	s.Plant(s.t, p)
	return broker.GenerateIn{ID: broker.ObjectID(p.ID), Spec: p.Spec, Usage: p.Usage}
}

// uproot takes planted material away again.
func (s *suite) uproot(ctx context.Context, in broker.GenerateIn) error {
	return s.Token.Change(ctx, broker.Material{ID: in.ID, Spec: in.Spec}, broker.Destroy)
}

func adoptsWhole(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range []broker.KeySpec{broker.AES256, broker.HMAC256, broker.RSA2048, broker.ECP384} {
		if _, err := s.workingPlan(spec); err != nil {
			continue
		}
		in := s.plant(Planted{Spec: spec, Usage: usageOf(spec)})
		if err := s.adopted(ctx, in); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", spec, err))
		}
		faults = append(faults, s.uproot(ctx, in))
	}
	able := s.plant(Planted{Spec: broker.AES256, Usage: broker.Usage{Encrypt: true, MAC: true, Modifiable: true}})
	less := able
	less.Usage = broker.Usage{Encrypt: true}
	return all(append(faults, s.adopted(ctx, less), s.uproot(ctx, able))...)
}

// adopted: the handle wraps and answers as one that the token gave at birth, and
// nothing in the token is other than it was.
func (s *suite) adopted(ctx context.Context, in broker.GenerateIn) error {
	before, err := s.objects(ctx, "")
	if err != nil {
		return err
	}
	m, err := s.Token.Adopt(ctx, in)
	if err != nil {
		return err
	}
	after, err := s.objects(ctx, "")
	return all(
		err, that(reflect.DeepEqual(before, after), "the token changed"),
		that(m.ID == in.ID && m.Spec == in.Spec && m.TokenSerial == s.tokenSerial(ctx), "it is %+v", m),
		that(is(m.Attributes.Sensitive, true) && is(m.Attributes.Extractable, true), "its attributes are %+v", m.Attributes),
		canonical(m), s.holds(ctx, m), s.crosses(ctx, m),
	)
}

func (s *suite) tokenSerial(ctx context.Context) string {
	info, err := s.Token.Info(ctx)
	if err != nil {
		return err.Error()
	}
	return info.Serial
}

// crosses: what is wrapped on one side is the same material on the other.
func (s *suite) crosses(ctx context.Context, m broker.Material) error {
	plan, err := s.workingPlan(m.Spec)
	if err != nil {
		return err
	}
	_, material, err := s.wrap(ctx, m, plan)
	if err != nil {
		return fmt.Errorf("wrap: %w", err)
	}
	return s.isMaterial(ctx, m, material)
}

// unfit is planted material, what is asked of it, and what the answer must name.
type unfit struct {
	Planted
	ask  broker.GenerateIn
	name string
}

func unfits() map[string]unfit {
	aes, hmac := broker.AES256, broker.HMAC256
	return map[string]unfit{
		"another size":     {Planted{Spec: aes}, broker.GenerateIn{Spec: broker.AES128}, "aes-256"},
		"another class":    {Planted{Spec: aes}, broker.GenerateIn{Spec: hmac}, "aes-256"},
		"a pair":           {Planted{Spec: aes}, broker.GenerateIn{Spec: broker.ECP256}, ""},
		"a secret":         {Planted{Spec: broker.ECP256}, broker.GenerateIn{Spec: aes}, ""},
		"another curve":    {Planted{Spec: broker.ECP256}, broker.GenerateIn{Spec: broker.ECP384}, "ec-p256"},
		"in clear":         {Planted{Spec: aes, Open: true}, broker.GenerateIn{Spec: aes}, "CKA_SENSITIVE"},
		"not extractable":  {Planted{Spec: aes, Fixed: true}, broker.GenerateIn{Spec: aes}, "CKA_EXTRACTABLE"},
		"a fixed pair":     {Planted{Spec: broker.ECP256, Fixed: true}, broker.GenerateIn{Spec: broker.ECP256}, "CKA_EXTRACTABLE"},
		"cannot encrypt":   {Planted{Spec: aes}, broker.GenerateIn{Spec: aes, Usage: broker.Usage{Encrypt: true}}, "CKA_ENCRYPT"},
		"cannot MAC":       {Planted{Spec: hmac}, broker.GenerateIn{Spec: hmac, Usage: broker.Usage{MAC: true}}, "CKA_SIGN"},
		"cannot be sealed": {Planted{Spec: aes}, broker.GenerateIn{Spec: aes, Usage: broker.Usage{Modifiable: true}}, "CKA_MODIFIABLE"},
	}
}

func adoptsNothingElse(ctx context.Context, s *suite) error {
	var faults []error
	for what, u := range unfits() {
		in := s.plant(u.Planted)
		u.ask.ID = in.ID
		_, err := s.Token.Adopt(ctx, u.ask)
		faults = append(faults, want(what, err, broker.Conflict))
		if err != nil {
			faults = append(faults, that(strings.Contains(err.Error(), u.name), "%s: %q does not name %s", what, err, u.name))
		}
		faults = append(faults, s.uproot(ctx, in))
	}
	_, absent := s.Token.Adopt(ctx, broker.GenerateIn{ID: "theirs-but-gone", Spec: broker.AES256})
	_, nameless := s.Token.Adopt(ctx, broker.GenerateIn{Spec: broker.AES256})
	_, unknown := s.Token.Adopt(ctx, broker.GenerateIn{ID: "theirs", Spec: "des"})
	return all(append(faults, want("what is not there", absent, broker.NotFound), want("no id", nameless, broker.Misuse),
		want("an unknown spec", unknown, broker.Unsupported))...)
}

func adoptsNoHalf(ctx context.Context, s *suite) error {
	var faults []error
	for _, class := range []string{"public", "private"} {
		in := s.plant(Planted{Spec: broker.ECP256})
		s.Lose(s.t, in.ID, class)
		_, err := s.Token.Adopt(ctx, in)
		n, countErr := s.count(ctx, in.ID)
		faults = append(faults, want("without its "+class+" half", err, broker.Conflict),
			countErr, that(n == 1, "%d objects are left", n), s.uproot(ctx, in))
	}
	in := s.plant(Planted{Spec: broker.AES256})
	s.Twin(s.t, in.ID)
	_, err := s.Token.Adopt(ctx, in)
	n, countErr := s.count(ctx, in.ID)
	return all(append(faults, want("two of one id", err, broker.Conflict),
		countErr, that(n == 2, "%d objects are left", n), s.uproot(ctx, in))...)
}

// unprintable: ids of others are often numbers. They are known by their hex form,
// in every call.
func unprintable(ctx context.Context, s *suite) error {
	var faults []error
	for _, ckaID := range [][]byte{{1}, {0, 0xfe, 'x'}, []byte("with space"), []byte("0x6b66"), []byte("0xno")} {
		for _, spec := range []broker.KeySpec{broker.AES256, broker.ECP384} {
			in := s.plant(Planted{ID: ckaID, Spec: spec, Usage: usageOf(spec)})
			err := s.adopted(ctx, in)
			gone := s.uproot(ctx, in)
			n, countErr := s.count(ctx, in.ID)
			faults = append(faults, err, gone, countErr, that(n == 0, "%d objects of %s are left", n, in.ID))
		}
	}
	return all(faults...)
}
