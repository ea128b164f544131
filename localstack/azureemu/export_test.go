package azureemu

import (
	"crypto/aes"
	"crypto/ecdsa"
	"encoding/json"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// What fuzz targets, vectors and properties reach past the wire.

// ParseBlob is parseBlob; it returns the KEK's identifier and the ciphertext.
func ParseBlob(text []byte, lenient bool) (kid string, ciphertext []byte, err error) {
	b, err := parseBlob(text, lenient)
	if err != nil {
		return "", nil, err
	}
	return b.kid.String(), b.ciphertext, nil
}

// ParseJWK reads a plain JSON Web Key and returns its DER SubjectPublicKeyInfo.
func ParseJWK(text []byte) ([]byte, error) {
	var in jwkIn
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, err
	}
	if err := in.check(in.Kty); err != nil {
		return nil, err
	}
	raw, err := in.pkcs8()
	if err != nil {
		return nil, err
	}
	s, err := in.parse(in.Kty, raw)
	if err != nil || s.pair == nil {
		return nil, err
	}
	return s.pair.SPKI(), nil
}

// DecodeImport is what is done to the body of an import before anything else.
func DecodeImport(body []byte) error { return decode(body, &importInput{}) }

// ParseRoute is parseRoute; operation is "" for none.
func ParseRoute(method, path string) (operation, name, version string) {
	r := parseRoute(method, path)
	return r.operation.name, r.name, r.version
}

// ParseToken is parseToken; it returns what decides.
func ParseToken(text string) (issuer string, audience []string, err error) {
	t, err := parseToken(text)
	return t.claims.Issuer, t.claims.Audience, err
}

// Days is the length of an ISO 8601 duration, and the time that much later.
func Days(text string, at time.Time) (days int, later time.Time, ok bool) {
	d, ok := parseDuration(text)
	return d.days(), d.after(at), ok
}

// KeyWrap wraps, and unwraps again.
func KeyWrap(kek, plain []byte) (wrapped, again []byte, ok bool) {
	block, err := aes.NewCipher(kek)
	if err != nil {
		return nil, nil, false
	}
	wrapped = wrapBlocks(block, plain)
	again, ok = unwrapBlocks(block, wrapped)
	return wrapped, again, ok
}

// Taken is the weight that a quota lets through, after these pauses.
func Taken(limit, weight float64, at time.Time, pauses []time.Duration) (n int) {
	w := window{begun: at}
	for _, p := range pauses {
		at = at.Add(p)
		if w.take(weight, limit, at) {
			n++
		}
	}
	return n
}

// Permissions are the data actions of all operations, of vaults and of pools.
func Permissions() map[string][2]string {
	out := map[string][2]string{}
	for _, o := range operations() {
		out[o.name] = [2]string{o.permission(newVault(Vault{Mode: Premium})), o.permission(newVault(Vault{Mode: HSM}))}
	}
	return out
}

// Forge signs claims with the server's own token key.
func (s *Server) Forge(c map[string]any) (string, error) {
	text, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	var parsed claims
	if err := json.Unmarshal(text, &parsed); err != nil {
		return "", err
	}
	return s.tokens.sign(parsed)
}

// TokenKey is the public key of access tokens.
func (s *Server) TokenKey() *ecdsa.PublicKey { return &s.tokens.key.PublicKey }

// Resource is what tokens for a vault of this mode are for.
func (s *Server) Resource(m Mode) string { return s.resourceOf(Vault{Mode: m}) }

// Idle is an emulator that serves nobody, as its admin API sees it.
func Idle(c Config) (faults.Subject, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	s, err := newServer(c)
	return subjectOf{s}, err
}
