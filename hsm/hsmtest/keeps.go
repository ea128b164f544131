package hsmtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// keeper is the suite's keeper key, made once a run.
func (s *suite) keeper(ctx context.Context) (broker.KeeperID, error) {
	if s.keeperID == "" {
		s.keeperID = broker.NewKeeperID()
	}
	return s.keeperID, s.Token.MakeKeeper(ctx, s.keeperID)
}

// keepable are the specs that the token says it keeps.
func (s *suite) keepable(ctx context.Context) (specs []broker.KeySpec, err error) {
	plans, err := s.Token.KeepPlans(ctx)
	for _, p := range plans {
		if p.Works {
			specs = append(specs, p.Spec)
		}
	}
	return specs, err
}

// eachKept runs f for material of every spec that can be kept: born as a session object
// and wrapped, and not open any more.
func (s *suite) eachKept(ctx context.Context, f func(broker.Material, broker.OpenIn) error) error {
	specs, err := s.keepable(ctx)
	if err != nil {
		return err
	}
	faults := []error{that(len(specs) > 2, "only %s can be kept", specs)}
	for _, spec := range specs {
		m, in, err := s.kept(ctx, spec)
		if err == nil {
			err = all(f(m, in), s.Token.Release(ctx, m.ID))
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", spec, err))
		}
	}
	return all(faults...)
}

func (s *suite) kept(ctx context.Context, spec broker.KeySpec) (broker.Material, broker.OpenIn, error) {
	under, err := s.keeper(ctx)
	if err != nil {
		return broker.Material{}, broker.OpenIn{}, err
	}
	in := broker.GenerateIn{ID: s.nextID(), Label: "hsmtest kept", Spec: spec, Usage: usageOf(spec)}
	in.Usage.Session = true
	m, err := s.Token.Generate(ctx, in)
	if err != nil {
		return m, broker.OpenIn{}, err
	}
	wrapped, err := s.Token.Keep(ctx, m, under)
	return m, broker.OpenIn{GenerateIn: in, PublicKey: m.PublicKey, Keeper: under, Wrapped: wrapped}, all(err, s.Token.Release(ctx, m.ID))
}

func keepPlansCover(ctx context.Context, s *suite) error {
	plans, err := s.Token.KeepPlans(ctx)
	if err != nil {
		return err
	}
	faults := []error{that(len(plans) == len(broker.KeySpecs()), "%d rows", len(plans))}
	for i, p := range plans {
		faults = append(faults,
			that(p.Spec == broker.KeySpecs()[i], "row %d is of %s", i, p.Spec),
			that(p.Works || p.Reason != "", "%s does not work, for no reason", p.Spec),
			that(p.Guarded || p.Reason != "", "%s is not guarded, for no reason", p.Spec),
			that(p.Works || !p.Guarded, "%s is guarded and does not work", p.Spec))
	}
	return all(faults...)
}

// keepsAndOpens: what was wrapped comes out as it was, in the token's own eyes and on
// the far side, and is gone when it is closed.
func keepsAndOpens(ctx context.Context, s *suite) error {
	return s.eachKept(ctx, func(m broker.Material, in broker.OpenIn) error {
		plan, err := s.workingPlan(m.Spec)
		if err != nil {
			return err
		}
		faults := []error{want("wrap what is not open", s.tryWrap(ctx, m, plan), broker.NotFound)}
		for range 2 { // again, and again when it is open already
			opened, err := s.Token.Open(ctx, in)
			faults = append(faults, err, that(opened.ID == m.ID && opened.Spec == m.Spec && opened.TokenSerial == m.TokenSerial && bytes.Equal(opened.PublicKey, m.PublicKey), "%s came out as %+v", m, opened))
		}
		_, material, err := s.wrap(ctx, m, plan)
		if err != nil {
			return all(append(faults, err)...)
		}
		again, err := s.Token.Keep(ctx, m, in.Keeper)
		return all(append(faults, err, s.isMaterial(ctx, m, material),
			that(bytes.Equal(again, in.Wrapped), "the same material under the same keeper key is another wrap"),
			that(!bytes.Contains(in.Wrapped, material), "the material is in clear in what is kept"),
			s.Token.Release(ctx, m.ID), s.Token.Release(ctx, m.ID),
			want("wrap what was closed", s.tryWrap(ctx, m, plan), broker.NotFound))...)
	})
}

// opensHidden: what is opened can be used for no more than what was born.
func opensHidden(ctx context.Context, s *suite) error {
	return s.eachKept(ctx, func(m broker.Material, in broker.OpenIn) error {
		if _, err := s.Token.Open(ctx, in); err != nil {
			return err
		}
		found, err := s.objects(ctx, m.ID)
		faults := []error{err, that(len(found) > 0, "what is open is not listed")}
		for _, o := range found {
			a := o.Attributes
			faults = append(faults, that(o.Class == "public" || is(a.Sensitive, true) && is(a.Extractable, true) && is(a.Private, true),
				"%s object: sensitive %s, extractable %s, private %s", o.Class, says(a.Sensitive), says(a.Extractable), says(a.Private)),
				that(o.Spec == m.Spec || o.Spec == "", "%s object: its spec is %s", o.Class, o.Spec)) // some do not tell the length of what they opened
		}
		return all(faults...)
	})
}

func says(flag *bool) string {
	if flag == nil {
		return "not answered"
	}
	return fmt.Sprint(*flag)
}

