package lazyregexp_test

import (
	"testing"

	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

func TestNew(t *testing.T) {
	t.Parallel()
	word := lazyregexp.New(`^[a-z]+$`)
	first := word()
	if !first.MatchString("abc") || first.MatchString("1") || word() != first {
		t.Error("it is not the expression, or compiled twice")
	}
	none := lazyregexp.New(`(`)
	defer func() {
		if recover() == nil {
			t.Error("what is no expression was taken")
		}
	}()
	none()
}
