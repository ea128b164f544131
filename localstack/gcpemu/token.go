package gcpemu

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Grants of the token services.
const (
	grantJWT      = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	grantExchange = "urn:ietf:params:oauth:grant-type:token-exchange"
	tokenAccess   = "urn:ietf:params:oauth:token-type:access_token" //nolint:gosec // no credential
)

// googleToken is what Google's Python library asks for, whatever token_uri says.
const googleToken = "https://oauth2.googleapis.com/token" //nolint:gosec // no credential

// mostToken is more than any request for a token needs.
const mostToken = 64 << 10

// getToken is the permission to impersonate a service account.
const getToken = "iam.serviceAccounts.getAccessToken" //nolint:gosec // no credential

// errGrant is a refusal of the two OAuth endpoints.
type errGrant struct{ code, description string }

func (e *errGrant) Error() string { return e.code + ": " + e.description }

// tokenService is OAuth's token endpoint, IAM Service Account Credentials and the
// Security Token Service on one port. Their tokens live in real time, since Google's
// libraries date and keep them by the machine's clock.
func (s *Server) tokenService() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /token", s.serveToken("oauth2", "Token", s.grantToSigner))
	mux.HandleFunc("POST /v1/token", s.serveToken("sts", "ExchangeToken", s.exchange))
	mux.HandleFunc("POST /v1/projects/-/serviceAccounts/{account}", s.serveToken("iamcredentials", "GenerateAccessToken", s.impersonate))
	return mux
}

// serveToken takes a request for a token to the fault engine.
func (s *Server) serveToken(service, action string, f func(*http.Request, []byte) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Server", serverName)
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, mostToken))
		if err != nil {
			http.Error(w, "read request", http.StatusRequestEntityTooLarge)
			return
		}
		s.engine.Serve(w, r, faults.Exchange{
			Call: faults.Call{Service: service, Action: action, RequestID: emu.NewID()},
			Commit: func() faults.Answer {
				s.mu.Lock()
				defer s.mu.Unlock()
				out, err := f(r, body)
				if err != nil {
					return tokenError(err)
				}
				return tokenAnswer(http.StatusOK, "", out)
			},
			Refuse: func(f faults.Refusal) faults.Answer { return tokenError(refusal(f, getToken, "")) },
			Lie:    func(a faults.Answer) faults.Answer { return a },
		})
	}
}

func tokenAnswer(status int, code string, v any) faults.Answer {
	body, err := json.Marshal(v)
	if err != nil {
		return tokenError(err)
	}
	return faults.Answer{Status: status, Code: code, Body: body, Header: http.Header{"Content-Type": {"application/json"}}}
}

// tokenError has OAuth's shape (RFC 6749 §5.2), or that of Google's APIs.
func tokenError(err error) faults.Answer {
	if g, ok := errors.AsType[*errGrant](err); ok {
		return tokenAnswer(http.StatusBadRequest, g.code, map[string]string{"error": g.code, "error_description": g.description})
	}
	st := status.Convert(err)
	n := names[st.Code()]
	return tokenAnswer(n.status, n.text, map[string]any{"error": map[string]any{"code": n.status, "message": st.Message(), "status": n.text}})
}

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
		return nil, &errGrant{"unsupported_grant_type", "Invalid grant_type: " + form.Get("grant_type")}
	}
	j, err := parseJWT(form.Get("assertion"))
	if err != nil {
		return nil, &errGrant{"invalid_grant", "Bad Request"}
	}
	p := s.signer(j)
	if p == nil {
		return nil, &errGrant{"invalid_grant", "Invalid grant: account not found"}
	}
	if err := j.verify(&p.key.PublicKey, s.real()); err != nil {
		return nil, &errGrant{"invalid_grant", err.Error()}
	}
	switch c := j.claims; {
	case c.Aud != s.TokenURL()+"/token" && c.Aud != googleToken:
		return nil, &errGrant{"invalid_grant", "Invalid JWT: Failed audience check."}
	case c.Sub != "" && c.Sub != c.Iss:
		return nil, &errGrant{"unauthorized_client", "the emulator does not model domain-wide delegation"}
	case c.TargetAudience != "" || c.Scope == "":
		return nil, &errGrant{"invalid_scope", "Invalid OAuth scope or ID token audience provided."}
	}
	return granted{AccessToken: s.issue(p.Email, j.claims.Scope, lifetime), TokenType: "Bearer", ExpiresIn: int(lifetime.Seconds())}, nil
}

// exchange gives a token for one of the workload identity pool's provider (RFC 8693).
func (s *Server) exchange(_ *http.Request, body []byte) (any, error) {
	form, err := url.ParseQuery(string(body))
	switch {
	case err != nil || form.Get("grant_type") != grantExchange:
		return nil, &errGrant{"unsupported_grant_type", "Invalid grant_type: " + form.Get("grant_type")}
	case form.Get("requested_token_type") != tokenAccess:
		return nil, &errGrant{"invalid_request", "Invalid requested_token_type"}
	case form.Get("audience") != s.Audience():
		return nil, &errGrant{"invalid_target", "The target service indicated by the \"audience\" parameters is invalid."}
	}
	j, err := parseJWT(form.Get("subject_token"))
	if err == nil && s.federation != nil {
		err = j.verify(&s.federation.PublicKey, s.real())
	}
	c := j.claims
	if err != nil || s.federation == nil || c.Iss != s.TokenURL() || strings.TrimPrefix(c.Aud, "https:") != s.Audience() || c.Sub != subjectName {
		return nil, &errGrant{"invalid_grant", "The subject token is not one of the provider's"}
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
