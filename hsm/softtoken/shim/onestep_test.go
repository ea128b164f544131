package shim_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"math/big"
	"os"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	"github.com/miekg/pkcs11"
)

func TestOneStepIsAdvertisedOnlyWhenSet(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		for _, how := range []shim.OneStep{shim.OneStepAbsent, shim.OneStepRight, shim.OneStepGarbles} {
			b.shim.Set(shim.Condition{OneStep: how})
			list, err := b.GetMechanismList(b.token.Slot)
			must(t, err)
			listed := slices.ContainsFunc(list, func(m *pkcs11.Mechanism) bool { return m.Mechanism == pkcs11.CKM_RSA_AES_KEY_WRAP })
			info, err := b.GetMechanismInfo(b.token.Slot, mechanism(pkcs11.CKM_RSA_AES_KEY_WRAP))
			if want := how != shim.OneStepAbsent; listed != want || (err == nil && info.Flags&pkcs11.CKF_WRAP != 0) != want {
				t.Errorf("%v: listed %v, info %+v %v", how, listed, info, err)
			}
		}
	})
}

func TestOneStepDoneRightCarriesTheKey(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		b.shim.Set(shim.Condition{OneStep: shim.OneStepRight})
		for _, hash := range hashes(b) {
			if err := b.oneStep(t, hash); err != nil {
				t.Errorf("%v: %v", hash, err)
			}
		}
	})
}

func TestOneStepDoneWrongIsSeenByUnwrapping(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		for _, how := range []shim.OneStep{shim.OneStepPlainWrap, shim.OneStepGarbles} {
			b.shim.Set(shim.Condition{OneStep: how})
			if err := b.oneStep(t, crypto.SHA1); !errors.Is(err, errUnwrap) {
				t.Errorf("%v: %v", how, err)
			}
		}
		b.shim.Set(shim.Condition{OneStep: shim.OneStepIgnoresHash})
		must(t, b.oneStep(t, crypto.SHA1))
		if err := b.oneStep(t, crypto.SHA256); !errors.Is(err, rsa.ErrDecryption) {
			t.Errorf("SHA-1 where SHA-256 was asked for: %v", err)
		}
	})
}

func TestOneStepLeavesNothingBehind(t *testing.T) {
	each(t, func(t *testing.T, b bench) {
		b.shim.Set(shim.Condition{OneStep: shim.OneStepRight})
		must(t, b.oneStep(t, crypto.SHA1))
		session := b.open(t)
		must(t, b.FindObjectsInit(session, []*pkcs11.Attribute{pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY)}))
		found, _, err := b.FindObjects(session, 10)
		must(t, err)
		if len(found) != 1 {
			t.Errorf("%d secret keys, want only the wrapped one", len(found))
		}
	})
}

// A key that asks for it goes under a trusted wrapping key alone, and only the security officer makes one.
func TestOneStepKeepsToTrust(t *testing.T) {
	if softtoken.SoftHSM.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, softtoken.SoftHSM)
	}
	b := setUp(t, softtoken.SoftHSM)
	b.shim.Set(shim.Condition{OneStep: shim.OneStepRight})
	ours, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	officers, err := os.ReadFile(b.token.SOPINFile)
	must(t, err)
	session := b.open(t)
	must(t, b.Login(session, pkcs11.CKU_SO, string(officers)))
	trusted := b.public(t, session, &ours.PublicKey, pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_TRUSTED, true))
	must(t, b.Logout(session))
	must(t, b.Login(session, pkcs11.CKU_USER, b.pin))
	key, err := b.GenerateKey(session, mechanism(pkcs11.CKM_AES_KEY_GEN), []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, false), pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true), pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, true),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP_WITH_TRUSTED, true), pkcs11.NewAttribute(pkcs11.CKA_VALUE_LEN, 32),
	})
	must(t, err)
	wrapped, err := b.WrapKey(session, oneStepMechanism(crypto.SHA1), trusted, key)
	must(t, err)
	if _, err := unwrap(ours, crypto.SHA1, wrapped); err != nil {
		t.Error(err)
	}
	_, err = b.WrapKey(session, oneStepMechanism(crypto.SHA1), b.public(t, session, &ours.PublicKey), key)
	if ckr(err) != pkcs11.CKR_KEY_NOT_WRAPPABLE {
		t.Errorf("under a key that nobody marked: %v", err)
	}
}

