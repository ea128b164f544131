package pkcs11_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	p11 "github.com/miekg/pkcs11"
)

// One object of which the token says nothing does not hide the others, and is told.
func TestAnUnreadableObjectHidesNoOther(t *testing.T) {
	b := behind(t, softtoken.SoftHSM, shim.Condition{})
	for _, id := range []broker.MaterialID{"one", "two", "three"} {
		if _, err := b.token.Generate(t.Context(), broker.GenerateIn{ID: id, Label: string(id), Spec: broker.AES256}); err != nil {
			t.Fatal(err)
		}
	}
	count := func() (readable, not int) {
		for o, err := range b.token.Objects(t.Context(), broker.ObjectQuery{}) {
			switch {
			case err != nil:
				t.Fatal(err)
			case o.Class == broker.ClassUnreadable:
				not++
			default:
				readable++
			}
		}
		return readable, not
	}
	before, none := count()
	broken := b.shim.On(shim.Rule{Function: "C_GetAttributeValue", Nth: 1, Result: p11.CKR_ATTRIBUTE_VALUE_INVALID})
	readable, not := count()
	broken.Remove()
	if none != 0 || not != 1 || readable != before-1 {
		t.Errorf("of %d objects %d are listed, and %d told as unreadable", before, readable, not)
	}
}
