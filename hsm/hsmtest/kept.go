package hsmtest

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/keyferry/keyferry/broker"
)

func sealKeyOnce(ctx context.Context, s *suite) error {
	_, before := s.Token.Seal(ctx, []byte("record"))
	return all(
		want("seal before there is a key", before, broker.NotFound),
		want("no environment", s.Token.MakeSealKey(ctx, ""), broker.Misuse),
		s.Token.MakeSealKey(ctx, "test"),
		s.Token.MakeSealKey(ctx, "test"),
		want("another environment", s.Token.MakeSealKey(ctx, "production"), broker.Conflict),
		s.environment(ctx, "test"),
	)
}

func (s *suite) environment(ctx context.Context, want string) error {
	info, err := s.Token.Info(ctx)
	return all(err, that(info.Environment == want, "its environment is %q, not %q", info.Environment, want))
}

func sealsRecords(ctx context.Context, s *suite) error {
	one, err := s.Token.Seal(ctx, []byte("record one"))
	again, againErr := s.Token.Seal(ctx, []byte("record one"))
	two, twoErr := s.Token.Seal(ctx, []byte("record two"))
	long, longErr := s.Token.Seal(ctx, bytes.Repeat([]byte("x"), 100_000))
	return all(
		err, againErr, twoErr, longErr,
		that(len(one) == 32 && len(long) == 32, "a seal has %d bytes", len(one)),
		that(bytes.Equal(one, again), "one record has two seals"),
		that(!bytes.Equal(one, two), "two records have one seal"),
	)
}

func sealsMaterial(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range []broker.KeySpec{broker.AES256, broker.ECP384} {
		u := usageOf(spec)
		u.Modifiable = true
		m, err := s.generate(ctx, spec, u)
		if err != nil {
			return err
		}
		plan, err := s.workingPlan(spec)
		if err != nil {
			return err
		}
		faults = append(faults,
			s.tryWrap(ctx, m, plan),
			s.Token.Change(ctx, m, broker.Seal),
			want("wrap sealed "+string(spec), s.tryWrap(ctx, m, plan), broker.Rejected),
			s.Token.Change(ctx, m, broker.Seal), // again
			s.holds(ctx, m), s.shownSealed(ctx, m))
	}
	return all(faults...)
}

func (s *suite) shownSealed(ctx context.Context, m broker.Material) error {
	found, err := s.objects(ctx, m.ID)
	for _, o := range found {
		if o.Class != "public" && !is(o.Attributes.Extractable, false) {
			err = all(err, fmt.Errorf("%s: it is sealed, and shown as extractable", m.Spec))
		}
	}
	return err
}

func sealsUnmodifiable(ctx context.Context, s *suite) error {
	m, err := s.generate(ctx, broker.AES256, broker.Usage{})
	if err != nil {
		return err
	}
	return want("seal", s.Token.Change(ctx, m, broker.Seal), broker.Unsupported)
}

func destroys(ctx context.Context, s *suite) error {
	var faults []error
	for _, spec := range []broker.KeySpec{broker.HMAC256, broker.ECP256} {
		m, err := s.generate(ctx, spec, broker.Usage{})
		if err != nil {
			return err
		}
		plan, err := s.workingPlan(spec)
		if err != nil {
			return err
		}
		faults = append(faults, s.Token.Change(ctx, m, broker.Destroy), s.Token.Change(ctx, m, broker.Destroy),
			want("wrap destroyed "+string(spec), s.tryWrap(ctx, m, plan), broker.NotFound))
		n, err := s.count(ctx, m.ID)
		faults = append(faults, err, that(n == 0, "%s: %d objects are left", spec, n))
	}
	return all(faults...)
}

// sealKeyStays: the key that authenticates all records cannot be destroyed as if
// it were material.
func sealKeyStays(ctx context.Context, s *suite) error {
	before, err := s.Token.Seal(ctx, []byte("record"))
	if err != nil {
		return err
	}
	var sealKeys []broker.MaterialID
	found, err := s.objects(ctx, "")
	for _, o := range found {
		keeper := strings.HasPrefix(string(o.ID), broker.KeeperPrefix)
		if _, _, ours := o.ID.Parse(); !ours && !keeper && o.Class == "secret" {
			sealKeys = append(sealKeys, o.ID)
		}
	}
	faults := []error{err, that(len(sealKeys) == 1, "%d secrets are no material", len(sealKeys))}
	for _, id := range sealKeys {
		m := broker.Material{ID: id, Spec: broker.HMAC256}
		faults = append(faults, want("destroy the seal key", s.Token.Change(ctx, m, broker.Destroy), broker.Misuse))
	}
	after, err := s.Token.Seal(ctx, []byte("record"))
	return all(append(faults, err, that(bytes.Equal(before, after), "the seal changed"))...)
}

