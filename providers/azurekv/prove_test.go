package azurekv_test

import (
	"bytes"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/providers/azurekv"
)

// TestProofRequests are the algorithms that each kind of key proves itself by.
func TestProofRequests(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		spec    broker.KeySpec
		purpose broker.Purpose
		action  string
		says    string
	}{
		"RSA signs":    {broker.RSA2048, broker.Sign, "Sign", `"alg":"PS256"`},
		"P-256 signs":  {broker.ECP256, broker.Sign, "Sign", `"alg":"ES256"`},
		"P-384 signs":  {broker.ECP384, broker.Sign, "Sign", `"alg":"ES384"`},
		"P-521 signs":  {broker.ECP521, broker.Sign, "Sign", `"alg":"ES512"`},
		"RSA decrypts": {broker.RSA2048, broker.Decrypt, "Decrypt", `"alg":"RSA-OAEP-256"`},
	} {
		var s *script
		s = newScript(t, func(a asking, w http.ResponseWriter) { saying(about(s.ref().ID, someVersion))(a, w) })
		v := s.version()
		subject := broker.ChallengeSubject{Ref: v, Level: broker.ProofPublicKey, Spec: x.spec, Purpose: x.purpose, PublicKey: spki(t)}
		c, err := broker.NewChallenge(subject, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		answer, err := adapter(t, s).Prove(t.Context(), v, c)
		if err != nil || answer.Version != v.ID || len(answer.PublicKey) == 0 || len(answer.Value) == 0 {
			t.Errorf("%s: %+v, %v", name, answer, err)
		}
		if got := s.authorised(); !slices.Equal(got, []string{"GetKey", x.action}) {
			t.Errorf("%s: asked %v", name, got)
		}
		last := s.asked()[len(s.asked())-1]
		if !strings.Contains(last.body, x.says) || !strings.HasPrefix(last.path, "/keys/payments-db/"+someVersion+"/") {
			t.Errorf("%s: sent %s: %s", name, last.path, last.body)
		}
	}
}

// spki is a public key that a challenge can be encrypted to.
func spki(t *testing.T) []byte {
	t.Helper()
	private, _ := pairs()
	return pkix(t, private.Public())
}

