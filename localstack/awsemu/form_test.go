package awsemu_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// Where secrets are looked at in form alone, whatever is as long as the wrapping key is
// taken, again too; what is not is refused, and pairs are opened as ever.
func TestSecretsLookedAtInFormAlone(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	e.configure(awsemu.Change{Settings: &awsemu.Settings{FormOnly: true}})
	sent := func(blob []byte) func(*kms.ImportKeyMaterialInput) {
		return func(in *kms.ImportKeyMaterialInput) { in.EncryptedKeyMaterial = blob }
	}
	key := e.create(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt)
	first := must(e.bring(key, nil, sent(emutest.Random(256))))(t)
	again := must(e.bring(key, nil, sent(emutest.Random(256))))(t)
	if *first.KeyMaterialId != *again.KeyMaterialId {
		t.Errorf("material %s, and brought again %s", *first.KeyMaterialId, *again.KeyMaterialId)
	}
	e.state(key, types.KeyStateEnabled)
	other := e.create(types.KeySpecHmac512, types.KeyUsageTypeGenerateVerifyMac)
	_, err := e.bring(other, nil, sent(emutest.Random(255)))
	refused(t, err, "InvalidCiphertextException")
	must(e.bring(other, nil, sent(emutest.Random(256))))(t)
	pair := e.create(types.KeySpecRsa2048, types.KeyUsageTypeSignVerify)
	_, err = e.bring(pair, emutest.Random(1200), sent(emutest.Random(1500)))
	refused(t, err, "InvalidCiphertextException")
}
