package awsemu_test

import (
	"bytes"
	"crypto"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	kecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// holding makes a key with material.
func (e *emulator) holding(spec types.KeySpec, usage types.KeyUsageType, material []byte) string {
	e.Helper()
	key := e.create(spec, usage)
	must(e.bring(key, material))(e.T)
	return key
}

// lying makes the next call of an action answer falsely.
func (e *emulator) lying(action string) {
	e.Helper()
	must(e.admin.Add(e.Context(), faults.Rule{Kind: faults.Lie, Match: faults.Match{Action: action}}))(e.T)
}

// Rule 31.
func TestSymmetricCiphertextIsOpaqueAndBound(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	material := emutest.Random(32)
	key := e.holding(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, material)
	same := e.holding(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, material)
	plain, with := []byte("plain text"), map[string]string{"for": "test"}
	out := must(e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: plain, EncryptionContext: with}))(t)
	if bytes.Contains(out.CiphertextBlob, plain) || bytes.Contains(out.CiphertextBlob, material) {
		t.Error("the ciphertext tells")
	}
	decrypt := func(change func(*kms.DecryptInput)) (*kms.DecryptOutput, error) {
		in := &kms.DecryptInput{CiphertextBlob: bytes.Clone(out.CiphertextBlob), EncryptionContext: with}
		change(in)
		return e.Decrypt(t.Context(), in)
	}
	got := must(decrypt(func(*kms.DecryptInput) {}))(t)
	if !bytes.Equal(got.Plaintext, plain) || *got.KeyMaterialId != *e.describe(key).CurrentKeyMaterialId || *got.KeyId != *e.describe(key).Arn {
		t.Errorf("decrypted %+v", got)
	}
	for code, change := range map[string]func(*kms.DecryptInput){
		"IncorrectKeyException":      func(in *kms.DecryptInput) { in.KeyId = &same },
		"InvalidCiphertextException": func(in *kms.DecryptInput) { in.EncryptionContext = nil },
		"ValidationException":        func(in *kms.DecryptInput) { in.EncryptionAlgorithm = "ROT13" },
	} {
		_, err := decrypt(change)
		refused(t, err, code)
	}
	for _, spoil := range []func([]byte) []byte{
		func([]byte) []byte { return []byte("nothing") },
		func(b []byte) []byte { b[len(b)-1] ^= 1; return b },
		func(b []byte) []byte { return b[:50] },
		func(b []byte) []byte { copy(b[8:], same); return b },
	} {
		_, err := decrypt(func(in *kms.DecryptInput) { in.CiphertextBlob = spoil(in.CiphertextBlob) })
		refused(t, err, "InvalidCiphertextException")
	}
	e.lying("Decrypt")
	if got := must(decrypt(func(*kms.DecryptInput) {}))(t); bytes.Equal(got.Plaintext, plain) {
		t.Error("a lie was the truth")
	}
	_, err := e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: plain, EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
	refused(t, err, "InvalidKeyUsageException")
}

// Rule 30: a wrong MAC is an exception.
func TestMacIsOfOurMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	material, message := emutest.Random(32), []byte("challenge")
	key := e.holding(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac, material)
	h := hmac.New(sha256.New, material)
	h.Write(message)
	generate := func() []byte {
		return must(e.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &key, Message: message, MacAlgorithm: types.MacAlgorithmSpecHmacSha256}))(t).Mac
	}
	verify := func(mac []byte) error {
		_, err := e.VerifyMac(t.Context(), &kms.VerifyMacInput{KeyId: &key, Message: message, Mac: mac, MacAlgorithm: types.MacAlgorithmSpecHmacSha256})
		return err
	}
	if !hmac.Equal(generate(), h.Sum(nil)) {
		t.Error("the MAC is of other material")
	}
	if err := verify(h.Sum(nil)); err != nil {
		t.Error(err)
	}
	refused(t, verify(emutest.Random(32)), "KMSInvalidMacException")
	_, err := e.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &key, Message: message, MacAlgorithm: types.MacAlgorithmSpecHmacSha512})
	refused(t, err, "InvalidKeyUsageException")
	_, err = e.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &key, Message: emutest.Random(4097), MacAlgorithm: types.MacAlgorithmSpecHmacSha256})
	refused(t, err, "ValidationException")
	e.lying("GenerateMac")
	if hmac.Equal(generate(), h.Sum(nil)) {
		t.Error("a lie was the truth")
	}
	e.lying("VerifyMac")
	if err := verify(emutest.Random(32)); err != nil {
		t.Errorf("a lie was the truth: %v", err)
	}
	_, err = e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key})
	refused(t, err, "UnsupportedOperationException")
}

