package gcpemu

import (
	"crypto"
	"crypto/rsa"
	"time"

	"github.com/keyferry/keyferry/localstack/faults"
)

// What tests reach past the wire.

// Claims are those of a JWT.
type Claims = claims

// Sign makes a JWT with the key of a principal that has one.
func (s *Server) Sign(email string, c Claims) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.principals[email]
	text, _ := signJWT(p.key, p.keyID(), c)
	return text
}

// Issue gives out a token with a scope and a life of choice.
func (s *Server) Issue(email, scope string, d time.Duration) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(email, scope, d)
}

// Match takes a resource name apart.
func Match(shape, name string) ([]string, bool) { return match(shape, name) }

// Shapes of resource names.
func Shapes() []string {
	return []string{projectShape, locationShape, ringShape, keyShape, versionShape, jobShape}
}

// ParseJWT takes a JWT apart; what it says is signed.
func ParseJWT(text string) (signed string, err error) {
	j, err := parseJWT(text)
	return j.signed, err
}

// Selects parses a filter and tells whether it selects these fields.
func Selects(text string, fields map[string]any) (bool, error) {
	f, err := parseFilter(text)
	if err != nil {
		return false, err
	}
	return selects(f, fields)
}

// Outcome is how an import of this ends: a failure, or "".
func Outcome(key *rsa.PrivateKey, direct bool, id algorithmID, wrapped []byte) string {
	a, _ := findAlgorithm(id)
	j := job{private: key, method: method{bits: key.N.BitLen(), hash: crypto.SHA256, direct: direct}}
	end, _ := j.outcome(&version{algorithm: a}, wrapped)
	return end.failure
}

// Encrypted is the version that a key of so many versions finds in a ciphertext.
func Encrypted(versions int, ciphertext []byte) (found bool, rest []byte) {
	k := key{versions: make([]*version, versions)}
	for i := range k.versions {
		k.versions[i] = &version{}
	}
	v, rest := k.encrypted(ciphertext)
	return v != nil, rest
}

// Idle is an emulator that serves nobody, as its admin API sees it.
func Idle(c Config) (faults.Subject, error) {
	c, err := c.complete()
	if err != nil {
		return nil, err
	}
	s, err := newServer(c)
	return subjectOf{s}, err
}
