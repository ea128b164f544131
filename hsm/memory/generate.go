package memory

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // CKA_CHECK_VALUE of a generic secret is defined by it (PKCS #11 v3.1 §4.10.1)
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// Generate makes the material of one key version.
func (t *Token) Generate(ctx context.Context, in broker.GenerateIn) (broker.Material, error) {
	made, err := t.make(in)
	if err != nil {
		return broker.Material{}, err
	}
	var m broker.Material
	err = t.call(ctx, "Generate", func() error {
		have := t.find(in.ID)
		if in.MayExist && len(have) > 0 {
			if m, err = t.whole(in, have); err == nil && have[0].unwrapped {
				err = &broker.Error{Kind: broker.Conflict, Op: "generate", Object: "material " + string(in.ID), Cause: errors.New("it was not born in the token")}
			}
			return err
		}
		if len(have) > 0 && !in.Usage.Session {
			return &broker.Error{
				Kind: broker.Conflict, Op: "generate", Object: "material " + string(in.ID), Cause: errors.New("somebody else made it meanwhile; theirs stays"),
			}
		}
		t.objects = append(t.objects, made...)
		m = t.material(made)
		return nil
	})
	if err != nil {
		return broker.Material{}, err
	}
	return m, nil
}

// whole is the material that is there, if nothing of it is missing or double.
func (t *Token) whole(in broker.GenerateIn, have []object) (broker.Material, error) {
	refuse := func(why string) (broker.Material, error) {
		return broker.Material{}, &broker.Error{
			Kind: broker.Conflict, Op: "generate", Object: "material " + string(in.ID), Cause: errors.New(why),
		}
	}
	switch {
	case !complete(in.Spec, have):
		return refuse(fmt.Sprintf("the token holds %d objects of that id, and not a whole one", len(have)))
	case have[0].spec != in.Spec:
		return refuse(fmt.Sprintf("the token holds %s of that id, %s was asked", have[0].spec, in.Spec))
	case have[0].usage != in.Usage:
		return refuse("the token holds material of that id with another usage")
	}
	return t.material(have), nil
}

// complete: a secret is one object, a pair two of different classes.
func complete(spec broker.KeySpec, have []object) bool {
	if spec.Secret() {
		return len(have) == 1
	}
	return len(have) == 2 && have[0].class != have[1].class
}

func (t *Token) material(objects []object) broker.Material {
	o := objects[0]
	return broker.Material{
		ID: o.id, TokenSerial: t.options.Serial, Spec: o.spec, PublicKey: slices.Clone(o.public),
		KCV: checkValue(o), Attributes: o.attributes(),
	}
}

// make builds the objects of new material: a secret, or the two of a pair.
func (t *Token) make(in broker.GenerateIn) ([]object, error) {
	if in.ID == "" || in.Spec.Class() == "" || slices.Contains(t.options.Unsupported, in.Spec) {
		return nil, &broker.Error{
			Kind: broker.Unsupported, Op: "generate", Object: "material " + string(in.ID),
			Cause: fmt.Errorf("the token cannot make a key of spec %q", in.Spec),
		}
	}
	o := object{id: in.ID, class: classSecret, label: in.Label, spec: in.Spec, usage: in.Usage, extractable: true}
	if in.Spec.Secret() {
		o.value = make([]byte, in.Spec.Bits()/8)
		rand.Read(o.value)
		return []object{o}, nil
	}
	var err error
	if o.value, o.public, err = makePair(in.Spec); err != nil {
		return nil, fmt.Errorf("generate material %s: %w", in.ID, err)
	}
	o.class = classPrivate
	public := o
	public.class, public.value = classPublic, nil
	return []object{o, public}, nil
}

// makePair returns the PKCS #8 and SubjectPublicKeyInfo of a new pair.
func makePair(spec broker.KeySpec) (private, public []byte, err error) {
	if spec == broker.Secp256k1 {
		return makeSecp256k1()
	}
	key, err := newSigner(spec)
	if err != nil {
		return nil, nil, err
	}
	if private, err = x509.MarshalPKCS8PrivateKey(key); err != nil {
		return nil, nil, err
	}
	public, err = x509.MarshalPKIXPublicKey(key.Public())
	return private, public, err
}

func newSigner(spec broker.KeySpec) (crypto.Signer, error) {
	switch spec {
	case broker.ECP256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case broker.ECP384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case broker.ECP521:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case broker.Ed25519:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	default:
		return rsa.GenerateKey(rand.Reader, spec.Bits())
	}
}

// checkValue is three bytes: of AES the encryption of a zero block, of other
// secrets their SHA-1.
func checkValue(o object) []byte {
	switch o.spec.Class() {
	case broker.ClassAES:
		block, err := aes.NewCipher(o.value)
		if err != nil {
			return nil
		}
		out := make([]byte, aes.BlockSize)
		block.Encrypt(out, out)
		return out[:3]
	case broker.ClassHMAC:
		sum := sha1.Sum(o.value) //nolint:gosec // defined so
		return sum[:3]
	default:
		return nil
	}
}

func genMechanism(spec broker.KeySpec) string {
	switch spec.Class() {
	case broker.ClassAES:
		return "CKM_AES_KEY_GEN"
	case broker.ClassHMAC:
		return "CKM_GENERIC_SECRET_KEY_GEN"
	case broker.ClassRSA:
		return "CKM_RSA_PKCS_KEY_PAIR_GEN"
	case broker.ClassEC:
		return "CKM_EC_KEY_PAIR_GEN"
	default:
		return "CKM_EC_EDWARDS_KEY_PAIR_GEN"
	}
}
