package pkcs11

import (
	"context"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/keyferry/keyferry/broker"
	p11 "github.com/miekg/pkcs11"
)

// facts are the attributes of one object, as far as the token answers them.
type facts map[uint][]byte

// read asks for attributes all at once, and where the token does not know one of
// them, for each half of them. It never asks for the value of a key.
func (s *session) read(ctx context.Context, h handle, kinds ...uint) (facts, error) {
	some, err := s.readAll(ctx, h, kinds)
	switch {
	case err == nil:
		return facts{}.add(some), nil
	case !is(err, p11.CKR_ATTRIBUTE_TYPE_INVALID, p11.CKR_ATTRIBUTE_SENSITIVE):
		return nil, err
	case len(kinds) == 1:
		return facts{}, nil
	}
	got, err := s.read(ctx, h, kinds[:len(kinds)/2]...)
	if err != nil {
		return nil, err
	}
	more, err := s.read(ctx, h, kinds[len(kinds)/2:]...)
	maps.Copy(got, more)
	return got, err
}

func (s *session) readAll(ctx context.Context, h handle, kinds []uint) (template, error) {
	want := make(template, 0, len(kinds))
	for _, kind := range kinds {
		want = append(want, p11.NewAttribute(kind, nil))
	}
	return s.attributes(ctx, h, want)
}

func (f facts) add(some template) facts {
	for _, a := range some {
		if len(a.Value) > 0 {
			f[a.Type] = a.Value
		}
	}
	return f
}

// flag is a CK_BBOOL; nil where it was not answered.
func (f facts) flag(kind uint) *bool {
	v, ok := f[kind]
	if !ok {
		return nil
	}
	set := v[0] != 0
	return &set
}

// number is a CK_ULONG, in the machine's byte order; ok is false where it was not
// answered.
func (f facts) number(kind uint) (n uint, ok bool) {
	switch v := f[kind]; len(v) {
	case 8:
		return uint(binary.NativeEndian.Uint64(v)), true
	case 4:
		return uint(binary.NativeEndian.Uint32(v)), true
	default:
		return 0, false
	}
}

// evidenceOf are those of them that an object of the spec can have: one that it cannot have
// makes a token refuse all, and each half is asked for again.
func evidenceOf(spec broker.KeySpec) []uint {
	cannot := map[broker.Class][]uint{
		broker.ClassRSA: {p11.CKA_VALUE_LEN, p11.CKA_EC_PARAMS},
		broker.ClassEC:  {p11.CKA_VALUE_LEN, p11.CKA_MODULUS}, broker.ClassEdwards: {p11.CKA_VALUE_LEN, p11.CKA_MODULUS},
	}[spec.Class()]
	if spec.Secret() {
		cannot = []uint{p11.CKA_MODULUS, p11.CKA_EC_PARAMS}
	}
	return slices.DeleteFunc(evidenceKinds(), func(kind uint) bool { return slices.Contains(cannot, kind) })
}

// evidenceKinds are the attributes that evidence and specs are made of.
func evidenceKinds() []uint {
	return []uint{
		p11.CKA_CLASS, p11.CKA_KEY_TYPE, p11.CKA_ID, p11.CKA_LABEL,
		p11.CKA_LOCAL, p11.CKA_SENSITIVE, p11.CKA_ALWAYS_SENSITIVE, p11.CKA_EXTRACTABLE, p11.CKA_NEVER_EXTRACTABLE,
		p11.CKA_MODIFIABLE, p11.CKA_PRIVATE, p11.CKA_KEY_GEN_MECHANISM,
		p11.CKA_VALUE_LEN, p11.CKA_MODULUS, p11.CKA_EC_PARAMS,
		p11.CKA_ENCRYPT, p11.CKA_DECRYPT, p11.CKA_SIGN, p11.CKA_WRAP, p11.CKA_UNWRAP, p11.CKA_DERIVE,
		p11.CKA_WRAP_WITH_TRUSTED, p11.CKA_TRUSTED,
	}
}

func (f facts) attributes() broker.Attributes {
	a := broker.Attributes{
		Local: f.flag(p11.CKA_LOCAL), Sensitive: f.flag(p11.CKA_SENSITIVE), AlwaysSensitive: f.flag(p11.CKA_ALWAYS_SENSITIVE),
		Extractable: f.flag(p11.CKA_EXTRACTABLE), NeverExtractable: f.flag(p11.CKA_NEVER_EXTRACTABLE),
		Modifiable: f.flag(p11.CKA_MODIFIABLE), Private: f.flag(p11.CKA_PRIVATE),
		WrapWithTrusted: f.flag(p11.CKA_WRAP_WITH_TRUSTED),
	}
	if f.class() == "public" {
		a.Trusted = f.flag(p11.CKA_TRUSTED)
	}
	if n, ok := f.number(p11.CKA_KEY_GEN_MECHANISM); ok && n != p11.CK_UNAVAILABLE_INFORMATION {
		a.KeyGenMechanism = mechanismName(n)
	}
	return a
}

func mechanismName(n uint) string {
	switch n {
	case p11.CKM_AES_KEY_GEN:
		return "CKM_AES_KEY_GEN"
	case p11.CKM_GENERIC_SECRET_KEY_GEN:
		return "CKM_GENERIC_SECRET_KEY_GEN"
	case p11.CKM_RSA_PKCS_KEY_PAIR_GEN:
		return "CKM_RSA_PKCS_KEY_PAIR_GEN"
	case p11.CKM_EC_KEY_PAIR_GEN:
		return "CKM_EC_KEY_PAIR_GEN"
	case ckmEdwardsPairGen:
		return "CKM_EC_EDWARDS_KEY_PAIR_GEN"
	default:
		return fmt.Sprintf("0x%X", n)
	}
}

// class in broker.Object's words; "" for one that is none of them.
func (f facts) class() string {
	n, _ := f.number(p11.CKA_CLASS)
	switch n {
	case p11.CKO_SECRET_KEY:
		return "secret"
	case p11.CKO_PRIVATE_KEY:
		return "private"
	case p11.CKO_PUBLIC_KEY:
		return "public"
	case p11.CKO_DATA:
		return "data"
	default:
		return ""
	}
}

// spec of a key object; "" where it is none that the broker knows.
func (f facts) spec() broker.KeySpec {
	keyType, ok := f.number(p11.CKA_KEY_TYPE)
	if !ok {
		return ""
	}
	for _, spec := range broker.KeySpecs() {
		if f.fits(spec, keyType) {
			return spec
		}
	}
	return ""
}

func (f facts) fits(spec broker.KeySpec, keyType uint) bool {
	length, _ := f.number(p11.CKA_VALUE_LEN)
	switch spec.Class() {
	case broker.ClassAES:
		return keyType == p11.CKK_AES && int(length)*8 == spec.Bits()
	case broker.ClassHMAC:
		return keyType == p11.CKK_GENERIC_SECRET && int(length)*8 == spec.Bits()
	case broker.ClassRSA:
		return keyType == p11.CKK_RSA && len(f[p11.CKA_MODULUS])*8 == spec.Bits()
	case broker.ClassEC:
		return keyType == p11.CKK_EC && f.onCurve(spec)
	default:
		return keyType == ckkEdwards && f.onCurve(spec)
	}
}

func (f facts) onCurve(spec broker.KeySpec) bool {
	var oid asn1.ObjectIdentifier
	rest, err := asn1.Unmarshal(f[p11.CKA_EC_PARAMS], &oid)
	return err == nil && len(rest) == 0 && oid.Equal(curveOID(spec))
}
