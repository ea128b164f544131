package hsmtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

func infoNames(ctx context.Context, s *suite) error {
	info, err := s.Token.Info(ctx)
	if err != nil {
		return err
	}
	s.serial = info.Serial
	return all(
		that(info.Label != "" && info.Serial != "" && info.Library != "", "it does not say who it is: %+v", info),
		that(info.Environment == "", "it has environment %q before it was enrolled", info.Environment),
	)
}

func plansCover(ctx context.Context, s *suite) error {
	var faults []error
	i := 0
	for _, spec := range broker.KeySpecs() {
		for _, m := range broker.Mechanisms() {
			if i >= len(s.plans) || s.plans[i].Spec != spec || s.plans[i].Mechanism != m {
				return fmt.Errorf("row %d is not %s by %s", i, spec, m)
			}
			p := s.plans[i]
			faults = append(faults,
				that(!p.Conforming || p.Works, "%s by %s conforms, but does not work", spec, m),
				that(p.Conforming == (p.Reason == ""), "%s by %s: conforming %t, reason %q", spec, m, p.Conforming, p.Reason),
				that(!p.Works || p.Way != "", "%s by %s works in no way", spec, m))
			i++
		}
	}
	again, err := s.Token.Plans(ctx)
	same := len(again) == len(s.plans)
	for i := range min(len(again), len(s.plans)) {
		same = same && again[i] == s.plans[i]
	}
	return all(append(faults, err, that(same, "asked again, the plans differ"))...)
}

func bornAsAsked(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range s.specs() {
		m, err := s.material(ctx, spec)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", spec, err))
			continue
		}
		a := m.Attributes
		faults = append(faults,
			that(m.Spec == spec && m.ID != "" && m.TokenSerial == s.serial, "%s: it is %+v", spec, m),
			that(is(a.Sensitive, true) && is(a.Extractable, true) && is(a.Private, true), "%s: attributes are not as asked", spec),
			that(!is(a.WrapWithTrusted, true), "%s: it is for trusted wrapping keys alone, which nobody asked", spec),
			that(is(a.Modifiable, false), "%s: it is modifiable", spec),
			that(is(a.Local, true) && a.KeyGenMechanism != "", "%s: the token does not say that it made it", spec),
			that(spec.Secret() == (len(m.PublicKey) == 0), "%s: %d bytes of public key", spec, len(m.PublicKey)),
			canonical(m), s.holds(ctx, m))
	}
	return all(faults...)
}

func is(flag *bool, want bool) bool { return flag != nil && *flag == want }

func canonical(m broker.Material) error {
	if m.Spec.Secret() {
		return nil
	}
	again, err := broker.CanonicalSPKI(m.PublicKey)
	return all(err, that(bytes.Equal(again, m.PublicKey), "%s: its public key is not canonical", m.Spec))
}

// holds: the token has just the objects of that material.
func (s *suite) holds(ctx context.Context, m broker.Material) error {
	found, err := s.objects(ctx, m.ID)
	if err != nil {
		return err
	}
	var classes []string
	for _, o := range found {
		classes = append(classes, o.Class)
		if o.ID != m.ID || o.Label == "" || o.Class != "public" && o.Spec != m.Spec {
			err = all(err, fmt.Errorf("%s: the token lists %+v", m.Spec, o))
		}
	}
	got := strings.Join(classes, " ")
	if m.Spec.Secret() {
		return all(err, that(got == "secret", "%s: the token holds %q", m.Spec, got))
	}
	return all(err, that(got == "private public" || got == "public private", "%s: the token holds %q", m.Spec, got))
}

func sameMaterial(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range s.specs() {
		m, err := s.material(ctx, spec)
		if err != nil {
			return err
		}
		in := broker.GenerateIn{ID: m.ID, Label: "again", Spec: spec, Usage: usageOf(spec), MayExist: true}
		again, err := s.Token.Generate(ctx, in)
		faults = append(faults, err, s.holds(ctx, m),
			that(again.ID == m.ID && bytes.Equal(again.PublicKey, m.PublicKey) && bytes.Equal(again.KCV, m.KCV), "%s: it is other material", spec))
	}
	fresh := broker.GenerateIn{ID: s.nextID(), Label: "hsmtest", Spec: broker.AES256, MayExist: true}
	m, err := s.Token.Generate(ctx, fresh)
	return all(append(faults, err, that(m.ID == fresh.ID, "what may exist, and does not, is not made"))...)
}

func otherMaterial(ctx context.Context, s *suite) error {
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	ask := func(spec broker.KeySpec, u broker.Usage) error {
		_, err := s.Token.Generate(ctx, broker.GenerateIn{ID: m.ID, Label: "x", Spec: spec, Usage: u, MayExist: true})
		return err
	}
	modifiable := usageOf(broker.AES256)
	modifiable.Modifiable = true
	return all(
		want("another size", ask(broker.AES128, usageOf(broker.AES128)), broker.Conflict),
		want("another class", ask(broker.HMAC256, usageOf(broker.HMAC256)), broker.Conflict),
		want("a pair", ask(broker.ECP256, broker.Usage{}), broker.Conflict),
		want("another use", ask(broker.AES256, broker.Usage{}), broker.Conflict),
		want("modifiable", ask(broker.AES256, modifiable), broker.Conflict),
		s.holds(ctx, m),
	)
}

func halfPair(ctx context.Context, s *suite) error {
	var faults []error
	for _, class := range []string{"public", "private"} {
		m, err := s.generate(ctx, broker.ECP384, broker.Usage{})
		if err != nil {
			return err
		}
		s.Lose(s.t, m.ID, class)
		in := broker.GenerateIn{ID: m.ID, Label: "x", Spec: broker.ECP384, MayExist: true}
		_, err = s.Token.Generate(ctx, in)
		faults = append(faults, want("without its "+class+" half", err, broker.Conflict), s.recovers(ctx, in))
	}
	return all(faults...)
}