// opensNothingElse: a wrap that was changed, of another spec, or under another keeper
// key opens to nothing.
func opensNothingElse(ctx context.Context, s *suite) error {
	return s.eachKept(ctx, func(m broker.Material, in broker.OpenIn) error {
		other := broker.NewKeeperID()
		if err := s.Token.MakeKeeper(ctx, other); err != nil {
			return err
		}
		var faults []error
		for name, spoil := range map[string]func(*broker.OpenIn){
			"a changed wrap":             func(in *broker.OpenIn) { in.Wrapped = bytes.Clone(in.Wrapped); in.Wrapped[9] ^= 1 },
			"half a wrap":                func(in *broker.OpenIn) { in.Wrapped = in.Wrapped[:len(in.Wrapped)/16*8] },
			"nothing":                    func(in *broker.OpenIn) { in.Wrapped = nil },
			"another keeper key's":       func(in *broker.OpenIn) { in.Keeper = other },
			"another spec's":             func(in *broker.OpenIn) { in.Spec = otherSpec(in.Spec) },
			"what the token cannot name": func(in *broker.OpenIn) { in.Spec = "des-56" },
		} {
			spoiled := in
			spoil(&spoiled)
			_, err := s.Token.Open(ctx, spoiled)
			n, countErr := s.count(ctx, m.ID)
			faults = append(faults, that(err != nil, "%s opens", name), countErr, that(n == 0, "%s leaves %d objects", name, n))
		}
		in.Keeper = broker.NewKeeperID()
		_, err := s.Token.Open(ctx, in)
		return all(append(faults, want("a keeper key that is not there", err, broker.NotFound), s.Token.DestroyKeeper(ctx, other), s.Token.DestroyKeeper(ctx, other))...)
	})
}

// otherSpec is of another length or structure. A secret of the same length opens: a wrap
// says nothing of its type, and its record does.
func otherSpec(spec broker.KeySpec) broker.KeySpec {
	if spec == broker.AES128 {
		return broker.HMAC512
	}
	return broker.AES128
}

// movesIn: kept material can be stored in the token again, and out of it be kept.
func movesIn(ctx context.Context, s *suite) error {
	return s.eachKept(ctx, func(m broker.Material, in broker.OpenIn) error {
		in.Usage.Session = false
		stored, err := s.Token.Open(ctx, in)
		if err != nil {
			return err
		}
		_, twice := s.Token.Open(ctx, in)
		discarded := s.Token.Change(ctx, m, broker.Discard)
		plan, err := s.workingPlan(m.Spec)
		if err != nil {
			return err
		}
		_, material, err := s.wrap(ctx, stored, plan)
		if err != nil {
			return err
		}
		again, err := s.Token.Keep(ctx, stored, in.Keeper)
		faults := []error{err, want("store it twice", twice, broker.Conflict), want("discard the only copy", discarded, broker.Conflict), s.isMaterial(ctx, m, material), that(bytes.Equal(again, in.Wrapped), "it is kept as another wrap"), s.Token.Release(ctx, m.ID)}
		found, err := s.objects(ctx, m.ID)
		for _, o := range found {
			faults = append(faults, that(o.Class == "public" || is(o.Attributes.Sensitive, true) && is(o.Attributes.Modifiable, false),
				"the stored %s object: sensitive %s, modifiable %s", o.Class, says(o.Attributes.Sensitive), says(o.Attributes.Modifiable)))
		}
		n, halves := len(found), map[bool]int{true: 1, false: 2}
		return all(append(faults, err, that(n == halves[m.Spec.Secret()], "%d objects are stored", n), s.Token.Change(ctx, m, broker.Destroy))...)
	})
}

// keeperAfresh: what has its id and was not born in the token is no keeper key, and is in
// nobody's way.
func keeperAfresh(ctx context.Context, s *suite) error {
	id := broker.NewKeeperID()
	s.plant(Planted{ID: []byte(id), Spec: broker.AES256, Stored: true})
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	_, kept := s.Token.Keep(ctx, m, id)
	if err := s.Token.MakeKeeper(ctx, id); err != nil {
		return fmt.Errorf("make it afresh: %w", err)
	}
	_, err = s.Token.Keep(ctx, m, id)
	return all(want("keep under it", kept, broker.Rejected), err, s.Token.DestroyKeeper(ctx, id))
}

// keeperGuarded: a keeper key is listed, is no material, and is one for ever.
func keeperGuarded(ctx context.Context, s *suite) error {
	id, err := s.keeper(ctx)
	if err != nil {
		return err
	}
	keys, err := s.Token.Keepers(ctx)
	at := slices.IndexFunc(keys, func(k broker.KeeperKey) bool { return k.ID == id })
	if err != nil || at < 0 {
		return all(err, that(false, "%s is not among %v", id, keys))
	}
	m := broker.Material{ID: broker.MaterialID(id), Spec: broker.AES256}
	_, kept := s.Token.Keep(ctx, m, id)
	aes, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	_, absent := s.Token.Keep(ctx, aes, broker.NewKeeperID())
	found, err := s.objects(ctx, broker.MaterialID(id))
	faults := []error{
		err, that(keys[at].Environment == "test" && keys[at].Fault == "", "%+v", keys[at]),
		that(len(found) == 1 && is(found[0].Attributes.Extractable, false), "it is stored as %v", found),
		s.Token.MakeKeeper(ctx, id), want("destroy it as material", s.Token.Change(ctx, m, broker.Destroy), broker.Misuse),
		want("keep it under itself", kept, broker.Misuse), want("keep under what is not there", absent, broker.NotFound),
		want("make one of no such id", s.Token.MakeKeeper(ctx, "kf-a-1"), broker.Misuse),
		want("destroy one of no such id", s.Token.DestroyKeeper(ctx, "kf-a-1"), broker.Misuse),
	}
	return all(faults...)
}
