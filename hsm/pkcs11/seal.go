package pkcs11

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// The seal key is the one object of this CKA_ID; its label names the environment.
const (
	sealID     = "keyferry-seal"
	sealPrefix = "keyferry seal key: "
)

// sealKey as found.
type sealKey struct {
	handle      handle
	environment string
}

// Seal returns the HMAC-SHA-256 of record (FIPS 198-1), in one C_Sign.
func (t *Token) Seal(ctx context.Context, record []byte) ([]byte, error) {
	var mac []byte
	err := t.do(ctx, "seal a record with", t.name(), func(s *session) error {
		key, err := s.sealKey(ctx)
		if err != nil {
			return err
		}
		mac, err = s.sign(ctx, p11.CKM_SHA256_HMAC, key.handle, record)
		if err == nil && len(mac) != sha256.Size {
			err = refuse(broker.Rejected, "seal a record with", t.name(), "%d bytes came out, not %d", len(mac), sha256.Size)
		}
		return err
	})
	return mac, err
}

// sealKey looks for it once a session: every record takes a seal, and a search takes some
// tokens as long as they have objects. After an error the session is not used again.
func (s *session) sealKey(ctx context.Context) (sealKey, error) {
	if s.sealing != nil {
		return *s.sealing, nil
	}
	key, err := findSealKey(ctx, s)
	if err == nil {
		s.sealing = &key
	}
	return key, err
}

// MakeSealKey makes the seal key of one environment, and refuses one that could
// leave the token or be changed.
func (t *Token) MakeSealKey(ctx context.Context, environment string) error {
	if environment == "" {
		return refuse(broker.Misuse, "make seal key in", t.name(), "no environment is named")
	}
	return t.do(ctx, "make seal key in", t.name(), func(s *session) error {
		key, err := findSealKey(ctx, s)
		switch {
		case errors.Is(err, broker.NotFound):
			return makeSealKey(ctx, s, environment)
		case err != nil:
			return err
		case key.environment != environment:
			return refuse(broker.Conflict, "make seal key in", t.name(), "it belongs to environment %s, not %s", key.environment, environment)
		}
		return nil
	})
}

func makeSealKey(ctx context.Context, s *session, environment string) error {
	h, err := s.generateKey(ctx, p11.CKM_GENERIC_SECRET_KEY_GEN, sealTemplate(environment))
	if err != nil {
		return err
	}
	if _, err := s.checkSealKey(ctx, h); err != nil {
		return errors.Join(err, s.destroy(ctx, h))
	}
	return nil
}

// findSealKey finds the one seal key there is. Two are a Conflict: nobody could
// say which of them sealed what.
func findSealKey(ctx context.Context, s *session) (sealKey, error) {
	all, err := s.find(ctx, template{attribute(p11.CKA_CLASS, uint(p11.CKO_SECRET_KEY)), attribute(p11.CKA_ID, sealID)})
	switch {
	case err != nil:
		return sealKey{}, err
	case len(all) == 0:
		return sealKey{}, &broker.Error{
			Kind: broker.NotFound, Op: "find", Object: "the seal key", Cause: errors.New("the token has none"),
			Hint: "keyferry token enrol --environment …",
		}
	case len(all) > 1:
		return sealKey{}, refuse(broker.Conflict, "find", "the seal key", "the token has %d", len(all))
	}
	return s.checkSealKey(ctx, all[0])
}

// checkSealKey: a key that can be read, exported or changed authenticates nothing.
func (s *session) checkSealKey(ctx context.Context, h handle) (sealKey, error) {
	got, err := s.read(ctx, h, p11.CKA_LABEL, p11.CKA_SENSITIVE, p11.CKA_EXTRACTABLE, p11.CKA_MODIFIABLE)
	if err != nil {
		return sealKey{}, err
	}
	for _, want := range []struct {
		name string
		kind uint
		set  bool
	}{
		{"CKA_SENSITIVE", p11.CKA_SENSITIVE, true},
		{"CKA_EXTRACTABLE", p11.CKA_EXTRACTABLE, false},
		{"CKA_MODIFIABLE", p11.CKA_MODIFIABLE, false},
	} {
		if flag := got.flag(want.kind); flag == nil || *flag != want.set {
			return sealKey{}, refuse(broker.Rejected, "use", "the seal key", "its %s is %s", want.name, shown(flag))
		}
	}
	environment, ours := strings.CutPrefix(string(got[p11.CKA_LABEL]), sealPrefix)
	if !ours || environment == "" {
		return sealKey{}, refuse(broker.Conflict, "use", "the seal key", "its label %q names no environment", got[p11.CKA_LABEL])
	}
	return sealKey{handle: h, environment: environment}, nil
}

func sealTemplate(environment string) template {
	return template{
		attribute(p11.CKA_ID, sealID),
		attribute(p11.CKA_LABEL, sealPrefix+environment),
		attribute(p11.CKA_TOKEN, true),
		attribute(p11.CKA_PRIVATE, true),
		attribute(p11.CKA_SENSITIVE, true),
		attribute(p11.CKA_EXTRACTABLE, false),
		attribute(p11.CKA_MODIFIABLE, false),
		attribute(p11.CKA_VALUE_LEN, uint(sha256.Size)),
		attribute(p11.CKA_SIGN, true),
		attribute(p11.CKA_VERIFY, false),
		attribute(p11.CKA_ENCRYPT, false),
		attribute(p11.CKA_DECRYPT, false),
		attribute(p11.CKA_WRAP, false),
		attribute(p11.CKA_UNWRAP, false),
		attribute(p11.CKA_DERIVE, false),
	}
}
