package pkcs11_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
	p11 "github.com/miekg/pkcs11"
)

// What one of two writes is what the other reads, though the object is another one each
// time on some tokens, and each remembers where it was.
func TestTwoThatKeepOneAnchor(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		made := store(t, k, "anchors")[0]
		both := []*pkcs11.Token{open(t, configOf(made)), open(t, configOf(made))}
		for round := range 6 {
			writer, reader := both[round%2], both[(round+1)%2]
			want := fmt.Sprint("record ", round)
			if err := writer.SetAnchor(t.Context(), "head", []byte(want)); err != nil {
				t.Fatal(err)
			}
			for _, by := range []*pkcs11.Token{reader, writer, reader} {
				if got, err := by.Anchor(t.Context(), "head"); err != nil || len(got) != 1 || string(got[0]) != want {
					t.Errorf("round %d: read %q, %v", round, got, err)
				}
			}
			if _, err := reader.Anchor(t.Context(), "another"); err == nil {
				t.Error("there is one that nobody kept")
			}
		}
	})
}

// Two that write at once may leave both records; the next that writes leaves its own alone.
func TestTwoThatKeepOneAnchorAtOnce(t *testing.T) {
	each(t, func(t *testing.T, k softtoken.Kind) {
		made := store(t, k, "raced")[0]
		both := []*pkcs11.Token{open(t, configOf(made)), open(t, configOf(made))}
		for round := range 5 {
			var all sync.WaitGroup
			for i, token := range both {
				all.Go(func() {
					if err := token.SetAnchor(t.Context(), "head", fmt.Append(nil, "written by ", i)); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			if got, err := both[0].Anchor(t.Context(), "head"); err != nil || len(got) == 0 {
				t.Errorf("round %d: %q, %v", round, got, err)
			}
			want := fmt.Sprint("after round ", round)
			if err := both[round%2].SetAnchor(t.Context(), "head", []byte(want)); err != nil {
				t.Fatal(err)
			}
			if got, err := both[0].Anchor(t.Context(), "head"); err != nil || len(got) != 1 || string(got[0]) != want {
				t.Errorf("round %d: %q is left, %v", round, got, err)
			}
		}
	})
}

// Whatever call fails once, done or not, because another writes in the same moment: the
// record is kept, and it is the only one.
func TestAnchorIsWrittenAgain(t *testing.T) {
	for function, code := range map[string]uint{
		"C_FindObjectsInit": p11.CKR_GENERAL_ERROR, "C_SetAttributeValue": p11.CKR_OBJECT_HANDLE_INVALID,
		"C_CreateObject": p11.CKR_TEMPLATE_INCONSISTENT, "C_DestroyObject": p11.CKR_FUNCTION_FAILED,
	} {
		for when, done := range map[shim.When]string{shim.Before: "not done", shim.After: "done"} {
			t.Run(function+" "+done, func(t *testing.T) {
				b := behind(t, softtoken.SoftHSM, shim.Condition{})
				must(t, b.token.SetAnchor(t.Context(), "head", []byte("old")))
				failed := b.shim.On(shim.Rule{Function: function, When: when, Nth: 1, Result: code})
				if function != "C_SetAttributeValue" { // a token that lets none be changed
					b.shim.On(shim.Rule{Function: "C_SetAttributeValue", Result: p11.CKR_ATTRIBUTE_READ_ONLY})
				}
				must(t, b.token.SetAnchor(t.Context(), "head", []byte("new")))
				got, err := b.token.Anchor(t.Context(), "head")
				if err != nil || len(got) != 1 || string(got[0]) != "new" || failed.Hits() != 1 {
					t.Errorf("%q, %v; %d failed", got, err, failed.Hits())
				}
			})
		}
	}
}

// Reading too: what was not to be read, or not to be found, a moment ago is looked for
// again.
func TestAnchorIsReadAgain(t *testing.T) {
	for function, code := range map[string]uint{"C_FindObjectsInit": p11.CKR_GENERAL_ERROR, "C_GetAttributeValue": p11.CKR_OBJECT_HANDLE_INVALID, "C_FindObjects": p11.CKR_FUNCTION_FAILED} {
		t.Run(function, func(t *testing.T) {
			b := behind(t, softtoken.SoftHSM, shim.Condition{})
			must(t, b.token.SetAnchor(t.Context(), "head", []byte("kept")))
			failed := b.shim.On(shim.Rule{Function: function, Nth: 1, Result: code})
			got, err := b.token.Anchor(t.Context(), "head")
			if err != nil || len(got) != 1 || string(got[0]) != "kept" || failed.Hits() != 1 {
				t.Errorf("%q, %v; %d failed", got, err, failed.Hits())
			}
		})
	}
}

// A token on which it fails for good is asked three times, and one that has no data
// objects once.
func TestAnchorThatCannotBeKept(t *testing.T) {
	for code, want := range map[uint]struct {
		kind  broker.Kind
		tries int
	}{p11.CKR_FUNCTION_FAILED: {broker.Unclear, 3}, p11.CKR_TEMPLATE_INCONSISTENT: {broker.Unsupported, 1}} {
		t.Run(fmt.Sprintf("%#x", code), func(t *testing.T) {
			b := behind(t, softtoken.SoftHSM, shim.Condition{})
			failed := b.shim.On(shim.Rule{Function: "C_CreateObject", Result: code})
			expect(t, b.token.SetAnchor(t.Context(), "head", []byte("new")), want.kind, "C_CreateObject")
			if failed.Hits() != want.tries {
				t.Errorf("asked %d times, want %d", failed.Hits(), want.tries)
			}
		})
	}
}
