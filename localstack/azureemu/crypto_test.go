package azureemu_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"math/big"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"
	kecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// Every signature is one that the standard library takes for the key's, and the
// emulator too; one with another bit is not.
func TestSignaturesOfRSA(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	der := emutest.RSA(t)
	private, ok := emutest.Must(x509.ParsePKCS8PrivateKey(der))(t).(*rsa.PrivateKey)
	if !ok {
		t.Fatal("not RSA")
	}
	emutest.Must(e.bring(c, "a", azkeys.KeyTypeRSAHSM, blob(t, e.kek(c, "kek"), der)))(t)
	for alg, h := range map[azkeys.SignatureAlgorithm]crypto.Hash{
		azkeys.SignatureAlgorithmRS256: crypto.SHA256, azkeys.SignatureAlgorithmRS384: crypto.SHA384, azkeys.SignatureAlgorithmRS512: crypto.SHA512,
		azkeys.SignatureAlgorithmPS256: crypto.SHA256, azkeys.SignatureAlgorithmPS384: crypto.SHA384, azkeys.SignatureAlgorithmPS512: crypto.SHA512,
	} {
		digest := emutest.Random(h.Size())
		signature := e.signed(c, alg, digest)
		err := rsa.VerifyPKCS1v15(&private.PublicKey, h, digest, signature)
		if alg[0] == 'P' {
			err = rsa.VerifyPSS(&private.PublicKey, h, digest, signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		if err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestSignaturesOnCurves(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPremium)
	kek := e.kek(c, "kek")
	for crv, tt := range map[azkeys.CurveName]struct {
		alg   azkeys.SignatureAlgorithm
		curve elliptic.Curve
		size  int
	}{
		azkeys.CurveNameP256: {azkeys.SignatureAlgorithmES256, elliptic.P256(), 32},
		azkeys.CurveNameP384: {azkeys.SignatureAlgorithmES384, elliptic.P384(), 48},
		azkeys.CurveNameP521: {azkeys.SignatureAlgorithmES512, elliptic.P521(), 64},
	} {
		private, der := emutest.EC(t, tt.curve)
		emutest.Must(e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, kek, der), onCurve(crv)))(t)
		digest := emutest.Random(tt.size)
		signature := e.signed(c, tt.alg, digest)
		r, s := halves(signature)
		if !ecdsa.Verify(&private.PublicKey, digest, r, s) {
			t.Errorf("%s: not the key's", crv)
		}
	}
}

func TestSignaturesOnSecp256k1(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPool)
	made := emutest.Must(e.bring(c, "a", azkeys.KeyTypeECHSM, blob(t, e.kek(c, "kek"), emutest.Koblitz(t)), onCurve(azkeys.CurveNameP256K)))(t)
	digest := emutest.Random(32)
	signature := e.signed(c, azkeys.SignatureAlgorithmES256K, digest)
	public := emutest.Must(secp256k1.ParsePubKey(append(append([]byte{4}, made.Key.X...), made.Key.Y...)))(t)
	var r, s secp256k1.ModNScalar
	r.SetByteSlice(signature[:32])
	s.SetByteSlice(signature[32:])
	if !kecdsa.NewSignature(&r, &s).Verify(digest, public) {
		t.Error("not the key's")
	}
}

func halves(signature []byte) (r, s *big.Int) {
	n := len(signature) / 2
	return new(big.Int).SetBytes(signature[:n]), new(big.Int).SetBytes(signature[n:])
}

// signed signs with the key "a", and has the emulator verify it and a spoiled one.
func (e *emulator) signed(c *azkeys.Client, alg azkeys.SignatureAlgorithm, digest []byte) []byte {
	e.Helper()
	signature := emutest.Must(c.Sign(e.Context(), "a", "", azkeys.SignParameters{Algorithm: &alg, Value: digest}, nil))(e.T).Result
	spoiled := bytes.Clone(signature)
	spoiled[len(spoiled)-1] ^= 1
	for _, s := range [][]byte{signature, spoiled, signature[1:]} {
		in := azkeys.VerifyParameters{Algorithm: &alg, Digest: digest, Signature: s}
		if got := *emutest.Must(c.Verify(e.Context(), "a", "", in, nil))(e.T).Value; got != bytes.Equal(s, signature) {
			e.Errorf("%s: verified %t", alg, got)
		}
	}
	return signature
}

// symmetric imports an AES key into the pool, as "a".
func (e *emulator) symmetric(c *azkeys.Client, size int) []byte {
	e.Helper()
	material := emutest.Random(size / 8)
	emutest.Must(e.bring(c, "a", azkeys.KeyTypeOctHSM, blob(e.T, e.kek(c, "kek"), material), func(in *azkeys.ImportKeyParameters) {
		in.Key.KeyOps = ops(azkeys.KeyOperationEncrypt, azkeys.KeyOperationDecrypt, azkeys.KeyOperationWrapKey, azkeys.KeyOperationUnwrapKey)
	}))(e.T)
	return material
}

