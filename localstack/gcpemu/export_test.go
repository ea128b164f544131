package gcpemu

import "time"

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
