package hsmtest

import (
	"bytes"
	"context"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// eachPlan runs f for every plan that works.
func (s *suite) eachPlan(ctx context.Context, f func(broker.Plan, broker.Material) error) error {
	var faults []error
	for _, p := range s.plans {
		if !p.Works {
			continue
		}
		m, err := s.material(ctx, p.Spec)
		if err == nil {
			err = f(p, m)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s by %s, %s: %w", p.Spec, p.Mechanism, p.Way, err))
		}
	}
	return all(faults...)
}

func wrapsOpen(ctx context.Context, s *suite) error {
	return s.eachPlan(ctx, func(p broker.Plan, m broker.Material) error {
		wrapped, material, err := s.wrap(ctx, m, p)
		if err != nil {
			return err
		}
		return all(
			that(!bytes.Contains(wrapped, material), "the material is in clear in what is wrapped"),
			s.isMaterial(ctx, m, material),
		)
	})
}

// isMaterial: it is what the token computes with.
func (s *suite) isMaterial(ctx context.Context, m broker.Material, material []byte) error {
	if !m.Spec.Secret() {
		key, err := parsePrivate(m.Spec, material)
		return all(err, that(bytes.Equal(key.public, m.PublicKey), "it is another private key"))
	}
	size := m.Spec.Bits() / 8
	if len(material) < size {
		return fmt.Errorf("it has %d bytes, not %d", len(material), size)
	}
	if m.Spec.Class() == broker.ClassHMAC {
		return s.sameMAC(ctx, m, material[:size])
	}
	return s.decrypts(ctx, m, material[:size])
}

func wrapsExact(ctx context.Context, s *suite) error {
	return s.eachPlan(ctx, func(p broker.Plan, m broker.Material) error {
		if !p.Conforming {
			return nil
		}
		_, material, err := s.wrap(ctx, m, p)
		if err != nil {
			return err
		}
		if m.Spec.Secret() {
			return that(len(material)*8 == m.Spec.Bits(), "it has %d bytes", len(material))
		}
		key, err := parsePrivate(m.Spec, material)
		return all(
			err, that(key.trailing == 0, "%d bytes follow the private key", key.trailing),
			that(m.Spec.Class() != broker.ClassEC || key.scalar == fieldSize(m.Spec), "its scalar has %d bytes", key.scalar),
		)
	})
}

func wrapsFresh(ctx context.Context, s *suite) error {
	return s.eachPlan(ctx, func(p broker.Plan, m broker.Material) error {
		one, first, err := s.wrap(ctx, m, p)
		if err != nil {
			return err
		}
		two, second, err := s.wrap(ctx, m, p)
		size := s.host.Size()
		return all(
			err, that(bytes.Equal(first, second), "two wraps hold different material"),
			that(!bytes.Equal(one[:size], two[:size]), "two wraps are the same"),
			that(len(one) == size || !bytes.Equal(one[size:], two[size:]), "two wraps share the ephemeral key"),
		)
	})
}

func foreignPlans(ctx context.Context, s *suite) error {
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	other, err := s.workingPlan(broker.HMAC256)
	if err != nil {
		return err
	}
	faults := []error{want("another spec's plan", s.tryWrap(ctx, m, other), broker.Unsupported)}
	for _, p := range s.plans {
		if p.Spec == m.Spec && p.Works {
			p.Way = "in no way"
			faults = append(faults, want("an unknown way", s.tryWrap(ctx, m, p), broker.Unsupported))
		} else if p.Spec == m.Spec {
			p.Way, p.Works = broker.OneStep, true
			faults = append(faults, want("a plan that does not work", s.tryWrap(ctx, m, p), broker.Unsupported))
		}
	}
	return all(faults...)
}

func (s *suite) tryWrap(ctx context.Context, m broker.Material, p broker.Plan) error {
	_, _, err := s.wrap(ctx, m, p)
	return err
}

func uncheckedKey(ctx context.Context, s *suite) error {
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	_, err = s.Token.Wrap(ctx, m, broker.CheckedWrappingKey{})
	return want("wrap", err, broker.Rejected)
}

func absent(ctx context.Context, s *suite) error {
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	plan, err := s.workingPlan(broker.AES256)
	if err != nil {
		return err
	}
	gone, foreign := m, m
	gone.ID, foreign.TokenSerial = s.nextID(), "not this one"
	return all(
		want("wrap what is not there", s.tryWrap(ctx, gone, plan), broker.NotFound),
		want("wrap what is elsewhere", s.tryWrap(ctx, foreign, plan), broker.NotFound),
		want("seal what is not there", s.Token.Change(ctx, gone, broker.Seal), broker.NotFound),
		want("destroy what is elsewhere", s.Token.Change(ctx, foreign, broker.Destroy), broker.NotFound),
		want("destroy nothing in particular", s.Token.Change(ctx, broker.Material{}, broker.Destroy), broker.Misuse),
		want("change otherwise", s.Token.Change(ctx, m, "polish"), broker.Misuse),
		s.holds(ctx, m),
	)
}