func TestAuthenticatedEncryption(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPool)
	for size, alg := range map[int]azkeys.EncryptionAlgorithm{
		128: azkeys.EncryptionAlgorithmA128GCM, 192: azkeys.EncryptionAlgorithmA192GCM, 256: azkeys.EncryptionAlgorithmA256GCM,
	} {
		gcm := emutest.Must(cipher.NewGCM(emutest.Must(aes.NewCipher(e.symmetric(c, size)))(t)))(t)
		in := azkeys.KeyOperationParameters{Algorithm: &alg, Value: []byte("a challenge"), AdditionalAuthenticatedData: []byte("aad")}
		got := emutest.Must(c.Encrypt(t.Context(), "a", "", in, nil))(t)
		if plain, err := gcm.Open(nil, got.IV, append(got.Result, got.AuthenticationTag...), []byte("aad")); err != nil || string(plain) != "a challenge" {
			t.Errorf("%s: %s %v", alg, plain, err)
		}
		iv := emutest.Random(12)
		sealed := gcm.Seal(nil, iv, []byte("another"), nil)
		back := azkeys.KeyOperationParameters{Algorithm: &alg, Value: sealed[:7], IV: iv, AuthenticationTag: sealed[7:]}
		if plain := emutest.Must(c.Decrypt(t.Context(), "a", "", back, nil))(t).Result; string(plain) != "another" {
			t.Errorf("%s: %s", alg, plain)
		}
		back.AuthenticationTag = emutest.Random(16)
		_, err := c.Decrypt(t.Context(), "a", "", back, nil)
		refused(t, err, 400, "BadParameter")
		_, err = c.WrapKey(t.Context(), "a", "", in, nil)
		refused(t, err, 400, "BadParameter")
	}
}

func TestBlockEncryption(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPool)
	block := emutest.Must(aes.NewCipher(e.symmetric(c, 256)))(t)
	bare, padding := azkeys.EncryptionAlgorithmA256CBC, azkeys.EncryptionAlgorithmA256CBCPAD
	iv := emutest.Random(16)
	for n := range 33 {
		plain := emutest.Random(n + 1)
		in := azkeys.KeyOperationParameters{Algorithm: &padding, Value: plain, IV: iv}
		sealed := emutest.Must(c.Encrypt(t.Context(), "a", "", in, nil))(t).Result
		opened := make([]byte, len(sealed))
		cipher.NewCBCDecrypter(block, iv).CryptBlocks(opened, sealed)
		if fill := len(sealed) - len(plain); fill < 1 || fill > 16 || !bytes.Equal(opened, append(plain, bytes.Repeat([]byte{byte(fill)}, fill)...)) {
			t.Errorf("%d bytes are sealed as %x", n+1, opened)
		}
		in.Value = sealed
		if got := emutest.Must(c.Decrypt(t.Context(), "a", "", in, nil))(t).Result; !bytes.Equal(got, opened[:n+1]) {
			t.Errorf("%d bytes came back as %x", n+1, got)
		}
		in.Algorithm = &bare
		if got := emutest.Must(c.Decrypt(t.Context(), "a", "", in, nil))(t).Result; !bytes.Equal(got, opened) {
			t.Errorf("without padding: %x", got)
		}
	}
	_, err := c.Encrypt(t.Context(), "a", "", azkeys.KeyOperationParameters{Algorithm: &bare, Value: make([]byte, 17), IV: iv}, nil)
	refused(t, err, 400, "BadParameter")
	_, err = c.Encrypt(t.Context(), "a", "", azkeys.KeyOperationParameters{Algorithm: &bare, Value: make([]byte, 16), IV: iv[1:]}, nil)
	refused(t, err, 400, "BadParameter")
}

func TestWrappingKeys(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultPool)
	e.symmetric(c, 256)
	alg, other := azkeys.EncryptionAlgorithmA256KW, emutest.Random(32)
	in := azkeys.KeyOperationParameters{Algorithm: &alg, Value: other}
	in.Value = emutest.Must(c.WrapKey(t.Context(), "a", "", in, nil))(t).Result
	if got := emutest.Must(c.UnwrapKey(t.Context(), "a", "", in, nil))(t).Result; !bytes.Equal(got, other) {
		t.Errorf("unwrapped %x", got)
	}
	in.Value[0] ^= 1
	_, err := c.UnwrapKey(t.Context(), "a", "", in, nil)
	refused(t, err, 400, "BadParameter")
	in.Value = make([]byte, 12)
	_, err = c.WrapKey(t.Context(), "a", "", in, nil)
	refused(t, err, 400, "BadParameter")
}

func TestEncryptionOfRSA(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	c := e.client(azureemu.DefaultStandard)
	kty, size := azkeys.KeyTypeRSA, int32(2048)
	key := emutest.Must(c.CreateKey(t.Context(), "a", azkeys.CreateKeyParameters{Kty: &kty, KeySize: &size}, nil))(t).Key
	public := &rsa.PublicKey{N: new(big.Int).SetBytes(key.N), E: 65537}
	for alg, h := range map[azkeys.EncryptionAlgorithm]crypto.Hash{
		azkeys.EncryptionAlgorithmRSAOAEP: crypto.SHA1, azkeys.EncryptionAlgorithmRSAOAEP256: crypto.SHA256,
	} {
		in := azkeys.KeyOperationParameters{Algorithm: &alg, Value: emutest.Must(rsa.EncryptOAEP(h.New(), rand.Reader, public, []byte("a challenge"), nil))(t)}
		for _, call := range []func() ([]byte, error){
			func() ([]byte, error) { r, err := c.Decrypt(t.Context(), "a", "", in, nil); return r.Result, err },
			func() ([]byte, error) { r, err := c.UnwrapKey(t.Context(), "a", "", in, nil); return r.Result, err },
		} {
			if got := emutest.Must(call())(t); string(got) != "a challenge" {
				t.Errorf("%s: %s", alg, got)
			}
		}
		in.IV = []byte("x")
		_, err := c.Encrypt(t.Context(), "a", "", in, nil)
		refused(t, err, 400, "BadParameter")
	}
}
