package broker_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func TestErrorIsOneLine(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]*broker.Error{
		"import key k: denied: no": {Kind: broker.Denied, Op: "import", Object: "key k", Cause: errors.New("no")},
		"import: denied":           {Kind: broker.Denied, Op: "import"},
		"key k: denied":            {Kind: broker.Denied, Object: "key k"},
		"denied":                   {Kind: broker.Denied},
		"make key: denied (permission kms:CreateKey)": {Kind: broker.Denied, Op: "make key", Permission: "kms:CreateKey"},
		"find key k: the key is not found there":      {Kind: broker.NotFound, Op: "find", Object: "key k", Cause: errors.New("the key is not found there")},
		"find key k: not found: EOF":                  {Kind: broker.NotFound, Op: "find", Object: "key k", Cause: io.EOF},
		"outer: conflict: inner: throttled: EOF":      {Kind: broker.Conflict, Op: "outer", Cause: &broker.Error{Kind: broker.Throttled, Op: "inner", Cause: io.EOF}},
	} {
		if got := e.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestErrorIsItsKindAndItsCause(t *testing.T) {
	t.Parallel()
	err := fmt.Errorf("outer: %w", &broker.Error{Kind: broker.Denied, Op: "read", Cause: fmt.Errorf("inner: %w", io.EOF)})
	if !errors.Is(err, broker.Denied) || !errors.Is(err, io.EOF) || errors.Is(err, broker.NotFound) {
		t.Errorf("%v is not what it is", err)
	}
	if e, ok := errors.AsType[*broker.Error](err); !ok || e.Op != "read" {
		t.Errorf("%v: %+v", err, e)
	}
	if bare := (&broker.Error{Kind: broker.Expired}); !errors.Is(bare, broker.Expired) {
		t.Error("an error without a cause has no kind")
	}
}

func TestKindOf(t *testing.T) {
	t.Parallel()
	inner := &broker.Error{Kind: broker.Throttled}
	for name, c := range map[string]struct {
		err  error
		want broker.Kind
	}{
		"nothing is known of it":     {io.EOF, broker.Unclear},
		"a kind":                     {broker.Misuse, broker.Misuse},
		"a wrapped kind":             {fmt.Errorf("x: %w", broker.Misuse), broker.Misuse},
		"an error":                   {inner, broker.Throttled},
		"a wrapped error":            {fmt.Errorf("x: %w", inner), broker.Throttled},
		"the outermost":              {&broker.Error{Kind: broker.Conflict, Cause: inner}, broker.Conflict},
		"one of two":                 {errors.Join(io.EOF, inner), broker.Throttled},
		"the first of two":           {errors.Join(&broker.Error{Kind: broker.Denied}, inner), broker.Denied},
		"an error that wraps a kind": {&broker.Error{Kind: broker.Denied, Cause: broker.NotFound}, broker.Denied},
	} {
		if got := broker.KindOf(c.err); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}
