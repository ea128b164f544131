package lazyregexp_test

import (
	"testing"

	"github.com/keyferry/keyferry/broker/lazyregexp"
)

func TestNew(t *testing.T) {
	t.Parallel()
	word := lazyregexp.New(`^[a-z]+$`)
	if !word().MatchString("abc") || word().MatchString("1") || word() != word() {
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
