package broker_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
)

func TestKeySpecs(t *testing.T) {
	t.Parallel()
	type facts struct {
		class          broker.Class
		bits, strength int
		secret         bool
		purposes       []broker.Purpose
	}
	sign, both := []broker.Purpose{broker.Sign}, []broker.Purpose{broker.Sign, broker.Agree}
	rsa := []broker.Purpose{broker.Sign, broker.Decrypt}
	encrypt, mac := []broker.Purpose{broker.Encrypt, broker.RawEncrypt}, []broker.Purpose{broker.MAC}
	want := map[broker.KeySpec]facts{ // strengths: SP 800-57 part 1 rev. 5 table 2, RSA-4096 by FIPS 140 IG
		"aes-128":      {broker.ClassAES, 128, 128, true, encrypt},
		"aes-256":      {broker.ClassAES, 256, 256, true, encrypt},
		"hmac-sha1":    {broker.ClassHMAC, 160, 160, true, mac},
		"hmac-224":     {broker.ClassHMAC, 224, 224, true, mac},
		"hmac-256":     {broker.ClassHMAC, 256, 256, true, mac},
		"hmac-384":     {broker.ClassHMAC, 384, 384, true, mac},
		"hmac-512":     {broker.ClassHMAC, 512, 512, true, mac},
		"rsa-2048":     {broker.ClassRSA, 2048, 112, false, rsa},
		"rsa-3072":     {broker.ClassRSA, 3072, 128, false, rsa},
		"rsa-4096":     {broker.ClassRSA, 4096, 150, false, rsa},
		"ec-p256":      {broker.ClassEC, 256, 128, false, both},
		"ec-p384":      {broker.ClassEC, 384, 192, false, both},
		"ec-p521":      {broker.ClassEC, 521, 256, false, both},
		"ec-secp256k1": {broker.ClassEC, 256, 128, false, sign},
		"ed25519":      {broker.ClassEdwards, 256, 128, false, sign},
	}
	if len(broker.KeySpecs()) != len(want) {
		t.Errorf("%d key specs, want %d", len(broker.KeySpecs()), len(want))
	}
	for _, spec := range broker.KeySpecs() {
		f, ok := want[spec]
		if parsed, err := broker.ParseKeySpec(string(spec)); err != nil || parsed != spec || !ok {
			t.Errorf("%s: %v", spec, err)
		}
		if spec.Class() != f.class || spec.Bits() != f.bits || spec.Strength() != f.strength || spec.Secret() != f.secret || !slices.Equal(spec.Purposes(), f.purposes) {
			t.Errorf("%s: %s %d bits, strength %d, %v %v", spec, spec.Class(), spec.Bits(), spec.Strength(), spec.Secret(), spec.Purposes())
		}
	}
}

func TestUnknownKeySpecs(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "aes", "aes-192", "AES-256", " aes-256", "aes-256 ", "rsa-1024", "ec-p224", "ed448", "aes-256\x00"} {
		_, err := broker.ParseKeySpec(text)
		if broker.KindOf(err) != broker.Misuse || err == nil || !strings.Contains(err.Error(), "aes-256, hmac-sha1") {
			t.Errorf("%q: %v; want a misuse that says what is allowed", text, err)
		}
		if spec := broker.KeySpec(text); spec.Bits() != 0 {
			t.Errorf("%q has %d bits", text, spec.Bits())
		}
	}
	if none := broker.KeySpec("des-56"); none.Class() != "" || none.Strength() != 0 || none.Purposes() != nil || none.Secret() {
		t.Error("something is known of an unknown spec")
	}
}

func TestMechanisms(t *testing.T) {
	t.Parallel()
	for m, want := range map[broker.Mechanism][2]bool{
		broker.OAEPSHA1: {true, true}, broker.OAEPSHA256: {true, false}, broker.KWPSHA1: {false, true}, broker.KWPSHA256: {false, false},
	} {
		if m.Direct() != want[0] || m.SHA1() != want[1] || !slices.Contains(broker.Mechanisms(), m) {
			t.Errorf("%s: direct %v, SHA-1 %v", m, m.Direct(), m.SHA1())
		}
	}
	if len(broker.Mechanisms()) != 4 {
		t.Errorf("%v", broker.Mechanisms())
	}
}

func TestViewsFind(t *testing.T) {
	t.Parallel()
	k := broker.KeyView{
		Versions:   []broker.KeyVersion{{Number: 1}, {Number: 3, State: broker.Active}},
		Placements: []broker.Placement{{Number: 1, Target: "a"}, {Number: 3, Target: "b", Consumer: "c"}},
	}
	if v, ok := k.Version(3); !ok || v.State != broker.Active {
		t.Errorf("version 3: %+v", v)
	}
	if v, ok := k.Version(2); ok || v.Number != 0 {
		t.Errorf("version 2: %+v", v)
	}
	if p, ok := k.Placement(3, "b"); !ok || p.Consumer != "c" {
		t.Errorf("placement: %+v", p)
	}
	if p, ok := k.Placement(3, "a"); ok || p.Target != "" {
		t.Errorf("no placement: %+v", p)
	}
	o := broker.OperationView{Effects: []broker.EffectRecord{{Effect: broker.Effect{Target: "a", Step: broker.StepImport}, Result: []byte("1")}}}
	if r, ok := o.Effect("a", broker.StepImport); !ok || !r.Done() {
		t.Errorf("effect: %+v", r)
	}
	if r, ok := o.Effect("a", broker.StepFetch); ok || r.Done() {
		t.Errorf("no effect: %+v", r)
	}
}

func TestOpenStates(t *testing.T) {
	t.Parallel()
	for _, s := range broker.OperationStates() {
		if want := s != broker.Finished && s != broker.Abandoned; s.Open() != want {
			t.Errorf("%s: open %v", s, s.Open())
		}
	}
	if len(broker.States()) != 6 || len(broker.OperationStates()) != 5 {
		t.Error("a state is missing")
	}
}

func TestHMACKeysAreAsLongAsTheirHash(t *testing.T) {
	t.Parallel()
	for _, s := range broker.KeySpecs() {
		if s.Class() == broker.ClassHMAC && s.HMACHash()().Size()*8 != s.Bits() {
			t.Errorf("%s has a hash of %d bytes", s, s.HMACHash()().Size())
		}
	}
}
