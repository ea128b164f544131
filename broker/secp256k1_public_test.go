package broker_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

// The points are n·G of SEC 2's generator, for n = 1 and n = 2.
func TestSecp256k1PublicKeyOfKnownScalars(t *testing.T) {
	t.Parallel()
	for scalar, point := range map[byte]string{
		1: "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb10d4b8",
		2: "c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee51ae168fea63dc339a3c58419466ceaeef7f632653266d0e1236431a950cfe52a",
	} {
		got := broker.Secp256k1PublicKey([]byte{scalar})
		if want, _ := hex.DecodeString(point); !bytes.HasSuffix(got, want) || len(got) != 88 {
			t.Errorf("%d·G = %x, want …%s", scalar, got, point)
		}
	}
	for _, bad := range [][]byte{nil, make([]byte, 32), bytes.Repeat([]byte{0xff}, 32)} {
		if got := broker.Secp256k1PublicKey(bad); got != nil {
			t.Errorf("scalar %x gives a public key", bad)
		}
	}
}