func twins(ctx context.Context, s *suite) error {
	m, err := s.generate(ctx, broker.AES256, broker.Usage{})
	if err != nil {
		return err
	}
	s.Twin(s.t, m.ID)
	in := broker.GenerateIn{ID: m.ID, Label: "x", Spec: broker.AES256, MayExist: true}
	_, err = s.Token.Generate(ctx, in)
	plan, planErr := s.workingPlan(broker.AES256)
	_, _, wrapErr := s.wrap(ctx, m, plan)
	return all(
		planErr, want("generate", err, broker.Conflict), want("wrap", wrapErr, broker.Conflict), s.recovers(ctx, in),
	)
}

// notBornThere: what the token did not finish to generate has all that was asked of it,
// but no value.
func notBornThere(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range []broker.KeySpec{broker.AES256, broker.HMAC256} {
		in := s.plant(Planted{ID: []byte(s.nextID()), Spec: spec, Usage: usageOf(spec), Stored: true})
		in.Label, in.MayExist = "x", true
		_, err := s.Token.Generate(ctx, in)
		faults = append(faults, want(string(spec)+" from elsewhere", err, broker.Conflict), s.recovers(ctx, in))
	}
	return all(faults...)
}

// recovers: what is not whole can be discarded and made again; what is whole is
// never discarded.
func (s *suite) recovers(ctx context.Context, in broker.GenerateIn) error {
	incomplete := broker.Material{ID: in.ID, Spec: in.Spec}
	if err := s.Token.Change(ctx, incomplete, broker.DiscardUnborn); err != nil {
		return fmt.Errorf("discard: %w", err)
	}
	nothing := all(s.Token.Change(ctx, incomplete, broker.Discard), s.Token.Change(ctx, incomplete, broker.DiscardUnborn))
	m, err := s.Token.Generate(ctx, in)
	if err != nil {
		return fmt.Errorf("make again: %w", err)
	}
	return all(
		nothing, want("discard what is whole", s.Token.Change(ctx, incomplete, broker.Discard), broker.Conflict),
		want("discard what was born", s.Token.Change(ctx, incomplete, broker.DiscardUnborn), broker.Conflict), s.holds(ctx, m),
	)
}

// notDoubled: a run that stood still while another made the material takes its own
// back.
func notDoubled(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range []broker.KeySpec{broker.AES256, broker.ECP384} {
		m, err := s.generate(ctx, spec, broker.Usage{})
		if err != nil {
			return err
		}
		_, err = s.Token.Generate(ctx, broker.GenerateIn{ID: m.ID, Label: "x", Spec: spec})
		faults = append(faults, want(string(spec)+" once more", err, broker.Conflict), s.holds(ctx, m))
	}
	return all(faults...)
}

// usesWhatItMade: material that nobody else may have made is used as long as it is there.
func usesWhatItMade(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range []broker.KeySpec{broker.AES256, broker.ECP384} {
		in := broker.GenerateIn{ID: s.nextID(), Label: "sole", Spec: spec, Sole: func() bool { return true }}
		m, err := s.Token.Generate(ctx, in)
		if err != nil {
			return err
		}
		plan, err := s.workingPlan(spec)
		if err != nil {
			return err
		}
		faults = append(faults, s.holds(ctx, m))
		class := "private"
		if spec.Secret() {
			class = "secret"
		}
		s.Lose(s.t, m.ID, class)
		_, _, lost := s.wrap(ctx, m, plan)
		gone := s.Token.Change(ctx, m, broker.Destroy)
		again, err := s.Token.Generate(ctx, in)
		faults = append(faults, want(string(spec)+" that is lost", lost, broker.NotFound), gone, err)
		if err == nil {
			faults = append(faults, s.holds(ctx, again))
		}
	}
	return all(faults...)
}

func throwaway(ctx context.Context, s *suite) error {
	m, err := s.generate(ctx, broker.AES256, broker.Usage{Session: true})
	if err != nil {
		return err
	}
	plan, err := s.workingPlan(broker.AES256)
	if err != nil {
		return err
	}
	for range 3 { // other sessions come and go meanwhile
		if _, _, err := s.wrap(ctx, m, plan); err != nil {
			return fmt.Errorf("wrap a throwaway: %w", err)
		}
	}
	err = s.Token.Change(ctx, m, broker.Destroy)
	n, countErr := s.count(ctx, m.ID)
	return all(err, countErr, that(n == 0, "%d objects are left", n))
}

func cancelled(ctx context.Context, s *suite) error {
	before, err := s.count(ctx, "")
	if err != nil {
		return err
	}
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	over, cancel := context.WithCancel(ctx)
	cancel()
	_, genErr := s.generate(over, broker.AES256, broker.Usage{})
	_, listErr := s.objects(over, "")
	_, sealErr := s.Token.Seal(over, []byte("record"))
	var faults []error
	for call, err := range map[string]error{
		"Generate": genErr, "Objects": listErr, "Seal": sealErr, "Change": s.Token.Change(over, m, broker.Destroy),
		"Health": s.Token.Health(over), "SetAnchor": s.Token.SetAnchor(over, "x", []byte("x")),
	} {
		faults = append(faults, that(errors.Is(err, context.Canceled), "%s: %v", call, err))
	}
	after, err := s.count(ctx, "")
	return all(append(faults, err, that(before == after, "%d objects became %d", before, after))...)
}
