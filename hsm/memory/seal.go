package memory

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// The seal key is one object of this id; its label names the environment.
const (
	sealID     = "keyferry-seal"
	sealPrefix = "keyferry seal key: "
)

// Seal returns the HMAC-SHA-256 of record under the seal key.
func (t *Token) Seal(ctx context.Context, record []byte) ([]byte, error) {
	var mac []byte
	err := t.call(ctx, "Seal", func() error {
		keys := t.find(sealID)
		if len(keys) == 0 {
			return &broker.Error{Kind: broker.NotFound, Op: "seal with", Object: "token " + t.options.Label, Cause: errors.New("it has no seal key")}
		}
		h := hmac.New(sha256.New, keys[0].value)
		h.Write(record)
		mac = h.Sum(nil)
		return nil
	})
	return mac, err
}

// MakeSealKey makes the seal key of one environment.
func (t *Token) MakeSealKey(ctx context.Context, environment string) error {
	return t.call(ctx, "MakeSealKey", func() error {
		have := t.environment()
		switch {
		case environment == "":
			return &broker.Error{Kind: broker.Misuse, Op: "make seal key in", Object: "token " + t.options.Label, Cause: errors.New("no environment is named")}
		case have == environment:
			return nil
		case have != "":
			return &broker.Error{
				Kind: broker.Conflict, Op: "make seal key in", Object: "token " + t.options.Label,
				Cause: fmt.Errorf("it belongs to environment %s, not %s", have, environment),
			}
		}
		key := object{id: sealID, class: classSecret, label: sealPrefix + environment, spec: broker.HMAC256, value: make([]byte, 32)}
		rand.Read(key.value)
		t.objects = append(t.objects, key)
		return nil
	})
}

// environment of the seal key; "" where there is none.
func (t *Token) environment() string {
	for _, o := range t.find(sealID) {
		return strings.TrimPrefix(o.label, sealPrefix)
	}
	return ""
}

// Anchor is the record kept under name.
func (t *Token) Anchor(ctx context.Context, name string) ([][]byte, error) {
	var records [][]byte
	err := t.call(ctx, "Anchor", func() error {
		if t.options.NoDataObjects {
			return t.noAnchors("read anchor")
		}
		kept, ok := t.anchors[name]
		if !ok {
			return &broker.Error{Kind: broker.NotFound, Op: "read anchor", Object: name}
		}
		records = [][]byte{slices.Clone(kept)}
		return nil
	})
	return records, err
}

// SetAnchor replaces the record kept under name.
func (t *Token) SetAnchor(ctx context.Context, name string, record []byte) error {
	return t.call(ctx, "SetAnchor", func() error {
		if t.options.NoDataObjects {
			return t.noAnchors("keep anchor")
		}
		t.anchors[name] = slices.Clone(record)
		return nil
	})
}

func (t *Token) noAnchors(op string) error {
	return &broker.Error{Kind: broker.Unsupported, Op: op, Object: "in token " + t.options.Label, Cause: errors.New("it has no data objects")}
}
