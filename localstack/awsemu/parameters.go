package awsemu

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"slices"
	"time"
)

// parametersLife is how long a wrapping key and its import token serve.
const parametersLife = 24 * time.Hour

// importToken is what GetParametersForImport gave out.
type importToken struct {
	keyArn    string
	algorithm string
	private   *rsa.PrivateKey
	expires   time.Time
	used      bool // an import with it succeeded
}

type getParametersInput struct {
	KeyID             string `json:"KeyId"`
	WrappingAlgorithm string `json:"WrappingAlgorithm"`
	WrappingKeySpec   string `json:"WrappingKeySpec"`
}

type getParametersOutput struct {
	KeyID             string `json:"KeyId"`
	ImportToken       []byte `json:"ImportToken"`
	PublicKey         []byte `json:"PublicKey"`
	ParametersValidTo *epoch `json:"ParametersValidTo"`
}

// getParametersForImport gives out a wrapping key and an import token of its own
// each time. Earlier ones stay valid.
func getParametersForImport(c *call, in getParametersInput) (any, error) {
	k, err := c.importable(in.KeyID)
	if err != nil {
		return nil, err
	}
	if err := in.check(k.spec, c.lenient()); err != nil {
		return nil, err
	}
	var private *rsa.PrivateKey
	c.unlocked(func() { private, err = c.s.pool.Take(wrappingBits(in.WrappingKeySpec)) })
	if err != nil {
		return nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&private.PublicKey)
	if err != nil {
		return nil, err
	}
	token := make([]byte, 96)
	_, _ = rand.Read(token) // never fails (crypto/rand)
	t := &importToken{keyArn: k.arn, algorithm: in.WrappingAlgorithm, private: private, expires: c.now.Add(parametersLife)}
	c.s.store.tokens[string(token)] = t
	return getParametersOutput{KeyID: k.arn, ImportToken: token, PublicKey: public, ParametersValidTo: toEpoch(t.expires)}, nil
}

// importable finds a key that material may be brought for.
func (c *call) importable(ref string) (*key, error) {
	k, err := c.key(ref)
	if err != nil {
		return nil, err
	}
	if k.origin != originExternal {
		return nil, refuse(codeUnsupported, "%s origin is %s which is not valid for this operation.", k.arn, k.origin)
	}
	return k, k.in(stateEnabled, stateDisabled, statePendingImport)
}

// check refuses what AWS does not wrap for the key's material (Developer Guide,
// "Select a wrapping algorithm").
func (in getParametersInput) check(spec keySpec, lenient bool) error {
	algorithms := []string{"RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256"}
	err := cmp.Or(
		checkEnum("WrappingAlgorithm", in.WrappingAlgorithm, append(algorithms, "RSAES_PKCS1_V1_5", "SM2PKE")...),
		checkEnum("WrappingKeySpec", in.WrappingKeySpec, "RSA_2048", "RSA_3072", "RSA_4096", "SM2"),
	)
	if err != nil {
		return err
	}
	no := func(why string) error {
		return refuse(codeUnsupported, "%s with %s is not supported for %s: %s", in.WrappingAlgorithm, in.WrappingKeySpec, spec.name, why)
	}
	switch {
	case !slices.Contains(algorithms, in.WrappingAlgorithm), in.WrappingKeySpec == "SM2":
		return no("not outside China, or not any more")
	case spec.class == classRSA && !hybrid(in.WrappingAlgorithm):
		return no("RSA keys need RSA_AES_KEY_WRAP")
	case !spec.asymmetric() && hybrid(in.WrappingAlgorithm) && !lenient:
		return no("secrets need RSAES_OAEP")
	case spec.name == "ECC_NIST_P521" && !hybrid(in.WrappingAlgorithm) && in.WrappingKeySpec == "RSA_2048":
		return no("the private key does not fit")
	}
	return nil
}