// TestPublicKeyAlone uses no key; agreement is not to be had.
func TestPublicKeyAlone(t *testing.T) {
	t.Parallel()
	var s *script
	s = newScript(t, func(a asking, w http.ResponseWriter) { saying(about(s.ref().ID, someVersion))(a, w) })
	p, v := adapter(t, s), s.version()
	_, curved := pairs()
	subject := broker.ChallengeSubject{Ref: v, Level: broker.ProofPublicKey, Spec: broker.ECP256, Purpose: broker.Sign, PublicOnly: true}
	c, err := broker.NewChallenge(subject, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := p.Prove(t.Context(), v, c)
	if err != nil || !bytes.Equal(answer.PublicKey, pkix(t, curved.Public())) || len(answer.Value) > 0 || answer.Version != v.ID {
		t.Errorf("%+v, %v", answer, err)
	}
	if got := s.authorised(); !slices.Equal(got, []string{"GetKey"}) {
		t.Errorf("asked %v", got)
	}
	subject.Purpose, subject.PublicOnly, subject.PublicKey = broker.Agree, false, pkix(t, curved.Public())
	if c, err = broker.NewChallenge(subject, time.Now()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Prove(t.Context(), v, c); inWords(t, err).Kind != broker.Unsupported || !strings.Contains(err.Error(), "agree") {
		t.Errorf("%v", err)
	}
}

// TestPublicKeyThatIsNotShown: where a vault shows no disabled key, it says so, and
// shows it again once it is enabled.
func TestPublicKeyThatIsNotShown(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	e.configure(t, azureemu.Settings{RefuseDisabled: true})
	m := filled(t, e.provider, ecKey())
	c, err := broker.NewChallenge(broker.ChallengeSubject{Ref: m.v, Level: broker.ProofPublicKey, Spec: broker.ECP256, Purpose: broker.Sign, PublicOnly: true}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	do(t, e.provider, m.v, broker.Action{Kind: broker.Disable})
	if _, err := e.provider.Prove(t.Context(), m.v, c); inWords(t, err).Kind != broker.Conflict || !strings.Contains(err.Error(), "disabled") {
		t.Errorf("%v", err)
	}
	do(t, e.provider, m.v, broker.Action{Kind: broker.Enable})
	if answer, err := e.provider.Prove(t.Context(), m.v, c); err != nil || len(answer.PublicKey) == 0 {
		t.Errorf("%+v, %v", answer, err)
	}
}

// TestPublicKeysThatAreNone.
func TestPublicKeysThatAreNone(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]object{
		"no type":          {"kty": nil},
		"a secret":         {"kty": "oct-HSM"},
		"no curve":         {"crv": nil},
		"another curve":    {"crv": "P-384"},
		"an unknown curve": {"crv": "P-256K"},
		"off the curve":    {"x": base64url(make([]byte, 32))},
		"a long x":         {"x": base64url(make([]byte, 33))},
		"no y":             {"y": nil},
		"RSA without n":    {"kty": "RSA-HSM"},
		"a list":           {"x": []int{1}},
	} {
		var s *script
		s = newScript(t, func(_ asking, w http.ResponseWriter) {
			b := ecBundle(s.ref().ID + "/" + someVersion)
			b["key"] = b["key"].(object).with(change)
			_, _ = io.WriteString(w, b.String())
		})
		v := s.version()
		if _, err := adapter(t, s).Prove(t.Context(), v, challenge(v, broker.ECP256, broker.Sign)); inWords(t, err).Kind != broker.Unavailable {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestShortCoordinates: leading zeros may be left out.
func TestShortCoordinates(t *testing.T) {
	t.Parallel()
	_, curved := pairs()
	var s *script
	s = newScript(t, func(a asking, w http.ResponseWriter) {
		answers := about(s.ref().ID, someVersion)
		b := ecBundle(s.ref().ID + "/" + someVersion)
		b["key"] = b["key"].(object).with(object{"x": base64url(curved.X.Bytes())})
		answers["GetKey"] = b.String()
		saying(answers)(a, w)
	})
	v := s.version()
	answer, err := adapter(t, s).Prove(t.Context(), v, challenge(v, broker.ECP256, broker.Sign))
	if err != nil || !bytes.Equal(answer.PublicKey, pkix(t, curved.Public())) {
		t.Errorf("%x, %v", answer.PublicKey, err)
	}
}

func FuzzSignature(f *testing.F) {
	f.Add(make([]byte, 64))
	f.Add([]byte{0x80, 1})
	f.Add(make([]byte, 133))
	f.Fuzz(func(t *testing.T, raw []byte) {
		der, err := azurekv.DEROf(raw)
		if err != nil {
			return
		}
		var pair struct{ R, S *big.Int }
		rest, err := asn1.Unmarshal(der, &pair)
		half := len(raw) / 2
		if err != nil || len(rest) > 0 || !bytes.Equal(pair.R.FillBytes(make([]byte, half)), raw[:half]) || !bytes.Equal(pair.S.FillBytes(make([]byte, half)), raw[half:]) {
			t.Errorf("%x becomes %x: %v", raw, der, err)
		}
	})
}

// TestProvesThroughConsumersID: what they get is asked, and says which version it is.
func TestProvesThroughConsumersID(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	first, second := filled(t, e.provider, ecKey()), filled(t, e.provider, ecKey())
	second.v.Via = second.v.Key.ID
	c, token := challenged(t, second, broker.ECP256, broker.Sign)
	answer, err := e.provider.Prove(t.Context(), second.v, c)
	if err != nil || answer.Version != second.v.ID || c.Compare(token, answer, time.Now()) != nil {
		t.Errorf("the newest: %+v, %v", answer, err)
	}
	first.v.Via = first.v.Key.ID
	c, token = challenged(t, first, broker.ECP256, broker.Sign)
	answer, err = e.provider.Prove(t.Context(), first.v, c)
	if err != nil || answer.Version != second.v.ID || !errors.Is(c.Compare(token, answer, time.Now()), broker.Differs) {
		t.Errorf("one that is not: %+v, %v", answer, err)
	}
	first.v.Via = strings.Replace(first.v.Via, premium, elsewhere, 1)
	if _, err := e.provider.Prove(t.Context(), first.v, c); !errors.Is(err, broker.Tampered) {
		t.Errorf("through another vault: %v", err)
	}
	first.v.Via, first.v.ID = "", "latest"
	if _, err := e.provider.Prove(t.Context(), first.v, c); !errors.Is(err, broker.NotFound) {
		t.Errorf("by no id: %v", err)
	}
}

// TestSignsWhatWasShown: a version that comes between showing the public key and
// signing is not asked.
func TestSignsWhatWasShown(t *testing.T) {
	t.Parallel()
	e := emulate(t)
	m := filled(t, e.provider, ecKey())
	m.v.Via = m.v.Key.ID
	client, came := e.client(t), false
	e.between.meddle(meddling{"GetKey", func(body []byte) []byte {
		if !came {
			came = true
			if _, err := client.CreateKey(t.Context(), "payments-db", azkeys.CreateKeyParameters{Kty: new(azkeys.KeyTypeECHSM)}, nil); err != nil {
				t.Error(err)
			}
		}
		return body
	}})
	c, token := challenged(t, m, broker.ECP256, broker.Sign)
	answer, err := e.provider.Prove(t.Context(), m.v, c)
	if err != nil || answer.Version != m.v.ID || c.Compare(token, answer, time.Now()) != nil {
		t.Errorf("%+v, %v", answer, err)
	}
}

// TestLies: a vault that answers wrongly does not pass.
func TestLies(t *testing.T) {
	t.Parallel()
	for name, x := range map[string]struct {
		action string
		spec   broker.KeySpec
		use    broker.Purpose
	}{
		"another public key": {"GetKey", broker.ECP256, broker.Sign},
		"a wrong signature":  {"Sign", broker.ECP256, broker.Sign},
		"a wrong plaintext":  {"Decrypt", broker.AES256, broker.Encrypt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := emulate(t, managed)
			m := filled(t, e.provider, keyFor("lies", x.spec, x.use))
			if _, err := e.admin.Add(t.Context(), faults.Rule{Match: faults.Match{Action: x.action}, Kind: faults.Lie, Count: -1}); err != nil {
				t.Fatal(err)
			}
			c, token := challenged(t, m, x.spec, x.use)
			answer, err := e.provider.Prove(t.Context(), m.v, c)
			if err == nil {
				err = c.Compare(token, answer, time.Now())
			}
			if !errors.Is(err, broker.Differs) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestProofsOfNothing.
func TestProofsOfNothing(t *testing.T) {
	t.Parallel()
	s := newScript(t, failing(http.StatusTeapot, "", "", ""))
	v := s.version()
	for level, kind := range map[broker.ProofLevel]broker.Kind{broker.ProofMAC: broker.Unsupported, broker.ProofReimport: broker.Unsupported, broker.ProofCipher: broker.Misuse} {
		c, err := broker.NewChallenge(broker.ChallengeSubject{Ref: v, Level: level, Spec: broker.AES256, Purpose: broker.Sign}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := adapter(t, s).Prove(t.Context(), v, c.WithCiphertext(make([]byte, 28))); inWords(t, err).Kind != kind {
			t.Errorf("%s: %v", level, err)
		}
	}
	if len(s.asked()) > 0 {
		t.Errorf("sent %v", s.asked())
	}
}
