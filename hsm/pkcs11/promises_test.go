package pkcs11_test

import (
	"crypto/rsa"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/hsmtest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	p11 "github.com/miekg/pkcs11"
)

func TestPromises(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		made := store(t, k, "promises", "another")[0]
		var marked *rsa.PrivateKey
		if k == softtoken.SoftHSM { // Kryoptic's officer cannot
			so, leave := officer(t, made)
			marked = hsmtest.Mark(t, so)
			leave()
		}
		runPromises(t, made, open(t, configOf(made)), marked)
	})
}

// runPromises lets the suite reach behind the token's back by a session of its
// own.
func runPromises(t *testing.T, made softtoken.Token, token hsmtest.Token, marked *rsa.PrivateKey) {
	t.Helper()
	hsmtest.Run(t, hsmtest.Setup{
		Token: token, Marked: marked,
		Lose: func(t *testing.T, id broker.MaterialID, class string) {
			t.Helper()
			r := rawSession(t, made.Module, made.Serial)
			for _, h := range r.find(t, p11.NewAttribute(p11.CKA_ID, string(id)), p11.NewAttribute(p11.CKA_CLASS, classOf(class))) {
				if err := r.ctx.DestroyObject(r.session, h); err != nil {
					t.Fatal(err)
				}
			}
		},
		Twin: func(t *testing.T, id broker.MaterialID) {
			t.Helper()
			r := rawSession(t, made.Module, made.Serial)
			_, err := r.ctx.GenerateKey(r.session, []*p11.Mechanism{p11.NewMechanism(p11.CKM_AES_KEY_GEN, nil)}, []*p11.Attribute{
				p11.NewAttribute(p11.CKA_ID, string(id)), p11.NewAttribute(p11.CKA_TOKEN, true), p11.NewAttribute(p11.CKA_VALUE_LEN, 32),
			})
			if err != nil {
				t.Fatal(err)
			}
		},
		Plant: func(t *testing.T, p hsmtest.Planted) {
			t.Helper()
			rawSession(t, made.Module, made.Serial).plant(t, p)
		},
		SessionObjects: func(t *testing.T) int {
			t.Helper()
			r := rawSession(t, made.Module, made.Serial)
			return len(r.find(t, p11.NewAttribute(p11.CKA_TOKEN, false)))
		},
	})
}

func classOf(class string) uint {
	switch class {
	case "secret":
		return p11.CKO_SECRET_KEY
	case "private":
		return p11.CKO_PRIVATE_KEY
	default:
		return p11.CKO_PUBLIC_KEY
	}
}
