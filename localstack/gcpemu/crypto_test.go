package gcpemu_test

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"hash/crc32"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// all is an emulator with a version of each algorithm, in an HSM.
func all(t *testing.T) (*emulator, map[algorithm][]byte, func(algorithm) string) {
	t.Helper()
	e := start(t, gcpemu.Config{})
	job, secrets := e.job("j", hybrid, inHSM), materials(t)
	for a, secret := range secrets {
		e.bring(e.key(a.String(), a, inHSM), a, job, secret)
	}
	return e, secrets, func(a algorithm) string { return ring + "/cryptoKeys/" + a.String() + "/cryptoKeyVersions/1" }
}

func checksum(b []byte) *wrapperspb.Int64Value {
	return wrapperspb.Int64(int64(crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))))
}

func TestSignaturesVerify(t *testing.T) {
	t.Parallel()
	e, _, name := all(t)
	data := []byte("a challenge")
	digest := sha256.Sum256(data)
	long := sha512.Sum512(data)
	for _, tt := range []struct {
		algorithm algorithm
		digest    *kmspb.Digest
		verify    func(*rsa.PublicKey, []byte) error
	}{
		{kmspb.CryptoKeyVersion_RSA_SIGN_PSS_2048_SHA256, &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: digest[:]}}, func(k *rsa.PublicKey, s []byte) error {
			return rsa.VerifyPSS(k, crypto.SHA256, digest[:], s, &rsa.PSSOptions{SaltLength: 32})
		}},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PSS_4096_SHA512, &kmspb.Digest{Digest: &kmspb.Digest_Sha512{Sha512: long[:]}}, func(k *rsa.PublicKey, s []byte) error {
			return rsa.VerifyPSS(k, crypto.SHA512, long[:], s, &rsa.PSSOptions{SaltLength: 64})
		}},
		{kmspb.CryptoKeyVersion_RSA_SIGN_PKCS1_3072_SHA256, nil, func(k *rsa.PublicKey, s []byte) error {
			return rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], s)
		}},
		{kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_2048, nil, func(k *rsa.PublicKey, s []byte) error {
			return rsa.VerifyPKCS1v15(k, 0, data, s)
		}},
	} {
		r := &kmspb.AsymmetricSignRequest{Name: name(tt.algorithm), Digest: tt.digest}
		if tt.digest == nil {
			r.Data, r.DataCrc32C = data, checksum(data)
		}
		signed := must(e.AsymmetricSign(t.Context(), r))(t)
		public, ok := e.public(name(tt.algorithm)).(*rsa.PublicKey)
		if !ok || tt.verify(public, signed.GetSignature()) != nil {
			t.Errorf("%s: the signature is wrong", tt.algorithm)
		}
		if signed.GetVerifiedDataCrc32C() != (tt.digest == nil) || signed.GetSignatureCrc32C().GetValue() != checksum(signed.GetSignature()).GetValue() {
			t.Errorf("%s: checksums of %v", tt.algorithm, signed)
		}
	}
}

// public is what GetPublicKey shows, from PEM and from DER alike.
func (e *emulator) public(name string) any {
	e.Helper()
	shown := must(e.GetPublicKey(e.Context(), &kmspb.GetPublicKeyRequest{Name: name}))(e.T)
	block, rest := pem.Decode([]byte(shown.GetPem()))
	if block == nil || len(rest) != 0 || shown.GetPemCrc32C().GetValue() != checksum([]byte(shown.GetPem())).GetValue() {
		e.Fatalf("public key %v", shown)
	}
	der := must(e.GetPublicKey(e.Context(), &kmspb.GetPublicKeyRequest{Name: name, PublicKeyFormat: kmspb.PublicKey_DER}))(e.T)
	if !bytes.Equal(der.GetPublicKey().GetData(), block.Bytes) {
		e.Error("PEM and DER are of two keys")
	}
	return must(x509.ParsePKIXPublicKey(block.Bytes))(e.T)
}

func TestSigningRefuses(t *testing.T) {
	t.Parallel()
	e, _, name := all(t)
	sha := &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: make([]byte, 32)}}
	for what, r := range map[string]*kmspb.AsymmetricSignRequest{
		"nothing":            {Name: name(p256)},
		"both":               {Name: name(p256), Digest: sha, Data: []byte("a")},
		"a short digest":     {Name: name(p256), Digest: &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: make([]byte, 31)}}},
		"another digest":     {Name: name(p256), Digest: &kmspb.Digest{Digest: &kmspb.Digest_Sha384{Sha384: make([]byte, 48)}}},
		"digest for Ed25519": {Name: name(kmspb.CryptoKeyVersion_EC_SIGN_ED25519), Digest: sha},
		"a wrong checksum":   {Name: name(p256), Digest: sha, DigestCrc32C: wrapperspb.Int64(1)},
		"another's purpose":  {Name: name(hmac256), Data: []byte("a")},
		"too much raw data":  {Name: name(kmspb.CryptoKeyVersion_RSA_SIGN_RAW_PKCS1_2048), Data: make([]byte, 246)},
		"too much data":      {Name: name(p256), Data: make([]byte, 8<<10+1)},
	} {
		if _, err := e.AsymmetricSign(t.Context(), r); err == nil {
			t.Errorf("%s was signed", what)
		} else {
			refused(t, err, codes.InvalidArgument)
		}
	}
	_, err := e.AsymmetricSign(t.Context(), &kmspb.AsymmetricSignRequest{Name: name(p256), Digest: &kmspb.Digest{Digest: &kmspb.Digest_ExternalMu{}}})
	refused(t, err, codes.Unimplemented)
}

