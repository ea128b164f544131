package pkcs11_test

import (
	"fmt"
	"sync"
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