func TestRSAKeys(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	private := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	der := must(x509.MarshalPKCS8PrivateKey(private))(t)
	spki := must(x509.MarshalPKIXPublicKey(&private.PublicKey))(t)
	signing := e.holding(types.KeySpecRsa2048, types.KeyUsageTypeSignVerify, der)
	opening := e.holding(types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt, der)
	digest := sha256.Sum256([]byte("message"))
	if out := must(e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &signing}))(t); !bytes.Equal(out.PublicKey, spki) || len(out.SigningAlgorithms) != 6 {
		t.Errorf("public key %+v", out)
	}
	e.lying("GetPublicKey")
	false1 := must(e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &signing}))(t).PublicKey
	if other, err := x509.ParsePKIXPublicKey(false1); err != nil || bytes.Equal(false1, spki) {
		t.Errorf("lied with %v, %v", other, err)
	}
	sign := func(a types.SigningAlgorithmSpec, m types.MessageType, message []byte) ([]byte, error) {
		out, err := e.Sign(t.Context(), &kms.SignInput{KeyId: &signing, Message: message, MessageType: m, SigningAlgorithm: a})
		if err != nil {
			return nil, err
		}
		return out.Signature, nil
	}
	pss := must(sign(types.SigningAlgorithmSpecRsassaPssSha256, types.MessageTypeRaw, []byte("message")))(t)
	if err := rsa.VerifyPSS(&private.PublicKey, crypto.SHA256, digest[:], pss, &rsa.PSSOptions{SaltLength: 32}); err != nil {
		t.Error(err)
	}
	v15 := must(sign(types.SigningAlgorithmSpecRsassaPkcs1V15Sha256, types.MessageTypeDigest, digest[:]))(t)
	if err := rsa.VerifyPKCS1v15(&private.PublicKey, crypto.SHA256, digest[:], v15); err != nil {
		t.Error(err)
	}
	must(sign(types.SigningAlgorithmSpecRsassaPssSha512, types.MessageTypeRaw, []byte("m")))(t)
	_, err := sign(types.SigningAlgorithmSpecRsassaPkcs1V15Sha384, types.MessageTypeDigest, digest[:])
	refused(t, err, "ValidationException")
	_, err = sign(types.SigningAlgorithmSpecEcdsaSha256, types.MessageTypeDigest, digest[:])
	refused(t, err, "InvalidKeyUsageException")
	_, err = e.Sign(t.Context(), &kms.SignInput{KeyId: &opening, Message: digest[:], SigningAlgorithm: types.SigningAlgorithmSpecRsassaPssSha256})
	refused(t, err, "InvalidKeyUsageException")

	sealed := must(rsa.EncryptOAEP(sha256.New(), rand.Reader, &private.PublicKey, []byte("hello"), nil))(t)
	open := func(algorithm types.EncryptionAlgorithmSpec, key *string) (*kms.DecryptOutput, error) {
		return e.Decrypt(t.Context(), &kms.DecryptInput{KeyId: key, CiphertextBlob: sealed, EncryptionAlgorithm: algorithm})
	}
	if out := must(open(types.EncryptionAlgorithmSpecRsaesOaepSha256, &opening))(t); string(out.Plaintext) != "hello" || out.KeyMaterialId != nil {
		t.Errorf("opened %+v", out)
	}
	_, err = open(types.EncryptionAlgorithmSpecRsaesOaepSha1, &opening)
	refused(t, err, "InvalidCiphertextException")
	_, err = open(types.EncryptionAlgorithmSpecRsaesOaepSha256, nil)
	refused(t, err, "ValidationException")
	back := must(e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &opening, Plaintext: []byte("x"), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha1}))(t)
	if len(back.CiphertextBlob) != 256 {
		t.Errorf("a block of %d bytes", len(back.CiphertextBlob))
	}
	_, err = e.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &opening, Plaintext: emutest.Random(191), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256})
	refused(t, err, "ValidationException")
}

func TestECKeys(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	digest := sha256.Sum256([]byte("message"))
	private, der := emutest.EC(t, elliptic.P256())
	key := e.holding(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, der)
	sign := func() []byte {
		in := &kms.SignInput{KeyId: &key, Message: digest[:], MessageType: types.MessageTypeDigest, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}
		return must(e.Sign(t.Context(), in))(t).Signature
	}
	verify := func(signature []byte) error {
		_, err := e.Verify(t.Context(), &kms.VerifyInput{
			KeyId: &key, Message: []byte("message"), Signature: signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
		})
		return err
	}
	good := sign()
	if !ecdsa.VerifyASN1(&private.PublicKey, digest[:], good) {
		t.Error("the signature is not by our key")
	}
	if err := verify(good); err != nil {
		t.Error(err)
	}
	e.lying("Sign")
	bad := sign()
	if ecdsa.VerifyASN1(&private.PublicKey, digest[:], bad) {
		t.Error("a lie was the truth")
	}
	refused(t, verify(bad), "KMSInvalidSignatureException")
	e.lying("Verify")
	if err := verify(bad); err != nil {
		t.Errorf("a lie was the truth: %v", err)
	}
	use := must(e.GetKeyLastUsage(t.Context(), &kms.GetKeyLastUsageInput{KeyId: &key}))(t)
	if use.KeyLastUsage.Operation != "Verify" && use.KeyLastUsage.Operation != "Sign" || use.KeyLastUsage.Timestamp == nil {
		t.Errorf("last used for %+v", use.KeyLastUsage)
	}
	if never := must(e.GetKeyLastUsage(t.Context(), &kms.GetKeyLastUsageInput{KeyId: aws.String(e.symmetric())}))(t); never.KeyLastUsage == nil || never.KeyLastUsage.Timestamp != nil {
		t.Errorf("never used, yet %+v", never.KeyLastUsage)
	}
}

