package pkcs11

import (
	"encoding/asn1"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// What miekg/pkcs11 has no name for (PKCS #11 v3.1 §6.3, §6.13.5).
const (
	ckmEdwardsPairGen = 0x1055
	ckmEdDSA          = 0x1057
	ckmAESKWP         = 0x210B
	ckkEdwards        = 0x40
)

// attribute takes a bool, a uint, a string, bytes, or a material id.
func attribute(kind uint, value any) *p11.Attribute {
	if id, ok := value.(broker.MaterialID); ok {
		value = ckaID(id)
	}
	return p11.NewAttribute(kind, value)
}

// genMechanism makes keys of a spec.
func genMechanism(spec broker.KeySpec) uint {
	switch spec.Class() {
	case broker.ClassAES:
		return p11.CKM_AES_KEY_GEN
	case broker.ClassHMAC:
		return p11.CKM_GENERIC_SECRET_KEY_GEN
	case broker.ClassRSA:
		return p11.CKM_RSA_PKCS_KEY_PAIR_GEN
	case broker.ClassEC:
		return p11.CKM_EC_KEY_PAIR_GEN
	default:
		return ckmEdwardsPairGen
	}
}

// curveOID of an EC spec (SEC 2; RFC 8410 §3).
func curveOID(spec broker.KeySpec) asn1.ObjectIdentifier {
	switch spec {
	case broker.ECP256:
		return asn1.ObjectIdentifier{1, 2, 840, 10045, 3, 1, 7}
	case broker.ECP384:
		return asn1.ObjectIdentifier{1, 3, 132, 0, 34}
	case broker.ECP521:
		return asn1.ObjectIdentifier{1, 3, 132, 0, 35}
	case broker.Secp256k1:
		return asn1.ObjectIdentifier{1, 3, 132, 0, 10}
	case broker.Ed25519:
		return asn1.ObjectIdentifier{1, 3, 101, 112}
	default:
		return nil
	}
}

// hidden is what every secret and private object of ours is: it never leaves the
// token in clear, and is seen only after a login.
func hidden(in broker.GenerateIn) template {
	t := template{
		attribute(p11.CKA_ID, in.ID),
		attribute(p11.CKA_LABEL, in.Label),
		attribute(p11.CKA_TOKEN, !in.Usage.Session),
		attribute(p11.CKA_PRIVATE, true),
		attribute(p11.CKA_SENSITIVE, true),
		attribute(p11.CKA_EXTRACTABLE, true), // wrapping needs it
		attribute(p11.CKA_MODIFIABLE, in.Usage.Modifiable),
	}
	if in.Usage.Trusted {
		t = append(t, attribute(p11.CKA_WRAP_WITH_TRUSTED, true))
	}
	return t
}

// secretTemplate allows the uses that the proof needs and no other: a key that
// may wrap or decrypt is a way out for others.
func secretTemplate(in broker.GenerateIn) template {
	return append(
		hidden(in),
		attribute(p11.CKA_VALUE_LEN, uint(in.Spec.Bits()/8)),
		attribute(p11.CKA_ENCRYPT, in.Usage.Encrypt),
		attribute(p11.CKA_SIGN, in.Usage.MAC),
		attribute(p11.CKA_DECRYPT, false),
		attribute(p11.CKA_VERIFY, false),
		attribute(p11.CKA_WRAP, false),
		attribute(p11.CKA_UNWRAP, false),
		attribute(p11.CKA_DERIVE, false),
	)
}

// privateTemplate allows no use.
func privateTemplate(in broker.GenerateIn) template {
	return append(
		hidden(in),
		attribute(p11.CKA_SIGN, false),
		attribute(p11.CKA_DECRYPT, false),
		attribute(p11.CKA_UNWRAP, false),
		attribute(p11.CKA_DERIVE, false),
	)
}

func publicTemplate(in broker.GenerateIn) (template, error) {
	t := template{
		attribute(p11.CKA_ID, in.ID),
		attribute(p11.CKA_LABEL, in.Label),
		attribute(p11.CKA_TOKEN, !in.Usage.Session),
		attribute(p11.CKA_PRIVATE, false),
		attribute(p11.CKA_ENCRYPT, false),
		attribute(p11.CKA_VERIFY, false),
		attribute(p11.CKA_WRAP, false),
	}
	if in.Spec.Class() == broker.ClassRSA {
		return append(
			t,
			attribute(p11.CKA_MODULUS_BITS, uint(in.Spec.Bits())),
			attribute(p11.CKA_PUBLIC_EXPONENT, []byte{1, 0, 1}),
		), nil
	}
	params, err := asn1.Marshal(curveOID(in.Spec))
	return append(t, attribute(p11.CKA_EC_PARAMS, params)), err
}

// ephemeralTemplate is the AES key of the two-step plan: it wraps once. Left
// modifiable it could be given DECRYPT, and open what it wrapped.
func ephemeralTemplate() template {
	return template{
		attribute(p11.CKA_TOKEN, false),
		attribute(p11.CKA_PRIVATE, true),
		attribute(p11.CKA_SENSITIVE, true),
		attribute(p11.CKA_EXTRACTABLE, true), // it leaves the token under the wrapping key
		attribute(p11.CKA_MODIFIABLE, false),
		attribute(p11.CKA_VALUE_LEN, uint(32)),
		attribute(p11.CKA_WRAP, true),
		attribute(p11.CKA_UNWRAP, false),
		attribute(p11.CKA_ENCRYPT, false),
		attribute(p11.CKA_DECRYPT, false),
		attribute(p11.CKA_SIGN, false),
		attribute(p11.CKA_VERIFY, false),
		attribute(p11.CKA_DERIVE, false),
	}
}

// healthTemplate is a key that nothing can be done with but to destroy it.
func healthTemplate() template {
	return template{
		attribute(p11.CKA_ID, healthID),
		attribute(p11.CKA_LABEL, "keyferry health check"),
		attribute(p11.CKA_TOKEN, true),
		attribute(p11.CKA_PRIVATE, true),
		attribute(p11.CKA_SENSITIVE, true),
		attribute(p11.CKA_EXTRACTABLE, false),
		attribute(p11.CKA_VALUE_LEN, uint(16)),
	}
}
