package azureemu_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
	"github.com/keyferry/keyferry/localstack/faults"
)

// assertion is a client assertion made by hand, and then spoiled.
type assertion struct {
	header, claims map[string]any
	key            *rsa.PrivateKey
	pss            bool
}

// newAssertion is one as azidentity makes it.
func newAssertion(e *emulator, c azureemu.Credentials) assertion {
	e.Helper()
	cert, rest := pem.Decode(c.CertificatePEM)
	key, _ := pem.Decode(rest)
	private, ok := emutest.Must(x509.ParsePKCS8PrivateKey(key.Bytes))(e.T).(*rsa.PrivateKey)
	if !ok {
		e.Fatal("the principal's key is not RSA")
	}
	long := sha256.Sum256(cert.Bytes)
	now := time.Now()
	return assertion{
		header: map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.StdEncoding.EncodeToString(long[:])},
		claims: map[string]any{
			"aud": e.server.AuthorityURL() + "/" + c.Tenant + "/oauth2/v2.0/token", "iss": c.ClientID, "sub": c.ClientID, "jti": "1",
			"nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		},
		key: private, pss: true,
	}
}

func (a assertion) text(t *testing.T) string {
	t.Helper()
	signed := segment(t, a.header) + "." + segment(t, a.claims)
	digest := sha256.Sum256([]byte(signed))
	var options crypto.SignerOpts = crypto.SHA256
	if a.pss {
		options = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256}
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(emutest.Must(a.key.Sign(rand.Reader, digest[:], options))(t))
}

func segment(t *testing.T, v any) string {
	t.Helper()
	return base64.RawURLEncoding.EncodeToString(emutest.Must(json.Marshal(v))(t))
}

// ask sends a form to the token endpoint and returns the error code, or "".
func (e *emulator) ask(tenant string, form url.Values) string {
	e.Helper()
	resp := emutest.Must(e.http.PostForm(e.server.AuthorityURL()+"/"+tenant+"/oauth2/v2.0/token", form))(e.T)
	defer func() { _ = resp.Body.Close() }()
	var out struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		e.Fatal(err)
	}
	if (out.Error == "") != (resp.StatusCode == http.StatusOK) || (out.Error == "") != (out.AccessToken != "") {
		e.Errorf("%s: %+v", resp.Status, out)
	}
	return out.Error
}

func grantOf(e *emulator, c azureemu.Credentials, proof ...string) url.Values {
	e.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {c.ClientID}, "scope": {e.server.Resource(azureemu.Premium) + "/.default openid offline_access profile"},
	}
	for i := 0; i+1 < len(proof); i += 2 {
		form.Set(proof[i], proof[i+1])
	}
	return form
}

const jwtBearer = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

func TestAssertionsAreVerified(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	known := emutest.Must(e.server.Credentials())(t)
	other := emutest.Must(rsa.GenerateKey(rand.Reader, 2048))(t)
	const bad = "invalid_client"
	for name, tt := range map[string]struct {
		change func(*assertion)
		code   string
	}{
		"as it should be":     {func(*assertion) {}, ""},
		"RS256":               {func(a *assertion) { a.header["alg"], a.pss = "RS256", false }, ""},
		"SHA-1 thumbprint":    {func(a *assertion) { delete(a.header, "x5t#S256"); a.header["x5t"] = thumbprint(known) }, ""},
		"audience is issuer":  {func(a *assertion) { a.claims["aud"] = e.server.AuthorityURL() + "/" + known.Tenant + "/v2.0" }, ""},
		"RS256, signed PSS":   {func(a *assertion) { a.header["alg"] = "RS256" }, bad},
		"PS256, signed RS256": {func(a *assertion) { a.pss = false }, bad},
		"HS256":               {func(a *assertion) { a.header["alg"] = "HS256" }, bad},
		"none":                {func(a *assertion) { a.header["alg"] = "none" }, bad},
		"another key":         {func(a *assertion) { a.key = other }, bad},
		"no thumbprint":       {func(a *assertion) { delete(a.header, "x5t#S256") }, bad},
		"another thumbprint":  {func(a *assertion) { a.header["x5t#S256"] = "AAAA" }, bad},
		"another audience":    {func(a *assertion) { a.claims["aud"] = "https://login.microsoftonline.com/x/oauth2/v2.0/token" }, bad},
		"two audiences":       {func(a *assertion) { a.claims["aud"] = []any{a.claims["aud"], "x"} }, bad},
		"another issuer":      {func(a *assertion) { a.claims["iss"] = "x" }, bad},
		"another subject":     {func(a *assertion) { a.claims["sub"] = "x" }, bad},
		"no id":               {func(a *assertion) { delete(a.claims, "jti") }, bad},
		"expired":             {func(a *assertion) { a.claims["exp"] = time.Now().Add(-time.Second).Unix() }, bad},
		"without an end":      {func(a *assertion) { delete(a.claims, "exp") }, bad},
		"not valid yet":       {func(a *assertion) { a.claims["nbf"] = time.Now().Add(6 * time.Minute).Unix() }, bad},
	} {
		t.Run(name, func(t *testing.T) {
			a := newAssertion(e, known)
			tt.change(&a)
			form := grantOf(e, known, "client_assertion_type", jwtBearer, "client_assertion", a.text(t))
			if got := e.ask(known.Tenant, form); got != tt.code {
				t.Errorf("%q, want %q", got, tt.code)
			}
		})
	}
}

