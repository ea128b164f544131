package awsemu_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// Rules 4 and 30.
func TestExternalKeysStartWithoutMaterialAndTwiceIsTwo(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	one, two := e.symmetric(), e.symmetric()
	if one == two {
		t.Error("creating twice made one key")
	}
	m := e.describe(one)
	want := "arn:aws:kms:eu-west-1:" + awsemu.DefaultAccount + ":key/" + one
	if m.KeyState != types.KeyStatePendingImport || m.Enabled || m.Origin != types.OriginTypeExternal || *m.Arn != want {
		t.Errorf("described as %+v", m)
	}
	if m.ValidTo != nil || m.DeletionDate != nil || m.ExpirationModel != "" || *m.MultiRegion || m.KeyManager != types.KeyManagerTypeCustomer {
		t.Errorf("described as %+v", m)
	}
}

func TestKMSKeysAreBornEnabled(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	for spec, usage := range map[types.KeySpec]types.KeyUsageType{
		types.KeySpecSymmetricDefault: "", types.KeySpecHmac256: types.KeyUsageTypeGenerateVerifyMac,
		types.KeySpecEccNistP384: types.KeyUsageTypeSignVerify, types.KeySpecEccSecgP256k1: types.KeyUsageTypeSignVerify,
		types.KeySpecRsa2048: types.KeyUsageTypeEncryptDecrypt, types.KeySpecEccNistEdwards25519: types.KeyUsageTypeSignVerify,
	} {
		out := must(e.CreateKey(t.Context(), &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage}))(t)
		e.state(*out.KeyMetadata.KeyId, types.KeyStateEnabled)
		_, err := e.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{
			KeyId: out.KeyMetadata.KeyId, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
		})
		refused(t, err, "UnsupportedOperationException")
	}
}

// Rules 5 and 6, and what is not modelled.
func TestCreateKeyRefuses(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	long := strings.Repeat("x", 8193)
	many := make([]types.Tag, 51)
	for i := range many {
		many[i] = types.Tag{TagKey: aws.String(strings.Repeat("k", i+1)), TagValue: aws.String("")}
	}
	tag := func(k, v string) []types.Tag { return []types.Tag{{TagKey: &k, TagValue: &v}} }
	external := types.OriginTypeExternal
	for name, tt := range map[string]struct {
		in   kms.CreateKeyInput
		code string
	}{
		"HMAC without usage":    {kms.CreateKeyInput{Origin: external, KeySpec: types.KeySpecHmac256}, "ValidationException"},
		"RSA without usage":     {kms.CreateKeyInput{Origin: external, KeySpec: types.KeySpecRsa2048}, "ValidationException"},
		"wrong usage":           {kms.CreateKeyInput{KeySpec: types.KeySpecHmac256, KeyUsage: types.KeyUsageTypeSignVerify}, "ValidationException"},
		"secp256k1 agreement":   {kms.CreateKeyInput{KeySpec: types.KeySpecEccSecgP256k1, KeyUsage: types.KeyUsageTypeKeyAgreement}, "ValidationException"},
		"ML-DSA":                {kms.CreateKeyInput{Origin: external, KeySpec: types.KeySpecMlDsa44, KeyUsage: types.KeyUsageTypeSignVerify}, "UnsupportedOperationException"},
		"SM2":                   {kms.CreateKeyInput{Origin: external, KeySpec: types.KeySpecSm2, KeyUsage: types.KeyUsageTypeSignVerify}, "UnsupportedOperationException"},
		"Ed25519 external":      {kms.CreateKeyInput{Origin: external, KeySpec: types.KeySpecEccNistEdwards25519, KeyUsage: types.KeyUsageTypeSignVerify}, "UnsupportedOperationException"},
		"unknown spec":          {kms.CreateKeyInput{KeySpec: "DES"}, "ValidationException"},
		"unknown usage":         {kms.CreateKeyInput{KeyUsage: "PRAY"}, "ValidationException"},
		"unknown origin":        {kms.CreateKeyInput{Origin: "MOON"}, "ValidationException"},
		"CloudHSM":              {kms.CreateKeyInput{Origin: types.OriginTypeAwsCloudhsm}, "UnsupportedOperationException"},
		"custom key store":      {kms.CreateKeyInput{CustomKeyStoreId: aws.String("cks-1")}, "UnsupportedOperationException"},
		"two specs":             {kms.CreateKeyInput{KeySpec: "RSA_2048", CustomerMasterKeySpec: "RSA_2048"}, "ValidationException"}, //nolint:staticcheck // the old name is the point
		"long description":      {kms.CreateKeyInput{Description: &long}, "ValidationException"},
		"reserved tag":          {kms.CreateKeyInput{Tags: tag("aws:x", "")}, "TagException"},
		"tag character":         {kms.CreateKeyInput{Tags: tag("a", "b;c")}, "TagException"},
		"long tag":              {kms.CreateKeyInput{Tags: tag(long[:129], "")}, "ValidationException"},
		"tag twice":             {kms.CreateKeyInput{Tags: append(tag("a", ""), tag("a", "")...)}, "TagException"},
		"many tags":             {kms.CreateKeyInput{Tags: many}, "LimitExceededException"},
		"policy is no policy":   {kms.CreateKeyInput{Policy: aws.String("{}")}, "MalformedPolicyDocumentException"},
		"policy locks out":      {kms.CreateKeyInput{Policy: aws.String(policy("arn:aws:iam::111111111111:root", "kms:*"))}, "MalformedPolicyDocumentException"},
		"policy cannot be put":  {kms.CreateKeyInput{Policy: aws.String(policy("*", "kms:Encrypt"))}, "MalformedPolicyDocumentException"},
		"policy is much longer": {kms.CreateKeyInput{Policy: aws.String(strings.Repeat(" ", 32769))}, "LimitExceededException"},
	} {
		_, err := e.CreateKey(t.Context(), &tt.in)
		t.Run(name, func(t *testing.T) { refused(t, err, tt.code) })
	}
	if keys := must(e.ListKeys(t.Context(), &kms.ListKeysInput{}))(t).Keys; len(keys) != 0 {
		t.Errorf("refused calls made %d keys", len(keys))
	}
}

