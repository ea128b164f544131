package gcpemu

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

// granted is an answer of the OAuth endpoints.
type granted struct {
	AccessToken     string `json:"access_token"`
	IssuedTokenType string `json:"issued_token_type,omitempty"`
	TokenType       string `json:"token_type"`
	ExpiresIn       int    `json:"expires_in"`
}

// grantToSigner gives a token for a JWT that a service account signed (RFC 7523).
func (s *Server) grantToSigner(_ *http.Request, body []byte) (any, error) {
	form, err := url.ParseQuery(string(body))
	if err != nil || form.Get("grant_type") != grantJWT {
		return nil, &grantError{"unsupported_grant_type", "Invalid grant_type: " + form.Get("grant_type")}
	}
	j, err := parseJWT(form.Get("assertion"))
	if err != nil {
		return nil, &grantError{"invalid_grant", "Bad Request"}
	}
	p := s.signer(j)
	if p == nil {
		return nil, &grantError{"invalid_grant", "Invalid grant: account not found"}
	}
	if err := j.verify(&p.key.PublicKey, s.real()); err != nil {
		return nil, &grantError{"invalid_grant", err.Error()}
	}
	switch c := j.claims; {
	case c.Aud != s.TokenURL()+"/token" && c.Aud != googleToken:
		return nil, &grantError{"invalid_grant", "Invalid JWT: Failed audience check."}
	case c.Sub != "" && c.Sub != c.Iss:
		return nil, &grantError{"unauthorized_client", "the emulator does not model domain-wide delegation"}
	case c.TargetAudience != "" || c.Scope == "":
		return nil, &grantError{"invalid_scope", "Invalid OAuth scope or ID token audience provided."}
	}
	return granted{AccessToken: s.issue(p.Email, j.claims.Scope, lifetime), TokenType: "Bearer", ExpiresIn: int(lifetime.Seconds())}, nil
}

// exchange gives a token for one of the workload identity pool's provider (RFC 8693).
func (s *Server) exchange(_ *http.Request, body []byte) (any, error) {
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil || form.Get("grant_type") != grantExchange:
		return nil, &grantError{"unsupported_grant_type", "Invalid grant_type: " + form.Get("grant_type")}
	case form.Get("requested_token_type") != tokenAccess:
		return nil, &grantError{"invalid_request", "Invalid requested_token_type"}
	case form.Get("audience") != s.Audience():
		return nil, &grantError{"invalid_target", "The target service indicated by the \"audience\" parameters is invalid."}
	}
	j, err := parseJWT(form.Get("subject_token"))
	if err == nil && s.federation != nil {
		err = j.verify(&s.federation.PublicKey, s.real())
	}
	c := j.claims
	if err != nil || s.federation == nil || c.Iss != s.TokenURL() || strings.TrimPrefix(c.Aud, "https:") != s.Audience() || c.Sub != subjectName {
		return nil, &grantError{"invalid_grant", "The subject token is not one of the provider's"}
	}
	token := s.issue(s.Federated(), form.Get("scope"), lifetime)
	return granted{AccessToken: token, IssuedTokenType: tokenAccess, TokenType: "Bearer", ExpiresIn: int(lifetime.Seconds())}, nil
}

// impersonate gives a token of another service account to who may have it.
func (s *Server) impersonate(r *http.Request, body []byte) (any, error) {
	email, ok := strings.CutSuffix(r.PathValue("account"), ":generateAccessToken")
	if !ok {
		return nil, refuse(codes.Unimplemented, "the emulator does not model %s", r.URL.Path)
	}
	caller, err := s.bearer(r.Header.Get("Authorization"), scopeIAM)
	if err != nil {
		return nil, err
	}
	in := struct {
		Scope     []string `json:"scope"`
		Lifetime  string   `json:"lifetime"`
		Delegates []string `json:"delegates"`
	}{Lifetime: "3600s"}
	if err := json.Unmarshal(body, &in); err != nil || len(in.Scope) == 0 {
		return nil, refuse(codes.InvalidArgument, "Request contains an invalid argument.")
	}
	d, err := time.ParseDuration(in.Lifetime)
	switch {
	case err != nil, d <= 0, d > lifetime:
		return nil, refuse(codes.InvalidArgument, "lifetime %q is not within an hour", in.Lifetime)
	case len(in.Delegates) > 0:
		return nil, refuse(codes.Unimplemented, "the emulator does not model delegates")
	case s.principals[email] == nil, !caller.may(getToken):
		return nil, refuse(codes.PermissionDenied, "Permission '%s' denied on resource (or it may not exist).", getToken)
	}
	token := s.issue(email, strings.Join(in.Scope, " "), d)
	return map[string]string{"accessToken": token, "expireTime": s.real().Add(d).UTC().Format(time.RFC3339)}, nil
}
