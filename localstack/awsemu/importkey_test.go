package awsemu_test

import (
	"crypto/elliptic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"
)

func TestImportTakesMaterialOfEverySpec(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	_, p256 := ecKey(t, elliptic.P256())
	for _, tt := range []struct {
		spec     types.KeySpec
		usage    types.KeyUsageType
		material []byte
	}{
		{types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, random(32)},
		{types.KeySpecHmac256, types.KeyUsageTypeGenerateVerifyMac, random(32)},
		{types.KeySpecEccNistP256, types.KeyUsageTypeSignVerify, p256},
	} {
		key := e.create(tt.spec, tt.usage)
		e.state(key, types.KeyStatePendingImport)
		out := must(e.bring(key, tt.material))(t)
		if *out.KeyId != *e.describe(key).Arn {
			t.Errorf("answered key %s, want its ARN", *out.KeyId)
		}
		e.state(key, types.KeyStateEnabled)
	}
}