func thumbprint(c azureemu.Credentials) string {
	cert, _ := pem.Decode(c.CertificatePEM)
	short := sha1.Sum(cert.Bytes)
	return base64.RawURLEncoding.EncodeToString(short[:])
}

func TestGrants(t *testing.T) {
	t.Parallel()
	e := start(t, azureemu.Config{Principals: []azureemu.Principal{{ClientID: "foreign", Tenant: "other"}, {ClientID: "bare"}}})
	known := emutest.Must(e.server.Credentials())(t)
	foreign, bare := emutest.Must(e.server.CredentialsOf("foreign"))(t), azureemu.Credentials{ClientID: "bare", Tenant: known.Tenant}
	with := func(form url.Values, pairs ...string) url.Values {
		for i := 0; i+1 < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return form
	}
	secret := func(pairs ...string) url.Values {
		return with(grantOf(e, known, "client_secret", known.Secret), pairs...)
	}
	federated := func(c azureemu.Credentials, token string) url.Values {
		return grantOf(e, c, "client_assertion_type", jwtBearer, "client_assertion", token)
	}
	for name, tt := range map[string]struct {
		tenant string
		form   url.Values
		code   string
	}{
		"by secret":              {known.Tenant, secret(), ""},
		"tenant in capitals":     {strings.ToUpper(known.Tenant), secret(), ""},
		"by federation":          {known.Tenant, federated(known, known.FederatedToken), ""},
		"for pools":              {known.Tenant, secret("scope", e.server.Resource(azureemu.HSM)+"/.default"), ""},
		"another's federation":   {known.Tenant, federated(known, foreign.FederatedToken), "invalid_client"},
		"spoiled federation":     {known.Tenant, federated(known, known.FederatedToken[:len(known.FederatedToken)-4]+"AAAA"), "invalid_client"},
		"no JWT":                 {known.Tenant, federated(known, "x"), "invalid_client"},
		"no certificate yet":     {known.Tenant, federated(bare, newAssertion(e, known).text(t)), "invalid_client"},
		"wrong type":             {known.Tenant, with(federated(known, known.FederatedToken), "client_assertion_type", "x"), "invalid_client"},
		"both":                   {known.Tenant, with(federated(known, known.FederatedToken), "client_secret", known.Secret), "invalid_client"},
		"neither":                {known.Tenant, grantOf(e, known), "invalid_client"},
		"another tenant":         {"other", secret(), "unauthorized_client"},
		"no tenant":              {"none", secret(), "invalid_tenant"},
		"another grant":          {known.Tenant, secret("grant_type", "password"), "unsupported_grant_type"},
		"nobody":                 {known.Tenant, secret("client_id", "x"), "unauthorized_client"},
		"no scope":               {known.Tenant, secret("scope", "openid"), "invalid_scope"},
		"two scopes":             {known.Tenant, secret("scope", "a/.default b/.default"), "invalid_scope"},
		"a scope of one's own":   {known.Tenant, secret("scope", e.server.Resource(azureemu.HSM)+"/read"), "invalid_scope"},
		"somebody else's":        {known.Tenant, secret("scope", "https://vault.azure.net/.default"), "invalid_resource"},
		"resource of other port": {known.Tenant, secret("scope", "https://vault.localhost/.default"), "invalid_resource"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := e.ask(tt.tenant, tt.form); got != tt.code {
				t.Errorf("%q, want %q", got, tt.code)
			}
		})
	}
}

func TestEntraIsDiscoveredAndNothingElse(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	for path, want := range map[string]int{
		"/" + e.server.Tenant() + "/v2.0/.well-known/openid-configuration": 200,
		"/none/v2.0/.well-known/openid-configuration":                      400,
		"/" + e.server.Tenant() + "/oauth2/v2.0/token":                     404, // GET
		"/common/discovery/instance":                                       404,
		"/":                                                                404,
	} {
		resp := emutest.Must(e.http.Get(e.server.AuthorityURL() + path))(t)
		_ = resp.Body.Close()
		if resp.StatusCode != want || resp.Header.Get("Server") != "keyferry-emulator" {
			t.Errorf("%s: %s, want %d", path, resp.Status, want)
		}
	}
}

func TestFaultsOfEntra(t *testing.T) {
	t.Parallel()
	e := start(t, defaults())
	known := emutest.Must(e.server.Credentials())(t)
	form := grantOf(e, known, "client_secret", known.Secret)
	for kind, want := range map[faults.Kind]string{
		faults.Throttle: "temporarily_unavailable", faults.Deny: "invalid_client", faults.Expire: "invalid_client", faults.Fail: "server_error", faults.Lie: "",
	} {
		emutest.Must(e.admin.Add(t.Context(), faults.Rule{Match: faults.Match{Service: "entra", Action: "Token"}, Kind: kind, Code: "server_error", Status: 503}))(t)
		if got := e.ask(known.Tenant, form); got != want {
			t.Errorf("%s: %q, want %q", kind, got, want)
		}
	}
}
