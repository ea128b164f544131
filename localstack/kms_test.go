package localstack_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" // OAEP with SHA-1 is a mechanism of AWS
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"os/exec"
	"testing"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"
	"github.com/aws/smithy-go"

	"github.com/keyferry/keyferry/localstack"
)

// cloud is KMS as the vendor's SDK speaks to it, with each failure fatal but that
// of the call under test.
type cloud struct {
	*kms.Client
	t *testing.T
}

func connect(t *testing.T, endpoint string) cloud {
	t.Helper()
	return cloud{kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: &endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}), t}
}

func must[T any](t *testing.T, v T, err error) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func (c cloud) key(spec types.KeySpec, usage types.KeyUsageType) string {
	c.t.Helper()
	out, err := c.CreateKey(c.t.Context(), &kms.CreateKeyInput{Origin: types.OriginTypeExternal, KeySpec: spec, KeyUsage: usage})
	return *must(c.t, out, err).KeyMetadata.KeyId
}

func (c cloud) aesKey() string {
	c.t.Helper()
	return c.key(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt)
}

func (c cloud) params(key string, alg types.AlgorithmSpec) *kms.GetParametersForImportOutput {
	c.t.Helper()
	out, err := c.GetParametersForImport(c.t.Context(), &kms.GetParametersForImportInput{
		KeyId: &key, WrappingAlgorithm: alg, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	return must(c.t, out, err)
}

// put wraps material and imports it; change may spoil or add to the request.
func (c cloud) put(key string, alg types.AlgorithmSpec, material []byte, change func(*kms.ImportKeyMaterialInput)) error {
	c.t.Helper()
	p := c.params(key, alg)
	in := &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrap(c.t, p.PublicKey, alg, material),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	}
	if change != nil {
		change(in)
	}
	_, err := c.ImportKeyMaterial(c.t.Context(), in)
	return err
}

func (c cloud) state(key string) types.KeyState {
	c.t.Helper()
	out, err := c.DescribeKey(c.t.Context(), &kms.DescribeKeyInput{KeyId: &key})
	return must(c.t, out, err).KeyMetadata.KeyState
}

// wrap seals material as AWS describes it (Developer Guide, Step 3: Encrypt the
// key material).
func wrap(t *testing.T, spki []byte, alg types.AlgorithmSpec, material []byte) []byte {
	t.Helper()
	parsed, err := x509.ParsePKIXPublicKey(spki)
	key := must(t, parsed, err).(*rsa.PublicKey)
	switch alg {
	case types.AlgorithmSpecRsaesOaepSha1:
		return oaep(t, sha1.New(), key, material)
	case types.AlgorithmSpecRsaesOaepSha256:
		return oaep(t, sha256.New(), key, material)
	case types.AlgorithmSpecRsaAesKeyWrapSha1:
		return keyWrap(t, sha1.New(), key, material)
	case types.AlgorithmSpecRsaAesKeyWrapSha256:
		return keyWrap(t, sha256.New(), key, material)
	default:
		t.Fatalf("no such algorithm %s", alg)
		return nil
	}
}

func oaep(t *testing.T, h hash.Hash, key *rsa.PublicKey, material []byte) []byte {
	t.Helper()
	out, err := rsa.EncryptOAEP(h, rand.Reader, key, material, nil)
	return must(t, out, err)
}

// keyWrap is an ephemeral AES key in OAEP, then the material under it by RFC 5649,
// which OpenSSL does.
func keyWrap(t *testing.T, h hash.Hash, key *rsa.PublicKey, material []byte) []byte {
	t.Helper()
	kek := random(32)
	cmd := exec.CommandContext(t.Context(), "openssl", "enc", "-id-aes256-wrap-pad", "-K", hex.EncodeToString(kek), "-iv", "A65959A6")
	cmd.Stdin = bytes.NewReader(material)
	wrapped, err := cmd.Output()
	return append(oaep(t, h, key, kek), must(t, wrapped, err)...)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b)
	return b
}

// outcome is an error's code, or "accepted".
func outcome(err error) string {
	if err == nil {
		return "accepted"
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return api.ErrorCode()
	}
	return err.Error()
}

