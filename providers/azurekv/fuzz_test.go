package azurekv_test

import (
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/x509"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/azurekv"
)

const someURL = "https://" + someVault

// opened is an adapter for what needs no vault.
func opened(f *testing.F) *azurekv.Provider {
	f.Helper()
	p, err := azurekv.Open(base())
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(p.Close)
	return p
}

var wholeID = regexp.MustCompile(`^https://payments\.vault\.azure\.net/keys/[0-9a-z-]{1,127}(/[0-9a-f]{32})?$`)

// FuzzIDs: what passes is an id of this vault in one form, which is read as itself.
func FuzzIDs(f *testing.F) {
	p := opened(f)
	for _, id := range []string{
		someURL + "/keys/x", someURL + ":443/keys/X/" + someVersion, someURL + "/keys/x/", someURL + "//keys/x", someURL + "/keys/x%2fy",
		"https://evil/keys/x", someURL + "@evil/keys/x", someURL + ".evil/keys/x", someURL + "/secrets/x", someURL + "/keys/x?y#z", "", "::", "https:/keys",
	} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		v, err := p.Parse(id)
		if err != nil {
			if inWords(t, err).Kind != broker.Tampered || strings.ContainsFunc(err.Error(), unicode.IsControl) {
				t.Errorf("%q: %q", id, err)
			}
			return
		}
		whole := strings.TrimSuffix(v.Key.ID+"/"+v.ID, "/")
		if again, err := p.Parse(whole); !wholeID.MatchString(whole) || err != nil || again != v {
			t.Errorf("%q is %q, and that %+v, %v", id, whole, again, err)
		}
	})
}

// FuzzTags: never more than a version may have, ours as they should be, and the
// customer's as they were.
func FuzzTags(f *testing.F) {
	f.Add("team", "payments", "cost", "7", "payments/db")
	f.Add("Keyferry-effect", "kf-1", "", "", "")
	f.Add("\xff", "\x1b[2J", strings.Repeat("ü", 257), "x", strings.Repeat("n", 300))
	f.Fuzz(func(t *testing.T, a, b, c, d, name string) {
		in, e := ecKey(), effect(broker.StepImport)
		in.Name, in.Tags = name, map[string]string{a: b, c: d}
		sent, all, customers, err := azurekv.Tags(e, in)
		if err != nil {
			if inWords(t, err).Kind != broker.Misuse {
				t.Errorf("%v", err)
			}
			return
		}
		own := azurekv.OwnTags()
		if len(sent) > 15 || sent["keyferry-effect"] != e.ID() || sent["keyferry-key-id"] != in.KeyID || all["keyferry-spec"] != string(in.Spec) {
			t.Errorf("%q", sent)
		}
		for tag, value := range sent {
			if n, m := utf8.RuneCountInString(tag), utf8.RuneCountInString(value); n == 0 || n > 256 || m > 256 {
				t.Errorf("tag %q: %q", tag, value)
			}
			if !slices.Contains(own, tag) && in.Tags[tag] != value {
				t.Errorf("tag %q became %q", tag, value)
			}
		}
		for tag, value := range customers {
			if slices.Contains(own, tag) || strings.ContainsFunc(tag+value, unicode.IsControl) || !utf8.ValidString(tag+value) {
				t.Errorf("seen as the customer's: %q: %q", tag, value)
			}
		}
	})
}

// FuzzBundle: whatever a vault shows of a key, what is made of it is about this vault, in
// plain text, with a public key that is one; and no KEK but one that can do nothing else.
func FuzzBundle(f *testing.F) {
	p := opened(f)
	f.Add([]byte(ecBundle(someURL + "/keys/x/" + someVersion).String()))
	f.Add([]byte(kekBundle(someURL + "/keys/keyferry-kek/" + kekVersion).String()))
	f.Add([]byte(`{"key":{"kid":"` + someURL + `/keys/x/` + someVersion + `","kty":"oct-HSM","key_ops":[null]},"attributes":{"exp":1e30},"tags":{"a":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if w, err := p.Usable(text); err == nil {
			pub, err := x509.ParsePKIXPublicKey(w.PublicKey)
			if _, ok := pub.(*rsa.PublicKey); !ok || !strings.Contains(string(text), `import`) || string(w.Token) != w.Ref {
				t.Errorf("%+v, %v", w, err)
			}
		}
		o, public, err := p.Observe(text)
		if err != nil {
			return
		}
		if !wholeID.MatchString(o.Version.Key.ID+"/"+o.Version.ID) || o.State == "" {
			t.Errorf("%+v", o)
		}
		for name, value := range maps.All(o.Tags) {
			if strings.ContainsFunc(name+value+o.Name+o.KeyID+o.Effect, unicode.IsControl) {
				t.Errorf("%q: %q", name, value)
			}
		}
		if len(public) == 0 {
			return
		}
		switch pub, err := x509.ParsePKIXPublicKey(public); pub.(type) {
		case *rsa.PublicKey, *ecdsa.PublicKey:
		default:
			t.Errorf("%T, %v", pub, err)
		}
	})
}

// FuzzRefusal: whatever a refusal says, it has a kind, and is plain and short.
func FuzzRefusal(f *testing.F) {
	p := opened(f)
	for _, inner := range []string{"", "KeyDisabled", "ObjectIsDeletedButRecoverable"} {
		f.Add(403, []byte(envelope("Forbidden", inner, `Action: 'Microsoft.KeyVault/vaults/keys/read'`)))
	}
	f.Add(409, []byte(`{"error":{"message":"retry later\u001b","innererror":null}}`))
	f.Add(200, []byte(`{"error":7}`))
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := p.ReadRefusal(status, body)
		if e := inWords(t, err); e.Kind == "" || strings.ContainsFunc(e.Error()+e.Permission+e.Hint, unicode.IsControl) || len(e.Error()) > 3*2100 {
			t.Errorf("%q", e)
		}
	})
}

// FuzzRetryAfter is never longer than an hour, and never before now.
func FuzzRetryAfter(f *testing.F) {
	f.Add("7", "", "")
	f.Add("Sun, 31 Jan 2027 12:00:09 GMT", "9223372036854775807", "-1")
	f.Fuzz(func(t *testing.T, seconds, ms, longer string) {
		h := map[string][]string{"Retry-After": {seconds}, "Retry-After-Ms": {ms}, "X-Ms-Retry-After-Ms": {longer}}
		if d := azurekv.RetryAfter(h, time.Date(2027, 1, 31, 12, 0, 0, 0, time.UTC)); d < 0 || d > time.Hour {
			t.Errorf("%q, %q, %q: %s", seconds, ms, longer, d)
		}
	})
}

// FuzzHolder is plain text, whoever wrote the token.
func FuzzHolder(f *testing.F) {
	f.Add(tokenOf(`{"oid":"o","appid":"a"}`))
	f.Add(tokenOf(`{"oid":"\u001b","azp":7}`))
	f.Add("a.b.c")
	f.Fuzz(func(t *testing.T, token string) {
		if who := azurekv.Holder(token); strings.ContainsFunc(who, unicode.IsControl) {
			t.Errorf("%q", who)
		}
	})
}
