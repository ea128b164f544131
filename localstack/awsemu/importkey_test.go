package awsemu_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

const incorrect = "IncorrectKeyMaterialException"

// Rule 2, and every spec's material.
func TestImportTakesMaterialOfEverySpec(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	ec := func(c elliptic.Curve) []byte { _, der := emutest.EC(t, c); return der }
	rsa2048 := must(x509.MarshalPKCS8PrivateKey(must(rsa.GenerateKey(rand.Reader, 2048))(t)))(t)
	for _, tt := range []struct {
		spec     types.KeySpec
		usage    types.KeyUsageType
		material []byte
	}{
		{types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, emutest.Random(32)},
		{types.KeySpecHmac224, types.KeyUsageTypeGenerateVerifyMac, emutest.Random(28)},
		{types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac, emutest.Random(32)},
		{types.KeySpecHmac384, types.KeyUsageTypeGenerateVerifyMac, emutest.Random(48)},
		{types.KeySpecHmac512, types.KeyUsageTypeGenerateVerifyMac, emutest.Random(64)},
		{types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, ec(elliptic.P256())},
		{types.KeySpecEccNistP384, types.KeyUsageTypeKeyAgreement, ec(elliptic.P384())},
		{types.KeySpecEccNistP521, types.KeyUsageTypeSignVerify, ec(elliptic.P521())},
		{types.KeySpecEccSecgP256k1, types.KeyUsageTypeSignVerify, emutest.Koblitz(t)},
		{types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt, rsa2048},
	} {
		key := e.create(tt.spec, tt.usage)
		e.state(key, types.KeyStatePendingImport)
		out := must(e.bring(key, tt.material))(t)
		if *out.KeyId != *e.describe(key).Arn {
			t.Errorf("answered key %s, want its ARN", *out.KeyId)
		}
		if (out.KeyMaterialId != nil) != (tt.spec == types.KeySpecSymmetricDefault) {
			t.Errorf("%s: a material id %v", tt.spec, aws.ToString(out.KeyMaterialId))
		}
		e.state(key, types.KeyStateEnabled)
	}
}

// Rules 12 and 13.
func TestImportRefusesOtherMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	aes := e.symmetric()
	mac := e.create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
	p256 := e.create(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	rsa3072 := e.create(types.KeySpecRsa3072, types.KeyUsageTypeSignVerify)
	private, good := emutest.EC(t, elliptic.P256())
	_, p384 := emutest.EC(t, elliptic.P384())
	rsa2048 := must(rsa.GenerateKey(rand.Reader, 2048))(t)
	for name, tt := range map[string]struct {
		key      string
		material []byte
	}{
		"AES of 16 bytes":     {aes, emutest.Random(16)},
		"AES of 33 bytes":     {aes, emutest.Random(33)},
		"HMAC too short":      {mac, emutest.Random(31)},
		"HMAC too long":       {mac, emutest.Random(64)},
		"trailing byte":       {p256, append(slices.Clip(good), 0)},
		"other curve":         {p256, p384},
		"secp256k1 for P-256": {p256, emutest.Koblitz(t)},
		"SEC1":                {p256, must(x509.MarshalECPrivateKey(private))(t)},
		"raw scalar":          {p256, emutest.Random(32)},
		"RSA for EC":          {p256, must(x509.MarshalPKCS8PrivateKey(rsa2048))(t)},
		"other modulus":       {rsa3072, must(x509.MarshalPKCS8PrivateKey(rsa2048))(t)},
		"PKCS#1":              {rsa3072, x509.MarshalPKCS1PrivateKey(rsa2048)},
		"EC for RSA":          {rsa3072, append(good, make([]byte, 200)...)},
		"short scalar":        {p256, emutest.ECDER(t, emutest.OIDP256, must(private.Bytes())(t)[1:], nil)},
		"long scalar":         {p256, emutest.ECDER(t, emutest.OIDP256, append([]byte{0}, must(private.Bytes())(t)...), nil)},
		"scalar zero":         {p256, emutest.ECDER(t, emutest.OIDP256, make([]byte, 32), nil)},
		"wrong public key":    {p256, emutest.ECDER(t, emutest.OIDP256, must(private.Bytes())(t), append([]byte{4}, emutest.Random(64)...))},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.bring(tt.key, tt.material, func(*kms.ImportKeyMaterialInput) {})
			refused(t, err, incorrect)
		})
	}
	e.state(p256, types.KeyStatePendingImport)
	must(e.bring(p256, good))(t)
}