func policy(principal, action string) string {
	return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":["` + principal + `"]},"Action":"` + action + `","Resource":"*"}}`
}

func TestLenientAllowsEd25519(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{Lenient: true}})
	key := e.create(types.KeySpecEccNistEdwards25519, types.KeyUsageTypeSignVerify)
	der := append([]byte{0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20}, emutest.Random(32)...)
	must(e.bring(key, der))(t)
	e.state(key, types.KeyStateEnabled)
}

func TestKeyPolicyIsKept(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	ours := policy("arn:aws:iam::"+awsemu.DefaultAccount+":root", "kms:*")
	key := must(e.CreateKey(t.Context(), &kms.CreateKeyInput{Policy: &ours}))(t).KeyMetadata.KeyId
	read := func() string {
		return *must(e.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: key}))(t).Policy
	}
	if read() != ours {
		t.Errorf("policy is %s", read())
	}
	other := policy(awsemu.DefaultAccount, "kms:Put*")
	must(e.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: key, Policy: &other}))(t)
	locked := policy("arn:aws:iam::111111111111:root", "kms:*")
	_, err := e.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: key, Policy: &locked})
	refused(t, err, "MalformedPolicyDocumentException")
	if read() != other {
		t.Errorf("policy is %s", read())
	}
	must(e.PutKeyPolicy(t.Context(), &kms.PutKeyPolicyInput{KeyId: key, Policy: &locked, BypassPolicyLockoutSafetyCheck: true}))(t)
	_, err = e.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: key, PolicyName: aws.String("other")})
	refused(t, err, "NotFoundException")
	if standard := must(e.GetKeyPolicy(t.Context(), &kms.GetKeyPolicyInput{KeyId: aws.String(e.symmetric())}))(t); !strings.Contains(*standard.Policy, ":root") {
		t.Errorf("the default policy is %s", *standard.Policy)
	}
}
