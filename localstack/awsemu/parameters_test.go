package awsemu_test

import (
	"bytes"
	"crypto/elliptic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// Rules 7 and 8: every wrapping algorithm and key for every kind of material.
func TestWrappingMethodsByMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	const unsupported, fine = "UnsupportedOperationException", ""
	rsa := e.create(types.KeySpecRsa3072, types.KeyUsageTypeSignVerify)
	p384 := e.create(types.KeySpecEccNistP384, types.KeyUsageTypeSignVerify)
	p521 := e.create(types.KeySpecEccNistP521, types.KeyUsageTypeKeyAgreement)
	mac := e.create(types.KeySpecHmac384, types.KeyUsageTypeGenerateVerifyMac)
	aes := e.symmetric()
	for _, tt := range []struct {
		key       string
		algorithm types.AlgorithmSpec
		spec      types.WrappingKeySpec
		code      string
	}{
		{aes, "RSAES_OAEP_SHA_1", "RSA_2048", fine},
		{aes, "RSAES_OAEP_SHA_256", "RSA_3072", fine},
		{aes, "RSAES_PKCS1_V1_5", "RSA_2048", unsupported},
		{aes, "SM2PKE", "SM2", unsupported},
		{aes, "RSAES_OAEP_SHA_256", "SM2", unsupported},
		{aes, "RSA_AES_KEY_WRAP_SHA_256", "RSA_2048", unsupported},
		{mac, "RSAES_OAEP_SHA_256", "RSA_2048", fine},
		{mac, "RSA_AES_KEY_WRAP_SHA_1", "RSA_2048", unsupported},
		{rsa, "RSA_AES_KEY_WRAP_SHA_1", "RSA_2048", fine},
		{rsa, "RSA_AES_KEY_WRAP_SHA_256", "RSA_3072", fine},
		{rsa, "RSAES_OAEP_SHA_1", "RSA_2048", unsupported},
		{rsa, "RSAES_OAEP_SHA_256", "RSA_2048", unsupported},
		{p384, "RSAES_OAEP_SHA_256", "RSA_2048", fine},
		{p384, "RSA_AES_KEY_WRAP_SHA_256", "RSA_2048", fine},
		{p521, "RSAES_OAEP_SHA_1", "RSA_2048", unsupported},
		{p521, "RSAES_OAEP_SHA_256", "RSA_2048", unsupported},
		{p521, "RSAES_OAEP_SHA_256", "RSA_3072", fine},
		{p521, "RSA_AES_KEY_WRAP_SHA_256", "RSA_2048", fine},
		{aes, "ROT13", "RSA_2048", "ValidationException"},
		{aes, "RSAES_OAEP_SHA_256", "RSA_1024", "ValidationException"},
	} {
		out, err := e.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{
			KeyId: &tt.key, WrappingAlgorithm: tt.algorithm, WrappingKeySpec: tt.spec,
		})
		t.Run(string(e.describe(tt.key).KeySpec)+" "+string(tt.algorithm)+" "+string(tt.spec), func(t *testing.T) {
			if tt.code != fine {
				refused(t, err, tt.code)
			} else if err != nil || *out.KeyId != *e.describe(tt.key).Arn {
				t.Errorf("refused %v, or not answered with the ARN", err)
			}
		})
	}
}

func TestLenientWrapsSecretsUnderAES(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{Lenient: true}})
	key := e.symmetric()
	p := e.parameters(key, types.AlgorithmSpecRsaAesKeyWrapSha256)
	must(e.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: p.ImportToken, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		EncryptedKeyMaterial: wrap(t, p.PublicKey, types.AlgorithmSpecRsaAesKeyWrapSha256, emutest.Random(32)),
	}))(t)
}

// Rule 9.
func TestEachRequestHasItsOwnWrappingKey(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{PoolDir: t.TempDir()})
	key := e.symmetric()
	one, two := e.parameters(key, types.AlgorithmSpecRsaesOaepSha256), e.parameters(key, types.AlgorithmSpecRsaesOaepSha256)
	if bytes.Equal(one.PublicKey, two.PublicKey) || bytes.Equal(one.ImportToken, two.ImportToken) {
		t.Error("a wrapping key or an import token was given out twice")
	}
	if left := time.Until(*one.ParametersValidTo); left > 24*time.Hour || left < 24*time.Hour-time.Minute {
		t.Errorf("valid for %v, want 24 h", left)
	}
	// The earlier pair stays good.
	must(e.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: one.ImportToken, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		EncryptedKeyMaterial: wrap(t, one.PublicKey, types.AlgorithmSpecRsaesOaepSha256, emutest.Random(32)),
	}))(t)
}

