package e2e_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
)

// parameters are what GetParametersForImport answers, as far as it matters here.
type parameters map[string]any

// liar stands between the program and the emulator, and changes those answers.
type liar struct {
	*httptest.Server
	mu    sync.Mutex
	lie   func(parameters) // nil: honest
	first any              // the import token of the first answer that passed
}

// newLiar is honest until told otherwise.
func newLiar(t *testing.T, upstream string) *liar {
	t.Helper()
	to, err := url.Parse(upstream)
	fatal(t, err)
	l := &liar{}
	l.starts(t, address(t), &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host }, // which was signed
		ModifyResponse: func(r *http.Response) error {
			if r.Request.Header.Get("X-Amz-Target") != "TrentService.GetParametersForImport" || r.StatusCode != http.StatusOK {
				return nil
			}
			return l.change(r)
		},
	})
	t.Cleanup(func() { l.Close() }) // the one that is there then
	return l
}

// starts listens at an address, where it may have listened before.
func (l *liar) starts(t *testing.T, addr string, h http.Handler) {
	t.Helper()
	l.Server = httptest.NewUnstartedServer(h)
	fatal(t, l.Listener.Close())
	l.Listener = listen(t, addr)
	l.Start()
}

func (l *liar) change(r *http.Response) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var answer parameters
	if err := json.NewDecoder(r.Body).Decode(&answer); err != nil {
		return err
	}
	if l.first == nil {
		l.first = answer["ImportToken"]
	}
	if l.lie != nil {
		l.lie(answer)
	}
	text, err := json.Marshal(answer)
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(text)), int64(len(text))
	r.Header.Del("Content-Length")
	return err
}

func (l *liar) tell(lie func(parameters)) func(*testing.T, *site) {
	return func(*testing.T, *site) { l.set(lie) }
}

func (l *liar) set(lie func(parameters)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lie = lie
}

// enrolBehind enrols a site whose target's endpoint is the liar's.
func (s *site) enrolBehind(t *testing.T, l *liar) {
	t.Helper()
	edit("endpoint: "+s.AWS.TLSURL(), "endpoint: "+l.URL)(t, s)
	edit("    ca_file: "+s.Dir+"/ca.pem\n", "")(t, s)
	s.Enrol(t, "aws")
}

// A wrapping key is the one input that can leak a key. One that fails a check
// wraps nothing; what was wrapped for a token of somebody else arrives nowhere.
func TestBadWrappingKey(t *testing.T) {
	t.Parallel()
	s := bareSite(t, softtoken.SoftHSM)
	l := newLiar(t, s.AWS.URL())
	s.enrolBehind(t, l)
	key := func(der []byte) func(*testing.T, *site) {
		return l.tell(func(p parameters) { p["PublicKey"] = der })
	}
	n := odd(t, 4096)
	good := spki(t, n, 65537)
	table := []bad{
		{name: "1024 bits", spoil: key(spki(t, odd(t, 1024), 65537)), says: []string{"modulus has 1024 bits, at least 4096"}},
		{name: "exponent 1", spoil: key(spki(t, n, 1)), says: []string{"public exponent is 1, not 65537"}},
		{name: "exponent 3", spoil: key(spki(t, n, 3)), says: []string{"public exponent is 3, not 65537"}},
		{name: "not RSA", spoil: key(elliptic256(t)), says: []string{"not RSA"}},
		{name: "truncated", spoil: key(good[:len(good)-20]), says: []string{"parse"}},
		{name: "nothing", spoil: key(nil), says: []string{"the answer has no public key"}},
		{name: "garbage", spoil: key([]byte("garbage")), says: []string{"parse"}},
	}
	for i := range table {
		table[i].says = append(table[i].says, "import key bad-", "wrapping key", "keyferry operation resume")
		table[i].asked = reads + "|CreateKey|GetParametersForImport"
	}
	table = append(table, bad{
		name: "a garbage import token", spoil: l.tell(func(p parameters) { p["ImportToken"] = []byte("garbage") }),
		says: []string{"InvalidImportTokenException", "keyferry operation resume"}, asked: reads + "|CreateKey|GetParametersForImport|ImportKeyMaterial",
	}, bad{
		name: "another key's import token", spoil: l.tell(func(p parameters) { p["ImportToken"] = l.first }),
		says: []string{"InvalidImportTokenException", "keyferry operation resume"}, asked: reads + "|CreateKey|GetParametersForImport|ImportKeyMaterial",
	})
	wraps := 0
	for i := range table {
		spoil, tokens := table[i].spoil, i >= len(table)-2
		table[i].code, table[i].changed = 3, "material kf-"
		table[i].spoil = func(t *testing.T, s *site) {
			t.Helper()
			wraps = len(s.Shim.Calls("C_WrapKey"))
			spoil(t, s)
		}
		table[i].heal = func(t *testing.T, s *site) {
			t.Helper()
			if n := len(s.Shim.Calls("C_WrapKey")); n > wraps && !tokens {
				t.Errorf("the token was asked %d times to wrap under it", n-wraps)
			}
			l.set(nil)
		}
	}
	s.refusesAll(t, table)
}

// odd is a modulus of a size, as far as one can be told from a real one: of two
// primes that are thrown away.
func odd(t *testing.T, bits int) *big.Int {
	t.Helper()
	half := func() *big.Int {
		p, err := rand.Prime(rand.Reader, bits/2)
		fatal(t, err)
		return p
	}
	for {
		if n := new(big.Int).Mul(half(), half()); n.BitLen() == bits {
			return n
		}
	}
}

// spki is a SubjectPublicKeyInfo (RFC 5280) of any numbers: the standard library
// makes none with exponent 1.
func spki(t *testing.T, n *big.Int, e int) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: n, E: 65537})
	fatal(t, err)
	var info struct {
		Algorithm asn1.RawValue
		Key       asn1.BitString
	}
	_, err = asn1.Unmarshal(der, &info)
	fatal(t, err)
	key, err := asn1.Marshal(struct {
		N *big.Int
		E int
	}{n, e})
	fatal(t, err)
	info.Key = asn1.BitString{Bytes: key, BitLength: 8 * len(key)}
	der, err = asn1.Marshal(info)
	fatal(t, err)
	return der
}

func elliptic256(t *testing.T) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fatal(t, err)
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	fatal(t, err)
	return der
}
