package azureemu_test

import (
	"bytes"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

const goodBlob = `{"schema_version":"1.0.0","header":{"kid":"https://a.vault.localhost:1/keys/k/0123456789abcdef0123456789abcdef","alg":"dir",` +
	`"enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext":"AAAA","generator":"x"}`

// What the strict reader takes, the lenient one takes too, with the same result; and
// it says what the specification fixes.
func FuzzParseBlob(f *testing.F) {
	for _, seed := range []string{
		goodBlob, "", "{}", "null", "[" + goodBlob + "]", goodBlob + "{}", strings.Replace(goodBlob, "1.0.0", "2", 1),
		strings.Replace(goodBlob, `"AAAA"`, `"AA=="`, 1), strings.Replace(goodBlob, `"x"`, `1`, 1), strings.Replace(goodBlob, "https", "HTTP", 1),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		kid, ciphertext, err := azureemu.ParseBlob(text, false)
		if err != nil {
			return
		}
		again, same, err := azureemu.ParseBlob(text, true)
		if err != nil || again != kid || !bytes.Equal(same, ciphertext) {
			t.Errorf("strict takes %q, lenient says %q %v", kid, again, err)
		}
		var members struct {
			Ciphertext string `json:"ciphertext"`
			Header     struct{ Alg, Enc string }
		}
		if err := json.Unmarshal(text, &members); err != nil || members.Header.Alg != "dir" || !strings.HasPrefix(kid, "https:") || len(ciphertext) == 0 {
			t.Errorf("took %s", text)
		}
		if base64.RawURLEncoding.EncodeToString(ciphertext) != members.Ciphertext {
			t.Errorf("%q is not the only form of %x", members.Ciphertext, ciphertext)
		}
	})
}

// The reader of bodies refuses or takes; what it takes is one object of known members.
func FuzzDecodeImport(f *testing.F) {
	for _, seed := range []string{
		`{"key":{"kty":"RSA-HSM","key_hsm":"e30","key_ops":["sign"]},"Hsm":true,"tags":{"a":"b"},"attributes":{"enabled":true,"exp":1}}`,
		`{"hsm":true}`, `{"HSM":1}`, `{"attributes":{"exp":null}}`, `{"key":null}`, `{}`, `{}{}`, `[]`, `{"KEY":{}}`, `{"key":{"kty":"RSA","colour":1}}`,
		`{"":true}`, `{"key":{"":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if azureemu.DecodeImport(body) != nil {
			return
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(body, &members); err != nil {
			t.Fatalf("took what is no object: %q", body)
		}
		for name := range members {
			switch name {
			case "key", "attributes", "tags", "release_policy":
			default:
				if !strings.EqualFold(name, "hsm") {
					t.Errorf("took the member %q", name)
				}
			}
		}
	})
}

// A route's parts are those of its path.
func FuzzParseRoute(f *testing.F) {
	for _, path := range []string{
		"/keys", "/keys/a", "/keys/a/", "/keys/a//sign", "/keys/a/0123456789abcdef0123456789ABCDEF/sign", "/keys/a/versions", "/keys/restore",
		"/keys/restore/restore", "/deletedkeys/a/recover", "//keys///a", "/keys/a/0123456789abcdef0123456789abcdef/rotate",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
			f.Add(method, path)
		}
	}
	f.Fuzz(func(t *testing.T, method, path string) {
		operation, name, version := azureemu.ParseRoute(method, path)
		if operation == "" && name+version != "" {
			t.Errorf("%s %s is nothing, of %q %q", method, path, name, version)
		}
		if !strings.Contains(path, name) || !strings.Contains(path, version) || version != "" && len(version) != 32 {
			t.Errorf("%s %s is %s of %q, version %q", method, path, operation, name, version)
		}
	})
}

func FuzzParseToken(f *testing.F) {
	for _, seed := range []string{"a.b.c", "e30.e30.", "e30.eyJhdWQiOlsiYSIsImIiXX0.AA", "e30.eyJleHAiOjEuNX0.AA", "..", "e30.e30=.AA", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := azureemu.ParseToken(text); err == nil && strings.Count(text, ".") != 2 {
			t.Errorf("took %q", text)
		}
	})
}

// What a JSON Web Key is taken as has one public key, and no other spelling of a value
// changes it.
func FuzzParseJWK(f *testing.F) {
	key, _ := emutest.EC(f, elliptic.P256())
	text := base64.RawURLEncoding.EncodeToString
	point := emutest.Must(key.PublicKey.Bytes())(f)
	good := map[string]string{"kty": "EC", "crv": "P-256", "d": text(emutest.Must(key.Bytes())(f)), "x": text(point[1:33]), "y": text(point[33:])}
	f.Add(emutest.Must(json.Marshal(good))(f))
	for _, seed := range []string{`{}`, `{"kty":"EC","crv":"P-256"}`, `{"kty":"RSA","n":"AQ","e":"AQAB"}`, `{"kty":"EC","crv":"P-521","d":"AA","x":"AA","y":"AA"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		spki, err := azureemu.ParseJWK(text)
		if err != nil || spki == nil {
			return
		}
		again, err := azureemu.ParseJWK(text)
		if err != nil || !bytes.Equal(spki, again) {
			t.Errorf("read twice: %x and %x, %v", spki, again, err)
		}
	})
}

