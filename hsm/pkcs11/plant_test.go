package pkcs11_test

import (
	"encoding/asn1"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/hsmtest"
	p11 "github.com/miekg/pkcs11"
)

// plant makes material as a vendor's tool would: by a session that knows nothing of
// the broker.
func (r raw) plant(t *testing.T, p hsmtest.Planted, more ...*p11.Attribute) {
	t.Helper()
	hidden := append([]*p11.Attribute{
		p11.NewAttribute(p11.CKA_ID, p.ID), p11.NewAttribute(p11.CKA_LABEL, "theirs"),
		p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_PRIVATE, true),
		p11.NewAttribute(p11.CKA_SENSITIVE, !p.Open), p11.NewAttribute(p11.CKA_EXTRACTABLE, !p.Fixed),
		p11.NewAttribute(p11.CKA_MODIFIABLE, p.Usage.Modifiable),
		p11.NewAttribute(p11.CKA_SIGN, p.Usage.MAC),
	}, more...)
	var err error
	switch {
	case p.Stored:
		value := append(hidden, p11.NewAttribute(p11.CKA_ENCRYPT, p.Usage.Encrypt), p11.NewAttribute(p11.CKA_VALUE, make([]byte, p.Spec.Bits()/8)),
			p11.NewAttribute(p11.CKA_CLASS, p11.CKO_SECRET_KEY), p11.NewAttribute(p11.CKA_KEY_TYPE, keyType(p.Spec)))
		_, err = r.ctx.CreateObject(r.session, value)
	case p.Spec.Secret():
		secret := append(hidden, p11.NewAttribute(p11.CKA_ENCRYPT, p.Usage.Encrypt), p11.NewAttribute(p11.CKA_VALUE_LEN, p.Spec.Bits()/8))
		_, err = r.ctx.GenerateKey(r.session, generator(p.Spec), secret)
	default:
		_, _, err = r.ctx.GenerateKeyPair(r.session, generator(p.Spec), publicHalf(t, p), hidden)
	}
	if err != nil {
		t.Fatalf("plant %s: %v", p.Spec, err)
	}
}

func keyType(secret broker.KeySpec) uint {
	if secret.Class() == broker.ClassAES {
		return p11.CKK_AES
	}
	return p11.CKK_GENERIC_SECRET
}

func generator(spec broker.KeySpec) []*p11.Mechanism {
	return []*p11.Mechanism{p11.NewMechanism(map[broker.Class]uint{
		broker.ClassAES: p11.CKM_AES_KEY_GEN, broker.ClassHMAC: p11.CKM_GENERIC_SECRET_KEY_GEN,
		broker.ClassRSA: p11.CKM_RSA_PKCS_KEY_PAIR_GEN, broker.ClassEC: p11.CKM_EC_KEY_PAIR_GEN,
	}[spec.Class()], nil)}
}

func publicHalf(t *testing.T, p hsmtest.Planted) []*p11.Attribute {
	t.Helper()
	half := []*p11.Attribute{
		p11.NewAttribute(p11.CKA_ID, p.ID), p11.NewAttribute(p11.CKA_LABEL, "theirs"),
		p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_VERIFY, true),
	}
	if p.Spec.Class() == broker.ClassRSA {
		return append(half, p11.NewAttribute(p11.CKA_MODULUS_BITS, p.Spec.Bits()), p11.NewAttribute(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}))
	}
	curve, err := asn1.Marshal(map[broker.KeySpec]asn1.ObjectIdentifier{
		broker.ECP256: {1, 2, 840, 10045, 3, 1, 7}, broker.ECP384: {1, 3, 132, 0, 34},
	}[p.Spec])
	if err != nil {
		t.Fatal(err)
	}
	return append(half, p11.NewAttribute(p11.CKA_EC_PARAMS, curve))
}
