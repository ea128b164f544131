package hsmtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/hsm/memory"
)

func TestDeviationsAreStrict(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, c := range map[string]struct {
		err              error
		reason, logs, is string
	}{
		"kept":                 {nil, "", "", ""},
		"broken":               {broken, "", "", "broken"},
		"broken, and listed":   {broken, "because", "because (broken)", ""},
		"kept although listed": {nil, "because", "", "take it off the list"},
	} {
		logs, err := verdict(c.err, c.reason)
		if !strings.Contains(logs, c.logs) || (err != nil) != (c.is != "") || err != nil && !strings.Contains(err.Error(), c.is) {
			t.Errorf("%s: %q, %v", name, logs, err)
		}
	}
}

// liar is a token that breaks one promise.
type liar struct {
	*memory.Token
	lie string

	wrapped map[broker.MaterialID][]byte
	made    map[broker.MaterialID]broker.Material
	keeper  broker.KeeperID // that it kept under last
}

func (l *liar) Seal(ctx context.Context, record []byte) ([]byte, error) {
	mac, err := l.Token.Seal(ctx, record)
	if l.lie == "seals all alike" && err == nil {
		return make([]byte, len(mac)), nil
	}
	return mac, err
}

func (l *liar) Plans(ctx context.Context) ([]broker.Plan, error) {
	plans, err := l.Token.Plans(ctx)
	for i := range plans {
		if l.lie == "calls padding conforming" && plans[i].Works {
			plans[i].Conforming, plans[i].Reason = true, ""
		}
	}
	return plans, err
}

func (l *liar) Wrap(ctx context.Context, m broker.Material, key broker.CheckedWrappingKey) ([]byte, error) {
	if l.lie == "takes any plan" && key.Plan().Spec != m.Spec {
		return []byte("wrapped"), nil
	}
	out, err := l.Token.Wrap(ctx, m, key)
	if l.lie == "garbles" && err == nil {
		out[len(out)-1] ^= 1
	}
	if l.lie == "wraps under anything" && errors.Is(err, broker.Denied) {
		return []byte("wrapped"), nil
	}
	if l.lie == "wraps once" && err == nil && key.Plan().Mechanism == broker.KWPSHA256 {
		if l.wrapped[m.ID] == nil {
			l.wrapped[m.ID] = out
		}
		return bytes.Clone(l.wrapped[m.ID]), nil
	}
	return out, err
}

func (l *liar) Trusts(ctx context.Context, key broker.CheckedWrappingKey) error {
	if l.lie == "trusts everybody" {
		return nil
	}
	return l.Token.Trusts(ctx, key)
}

func (l *liar) Change(ctx context.Context, m broker.Material, c broker.MaterialChange) error {
	if l.lie == "only says so" {
		return nil
	}
	if l.destroysKeeper(m, c) {
		return l.DestroyKeeper(ctx, broker.KeeperID(m.ID))
	}
	return l.Token.Change(ctx, m, c)
}

func (l *liar) Answer(ctx context.Context, m broker.Material, c broker.Challenge) (broker.Answer, error) {
	a, err := l.Token.Answer(ctx, m, c)
	if l.lie == "fixes the nonce" && err == nil && c.Level() == broker.ProofCipher {
		copy(a.Value, make([]byte, 12))
	}
	if l.lie == "swaps the public key" && err == nil && len(a.PublicKey) > 0 {
		a.PublicKey[len(a.PublicKey)-1] ^= 1
	}
	return a, err
}

func (l *liar) Adopt(ctx context.Context, in broker.GenerateIn) (broker.Material, error) {
	m, err := l.Token.Adopt(ctx, in)
	if l.lie == "adopts anything" && errors.Is(err, broker.Conflict) {
		return broker.Material{ID: in.ID, Spec: in.Spec}, nil
	}
	if l.lie == "destroys what it adopts" && err == nil {
		return m, l.Token.Change(ctx, m, broker.Destroy)
	}
	if l.lie == "keeps ids as text" && strings.HasPrefix(string(in.ID), "0x") {
		return m, broker.NotFound
	}
	return m, err
}