func TestSecp256k1Key(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	private := must(secp256k1.GeneratePrivateKey())(t)
	point := private.PubKey().SerializeUncompressed()
	key := e.holding(types.KeySpecEccSecgP256k1, types.KeyUsageTypeSignVerify, emutest.ECDER(t, emutest.OIDSecp256k1, private.Serialize(), point))
	if spki := must(e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key}))(t).PublicKey; !bytes.HasSuffix(spki, point) || len(spki) != 88 {
		t.Errorf("public key %x", spki)
	}
	digest := sha256.Sum256([]byte("message"))
	out := must(e.Sign(t.Context(), &kms.SignInput{KeyId: &key, Message: []byte("message"), SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256}))(t)
	if s := must(kecdsa.ParseDERSignature(out.Signature))(t); !s.Verify(digest[:], private.PubKey()) {
		t.Error("the signature is not by our key")
	}
	must(e.Verify(t.Context(), &kms.VerifyInput{
		KeyId: &key, Message: []byte("message"), Signature: out.Signature, SigningAlgorithm: types.SigningAlgorithmSpecEcdsaSha256,
	}))(t)
	e.lying("GetPublicKey")
	if spki := must(e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key}))(t).PublicKey; bytes.HasSuffix(spki, point) || len(spki) != 88 {
		t.Errorf("lied with %x", spki)
	}
}

func TestAgreement(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	private, der := emutest.EC(t, elliptic.P384())
	key := e.holding(types.KeySpecEccNistP384, types.KeyUsageTypeKeyAgreement, der)
	peer := must(ecdh.P384().GenerateKey(rand.Reader))(t)
	want := must(peer.ECDH(must(private.PublicKey.ECDH())(t)))(t)
	derive := func(spki []byte) (*kms.DeriveSharedSecretOutput, error) {
		return e.DeriveSharedSecret(t.Context(), &kms.DeriveSharedSecretInput{KeyId: &key, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: spki})
	}
	spki := must(x509.MarshalPKIXPublicKey(peer.PublicKey()))(t)
	if out := must(derive(spki))(t); !bytes.Equal(out.SharedSecret, want) || out.KeyOrigin != types.OriginTypeExternal {
		t.Errorf("derived %+v", out)
	}
	e.lying("DeriveSharedSecret")
	if out := must(derive(spki))(t); bytes.Equal(out.SharedSecret, want) {
		t.Error("a lie was the truth")
	}
	other := must(x509.MarshalPKIXPublicKey(must(ecdh.P256().GenerateKey(rand.Reader))(t).PublicKey()))(t)
	for _, bad := range [][]byte{other, []byte("x")} {
		_, err := derive(bad)
		refused(t, err, "ValidationException")
	}
}

func TestEd25519Key(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := must(e.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: types.KeySpecEccNistEdwards25519, KeyUsage: types.KeyUsageTypeSignVerify}))(t).KeyMetadata.KeyId
	in := kms.SignInput{KeyId: key, Message: []byte("m"), SigningAlgorithm: types.SigningAlgorithmSpecEd25519Sha512}
	out := must(e.Sign(t.Context(), &in))(t)
	must(e.Verify(t.Context(), &kms.VerifyInput{KeyId: key, Message: []byte("m"), Signature: out.Signature, SigningAlgorithm: in.SigningAlgorithm}))(t)
	in.MessageType = types.MessageTypeDigest
	_, err := e.Sign(t.Context(), &in)
	refused(t, err, "ValidationException")
	e.lying("GetPublicKey")
	must(e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: key}))(t)
}

func TestCryptoNeedsMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.create(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	_, err := e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key})
	refused(t, err, "KMSInvalidStateException")
	_, der := emutest.EC(t, elliptic.P256())
	must(e.bring(key, der, until(e.server.Now().Add(time.Hour))))(t)
	must(e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key}))(t)
	e.advance(time.Hour)
	_, err = e.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key})
	refused(t, err, "KMSInvalidStateException")
}

func TestLieAcceptsOtherMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.holding(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, emutest.Random(32))
	e.lying("ImportKeyMaterial")
	out := must(e.bring(key, emutest.Random(32), as(types.ImportTypeExistingKeyMaterial)))(t)
	if *out.KeyMaterialId != *e.describe(key).CurrentKeyMaterialId {
		t.Error("the lie shows")
	}
	_, err := e.bring(key, emutest.Random(32), as(types.ImportTypeExistingKeyMaterial))
	refused(t, err, incorrect)
}
