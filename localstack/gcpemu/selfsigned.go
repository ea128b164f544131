package gcpemu

import (
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
)

// OAuth scopes. The first opens every service.
const (
	scopeAll = "https://www.googleapis.com/auth/cloud-platform"
	scopeKMS = "https://www.googleapis.com/auth/cloudkms"
	scopeIAM = "https://www.googleapis.com/auth/iam"
)

// scoped tells whether a list of scopes opens a service.
func scoped(text, service string) bool {
	return slices.ContainsFunc(strings.Fields(text), func(s string) bool { return s == scopeAll || s == service })
}

// unscoped is a token that was asked for with other scopes.
func unscoped() error {
	err := refuse(codes.PermissionDenied, "Request had insufficient authentication scopes.")
	return explain(err, &errdetails.ErrorInfo{
		Reason: "ACCESS_TOKEN_SCOPE_INSUFFICIENT", Domain: domain, Metadata: map[string]string{"service": "cloudkms." + domain},
	})
}

// selfSigned is who signed a JWT for this service itself, which is what Google's
// libraries do with the key of a service account (AIP-4111). It needs the lock.
func (s *Server) selfSigned(text, service string) (*principal, error) {
	bad := unauthenticated("ACCESS_TOKEN_TYPE_UNSUPPORTED", badToken)
	j, err := parseJWT(text)
	if err != nil {
		return nil, bad
	}
	p := s.signer(j)
	c := j.claims
	switch {
	case p == nil, j.verify(&p.key.PublicKey, s.real()) != nil, c.Sub != c.Iss:
		return nil, bad
	case c.Aud == "https://cloudkms.googleapis.com/" && service == scopeKMS:
		return p, nil
	case c.Aud != "", !scoped(c.Scope, service):
		return nil, unscoped()
	}
	return p, nil
}

// signer is the principal that a JWT claims to be of; nil if nobody has its key.
func (s *Server) signer(j jwt) *principal {
	p := s.principals[j.claims.Iss]
	if p == nil || p.key == nil || j.header.Kid != "" && j.header.Kid != p.keyID() {
		return nil
	}
	return p
}
