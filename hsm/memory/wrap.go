package memory

import (
	"context"
	"crypto/aes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // OAEP with SHA-1 is what some providers ask for
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// Wrap wraps material by the plan of key.
func (t *Token) Wrap(ctx context.Context, m broker.Material, key broker.CheckedWrappingKey) ([]byte, error) {
	var out []byte
	err := t.call(ctx, "Wrap", func() error {
		o, err := t.one("wrap", m)
		if err != nil {
			return err
		}
		if err := t.wrappable(o, m, key); err != nil {
			return err
		}
		out, err = wrap(key, t.padded(o))
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (t *Token) wrappable(o *object, m broker.Material, key broker.CheckedWrappingKey) error {
	refuse := func(kind broker.Kind, why string) error {
		return &broker.Error{Kind: kind, Op: "wrap", Object: m.String(), Cause: errors.New(why)}
	}
	if key.PublicKey() == nil {
		return refuse(broker.Rejected, "the wrapping key was not checked")
	}
	asked := key.Plan()
	own := t.plan(o.spec, asked.Mechanism)
	switch {
	case asked.Spec != o.spec:
		return refuse(broker.Unsupported, fmt.Sprintf("the plan is for %s, the material is %s", asked.Spec, o.spec))
	case !own.Works || own.Way != asked.Way:
		return refuse(broker.Unsupported, fmt.Sprintf("%s %s is no plan of this token", asked.Way, asked.Mechanism))
	case !o.extractable:
		return refuse(broker.Rejected, "it is sealed")
	case o.usage.Trusted:
		return t.trusts(key)
	}
	return nil
}

// padded is the material as the token's wrap would see it.
func (t *Token) padded(o *object) []byte {
	if t.plan(o.spec, broker.KWPSHA256).Conforming || o.spec.Secret() {
		return o.value
	}
	return append(append([]byte(nil), o.value...), make([]byte, 8-len(o.value)%8)...)
}

func wrap(key broker.CheckedWrappingKey, material []byte) ([]byte, error) {
	mechanism := key.Plan().Mechanism
	h := sha256.New()
	if mechanism.SHA1() {
		h = sha1.New() //nolint:gosec // as above
	}
	if mechanism.Direct() {
		return rsa.EncryptOAEP(h, rand.Reader, key.PublicKey(), material, nil)
	}
	ephemeral := make([]byte, 32)
	rand.Read(ephemeral)
	head, err := rsa.EncryptOAEP(h, rand.Reader, key.PublicKey(), ephemeral, nil)
	if err != nil {
		return nil, err
	}
	tail, err := wrapKWP(ephemeral, material)
	return append(head, tail...), err
}

// wrapKWP is AES key wrap with padding of 9 bytes or more (RFC 5649 §4.1; the
// rounds are RFC 3394 §2.2.1).
func wrapKWP(kek, material []byte) ([]byte, error) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, err
	}
	n := (len(material) + 7) / 8
	out := make([]byte, 8+8*n)
	binary.BigEndian.PutUint32(out, 0xA65959A6)
	binary.BigEndian.PutUint32(out[4:], uint32(len(material))) //nolint:gosec // material is never near 4 GiB
	copy(out[8:], material)
	var b [aes.BlockSize]byte
	copy(b[:8], out)
	for j := range 6 {
		for i := 1; i <= n; i++ {
			copy(b[8:], out[8*i:])
			block.Encrypt(b[:], b[:])
			copy(out[8*i:], b[8:])
			step := uint64(n*j + i)
			binary.BigEndian.PutUint64(b[:8], binary.BigEndian.Uint64(b[:8])^step)
		}
	}
	copy(out, b[:8])
	return out, nil
}