func TestMACs(t *testing.T) {
	t.Parallel()
	e, secrets, name := all(t)
	data := []byte("a challenge")
	for a, h := range map[algorithm]crypto.Hash{
		kmspb.CryptoKeyVersion_HMAC_SHA1: crypto.SHA1, kmspb.CryptoKeyVersion_HMAC_SHA224: crypto.SHA224, hmac256: crypto.SHA256,
		kmspb.CryptoKeyVersion_HMAC_SHA384: crypto.SHA384, kmspb.CryptoKeyVersion_HMAC_SHA512: crypto.SHA512,
	} {
		mac := hmac.New(h.New, secrets[a])
		mac.Write(data)
		want := mac.Sum(nil)
		got := must(e.MacSign(t.Context(), &kmspb.MacSignRequest{Name: name(a), Data: data, DataCrc32C: checksum(data)}))(t)
		if !bytes.Equal(got.GetMac(), want) || !got.GetVerifiedDataCrc32C() || got.GetName() != name(a) {
			t.Errorf("%s: %v", a, got)
		}
		for success, tag := range map[bool][]byte{true: want, false: data} {
			v := must(e.MacVerify(t.Context(), &kmspb.MacVerifyRequest{Name: name(a), Data: data, Mac: tag, MacCrc32C: checksum(tag)}))(t)
			if v.GetSuccess() != success || v.GetVerifiedSuccessIntegrity() != success || !v.GetVerifiedMacCrc32C() {
				t.Errorf("%s: %v", a, v)
			}
		}
	}
	_, err := e.MacVerify(t.Context(), &kmspb.MacVerifyRequest{Name: name(hmac256), Data: data})
	refused(t, err, codes.InvalidArgument, "mac")
	_, err = e.MacSign(t.Context(), &kmspb.MacSignRequest{Name: name(hmac256), Data: make([]byte, 16<<10+1)})
	refused(t, err, codes.InvalidArgument)
}

func TestOwnEncryption(t *testing.T) {
	t.Parallel()
	e, _, name := all(t)
	key, _, _ := strings.Cut(name(symmetric), "/cryptoKeyVersions/")
	text, extra := []byte("a secret"), []byte("about")
	_, err := e.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: key, Plaintext: text})
	refused(t, err, codes.FailedPrecondition, "no primary")
	if err := e.makePrimary(key, "1"); err != nil {
		t.Fatal(err)
	}
	sealed := must(e.Encrypt(t.Context(), &kmspb.EncryptRequest{
		Name: key, Plaintext: text, PlaintextCrc32C: checksum(text), AdditionalAuthenticatedData: extra, AdditionalAuthenticatedDataCrc32C: checksum(extra),
	}))(t)
	if sealed.GetName() != name(symmetric) || !sealed.GetVerifiedPlaintextCrc32C() || !sealed.GetVerifiedAdditionalAuthenticatedDataCrc32C() {
		t.Errorf("sealed %v", sealed)
	}
	opened := must(e.Decrypt(t.Context(), &kmspb.DecryptRequest{Name: key, Ciphertext: sealed.GetCiphertext(), AdditionalAuthenticatedData: extra}))(t)
	if !bytes.Equal(opened.GetPlaintext(), text) || !opened.GetUsedPrimary() {
		t.Errorf("opened %v", opened)
	}
	for what, r := range map[string]*kmspb.DecryptRequest{
		"without what is about it": {Name: key, Ciphertext: sealed.GetCiphertext()},
		"nothing":                  {Name: key},
		"spoiled":                  {Name: key, Ciphertext: append(bytes.Clone(sealed.GetCiphertext()), 0), AdditionalAuthenticatedData: extra},
		"a wrong checksum":         {Name: key, Ciphertext: sealed.GetCiphertext(), CiphertextCrc32C: wrapperspb.Int64(1)},
		"another key's":            {Name: ring + "/cryptoKeys/" + hmac256.String(), Ciphertext: sealed.GetCiphertext()},
	} {
		if _, err := e.Decrypt(t.Context(), r); err == nil {
			t.Errorf("%s: opened", what)
		} else {
			refused(t, err, codes.InvalidArgument)
		}
	}
	_, err = e.Encrypt(t.Context(), &kmspb.EncryptRequest{Name: ring + "/cryptoKeys/" + hmac256.String(), Plaintext: text})
	refused(t, err, codes.InvalidArgument, "purpose")
}