// hashes are those with which b's token does OAEP.
func hashes(b bench) []crypto.Hash {
	if k, _ := softtoken.SoftHSM.Module(); b.token.Module == k {
		return []crypto.Hash{crypto.SHA1}
	}
	return []crypto.Hash{crypto.SHA1, crypto.SHA256}
}

// oneStep wraps a new key in one step, unwraps it here, and compares it with what the token does with the key.
func (b bench) oneStep(t *testing.T, hash crypto.Hash) error {
	t.Helper()
	session := b.open(t)
	if err := b.Login(session, pkcs11.CKU_USER, b.pin); ckr(err) != pkcs11.CKR_USER_ALREADY_LOGGED_IN {
		must(t, err)
	}
	ours, err := rsa.GenerateKey(rand.Reader, 2048)
	must(t, err)
	key, err := b.aes(session, false)
	must(t, err)

	wrapped, err := b.WrapKey(session, oneStepMechanism(hash), b.public(t, session, &ours.PublicKey), key)
	must(t, err)
	material, err := unwrap(ours, hash, wrapped)
	if err != nil {
		return err
	}
	must(t, b.EncryptInit(session, mechanism(pkcs11.CKM_AES_ECB), key))
	theirs, err := b.Encrypt(session, make([]byte, 16))
	must(t, err)
	block, err := aes.NewCipher(material)
	must(t, err)
	mine := make([]byte, 16)
	if block.Encrypt(mine, mine); !bytes.Equal(mine, theirs) {
		return errors.New("other material")
	}
	return nil
}

func oneStepMechanism(hash crypto.Hash) []*pkcs11.Mechanism {
	oaep := pkcs11.NewOAEPParams(pkcs11.CKM_SHA_1, pkcs11.CKG_MGF1_SHA1, pkcs11.CKZ_DATA_SPECIFIED, nil)
	if hash == crypto.SHA256 {
		oaep = pkcs11.NewOAEPParams(pkcs11.CKM_SHA256, pkcs11.CKG_MGF1_SHA256, pkcs11.CKZ_DATA_SPECIFIED, nil)
	}
	return []*pkcs11.Mechanism{pkcs11.NewMechanism(pkcs11.CKM_RSA_AES_KEY_WRAP, &pkcs11.RSAAESKeyWrapParams{AESKeyBits: 256, OAEPParams: *oaep})}
}

func (b bench) public(t *testing.T, session pkcs11.SessionHandle, key *rsa.PublicKey, more ...*pkcs11.Attribute) pkcs11.ObjectHandle {
	t.Helper()
	object, err := b.CreateObject(session, append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_RSA),
		pkcs11.NewAttribute(pkcs11.CKA_WRAP, true),
		pkcs11.NewAttribute(pkcs11.CKA_MODULUS, key.N.Bytes()),
		pkcs11.NewAttribute(pkcs11.CKA_PUBLIC_EXPONENT, big.NewInt(int64(key.E)).Bytes()),
	}, more...))
	must(t, err)
	return object
}

var errUnwrap = errors.New("not RFC 5649 under this key")

func unwrap(key *rsa.PrivateKey, hash crypto.Hash, wrapped []byte) ([]byte, error) {
	h := sha1.New()
	if hash == crypto.SHA256 {
		h = sha256.New()
	}
	kek, err := rsa.DecryptOAEP(h, nil, key, wrapped[:key.Size()], nil)
	if err != nil {
		return nil, err
	}
	return unwrapPadded(kek, wrapped[key.Size():])
}

// unwrapPadded is RFC 5649 section 4.2 for more than one block.
func unwrapPadded(kek, wrapped []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	n := len(wrapped)/8 - 1
	buffer, r := make([]byte, 16), slices.Clone(wrapped)
	copy(buffer, r[:8])
	for step := 6 * n; step > 0; step-- {
		at := r[8*((step-1)%n+1):][:8]
		binary.BigEndian.PutUint64(buffer, binary.BigEndian.Uint64(buffer)^uint64(step))
		copy(buffer[8:], at)
		block.Decrypt(buffer, buffer)
		copy(at, buffer[8:])
	}
	length := int(binary.BigEndian.Uint32(buffer[4:]))
	if !bytes.Equal(buffer[:4], []byte{0xA6, 0x59, 0x59, 0xA6}) || length > 8*n || length <= 8*(n-1) {
		return nil, errUnwrap
	}
	return r[8:][:length], nil
}
