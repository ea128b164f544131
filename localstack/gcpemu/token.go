package gcpemu

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

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

// grantError is a refusal of the two OAuth endpoints.
type grantError struct{ code, description string }

func (e *grantError) Error() string { return e.code + ": " + e.description }

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
	if g, ok := errors.AsType[*grantError](err); ok {
		return tokenAnswer(http.StatusBadRequest, g.code, map[string]string{"error": g.code, "error_description": g.description})
	}
	st := status.Convert(err)
	n := names[st.Code()]
	return tokenAnswer(n.status, n.text, map[string]any{"error": map[string]any{"code": n.status, "message": st.Message(), "status": n.text}})
}