func FuzzKeyWrap(f *testing.F) {
	f.Add([]byte("0123456789abcdef"), []byte("0123456789abcdef01234567"))
	f.Fuzz(func(t *testing.T, kek, plain []byte) {
		if n := len(kek); n != 16 && n != 24 && n != 32 {
			return
		}
		if len(plain) < 16 || len(plain)%8 != 0 {
			return
		}
		if _, again, ok := azureemu.KeyWrap(kek, plain); !ok || !bytes.Equal(again, plain) {
			t.Errorf("%x came back as %x", plain, again)
		}
	})
}

// The vector of RFC 3394 §4.1.
func TestKeyWrapVector(t *testing.T) {
	t.Parallel()
	wrapped, _, _ := azureemu.KeyWrap(unhex(t, "000102030405060708090a0b0c0d0e0f"), unhex(t, "00112233445566778899aabbccddeeff"))
	if want := unhex(t, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5"); !bytes.Equal(wrapped, want) {
		t.Errorf("wrapped %x, want %x", wrapped, want)
	}
}

func FuzzParseDuration(f *testing.F) {
	for _, seed := range []string{"P90D", "P3M", "PT48H", "P1Y10D", "P", "PT", "P0D", "P1W", "p1d", "P99999D"} {
		f.Add(seed)
	}
	at := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, text string) {
		days, later, ok := azureemu.Days(text, at)
		if ok && (!later.After(at) || days < 0 || !strings.HasPrefix(text, "P")) {
			t.Errorf("%q is %d days, %s", text, days, later)
		}
	})
}

// What POST /config brings is taken or refused, as a whole.
func FuzzConfigure(f *testing.F) {
	idle := func(ca *emu.Authority) (faults.Subject, error) {
		return azureemu.Idle(azureemu.Config{Now: time.Now, CA: ca})
	}
	emutest.FuzzConfigures(f, idle,
		`{"settings":{"lenient":true,"quotas":true,"limits":{"create":0.5},"retry_after":2,"delete_delay":1.5,"page_size":7,"empty_pages":true}}`,
		`{"vaults":[{"name":"abc","mode":"premium","retention_days":7},{"name":"x","mode":"hsm"}]}`,
		`{"vaults":[{"name":"ABC","mode":"hsm"},{"name":"abc","mode":"premium"}]}`,
		`{"principals":[{"client_id":"c","secret":"s","token_lifetime":60},{"client_id":""}]}`,
		`{"principals":[{"client_id":"c","certificate":"x"}]}`,
		`{"settings":{"purge_delay":1e300}}`,
	)
}
