package main

import (
	"context"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	hsm "github.com/keyferry/keyferry/hsm/memory"
)

// otherSeals is a token of another seal key.
type otherSeals struct{ *hsm.Token }

func (o otherSeals) Seal(ctx context.Context, record []byte) ([]byte, error) {
	return o.Token.Seal(ctx, append([]byte("another "), record...))
}

// What an operation saw is in a store that others may write, and tells a person what to
// do: none of it is said that the token's seal does not hold.
func TestWhatIsNotSealedIsNotShown(t *testing.T) {
	t.Parallel()
	w := dilemmaWorld(t)
	w.stands(inTheToken()["material that is gone from the token"])
	if shown := w.operation(); len(shown.Dilemma.Seen) == 0 || shown.Dilemma.First == "" {
		t.Fatalf("%+v", shown.Dilemma)
	}
	w.tokenAs = func(token broker.Token) broker.Token { return otherSeals{token.(*hsm.Token)} }
	shown := w.operation()
	if shown.Dilemma == nil || len(shown.Dilemma.Seen) > 0 || shown.Dilemma.First != "" || len(shown.Dilemma.Do) != 2 {
		t.Errorf("%+v", shown.Dilemma)
	}
	if s := w.must("operation", "show", shown.Operation.ID); !strings.Contains(s.stderr, "is not shown, since the audit could not be held against the token's seal") {
		t.Errorf("%s", s)
	}
}
