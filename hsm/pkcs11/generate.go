package pkcs11

import (
	"context"
	"errors"

	"github.com/keyferry/keyferry/broker"
)

// Generate makes the material of one key version under its own CKA_ID, reads back
// what the token made of it, and destroys what is not as asked.
func (t *Token) Generate(ctx context.Context, in broker.GenerateIn) (broker.Material, error) {
	object := "material " + string(in.ID)
	if err := t.own("generate", broker.Material{ID: in.ID}); err != nil {
		return broker.Material{}, err
	}
	if in.Spec.Class() == "" {
		return broker.Material{}, refuse(broker.Unsupported, "generate", object, "the key spec %q is unknown", in.Spec)
	}
	var m broker.Material
	if in.MayExist {
		err := t.do(ctx, "look for", object, func(s *session) (err error) {
			m, err = t.existing(ctx, s, in)
			return err
		})
		if !errors.Is(err, broker.NotFound) {
			return m, err
		}
	}
	with := t.pool.with
	if in.Usage.Session {
		with = t.pool.withAnchor
	}
	err := with(ctx, func(s *session) (err error) {
		m, err = t.generate(ctx, s, in)
		return err
	})
	if err != nil {
		return broker.Material{}, failed("generate", object, err)
	}
	return m, nil
}

// existing is the material that an earlier run made, if it is whole and as asked.
func (t *Token) existing(ctx context.Context, s *session, in broker.GenerateIn) (broker.Material, error) {
	there, err := s.lookUp(ctx, in.ID)
	if err != nil {
		return broker.Material{}, err
	}
	key, public, err := s.born(ctx, there, "generate", in.ID, in.Spec)
	if err != nil {
		return broker.Material{}, err
	}
	m, got, err := t.material(ctx, s, in, key, public)
	if err != nil {
		return broker.Material{}, err
	}
	if err := got.honours(in); err != nil {
		return broker.Material{}, refuse(broker.Conflict, "generate", "material "+string(in.ID), "what the token holds differs: %w", err)
	}
	return m, nil
}

// generate makes the objects. An error after they were made leaves them for the
// run that resumes; only what the token did not make as asked is destroyed.
func (t *Token) generate(ctx context.Context, s *session, in broker.GenerateIn) (broker.Material, error) {
	key, public, err := s.make(ctx, in)
	if err != nil {
		return broker.Material{}, err
	}
	alone := in.Alone()
	if in.Usage.Session {
		t.remember(in.ID, opened{key: key, public: public, epoch: s.epoch})
	} else if !alone {
		if err := s.alone(ctx, in, key, public); err != nil {
			return broker.Material{}, err
		}
	}
	m, got, err := t.material(ctx, s, in, key, public)
	if err != nil {
		return broker.Material{}, err
	}
	if err := got.honours(in); err != nil {
		err = refuse(broker.Rejected, "generate", "material "+string(in.ID), "the token did not make what was asked, and it was destroyed: %w", err)
		return broker.Material{}, errors.Join(err, s.discard(ctx, key, public))
	}
	if in.Usage.Session {
		t.remember(in.ID, opened{key: key, public: public, epoch: s.epoch, spki: m.PublicKey})
	} else if alone {
		t.made.keep(in.ID, madePair{key, public, s.epoch})
	}
	return m, nil
}

// alone destroys what was just made when other material has the same id: another
// run made that while this one stood still, and may be using it.
func (s *session) alone(ctx context.Context, in broker.GenerateIn, key, public handle) error {
	there, err := s.lookUp(ctx, in.ID)
	if err != nil {
		return err
	}
	if _, _, err := there.whole("generate", in.ID, in.Spec); err == nil {
		return nil
	}
	err = refuse(broker.Conflict, "generate", "material "+string(in.ID), "somebody else made it meanwhile; theirs stays")
	return errors.Join(err, s.discard(ctx, key, public))
}

// make generates a secret, or a pair; public is 0 for a secret.
func (s *session) make(ctx context.Context, in broker.GenerateIn) (key, public handle, err error) {
	if in.Spec.Secret() {
		key, err = s.generateKey(ctx, genMechanism(in.Spec), secretTemplate(in))
		return key, 0, err
	}
	publicHalf, err := publicTemplate(in)
	if err != nil {
		return 0, 0, err
	}
	p, err := s.generatePair(ctx, genMechanism(in.Spec), publicHalf, privateTemplate(in))
	return p.private, p.public, err
}

// discard destroys objects; 0 is none.
func (s *session) discard(ctx context.Context, all ...handle) error {
	var faults []error
	for _, h := range all {
		if h != 0 {
			faults = append(faults, s.destroy(ctx, h))
		}
	}
	return errors.Join(faults...)
}