func TestLenientTakesLongerHMAC(t *testing.T) {
	t.Parallel()
	e := start(t, awsemu.Config{Settings: awsemu.Settings{Lenient: true}})
	mac := e.create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
	must(e.bring(mac, emutest.Random(100)))(t)
	_, err := e.bring(e.create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac), emutest.Random(31))
	refused(t, err, incorrect)
}

// Rule 14, and shapes.
func TestImportRefusesBadRequests(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	aes, mac := e.symmetric(), e.create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
	type in = kms.ImportKeyMaterialInput
	id := strings.Repeat("0", 64)
	const invalid, unsupported = "ValidationException", "UnsupportedOperationException"
	for name, tt := range map[string]struct {
		key    string
		change func(*in)
		code   string
	}{
		"neither model nor ValidTo":   {aes, func(i *in) { i.ExpirationModel = "" }, invalid},
		"expires without ValidTo":     {aes, func(i *in) { i.ExpirationModel = "KEY_MATERIAL_EXPIRES" }, invalid},
		"ValidTo with no expiry":      {aes, func(i *in) { i.ValidTo = aws.Time(time.Now().Add(time.Hour)) }, invalid},
		"ValidTo past":                {aes, until(time.Now().Add(-time.Second)), invalid},
		"ValidTo beyond 365 days":     {aes, until(time.Now().Add(365*24*time.Hour + time.Minute)), invalid},
		"unknown model":               {aes, func(i *in) { i.ExpirationModel = "MAYBE" }, invalid},
		"unknown import type":         {aes, as("OTHER"), invalid},
		"id with new material":        {aes, func(i *in) { i.ImportType, i.KeyMaterialId = "NEW_KEY_MATERIAL", &id }, invalid},
		"id is no id":                 {aes, func(i *in) { i.KeyMaterialId = aws.String("x") }, invalid},
		"description has a character": {aes, func(i *in) { i.KeyMaterialDescription = aws.String("é") }, invalid},
		"description too long":        {aes, func(i *in) { i.KeyMaterialDescription = aws.String(strings.Repeat("a", 257)) }, invalid},
		"blob too long":               {aes, func(i *in) { i.EncryptedKeyMaterial = emutest.Random(6145) }, invalid},
		"type for HMAC":               {mac, as(types.ImportTypeNewKeyMaterial), unsupported},
		"id for HMAC":                 {mac, func(i *in) { i.KeyMaterialId = &id }, unsupported},
		"description for HMAC":        {mac, func(i *in) { i.KeyMaterialDescription = aws.String("a") }, unsupported},
		"unknown key":                 {aes, func(i *in) { i.KeyId = aws.String("1234abcd-12ab-34cd-56ef-1234567890ab") }, "NotFoundException"},
		"other region's ARN":          {aes, func(i *in) { i.KeyId = aws.String("arn:aws:kms:us-east-1:000000000000:key/" + aes) }, "InvalidArnException"},
		"other account's ARN":         {aes, func(i *in) { i.KeyId = aws.String("arn:aws:kms:eu-west-1:111111111111:key/" + aes) }, "NotFoundException"},
		"not an ARN":                  {aes, func(i *in) { i.KeyId = aws.String("arn:aws:s3:::x") }, "InvalidArnException"},
		"other id":                    {aes, func(i *in) { i.KeyMaterialId = &id }, incorrect},
		"existing before any":         {aes, as(types.ImportTypeExistingKeyMaterial), incorrect},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := e.bring(tt.key, emutest.Random(32), tt.change)
			refused(t, err, tt.code)
		})
	}
	e.state(aes, types.KeyStatePendingImport)
	must(e.bring(aes, emutest.Random(32), until(time.Now().Add(365*24*time.Hour-time.Minute))))(t)
}

