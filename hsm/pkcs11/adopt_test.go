package pkcs11_test

import (
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/hsmtest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	p11 "github.com/miekg/pkcs11"
)

// The owner of a key can say that only a key which the security officer trusts may
// wrap it: no provider's wrapping key is one.
func TestMaterialForTrustedKeysOnlyIsNotAdopted(t *testing.T) {
	made := store(t, softtoken.SoftHSM, "trusted")[0]
	token := open(t, configOf(made))
	rawSession(t, made.Module, made.Serial).plant(t,
		hsmtest.Planted{ID: []byte("bank"), Spec: broker.AES256}, p11.NewAttribute(p11.CKA_WRAP_WITH_TRUSTED, true))
	_, err := token.Adopt(t.Context(), broker.GenerateIn{ID: "bank", Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}})
	expect(t, err, broker.Conflict, "CKA_WRAP_WITH_TRUSTED", "CKA_ENCRYPT is false")
	if !strings.Contains(hintOf(err), "nothing was changed") {
		t.Errorf("hint %q", hintOf(err))
	}
}

func TestSealKeyIsNotAdopted(t *testing.T) {
	made := store(t, softtoken.SoftHSM, "sealed")[0]
	token := open(t, configOf(made))
	must(t, token.MakeSealKey(t.Context(), "test"))
	_, err := token.Adopt(t.Context(), broker.GenerateIn{ID: "keyferry-seal", Spec: broker.HMAC256})
	expect(t, err, broker.Misuse)
}
