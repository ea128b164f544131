package pkcs11_test

import (
	"fmt"
	"testing"

	"github.com/keyferry/keyferry/hsm/pkcs11"
	"github.com/keyferry/keyferry/hsm/softtoken"
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
				if got, err := by.Anchor(t.Context(), "head"); err != nil || string(got) != want {
					t.Errorf("round %d: read %q, %v", round, got, err)
				}
			}
			if _, err := reader.Anchor(t.Context(), "another"); err == nil {
				t.Error("there is one that nobody kept")
			}
		}
	})
}