// Rules 15 to 18.
func TestSameAndOtherSymmetricMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.symmetric()
	one, two := emutest.Random(32), emutest.Random(32)
	first := must(e.bring(key, one))(t)
	if id := *first.KeyMaterialId; len(id) != 64 || strings.ToLower(id) != id || *e.describe(key).CurrentKeyMaterialId != id {
		t.Errorf("material id %q", id)
	}
	again := must(e.bring(key, one))(t)
	existing := must(e.bring(key, one, as(types.ImportTypeExistingKeyMaterial), func(in *kms.ImportKeyMaterialInput) { in.KeyMaterialId = first.KeyMaterialId }))(t)
	if *again.KeyMaterialId != *first.KeyMaterialId || *existing.KeyMaterialId != *first.KeyMaterialId {
		t.Error("the same material has another id")
	}
	_, err := e.bring(key, two)
	refused(t, err, incorrect)
	_, err = e.bring(key, two, as(types.ImportTypeExistingKeyMaterial))
	refused(t, err, incorrect)
	_, err = e.bring(key, one, as(types.ImportTypeNewKeyMaterial))
	refused(t, err, incorrect)
	elsewhere := must(e.bring(e.symmetric(), one))(t)
	if *elsewhere.KeyMaterialId == *first.KeyMaterialId {
		t.Error("another key's material has the same id")
	}
}

// Rule 19.
func TestFirstMaterialOfOtherKeysIsForEver(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	mac := e.create(types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac)
	ec := e.create(types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify)
	secret := emutest.Random(32)
	private, full := emutest.EC(t, elliptic.P256())
	bare := emutest.ECDER(t, emutest.OIDP256, must(private.Bytes())(t), nil)
	_, otherEC := emutest.EC(t, elliptic.P256())
	must(e.bring(mac, secret, until(time.Now().Add(time.Hour))))(t)
	must(e.bring(ec, full))(t)
	must(e.bring(ec, bare))(t) // the same key, encoded without its public half
	for range 2 {
		_, err := e.bring(mac, emutest.Random(32))
		refused(t, err, incorrect)
		_, err = e.bring(ec, otherEC)
		refused(t, err, incorrect)
		must(e.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &ec}))(t)
		e.advance(time.Hour)
		e.state(mac, types.KeyStatePendingImport)
		e.state(ec, types.KeyStatePendingImport)
	}
	must(e.bring(mac, secret))(t)
	must(e.bring(ec, full))(t)
	e.state(mac, types.KeyStateEnabled)
	e.state(ec, types.KeyStateEnabled)
}

func TestImportNeedsAState(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key, material := e.symmetric(), emutest.Random(32)
	must(e.bring(key, material))(t)
	must(e.DisableKey(t.Context(), &kms.DisableKeyInput{KeyId: &key}))(t)
	_, err := e.bring(key, material)
	refused(t, err, "KMSInvalidStateException")
	e.configure(awsemu.Change{Settings: &awsemu.Settings{Lenient: true}})
	must(e.bring(key, material))(t)
	e.state(key, types.KeyStateDisabled)
	p := e.parameters(key, types.AlgorithmSpecRsaesOaepSha256)
	must(e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key}))(t)
	_, err = e.ImportKeyMaterial(t.Context(), &kms.ImportKeyMaterialInput{
		KeyId: &key, ImportToken: p.ImportToken, EncryptedKeyMaterial: wrap(t, p.PublicKey, types.AlgorithmSpecRsaesOaepSha256, material),
		ExpirationModel: types.ExpirationModelTypeKeyMaterialDoesNotExpire,
	})
	refused(t, err, "KMSInvalidStateException")
	_, err = e.GetParametersForImport(t.Context(), &kms.GetParametersForImportInput{
		KeyId: &key, WrappingAlgorithm: types.AlgorithmSpecRsaesOaepSha256, WrappingKeySpec: types.WrappingKeySpecRsa2048,
	})
	refused(t, err, "KMSInvalidStateException")
}

