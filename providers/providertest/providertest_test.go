package providertest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"

	"github.com/keyferry/keyferry/broker"
)

// TestVerdict: a list of deviations cannot go stale.
func TestVerdict(t *testing.T) {
	t.Parallel()
	s := Setup{Deviations: map[string]string{"listed": "it is known"}}
	broken := errors.New("broken")
	for _, c := range []struct {
		name  string
		err   error
		fails bool
	}{
		{"listed", broken, false},
		{"listed", nil, true},
		{"other", broken, true},
		{"other", nil, false},
	} {
		if got := s.verdict(c.name, c.err); (got != nil) != c.fails {
			t.Errorf("%s with %v: %v", c.name, c.err, got)
		}
	}
}

// TestChecksHaveNamesOfTheirOwn, by which deviations are listed.
func TestChecksHaveNamesOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, c := range everyCheck() {
		if seen[c.name] || c.name == "" || c.run == nil {
			t.Errorf("check %q is there twice, or is none", c.name)
		}
		seen[c.name] = true
	}
	if len(seen) < 200 {
		t.Errorf("only %d checks", len(seen))
	}
}

// TestNeedsAreMet or explained.
func TestNeedsAreMet(t *testing.T) {
	t.Parallel()
	h := &harness{}
	for _, n := range []Need{NeedClock, NeedFaults, NeedPlant, NeedHide, NeedForeign, NeedIdentity, NeedSending, NeedPlantKey, NeedImporting} {
		if err := h.meets([]Need{n}); err == nil {
			t.Errorf("%s is met by nothing", n)
		}
	}
	if err := h.meets(nil); err != nil {
		t.Error(err)
	}
}

func TestIs(t *testing.T) {
	t.Parallel()
	whole := &broker.Error{Kind: broker.Denied, Op: "do", Object: "it"}
	for name, c := range map[string]struct {
		err error
		ok  bool
	}{
		"whole":     {whole, true},
		"wrapped":   {fmt.Errorf("outer: %w", whole), true},
		"none":      {nil, false},
		"bare kind": {broker.Denied, false},
		"another":   {&broker.Error{Kind: broker.Rejected, Op: "do", Object: "it"}, false},
		"wordless":  {&broker.Error{Kind: broker.Denied}, false},
	} {
		if got := is(c.err, broker.Denied); (got == nil) != c.ok {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestKWP is the first example of RFC 5649 §6.
func TestKWP(t *testing.T) {
	t.Parallel()
	decode := func(s string) []byte {
		raw, err := hex.DecodeString(s)
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	got := kwp(decode("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8"), decode("c37b7e6492584340bed12207808941155068f738"))
	if want := decode("138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a"); !bytes.Equal(got, want) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestMaterial has the length of its spec, and pairs the public key of the private.
func TestMaterial(t *testing.T) {
	t.Parallel()
	for _, s := range broker.KeySpecs() {
		if s.Class() == broker.ClassRSA {
			continue // slow, and made like the others
		}
		m := make1(s)
		if s.Secret() && len(m.raw)*8 != s.Bits() {
			t.Errorf("%s has %d bytes", s, len(m.raw))
		}
		if s.Secret() {
			continue
		}
		if canonical, err := broker.CanonicalSPKI(m.public); err != nil || !bytes.Equal(canonical, m.public) {
			t.Errorf("public key of %s: %x, %v", s, m.public, err)
		}
	}
	m := make1(broker.Secp256k1)
	point := m.public[len(m.public)-65:]
	if _, err := secp256k1.ParsePubKey(point); err != nil {
		t.Errorf("secp256k1: %v", err)
	}
}

// TestConsistent: capabilities that cannot be at once are found.
func TestConsistent(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]broker.Capabilities{
		"makes a key nowhere":   {ImportMakesKey: true},
		"marks and lists":       {ImportMarks: true, ImportLists: true},
		"names without a place": {NamesKeys: true, Consumer: "name"},
		"moves no end":          {ValidTo: broker.ValidToRule{Moves: true}},
		"begins without an end": {ValidTo: broker.ValidToRule{From: true}},
		"tags without words":    {Tags: broker.TagRule{Max: 3}},
		"tags by no pattern":    {Tags: broker.TagRule{Name: "(", Words: "any"}},
	} {
		if consistent(c) == nil {
			t.Errorf("%s: it is not found", name)
		}
	}
	if err := consistent(broker.Capabilities{}); err != nil {
		t.Error(err)
	}
}

// TestWholeSpec: what is said of a key spec holds together.
func TestWholeSpec(t *testing.T) {
	t.Parallel()
	whole := func() broker.SpecCapability {
		return broker.SpecCapability{
			Mechanisms: []broker.Mechanism{broker.KWPSHA256}, Purposes: []broker.Purpose{broker.Sign}, ImportRepeats: true,
			Proof: map[broker.Purpose]broker.ProofLevel{broker.Sign: broker.ProofPublicKey}, Given: map[broker.Purpose]broker.Given{},
		}
	}
	for name, change := range map[string]func(*broker.SpecCapability){
		"no reason":                func(c *broker.SpecCapability) { c.Mechanisms = nil },
		"no purposes":              func(c *broker.SpecCapability) { c.Purposes = nil },
		"no proof":                 func(c *broker.SpecCapability) { c.Proof = nil },
		"no such word":             func(c *broker.SpecCapability) { c.Algorithms = map[broker.Purpose][]string{broker.Sign: {""}} },
		"an algorithm for nothing": func(c *broker.SpecCapability) { c.Algorithms = map[broker.Purpose][]string{broker.MAC: {"x"}} },
		"no such given":            func(c *broker.SpecCapability) { c.Given[broker.Sign] = "oldest" },
		"newest of one":            func(c *broker.SpecCapability) { c.Given[broker.Sign] = broker.GivenNewest },
		"RSA under OAEP":           func(c *broker.SpecCapability) { c.Mechanisms = []broker.Mechanism{broker.OAEPSHA256} },
		"lost for good":            func(c *broker.SpecCapability) { c.ImportRepeats = false },
	} {
		c := whole()
		change(&c)
		if wholeSpec(broker.Capabilities{Specs: map[broker.KeySpec]broker.SpecCapability{broker.RSA2048: c}}, broker.RSA2048) == nil {
			t.Errorf("%s: it is not found", name)
		}
	}
	if err := wholeSpec(broker.Capabilities{Specs: map[broker.KeySpec]broker.SpecCapability{broker.RSA2048: whole()}}, broker.RSA2048); err != nil {
		t.Error(err)
	}
}
