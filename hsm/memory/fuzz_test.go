package memory_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/memory"
)

// FuzzOpen: whatever is given to be opened, it is refused by a kind that says so and leaves
// nothing behind, or it is what was kept.
func FuzzOpen(f *testing.F) {
	specs := []broker.KeySpec{broker.AES256, broker.HMAC256, broker.ECP256, broker.Secp256k1, broker.Ed25519}
	token := memory.New(memory.Options{})
	keeper := broker.NewKeeperID()
	for _, err := range []error{token.MakeSealKey(f.Context(), "test"), token.MakeKeeper(f.Context(), keeper)} {
		if err != nil {
			f.Fatal(err)
		}
	}
	kept := map[string]broker.OpenIn{}
	for i, spec := range specs {
		in := broker.OpenIn{GenerateIn: broker.GenerateIn{ID: broker.NewMaterialID("k", i+1), Spec: spec, Usage: broker.Usage{Session: true}}, Keeper: keeper}
		m, err := token.Generate(f.Context(), in.GenerateIn)
		if err == nil {
			in.PublicKey = m.PublicKey
			in.Wrapped, err = token.Keep(f.Context(), m, keeper)
		}
		if err != nil {
			f.Fatal(err)
		}
		if err := token.Release(f.Context(), m.ID); err != nil {
			f.Fatal(err)
		}
		kept[string(in.Wrapped)] = in
		f.Add(string(spec), string(in.ID), string(keeper), in.PublicKey, in.Wrapped)
		f.Add(string(spec), string(in.ID), string(keeper), in.PublicKey, in.Wrapped[:len(in.Wrapped)-8])
	}
	f.Add("aes-256", "kf-k-1", "", []byte(nil), make([]byte, 40))
	f.Add("des-56", "", "", []byte(nil), []byte(nil))
	f.Add("aes-128", "keyferry-keeper-1", "kf-k-1", []byte{4}, make([]byte, 24))
	f.Fuzz(func(t *testing.T, spec, id, under string, public, wrapped []byte) {
		in := broker.OpenIn{
			GenerateIn: broker.GenerateIn{ID: broker.MaterialID(id), Spec: broker.KeySpec(spec), Usage: broker.Usage{Session: true}},
			PublicKey:  public, Keeper: broker.KeeperID(under), Wrapped: wrapped,
		}
		m, err := token.Open(t.Context(), in)
		if err != nil {
			refused := []broker.Kind{broker.Rejected, broker.NotFound, broker.Unsupported, broker.Misuse}
			if n := objects(t, token, in.ID); !slices.Contains(refused, broker.KindOf(err)) || m.ID != "" || in.ID != "" && n != 0 {
				t.Errorf("%s %q: %v, %s, and %d objects are there", spec, id, err, m, n)
			}
			return
		}
		was, ok := kept[string(wrapped)]
		if !ok || was.Spec.Bits() != in.Spec.Bits() || was.Spec.Secret() != in.Spec.Secret() || in.Keeper != keeper || !bytes.Equal(m.PublicKey, was.PublicKey) {
			t.Errorf("%s opens, and was never kept so: %+v", m, in)
		}
		if err := token.Release(t.Context(), m.ID); err != nil {
			t.Fatal(err)
		}
	})
}

// objects of an id that the token has.
func objects(t *testing.T, token *memory.Token, id broker.MaterialID) (n int) {
	t.Helper()
	for _, err := range token.Objects(t.Context(), broker.ObjectQuery{ID: id}) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}