func (l *liar) Generate(ctx context.Context, in broker.GenerateIn) (broker.Material, error) {
	if l.lie == "makes it again" {
		in.MayExist = false
	}
	if l.lie == "forgets the demand" {
		in.Usage.Trusted = false
	}
	if l.lie == "allows more uses" {
		in.Usage.MAC, in.Usage.Encrypt = true, true
	}
	if was, ok := l.made[in.ID]; ok && l.lie == "remembers what it made" {
		return was, nil
	}
	m, err := l.Token.Generate(ctx, in)
	if l.lie == "takes what it finds" && errors.Is(err, broker.Conflict) {
		return broker.Material{ID: in.ID, Spec: in.Spec}, nil
	}
	if err == nil {
		l.made[in.ID] = m
	}
	return m, err
}

// Each lie is found by the promise it breaks, and a token that does not lie keeps
// that promise: else the suite would prove nothing.
func TestSuiteFindsLiars(t *testing.T) {
	t.Parallel()
	host, err := rsa.GenerateKey(rand.Reader, hostBits)
	if err != nil {
		t.Fatal(err)
	}
	lies := keeperLies()
	maps.Copy(lies, map[string]string{
		"seals all alike":          "a record has one seal",
		"calls padding conforming": "what conforms is exact",
		"takes any plan":           "only this token's plans wrap",
		"garbles":                  "what is wrapped opens on the far side",
		"wraps once":               "each wrap is fresh",
		"only says so":             "destroyed material is gone",
		"fixes the nonce":          "the far side decrypts what the token encrypts",
		"swaps the public key":     "a pair answers with its public key",
		"makes it again":           "the same id is the same material",
		"allows more uses":         "no use beyond the one asked for",
		"adopts anything":          "material that is not as asked is not adopted",
		"destroys what it adopts":  "material of others is adopted as it is",
		"keeps ids as text":        "an id that is not printable is as good as another",
		"trusts everybody":         "what is for trusted wrapping keys goes under no other",
		"wraps under anything":     "what is for trusted wrapping keys goes under no other",
		"forgets the demand":       "what is for trusted wrapping keys goes under no other",
		"remembers what it made":   "what it made is used while it is there",
		"takes what it finds":      "what was not born in the token is a conflict",
	})
	for lie, promise := range lies {
		t.Run(lie, func(t *testing.T) {
			t.Parallel()
			if err := keeps(t, host, "", promise); err != nil {
				t.Errorf("an honest token: %v", err)
			}
			if err := keeps(t, host, lie, promise); err == nil {
				t.Error("it was not found out")
			}
		})
	}
}

// keeps runs one promise over a new token.
func keeps(t *testing.T, host *rsa.PrivateKey, lie, promise string) error {
	t.Helper()
	token := memory.New(memory.Options{
		Unsupported:   []broker.KeySpec{broker.RSA2048, broker.RSA3072, broker.RSA4096},
		Nonconforming: []broker.KeySpec{broker.ECP256},
	})
	if err := token.MakeSealKey(t.Context(), "test"); err != nil {
		t.Fatal(err)
	}
	s, err := newSuite(t, Setup{
		Marked: Mark(t, token),
		Token:  &liar{Token: token, lie: lie, wrapped: map[broker.MaterialID][]byte{}, made: map[broker.MaterialID]broker.Material{}},
		Lose:   func(_ *testing.T, id broker.MaterialID, class string) { token.Lose(id, class) },
		Plant: func(t *testing.T, p Planted) {
			t.Helper()
			err := token.Plant(memory.Planted{ID: broker.ObjectID(p.ID), Spec: p.Spec, Usage: p.Usage, Open: p.Open, Fixed: p.Fixed, Stored: p.Stored})
			if err != nil {
				t.Fatal(err)
			}
		},
	}, host)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks() {
		if c.name == promise {
			return c.run(t.Context(), s)
		}
	}
	t.Fatalf("there is no promise %q", promise)
	return nil
}
