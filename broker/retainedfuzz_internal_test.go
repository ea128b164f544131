package broker

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"testing"
	"time"
)

// FuzzRetained: whatever is written over a sealed record, its seal holds exactly where it
// says what was sealed; and whatever is sealed, a version opens only what is its own.
func FuzzRetained(f *testing.F) {
	r, _, _, _ := kept()
	text, err := json.Marshal(r)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{
		string(text), "{}", `{"usage":{"mac":true}}`, `{"attributes":{"key_gen_mechanism":"\ufffd"}}`, `{"at":"1970-01-01T00:00:09.0000009Z"}`,
		`{"number":-1,"key_id":"k,1:1"}`, `{"label":"name v1,","spec":""}`, `{"wrapped":"AQI=","ended":"moved into the token"}`, `{"at":"9999-12-31T23:59:59+23:59"}`,
		`{"seal":""}`, `{"public_key":"AQ==","kcv":null}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		was, key, version, setup := kept()
		was.Seal = macOf(was)
		now, _, _, _ := kept()
		now.Seal = macOf(now)
		if json.Unmarshal(text, &now) != nil {
			return
		}
		err := now.Sealed(macOf(now))
		if same := bytes.Equal(saysOf(t, was), saysOf(t, now)); same != (err == nil) || err != nil && !errors.Is(err, Tampered) {
			t.Errorf("%s over a record that says the same: %v; its seal: %v", text, same, err)
		}
		if err := now.of("genesis", key, version, setup); err != nil {
			if !errors.Is(err, Tampered) {
				t.Errorf("%v is not %v", err, Tampered)
			}
			return
		}
		if in := now.openIn(); in.ID != version.Material.ID || in.Spec != key.Spec || !bytes.Equal(in.PublicKey, version.Material.PublicKey) || !in.Usage.Session {
			t.Errorf("opened for another version, or for good: %+v", in)
		}
	})
}

// macOf stands for the token's.
func macOf(r Retained) []byte {
	sum := sha256.Sum256(append([]byte("the token's key"), r.Record()...))
	return sum[:]
}

// saysOf is all that a record says, as a store keeps it.
func saysOf(t *testing.T, r Retained) []byte {
	t.Helper()
	r.At = r.At.UTC().Truncate(time.Microsecond)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