func listsObjects(ctx context.Context, s *suite) error {
	m, err := s.material(ctx, broker.AES256)
	if err != nil {
		return err
	}
	plan, err := s.workingPlan(broker.AES256)
	if err != nil {
		return err
	}
	_, key, err := s.wrap(ctx, m, plan)
	if err != nil {
		return err
	}
	everything, err := s.objects(ctx, "")
	text, jsonErr := json.Marshal([]any{everything, m})
	shown := 0
	for _, err := range s.Token.Objects(ctx, broker.ObjectQuery{}) {
		if shown++; err != nil {
			return err
		}
		break // a caller may stop
	}
	return all(
		err, jsonErr, that(shown == 1, "it did not stop"),
		that(len(everything) > 5, "only %d objects are listed", len(everything)),
		that(!bytes.Contains(text, []byte(hex.EncodeToString(key))), "the list has the value of a key"),
		that(!bytes.Contains(fmt.Appendf(nil, "%x %s", everything, m), []byte(hex.EncodeToString(key))), "the list has the value of a key"),
	)
}

func keepsAnchors(ctx context.Context, s *suite) error {
	_, before := s.Token.Anchor(ctx, "hsmtest one")
	faults := []error{want("read what was never kept", before, broker.NotFound)}
	for _, record := range []string{"first", "second", "a third one, and longer"} {
		faults = append(faults,
			s.Token.SetAnchor(ctx, "hsmtest one", []byte(record)),
			s.Token.SetAnchor(ctx, "hsmtest two", []byte("other "+record)),
			s.anchorIs(ctx, "hsmtest one", record), s.anchorIs(ctx, "hsmtest two", "other "+record))
	}
	return all(faults...)
}

func (s *suite) anchorIs(ctx context.Context, name, want string) error {
	got, err := s.Token.Anchor(ctx, name)
	return all(err, that(len(got) == 1 && string(got[0]) == want, "anchor %s is %q, not %q", name, got, want))
}

func healthy(ctx context.Context, s *suite) error {
	before, err := s.count(ctx, "")
	if err != nil {
		return err
	}
	err = s.Token.Health(ctx)
	after, countErr := s.count(ctx, "")
	return all(err, countErr, that(before == after, "%d objects became %d", before, after))
}

// concurrent: each goroutine has a key of its own, and opens just that one.
func concurrent(ctx context.Context, s *suite) error {
	const workers, rounds = 12, 4
	materials := make([]broker.MaterialID, workers)
	for i := range materials {
		materials[i] = s.nextID()
	}
	faults := make([]error, workers)
	var wg sync.WaitGroup
	for i := range workers {
		spec := []broker.KeySpec{broker.AES256, broker.HMAC256, broker.ECP384}[i%3]
		wg.Go(func() {
			for range rounds {
				faults[i] = errors.Join(faults[i], s.round(ctx, materials[i], spec))
			}
		})
	}
	wg.Wait()
	return all(faults...)
}

func (s *suite) round(ctx context.Context, id broker.MaterialID, spec broker.KeySpec) error {
	in := broker.GenerateIn{ID: id, Label: "hsmtest", Spec: spec, Usage: usageOf(spec), MayExist: true}
	m, err := s.Token.Generate(ctx, in)
	if err != nil {
		return err
	}
	plan, err := s.workingPlan(spec)
	if err != nil {
		return err
	}
	_, material, err := s.wrap(ctx, m, plan)
	if err != nil {
		return err
	}
	_, sealErr := s.Token.Seal(ctx, material[:4])
	return all(s.isMaterial(ctx, m, material), sealErr, s.Token.Change(ctx, m, broker.Destroy))
}

// nothingLeft destroys what the run made, and counts.
func nothingLeft(ctx context.Context, s *suite) error {
	var faults []error
	for n := 1; n <= s.number; n++ {
		faults = append(faults, s.Token.Change(ctx, broker.Material{ID: broker.NewMaterialID(s.key, n)}, broker.Destroy))
	}
	if s.keeperID != "" {
		faults = append(faults, s.Token.DestroyKeeper(ctx, s.keeperID))
	}
	found, err := s.objects(ctx, "")
	faults = append(faults, err)
	for _, o := range found {
		if o.Class != "data" && o.Label != "keyferry seal key: test" && !is(o.Attributes.Trusted, true) { // what was marked was there before
			faults = append(faults, fmt.Errorf("%s %q is left", o.Class, o.ID))
		}
	}
	if s.SessionObjects != nil {
		n := s.SessionObjects(s.t)
		faults = append(faults, that(n == 0, "%d session objects are left", n))
	}
	return all(faults...)
}
