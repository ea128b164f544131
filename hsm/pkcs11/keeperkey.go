package pkcs11

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// keeperPrefix begins the label of a keeper key, which names the environment.
const keeperPrefix = "keyferry keeper key: "

// keeperTemplate is an AES key that wraps and unwraps, and can never do anything else.
func keeperTemplate(id, label string, stored bool) template {
	return template{
		attribute(p11.CKA_ID, id),
		attribute(p11.CKA_LABEL, label),
		attribute(p11.CKA_TOKEN, stored),
		attribute(p11.CKA_PRIVATE, true),
		attribute(p11.CKA_SENSITIVE, true),
		attribute(p11.CKA_EXTRACTABLE, false),
		attribute(p11.CKA_MODIFIABLE, false), // else DECRYPT can be set later, and opens what it wrapped
		attribute(p11.CKA_VALUE_LEN, uint(32)),
		attribute(p11.CKA_WRAP, true),
		attribute(p11.CKA_UNWRAP, true),
		attribute(p11.CKA_ENCRYPT, false),
		attribute(p11.CKA_DECRYPT, false),
		attribute(p11.CKA_SIGN, false),
		attribute(p11.CKA_VERIFY, false),
		attribute(p11.CKA_DERIVE, false),
	}
}

// guards are what a keeper key is to make of all that it opens, the strictest first: a
// token is given the first under which it still opens anything. The last is none: some
// take no such template.
func guards() []template {
	least := template{attribute(p11.CKA_SENSITIVE, true), attribute(p11.CKA_PRIVATE, true)}
	useless := append(template{attribute(p11.CKA_DECRYPT, false), attribute(p11.CKA_UNWRAP, false), attribute(p11.CKA_DERIVE, false)}, least...)
	return []template{append(template{attribute(p11.CKA_MODIFIABLE, false)}, useless...), useless, least, nil}
}

// makeGuarded makes a keeper key with a guard.
func (s *session) makeGuarded(ctx context.Context, t, guard template) (handle, error) {
	if len(guard) > 0 {
		a, free := nested(p11.CKA_UNWRAP_TEMPLATE, guard)
		defer free()
		t = append(slices.Clip(t), a)
	}
	return s.generateKey(ctx, p11.CKM_AES_KEY_GEN, t)
}

// MakeKeeper makes the keeper key of that id, and refuses one that is not as asked. What
// was not generated to its end is destroyed first: it was never a keeper key.
func (t *Token) MakeKeeper(ctx context.Context, id broker.KeeperID) error {
	if err := t.isKeeper("make", id); err != nil {
		return err
	}
	plan, err := t.keepPlan(ctx, "make", keeperName(id), broker.AES256)
	if err != nil {
		return err
	}
	return t.do(ctx, "make", keeperName(id), func(s *session) error {
		if err := s.discardUnborn(ctx, id); err != nil {
			return err
		}
		_, err := t.findKeeper(ctx, s, id, plan)
		if !errors.Is(err, broker.NotFound) {
			return err
		}
		seal, err := findSealKey(ctx, s)
		if err != nil {
			return err
		}
		h, err := s.makeGuarded(ctx, keeperTemplate(string(id), keeperPrefix+seal.environment, true), guards()[plan.Guard])
		if err != nil {
			return err
		}
		if _, err := t.findKeeper(ctx, s, id, plan); err != nil {
			return errors.Join(err, s.destroy(ctx, h))
		}
		return nil
	})
}

