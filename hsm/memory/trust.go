package memory

import (
	"context"
	"errors"

	"github.com/keyferry/keyferry/broker"
)

// Trusts is nil for a wrapping key that was marked.
func (t *Token) Trusts(ctx context.Context, key broker.CheckedWrappingKey) error {
	return t.call(ctx, "Trusts", func() error { return t.trusts(key) })
}

func (t *Token) trusts(key broker.CheckedWrappingKey) error {
	if t.marked[key.Fingerprint()] {
		return nil
	}
	return &broker.Error{
		Kind: broker.Denied, Op: "find", Object: "wrapping key " + key.Fingerprint(),
		Cause: errors.New("the token has none that its security officer marked as trusted"),
	}
}

// Trust marks a wrapping key.
func (t *Token) Trust(ctx context.Context, key broker.CheckedWrappingKey) (before bool, err error) {
	err = t.call(ctx, "Trust", func() error {
		if key.PublicKey() == nil {
			return &broker.Error{Kind: broker.Rejected, Op: "trust", Object: "wrapping key", Cause: errors.New("it was not checked")}
		}
		before = t.marked[key.Fingerprint()]
		t.marked[key.Fingerprint()] = true
		return nil
	})
	return before, err
}
