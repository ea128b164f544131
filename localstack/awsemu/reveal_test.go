package awsemu_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

// What was unwrapped is given out only by an emulator that was started so, and no
// configuration turns it on later.
func TestRevealsOnlyWhereStartedSo(t *testing.T) {
	t.Parallel()
	shut, open := start(t, defaults()), start(t, awsemu.Config{Reveal: true})
	material := emutest.Random(32)
	for _, e := range []*emulator{shut, open} {
		must(e.bring(e.create(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt, awsemu.DefaultKeyNameTag, "k"), material))(t)
	}
	if got, err := shut.admin.Revealed(t.Context()); err == nil || len(got) > 0 || !strings.Contains(err.Error(), "404") {
		t.Errorf("%v, %v", got, err)
	}
	if err := shut.admin.Configure(t.Context(), map[string]any{"settings": map[string]any{"reveal": true}}); err == nil {
		t.Error("a setting reveals")
	}
	got := must(open.admin.Revealed(t.Context()))(t)
	if len(got) != 1 || got[0].Name != "k" || !bytes.Equal(got[0].Raw, material) || len(got[0].Wrapped) == 0 || len(got[0].Token) == 0 {
		t.Fatalf("%+v", got)
	}
	if err := open.admin.Reset(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := must(open.admin.Revealed(t.Context()))(t); len(got) != 0 {
		t.Errorf("after a reset: %+v", got)
	}
}