// Rules 9 and 10.
func TestImportTokens(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key, other := e.symmetric(), e.symmetric()
	material := emutest.Random(32)
	foreign := e.parameters(other, types.AlgorithmSpecRsaesOaepSha256).ImportToken
	with := func(token []byte) func(*kms.ImportKeyMaterialInput) {
		return func(in *kms.ImportKeyMaterialInput) { in.ImportToken = token }
	}
	for _, token := range [][]byte{emutest.Random(96), foreign} {
		_, err := e.bring(key, material, with(token))
		refused(t, err, "InvalidImportTokenException")
	}
	_, err := e.bring(key, material, with(nil))
	if err == nil {
		t.Error("a missing token was accepted")
	}
	old := e.parameters(key, types.AlgorithmSpecRsaesOaepSha256)
	in := &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: old.ImportToken, ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
		EncryptedKeyMaterial: wrap(t, old.PublicKey, types.AlgorithmSpecRsaesOaepSha256, material),
	}
	e.advance(24*time.Hour + time.Second)
	_, err = e.ImportKeyMaterial(t.Context(), in)
	refused(t, err, "ExpiredImportTokenException")
	e.state(key, types.KeyStatePendingImport)
	e.advance(-time.Minute)
	must(e.ImportKeyMaterial(t.Context(), in))(t)
	_, err = e.ImportKeyMaterial(t.Context(), in)
	refused(t, err, "InvalidImportTokenException")
	e.configure(awsemu.Change{Settings: &awsemu.Settings{Lenient: true}})
	must(e.ImportKeyMaterial(t.Context(), in))(t)
}

// Rule 11.
func TestUnwrappingIsReal(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	_, der := emutest.EC(t, elliptic.P256())
	key := e.create(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	oaep1, oaep256 := types.AlgorithmSpecRsaesOaepSha1, types.AlgorithmSpecRsaesOaepSha256
	wrap1, wrap256 := types.AlgorithmSpecRsaAesKeyWrapSha1, types.AlgorithmSpecRsaAesKeyWrapSha256
	for _, tt := range []struct {
		name         string
		asked, given types.AlgorithmSpec
		spoil        func([]byte) []byte
		good         bool
	}{
		{name: "OAEP SHA-1", asked: oaep1, given: oaep1, good: true},
		{name: "OAEP SHA-256", asked: oaep256, given: oaep256, good: true},
		{name: "AES SHA-1", asked: wrap1, given: wrap1, good: true},
		{name: "AES SHA-256", asked: wrap256, given: wrap256, good: true},
		{name: "other OAEP hash", asked: oaep256, given: oaep1},
		{name: "other hybrid hash", asked: wrap1, given: wrap256},
		{name: "hybrid for OAEP", asked: oaep256, given: wrap256},
		{name: "OAEP for hybrid", asked: wrap256, given: oaep256},
		{name: "flipped RSA", asked: wrap256, given: wrap256, spoil: func(b []byte) []byte { b[9] ^= 1; return b }},
		{name: "flipped AES", asked: wrap256, given: wrap256, spoil: func(b []byte) []byte { b[len(b)-1] ^= 1; return b }},
		{name: "cut", asked: wrap256, given: wrap256, spoil: func(b []byte) []byte { return b[:len(b)-8] }},
		{name: "longer", asked: oaep256, given: oaep256, spoil: func(b []byte) []byte { return append(b, 0) }},
		{name: "short", asked: oaep256, given: oaep256, spoil: func(b []byte) []byte { return b[:9] }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := e.parameters(key, tt.asked)
			// P-256 in PKCS#8 with its public key fits every OAEP here.
			blob := wrap(t, p.PublicKey, tt.given, der)
			if tt.spoil != nil {
				blob = tt.spoil(blob)
			}
			_, err := e.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
				KeyId: &key, ImportToken: p.ImportToken, EncryptedKeyMaterial: blob,
				ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
			})
			if !tt.good {
				refused(t, err, "InvalidCiphertextException")
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

// Rule 3.
func TestAliasesNameNoKeyForImport(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	name := "alias/x"
	must(e.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: &name, TargetKeyId: &key}))(t)
	_, err := e.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{
		KeyId: &name, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	refused(t, err, "NotFoundException")
	_, err = e.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &name})
	refused(t, err, "NotFoundException")
	arn := aws.String("arn:aws:kms:eu-west-1:" + awsemu.DefaultAccount + ":" + name)
	_, err = e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: arn})
	refused(t, err, "InvalidArnException")
	if m := e.describe(name); *m.KeyId != key {
		t.Errorf("the alias leads to %s", *m.KeyId)
	}
	if m := e.describe(*arn); *m.KeyId != key {
		t.Errorf("the alias ARN leads to %s", *m.KeyId)
	}
}
