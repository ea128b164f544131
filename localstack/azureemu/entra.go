package azureemu

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// federatedAudience is what a federated token is for (Workload identity federation).
const federatedAudience = "api://AzureADTokenExchange"

// issuer is who signs access tokens for a tenant.
func (s *Server) issuer(tenant string) string { return s.entraURL + "/" + tenant + "/v2.0" }

func (s *Server) tokenEndpoint(tenant string) string {
	return s.entraURL + "/" + tenant + "/oauth2/v2.0/token"
}

// tokenTime is the time by which tokens grow old.
func (s *Server) tokenTime() time.Time {
	if s.settings.TokensFollow {
		return s.clock.Now()
	}
	return s.now()
}

// serveEntra answers what stands in for Microsoft Entra.
func (s *Server) serveEntra(w http.ResponseWriter, r *http.Request) {
	id := emu.NewID()
	s.header(w, "x-ms-request-id", id)
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "read request", http.StatusRequestEntityTooLarge)
		return
	}
	tenant, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	x := faults.Exchange{
		Call:   faults.Call{Service: "entra", Account: tenant, RequestID: id},
		Refuse: func(f faults.Refusal) faults.Answer { return entraRefusal(f, id) },
		Lie:    func(a faults.Answer) faults.Answer { return a },
	}
	switch {
	case r.Method == http.MethodGet && path == "v2.0/.well-known/openid-configuration":
		x.Call.Action = "Discover"
		x.Commit = func() faults.Answer { return s.discover(tenant, id) }
	case r.Method == http.MethodPost && path == "oauth2/v2.0/token":
		x.Call.Action = "Token"
		form, err := url.ParseQuery(string(body))
		x.Call.AccessKey = form.Get("client_id")
		x.Commit = func() faults.Answer { return s.issue(tenant, id, form, err) }
	default:
		http.NotFound(w, r)
		return
	}
	s.engine.Serve(w, r, x)
}

// discover is the tenant's OpenID configuration, as far as SDKs read it.
func (s *Server) discover(tenant, id string) faults.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.knowsTenant(tenant) {
		return entraError(refuse("invalid_tenant", "AADSTS90002: Tenant '%s' not found.", tenant), id)
	}
	return jsonAnswer(http.StatusOK, "", map[string]any{
		"issuer":                                s.issuer(tenant),
		"authorization_endpoint":                s.entraURL + "/" + tenant + "/oauth2/v2.0/authorize",
		"token_endpoint":                        s.tokenEndpoint(tenant),
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
	})
}

func (s *Server) knowsTenant(tenant string) bool {
	for _, p := range s.principals {
		if strings.EqualFold(p.Tenant, tenant) {
			return true
		}
	}
	return false
}

// issue answers a request for an access token.
func (s *Server) issue(tenant, id string, form url.Values, malformed error) faults.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	p, resource, err := s.grant(tenant, form, malformed)
	if err != nil {
		return entraError(err, id)
	}
	text, err := s.accessToken(p, audience{resource})
	if err != nil {
		return entraError(err, id)
	}
	seconds := int(p.lifetime().Seconds())
	return jsonAnswer(http.StatusOK, "", map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": text,
	})
}

// grant finds out who asks, and for which resource (client credentials grant).
func (s *Server) grant(tenant string, form url.Values, malformed error) (*principal, string, error) {
	switch {
	case malformed != nil:
		return nil, "", refuse("invalid_request", "AADSTS900144: The request body cannot be read.")
	case !s.knowsTenant(tenant):
		return nil, "", refuse("invalid_tenant", "AADSTS90002: Tenant '%s' not found.", tenant)
	case form.Get("grant_type") != "client_credentials":
		return nil, "", refuse("unsupported_grant_type", "AADSTS70003: the emulator knows the grant type client_credentials only.")
	}
	p := s.principals[form.Get("client_id")]
	if p == nil || !strings.EqualFold(p.Tenant, tenant) {
		return nil, "", refuse("unauthorized_client", "AADSTS700016: Application with identifier '%s' was not found in the directory '%s'.", form.Get("client_id"), tenant)
	}
	if err := s.prove(p, form); err != nil {
		return nil, "", err
	}
	resource, err := s.scope(form.Get("scope"))
	return p, resource, err
}

// scope is the one resource that a token is asked for. What OpenID Connect adds
// has no meaning for a client's own token.
func (s *Server) scope(text string) (string, error) {
	var resources []string
	for word := range strings.FieldsSeq(text) {
		switch word {
		case "openid", "profile", "offline_access":
		default:
			resources = append(resources, word)
		}
	}
	if len(resources) != 1 {
		return "", refuse("invalid_scope", "AADSTS70011: The provided value for the input parameter 'scope' is not valid.")
	}
	resource, ok := strings.CutSuffix(resources[0], "/.default")
	if !ok {
		return "", refuse("invalid_scope", "AADSTS1002012: The provided value for scope %s is not valid: it must end in /.default.", resources[0])
	}
	if resource != s.resourceOf(Vault{Mode: Premium}) && resource != s.resourceOf(Vault{Mode: HSM}) {
		return "", refuse("invalid_resource", "AADSTS500011: The resource principal named %s was not found in the tenant.", resource)
	}
	return resource, nil
}

// accessToken is what vaults take from a principal.
func (s *Server) accessToken(p *principal, resources audience) (string, error) {
	now := s.tokenTime()
	return s.tokens.sign(claims{
		Issuer: s.issuer(p.Tenant), Subject: p.ObjectID, Audience: resources, IssuedAt: date(now.Unix()), NotBefore: date(now.Add(-time.Minute).Unix()),
		Expires: date(now.Add(p.lifetime()).Unix()), ID: emu.NewID(), Tenant: p.Tenant, ObjectID: p.ObjectID, AppID: p.ClientID, Version: "1.0",
	})
}

// entraError is an error in Entra's shape (OAuth 2.0, RFC 6749 §5.2).
func entraError(err error, id string) faults.Answer {
	e := asAPI(err)
	status := http.StatusBadRequest
	switch e.Code {
	case "invalid_client":
		status = http.StatusUnauthorized
	case codeInternal:
		status = http.StatusInternalServerError
	case "temporarily_unavailable":
		status = http.StatusTooManyRequests
	}
	return jsonAnswer(status, e.Code, map[string]any{
		"error": e.Code, "error_description": fmt.Sprintf("%s Trace ID: %s", e.Message, id), "trace_id": id, "correlation_id": id,
	})
}

func entraRefusal(f faults.Refusal, id string) faults.Answer {
	e := apiError{Code: f.Code, Message: f.Message}
	switch f.Kind {
	case faults.Throttle:
		e.Code = "temporarily_unavailable"
	case faults.Deny, faults.Expire:
		e.Code = "invalid_client"
	default:
	}
	if e.Message == "" {
		e.Message = "AADSTS50000: refused by a fault rule."
	}
	answer := entraError(&e, id)
	if f.Status != 0 {
		answer.Status = f.Status
	}
	return answer
}