func TestDeleteImportedKeyMaterial(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key, material := e.symmetric(), emutest.Random(32)
	del := func(id *string) (*kms.DeleteImportedKeyMaterialOutput, error) {
		return e.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: &key, KeyMaterialId: id})
	}
	must(del(nil))(t) // no effect
	e.state(key, types.KeyStatePendingImport)
	in := must(e.bring(key, material, until(time.Now().Add(time.Hour))))(t)
	out := must(del(in.KeyMaterialId))(t)
	if *out.KeyId != *e.describe(key).Arn || *out.KeyMaterialId != *in.KeyMaterialId {
		t.Errorf("answered %s %s", *out.KeyId, *out.KeyMaterialId)
	}
	e.state(key, types.KeyStatePendingImport)
	_, err := del(aws.String(strings.Repeat("0", 64)))
	refused(t, err, "NotFoundException")
	_, err = del(aws.String("x"))
	refused(t, err, "ValidationException")
	_, err = e.bring(key, emutest.Random(32))
	refused(t, err, incorrect)
	must(e.bring(key, material))(t)
	e.state(key, types.KeyStateEnabled)
	must(e.ScheduleKeyDeletion(t.Context(), &kms.ScheduleKeyDeletionInput{KeyId: &key}))(t)
	must(del(nil))(t)
	e.state(key, types.KeyStatePendingDeletion)
	own := must(e.CreateKey(t.Context(), &kms.CreateKeyInput{}))(t).KeyMetadata.KeyId
	_, err = e.DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: own})
	refused(t, err, "UnsupportedOperationException")
}

func TestReportKnowsWhatArrived(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	key := e.create(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, awsemu.DefaultKeyNameTag, "payroll", "team", "red")
	twin, orphan := e.symmetric(), e.symmetric()
	material := emutest.Random(32)
	sum := sha256.Sum256(material)
	must(e.bring(key, material))(t)
	must(e.bring(key, material))(t)
	must(e.bring(twin, material))(t)
	must(e.CreateAlias(t.Context(), &kms.CreateAliasInput{AliasName: aws.String("alias/pay"), TargetKeyId: &key}))(t)
	r := must(e.admin.Report(t.Context()))(t)
	if n := r.Names["payroll"]; n.Keys != 1 || n.Versions != 1 || n.Orphans != 0 || n.Twins != 1 {
		t.Errorf("payroll is %+v", n)
	}
	if m := r.Materials[hex.EncodeToString(sum[:])]; m.Imports != 3 || m.Versions != 2 || len(m.Keys) != 2 {
		t.Errorf("the material is %+v", m)
	}
	if len(r.Twins) != 1 || len(r.Orphans) != 1 || !strings.HasSuffix(r.Orphans[0], orphan) {
		t.Errorf("twins %v, orphans %v", r.Twins, r.Orphans)
	}
	for _, k := range r.Keys {
		if k.Name != "payroll" {
			continue
		}
		if k.Aliases[0] != "alias/pay" || k.Tags["team"] != "red" || k.State != "Enabled" || k.Commits["ImportKeyMaterial"] != 2 || k.Commits["CreateAlias"] != 1 {
			t.Errorf("reported as %+v", k)
		}
	}
	if err := e.admin.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := must(e.admin.Report(t.Context()))(t); len(r.Keys) != 0 {
		t.Errorf("%d keys after a reset", len(r.Keys))
	}
}