// discardUnborn destroys what has a keeper key's id and was not generated in the token, or
// not to its end: findKeeper takes none such, and nothing was ever kept under it.
func (s *session) discardUnborn(ctx context.Context, id broker.KeeperID) error {
	all, err := s.find(ctx, template{attribute(p11.CKA_CLASS, uint(p11.CKO_SECRET_KEY)), attribute(p11.CKA_ID, string(id))})
	if err != nil {
		return err
	}
	for _, h := range all {
		unborn, err := s.unborn(ctx, h)
		if unborn {
			err = s.destroy(ctx, h)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// DestroyKeeper destroys every object of the id.
func (t *Token) DestroyKeeper(ctx context.Context, id broker.KeeperID) error {
	if err := t.isKeeper("destroy", id); err != nil {
		return err
	}
	return t.do(ctx, "destroy", keeperName(id), func(s *session) error {
		return s.destroyMaterial(ctx, broker.MaterialID(id))
	})
}

func (t *Token) isKeeper(op string, id broker.KeeperID) error {
	if strings.HasPrefix(string(id), broker.KeeperPrefix) {
		return nil
	}
	return refuse(broker.Misuse, op, keeperName(id), "it is no id of a keeper key")
}

func keeperName(id broker.KeeperID) string { return "keeper key " + string(id) }

// Keepers lists the keeper keys, with what is wrong with them.
func (t *Token) Keepers(ctx context.Context) ([]broker.KeeperKey, error) {
	var keys []broker.KeeperKey
	err := t.do(ctx, "list the keeper keys of", t.name(), func(s *session) error {
		all, err := s.find(ctx, template{attribute(p11.CKA_CLASS, uint(p11.CKO_SECRET_KEY)), attribute(p11.CKA_TOKEN, true), attribute(p11.CKA_KEY_TYPE, uint(p11.CKK_AES))})
		if err != nil {
			return err
		}
		for _, h := range all {
			got, err := s.read(ctx, h, keeperKinds()...)
			if gone(err) {
				continue
			}
			if err != nil {
				return err
			}
			id := broker.KeeperID(broker.ObjectID(got[p11.CKA_ID]))
			if !strings.HasPrefix(string(id), broker.KeeperPrefix) {
				continue
			}
			key := broker.KeeperKey{ID: id}
			if key.Environment, err = got.keeps(); err != nil {
				key.Fault = err.Error()
			}
			keys = append(keys, key)
		}
		return nil
	})
	return keys, err
}

// findKeeper finds a keeper key by its id, once a session, and checks it: it must be as
// it was made, for the environment that the token is enrolled for.
func (t *Token) findKeeper(ctx context.Context, s *session, id broker.KeeperID, plan keepPlan) (handle, error) {
	if h, ok := s.keepers[id]; ok {
		return h, nil
	}
	if err := t.isKeeper("use", id); err != nil {
		return 0, err
	}
	all, err := s.find(ctx, template{attribute(p11.CKA_CLASS, uint(p11.CKO_SECRET_KEY)), attribute(p11.CKA_ID, string(id))})
	switch {
	case err != nil:
		return 0, err
	case len(all) == 0:
		return 0, &broker.Error{
			Kind: broker.NotFound, Op: "find", Object: keeperName(id), Cause: fmt.Errorf("%s has none of that id", t.name()),
			Hint: "restore the token from its backup: what was wrapped under it opens with nothing else",
		}
	case len(all) > 1:
		return 0, refuse(broker.Conflict, "use", keeperName(id), "the token has %d of that id", len(all))
	}
	if err := t.checkKeeper(ctx, s, id, all[0], plan); err != nil {
		return 0, err
	}
	if s.keepers == nil {
		s.keepers = map[broker.KeeperID]handle{}
	}
	s.keepers[id] = all[0]
	return all[0], nil
}

func (t *Token) checkKeeper(ctx context.Context, s *session, id broker.KeeperID, h handle, plan keepPlan) error {
	got, err := s.read(ctx, h, keeperKinds()...)
	if err != nil {
		return err
	}
	environment, err := got.keeps()
	if err != nil {
		return altered(id, err)
	}
	seal, err := findSealKey(ctx, s)
	if err != nil {
		return err
	}
	if environment != seal.environment {
		return refuse(broker.Conflict, "use", keeperName(id), "it belongs to environment %q, the token to %q", environment, seal.environment)
	}
	return t.checkGuard(ctx, s, id, h, plan)
}

func altered(id broker.KeeperID, why error) error {
	return &broker.Error{
		Kind: broker.Rejected, Op: "use", Object: keeperName(id), Cause: why,
		Hint: "nothing is kept under it, or opened by it: find out who put it there",
	}
}

func keeperKinds() []uint {
	return []uint{
		p11.CKA_ID, p11.CKA_LABEL, p11.CKA_TOKEN, p11.CKA_KEY_TYPE, p11.CKA_VALUE_LEN, p11.CKA_KEY_GEN_MECHANISM, p11.CKA_PRIVATE, p11.CKA_SENSITIVE, p11.CKA_ALWAYS_SENSITIVE,
		p11.CKA_EXTRACTABLE, p11.CKA_NEVER_EXTRACTABLE, p11.CKA_MODIFIABLE, p11.CKA_LOCAL, p11.CKA_WRAP, p11.CKA_UNWRAP,
		p11.CKA_ENCRYPT, p11.CKA_DECRYPT, p11.CKA_SIGN, p11.CKA_VERIFY, p11.CKA_DERIVE,
	}
}

// keeps says how an object is no keeper key as keyferry makes them. One that came into
// the token from outside is known to others.
func (f facts) keeps() (environment string, err error) {
	environment, ours := strings.CutPrefix(string(f[p11.CKA_LABEL]), keeperPrefix)
	if !ours || environment == "" {
		return "", fmt.Errorf("its label %q names no environment", f[p11.CKA_LABEL])
	}
	if length, _ := f.number(p11.CKA_VALUE_LEN); length != 32 {
		return environment, fmt.Errorf("it has %d bytes, not 32", length)
	}
	if how, ok := f.number(p11.CKA_KEY_GEN_MECHANISM); !ok || how != p11.CKM_AES_KEY_GEN {
		return environment, errors.New("it was not generated in the token")
	}
	for _, want := range []struct {
		name string
		kind uint
		set  bool
		use  bool // one that the token may leave out
	}{
		{"CKA_PRIVATE", p11.CKA_PRIVATE, true, false},
		{"CKA_SENSITIVE", p11.CKA_SENSITIVE, true, false},
		{"CKA_ALWAYS_SENSITIVE", p11.CKA_ALWAYS_SENSITIVE, true, false},
		{"CKA_EXTRACTABLE", p11.CKA_EXTRACTABLE, false, false},
		{"CKA_NEVER_EXTRACTABLE", p11.CKA_NEVER_EXTRACTABLE, true, false},
		{"CKA_MODIFIABLE", p11.CKA_MODIFIABLE, false, false},
		{"CKA_LOCAL", p11.CKA_LOCAL, true, false},
		{"CKA_WRAP", p11.CKA_WRAP, true, false},
		{"CKA_UNWRAP", p11.CKA_UNWRAP, true, false},
		{"CKA_ENCRYPT", p11.CKA_ENCRYPT, false, true},
		{"CKA_DECRYPT", p11.CKA_DECRYPT, false, true},
		{"CKA_SIGN", p11.CKA_SIGN, false, true},
		{"CKA_VERIFY", p11.CKA_VERIFY, false, true},
		{"CKA_DERIVE", p11.CKA_DERIVE, false, true},
	} {
		if got := f.flag(want.kind); got != nil && *got != want.set || got == nil && !want.use {
			return environment, fmt.Errorf("its %s is %s", want.name, shown(got))
		}
	}
	return environment, nil
}
