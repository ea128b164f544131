package gcpemu

import (
	"crypto/rsa"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/keyferry/keyferry/localstack/emu"
)

// principal is a service account as the emulator keeps it.
type principal struct {
	Principal

	key *rsa.PrivateKey // nil until somebody asked for its credentials
}

// may tells whether it has a permission.
func (p *principal) may(permission string) bool {
	return len(p.Permissions) == 0 || slices.Contains(p.Permissions, permission)
}

// grant is an access token that was given out.
type grant struct {
	email   string
	scope   string
	expires time.Time // real time
}

// lifetime is that of access tokens, the usual one of Google's.
const lifetime = time.Hour

// introduce adds a principal or changes what it may do. It needs the lock.
func (s *Server) introduce(p Principal) {
	if old := s.principals[p.Email]; old != nil {
		old.Principal = p
		return
	}
	s.principals[p.Email] = &principal{Principal: p}
}

// AccessToken is a new bearer token of a principal, good for an hour of real time.
func (s *Server) AccessToken(email string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.issue(email, scopeAll, lifetime)
}

// issue needs the lock.
func (s *Server) issue(email, scope string, d time.Duration) string {
	token := "ya29-emulator-" + emu.NewID()
	s.tokens[token] = grant{email: email, scope: scope, expires: s.real().Add(d)}
	return token
}

// What Google says of missing and of bad credentials.
const (
	noToken  = "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential."
	badToken = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
)

// authenticate finds out who sent a request. It needs the lock.
func (s *Server) authenticate(md metadata.MD) (*principal, error) {
	header := md.Get("authorization")
	if len(header) == 0 {
		return nil, unauthenticated("CREDENTIALS_MISSING", noToken)
	}
	return s.bearer(header[0], scopeKMS)
}

// bearer is who an Authorization header speaks for, to a service that is opened by a
// scope. It needs the lock.
func (s *Server) bearer(header, scope string) (*principal, error) {
	token, ok := strings.CutPrefix(header, "Bearer ")
	if !ok {
		return nil, unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED", badToken)
	}
	if strings.Count(token, ".") == 2 {
		return s.selfSigned(token, scope)
	}
	g, known := s.tokens[token]
	p := s.principals[g.email]
	switch {
	case !known, p == nil:
		return nil, unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED", badToken)
	case !s.real().Before(g.expires):
		return nil, unauthenticated("ACCESS_TOKEN_EXPIRED", badToken)
	case !scoped(g.scope, scope):
		return nil, unscoped()
	}
	return p, nil
}