// imports shows what LocalStack gets right: it unwraps, and uses what it unwrapped.
func imports(t *testing.T, ls *localstack.LocalStack) {
	t.Helper()
	c := connect(t, ls.Endpoint)
	for _, alg := range []types.AlgorithmSpec{types.AlgorithmSpecRsaesOaepSha1, types.AlgorithmSpecRsaesOaepSha256} {
		t.Run(fmt.Sprint("AES under ", alg), func(t *testing.T) { importsAES(t, c, alg) })
		t.Run(fmt.Sprint("HMAC under ", alg), func(t *testing.T) { importsHMAC(t, c, alg) })
		t.Run(fmt.Sprint("EC under ", alg), func(t *testing.T) { importsEC(t, c, alg) })
	}
	t.Run("EC under RSA_AES_KEY_WRAP_SHA_256", func(t *testing.T) { importsEC(t, c, types.AlgorithmSpecRsaAesKeyWrapSha256) })
	t.Run("RSA under RSA_AES_KEY_WRAP_SHA_256", func(t *testing.T) { importsRSA(t, c) })
}

func importsAES(t *testing.T, c cloud, alg types.AlgorithmSpec) {
	t.Helper()
	c.t = t
	key := c.aesKey()
	if got := c.state(key); got != types.KeyStatePendingImport {
		t.Errorf("before the import it is %s", got)
	}
	if err := c.put(key, alg, random(32), nil); err != nil {
		t.Fatal(err)
	}
	sealed, err := c.Encrypt(t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("a challenge")})
	blob := must(t, sealed, err).CiphertextBlob
	opened, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob})
	if got := must(t, opened, err).Plaintext; string(got) != "a challenge" {
		t.Errorf("opened %q", got)
	}
	deleted, err := c.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key})
	_ = must(t, deleted, err)
	if got := c.state(key); got != types.KeyStatePendingImport {
		t.Errorf("without material it is %s", got)
	}
	if _, err := c.Decrypt(t.Context(), &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob}); outcome(err) != "KMSInvalidStateException" {
		t.Errorf("decrypts without material: %v", err)
	}
}

func importsHMAC(t *testing.T, c cloud, alg types.AlgorithmSpec) {
	t.Helper()
	c.t = t
	key, material := c.key(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac), random(32)
	if err := c.put(key, alg, material, nil); err != nil {
		t.Fatal(err)
	}
	out, err := c.GenerateMac(t.Context(), &kms.GenerateMacInput{KeyId: &key, MacAlgorithm: types.MacAlgorithmSpecHmacSha256, Message: []byte("a challenge")})
	h := hmac.New(sha256.New, material)
	h.Write([]byte("a challenge"))
	if got := must(t, out, err).Mac; !hmac.Equal(got, h.Sum(nil)) {
		t.Error("its MAC is not that of our material")
	}
}

func importsEC(t *testing.T, c cloud, alg types.AlgorithmSpec) {
	t.Helper()
	c.t = t
	generated, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ours := must(t, generated, err)
	samePublicKey(t, c, c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify), alg, ours)
}

func importsRSA(t *testing.T, c cloud) {
	t.Helper()
	c.t = t
	generated, err := rsa.GenerateKey(rand.Reader, 2048)
	ours := must(t, generated, err)
	samePublicKey(t, c, c.key(types.KeySpecRsa2048, types.KeyUsageTypeSignVerify), types.AlgorithmSpecRsaAesKeyWrapSha256, ours)
}

func samePublicKey(t *testing.T, c cloud, key string, alg types.AlgorithmSpec, ours crypto.Signer) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(ours)
	if err := c.put(key, alg, must(t, der, err), nil); err != nil {
		t.Fatal(err)
	}
	out, err := c.GetPublicKey(t.Context(), &kms.GetPublicKeyInput{KeyId: &key})
	want, err2 := x509.MarshalPKIXPublicKey(ours.Public())
	if got := must(t, out, err).PublicKey; !bytes.Equal(got, must(t, want, err2)) {
		t.Error("its public key is not ours")
	}
}
