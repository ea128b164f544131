package localstack_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack"
)

// departure is one case in which LocalStack does not do what AWS does. A change
// of it is news: the product's suites list what depends on it, with the reason.
type departure struct {
	name   string
	aws    string
	was    map[string]string // by version of LocalStack, as measured
	happen func(cloud) string
}

// departs holds LocalStack to what was measured. A version that nobody measured
// fails: measure it and add it.
func departs(t *testing.T, ls *localstack.LocalStack) {
	t.Helper()
	for _, d := range departures() {
		t.Run(d.name, func(t *testing.T) {
			was, ok := d.was[ls.Version]
			if !ok {
				t.Fatalf("nobody has measured LocalStack %s here", ls.Version)
			}
			switch got := d.happen(connect(t, ls.Endpoint)); got {
			case was:
			case d.aws:
				t.Errorf("LocalStack does as AWS now (%s): strike this departure", got)
			default:
				t.Errorf("LocalStack: %s, was: %s, AWS: %s", got, was, d.aws)
			}
		})
	}
}

// departures are those of KMS. That GetResources of the tagging API fails is not
// asked here, because that service is not started.
func departures() []departure {
	const yes, failed, missing, state = "accepted", "InternalError", "InternalFailure", "KMSInvalidStateException"
	both := func(outcome string) map[string]string { return changed(outcome, outcome) }
	return []departure{
		{"RSA_AES_KEY_WRAP_SHA_1", yes, both(state), wrapWithSHA1},
		{"garbage instead of wrapped material", "InvalidCiphertextException", both(failed), garbage},
		{"another key's import token", "InvalidImportTokenException", both(failed), foreignToken},
		{"garbage instead of an import token", "InvalidImportTokenException", both(failed), garbageToken},
		{"16 bytes for AES-256", "IncorrectKeyMaterialException", both(yes), short},
		{"the same material again", yes, changed(yes, state), again},
		{"other material as existing", "IncorrectKeyMaterialException", changed(yes, state), otherAsExisting},
		{"new material before a rotation", "still decrypts", changed("replaced", state), newMaterial},
		{"RotateKeyOnDemand", yes, changed(missing, yes), rotate},
		{"ListKeyRotations", yes, both(missing), rotations},
		{"valid-to in the past", "ValidationException", both(yes), past},
		{"valid-to 400 days ahead", "ValidationException", both(yes), far},
		{"a second after valid-to", "PendingImport", both("Enabled"), afterValidTo},
		{"the wrapping key's end", "24h0m0s", both("2400h0m0s"), parametersEnd},
	}
}

// changed are the outcomes with the two versions that install.sh installs.
func changed(before, after string) map[string]string {
	return map[string]string{"4.9.2": before, "4.14.0": after}
}

func wrapWithSHA1(c cloud) string {
	ours, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	der, err2 := x509.MarshalPKCS8PrivateKey(must(c.t, ours, err))
	key := c.key(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	return outcome(c.put(key, types.AlgorithmSpecRsaAesKeyWrapSha1, must(c.t, der, err2), nil))
}

func garbage(c cloud) string {
	return outcome(c.put(c.aesKey(), oaepSHA256, random(32), func(in *kms.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = random(256) }))
}

func foreignToken(c cloud) string {
	foreign := c.params(c.aesKey(), oaepSHA256).ImportToken
	return outcome(c.put(c.aesKey(), oaepSHA256, random(32), func(in *kms.ImportKeyMaterialInput) { in.ImportToken = foreign }))
}

func garbageToken(c cloud) string {
	return outcome(c.put(c.aesKey(), oaepSHA256, random(32), func(in *kms.ImportKeyMaterialInput) { in.ImportToken = random(64) }))
}

func short(c cloud) string { return outcome(c.put(c.aesKey(), oaepSHA256, random(16), nil)) }

// imported is a key with this material.
func (c cloud) imported(material []byte) string {
	c.t.Helper()
	key := c.aesKey()
	if err := c.put(key, oaepSHA256, material, nil); err != nil {
		c.t.Fatal(err)
	}
	return key
}

func again(c cloud) string {
	material := random(32)
	return outcome(c.put(c.imported(material), oaepSHA256, material, nil))
}

func otherAsExisting(c cloud) string {
	return outcome(c.put(c.imported(random(32)), oaepSHA256, random(32), func(in *kms.ImportKeyMaterialInput) {
		in.ImportType = types.ImportTypeExistingKeyMaterial
	}))
}

// newMaterial says what becomes of a ciphertext when new material was imported
// and no rotation was asked for.
func newMaterial(c cloud) string {
	key := c.imported(random(32))
	out, err := c.Encrypt(c.t.Context(), &kms.EncryptInput{KeyId: &key, Plaintext: []byte("a challenge")})
	blob := must(c.t, out, err).CiphertextBlob
	err = c.put(key, oaepSHA256, random(32), func(in *kms.ImportKeyMaterialInput) { in.ImportType = types.ImportTypeNewKeyMaterial })
	if err != nil {
		return outcome(err)
	}
	opened, err := c.Decrypt(c.t.Context(), &kms.DecryptInput{KeyId: &key, CiphertextBlob: blob})
	if err != nil || string(opened.Plaintext) != "a challenge" {
		return "replaced"
	}
	return "still decrypts"
}

func rotate(c cloud) string {
	key := c.imported(random(32))
	if err := c.put(key, oaepSHA256, random(32), func(in *kms.ImportKeyMaterialInput) { in.ImportType = types.ImportTypeNewKeyMaterial }); err != nil {
		return outcome(err)
	}
	_, err := c.RotateKeyOnDemand(c.t.Context(), &kms.RotateKeyOnDemandInput{KeyId: &key})
	return outcome(err)
}

func rotations(c cloud) string {
	key := c.imported(random(32))
	_, err := c.ListKeyRotations(c.t.Context(), &kms.ListKeyRotationsInput{KeyId: &key})
	return outcome(err)
}

// until makes an import end so long from now.
func until(d time.Duration) func(*kms.ImportKeyMaterialInput) {
	return func(in *kms.ImportKeyMaterialInput) {
		in.ExpirationModel, in.ValidTo = types.ExpirationModelTypeKeyMaterialExpires, aws.Time(time.Now().Add(d))
	}
}

func past(c cloud) string {
	return outcome(c.put(c.aesKey(), oaepSHA256, random(32), until(-24*time.Hour)))
}

func far(c cloud) string {
	return outcome(c.put(c.aesKey(), oaepSHA256, random(32), until(400*24*time.Hour)))
}

// afterValidTo needs no waiting: an end that has passed is taken.
func afterValidTo(c cloud) string {
	key := c.aesKey()
	if err := c.put(key, oaepSHA256, random(32), until(-time.Hour)); err != nil {
		return outcome(err)
	}
	return string(c.state(key))
}

func parametersEnd(c cloud) string {
	left := time.Until(*c.params(c.aesKey(), oaepSHA256).ParametersValidTo)
	return fmt.Sprint(left.Round(time.Hour))
}

const oaepSHA256 = types.AlgorithmSpecRsaesOaepSha256