// What the standard library seals the emulator opens, and the other way round.
func TestRawEncryptionIsTheStandards(t *testing.T) {
	t.Parallel()
	e, secrets, name := all(t)
	text := emutest.Random(48)
	for _, a := range []algorithm{
		kmspb.CryptoKeyVersion_AES_128_GCM, kmspb.CryptoKeyVersion_AES_256_GCM, kmspb.CryptoKeyVersion_AES_128_CBC,
		kmspb.CryptoKeyVersion_AES_256_CBC, kmspb.CryptoKeyVersion_AES_128_CTR, kmspb.CryptoKeyVersion_AES_256_CTR,
	} {
		sealed := must(e.RawEncrypt(t.Context(), &kmspb.RawEncryptRequest{Name: name(a), Plaintext: text, PlaintextCrc32C: checksum(text)}))(t)
		iv := sealed.GetInitializationVector()
		if want := seal(t, a, secrets[a], iv, text); !bytes.Equal(sealed.GetCiphertext(), want) || !sealed.GetVerifiedPlaintextCrc32C() {
			t.Errorf("%s: %v", a, sealed)
		}
		own := emutest.Random(len(iv))
		opened := must(e.RawDecrypt(t.Context(), &kmspb.RawDecryptRequest{
			Name: name(a), Ciphertext: seal(t, a, secrets[a], own, text), InitializationVector: own, InitializationVectorCrc32C: checksum(own),
		}))(t)
		if !bytes.Equal(opened.GetPlaintext(), text) || !opened.GetVerifiedInitializationVectorCrc32C() {
			t.Errorf("%s: opened %v", a, opened)
		}
	}
}

func seal(t *testing.T, a algorithm, key, iv, text []byte) []byte {
	t.Helper()
	block := must(aes.NewCipher(key))(t)
	out := make([]byte, len(text))
	switch mode := a.String()[len("AES_128_"):]; mode {
	case "GCM":
		return must(cipher.NewGCM(block))(t).Seal(nil, iv, text, nil)
	case "CBC":
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, text)
	default:
		cipher.NewCTR(block, iv).XORKeyStream(out, text)
	}
	return out
}

func TestRawEncryptionRefuses(t *testing.T) {
	t.Parallel()
	e, _, name := all(t)
	const gcm, cbc, ctr = kmspb.CryptoKeyVersion_AES_256_GCM, kmspb.CryptoKeyVersion_AES_256_CBC, kmspb.CryptoKeyVersion_AES_256_CTR
	for what, r := range map[string]*kmspb.RawEncryptRequest{
		"a vector for GCM":  {Name: name(gcm), InitializationVector: make([]byte, 12)},
		"a short vector":    {Name: name(ctr), InitializationVector: make([]byte, 12)},
		"half a block":      {Name: name(cbc), Plaintext: make([]byte, 8)},
		"more data for CTR": {Name: name(ctr), AdditionalAuthenticatedData: []byte("a")},
		"too much":          {Name: name(ctr), Plaintext: make([]byte, 8<<10+1)},
		"another's purpose": {Name: name(symmetric)},
	} {
		if _, err := e.RawEncrypt(t.Context(), r); err == nil {
			t.Errorf("%s was encrypted", what)
		}
	}
	for what, r := range map[string]*kmspb.RawDecryptRequest{
		"a short tag":       {Name: name(gcm), InitializationVector: make([]byte, 12), Ciphertext: make([]byte, 32), TagLength: 12},
		"a long vector":     {Name: name(gcm), InitializationVector: make([]byte, 16), Ciphertext: make([]byte, 32)},
		"nothing of GCM's":  {Name: name(gcm), InitializationVector: make([]byte, 12), Ciphertext: make([]byte, 32)},
		"a tag of CBC":      {Name: name(cbc), InitializationVector: make([]byte, 16), Ciphertext: make([]byte, 32), TagLength: 16},
		"half a block":      {Name: name(cbc), InitializationVector: make([]byte, 16), Ciphertext: make([]byte, 24)},
		"no vector":         {Name: name(ctr), Ciphertext: make([]byte, 32)},
		"a wrong checksum":  {Name: name(ctr), InitializationVector: make([]byte, 16), CiphertextCrc32C: wrapperspb.Int64(7)},
		"more data for CBC": {Name: name(cbc), AdditionalAuthenticatedData: []byte("a")},
	} {
		if _, err := e.RawDecrypt(t.Context(), r); err == nil {
			t.Errorf("%s was decrypted", what)
		} else {
			refused(t, err, codes.InvalidArgument)
		}
	}
}
