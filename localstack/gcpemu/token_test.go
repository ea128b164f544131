package gcpemu_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"

	"github.com/keyferry/keyferry/localstack/faults"
	"github.com/keyferry/keyferry/localstack/gcpemu"
)

const (
	helper = "helper@keyferry-emulator.iam.gserviceaccount.com"
	scope  = "https://www.googleapis.com/auth/cloud-platform"
)

func withHelper() gcpemu.Config {
	return gcpemu.Config{Principals: []gcpemu.Principal{{Email: helper, Permissions: []string{"cloudkms.keyRings.get"}}}}
}

// web is an HTTP client that trusts the run CA.
func (e *emulator) web() *http.Client {
	e.Helper()
	transport := &http.Transport{TLSClientConfig: e.trust()}
	e.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

func (e *emulator) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(e.server.CAPEM())
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// detect reads a credentials file as Google's own library does.
func (e *emulator) detect(file []byte, selfSigned bool) *auth.Credentials {
	e.Helper()
	var kind struct{ Type credentials.CredType }
	if err := json.Unmarshal(file, &kind); err != nil {
		e.Fatal(err)
	}
	return must(credentials.NewCredentialsFromJSON(kind.Type, file, &credentials.DetectOptions{
		Scopes: []string{scope}, Client: e.web(), UseSelfSignedJWT: selfSigned,
	}))(e.T)
}

// Each kind of credentials file works through Google's library, and speaks for the
// principal it is of.
func TestGooglesLibraryAuthenticates(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(must(e.server.SubjectToken())(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file       []byte
		selfSigned bool
		limited    bool
	}{
		"service account":                {file: must(e.server.ServiceAccountJSON())(t)},
		"service account, self-signed":   {file: must(e.server.ServiceAccountJSON())(t), selfSigned: true},
		"another service account":        {file: must(e.server.CredentialsOf(helper))(t), limited: true},
		"impersonated":                   {file: must(e.server.ImpersonatedJSON(helper))(t), limited: true},
		"external account":               {file: must(e.server.ExternalAccountJSON(token, ""))(t)},
		"external account, impersonated": {file: must(e.server.ExternalAccountJSON(token, helper))(t), limited: true},
	} {
		t.Run(name, func(t *testing.T) {
			got := must(e.detect(tt.file, tt.selfSigned).Token(t.Context()))(t)
			if until := time.Until(got.Expiry); until <= 0 || until > time.Hour {
				t.Errorf("expires in %s", until)
			}
			c := clientWith(t, e.server, got.Value)
			must(c.GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: ring}))(t)
			_, err := c.GetCryptoKey(t.Context(), &kmspb.GetCryptoKeyRequest{Name: ring + "/cryptoKeys/none"})
			if tt.limited {
				refused(t, err, codes.PermissionDenied, "cloudkms.cryptoKeys.get")
			} else {
				refused(t, err, codes.NotFound)
			}
		})
	}
}

// post asks a token service by hand.
func (e *emulator) post(path, authorization, body string) (int, map[string]any) {
	e.Helper()
	r := must(http.NewRequestWithContext(e.Context(), http.MethodPost, e.server.TokenURL()+path, strings.NewReader(body)))(e.T)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if authorization != "" {
		r.Header.Set("Authorization", "Bearer "+authorization)
	}
	resp := must(e.web().Do(r))(e.T)
	defer func() { _ = resp.Body.Close() }()
	var out map[string]any
	if err := json.Unmarshal(must(io.ReadAll(resp.Body))(e.T), &out); err != nil {
		e.Fatal(err)
	}
	if resp.Header.Get("Server") != "keyferry-emulator" {
		e.Error("it does not say that it is an emulator")
	}
	return resp.StatusCode, out
}

func form(pairs ...string) string {
	v := url.Values{}
	for i := 0; i+1 < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	return v.Encode()
}

func TestBadAssertionsAreRefused(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	must(e.server.ServiceAccountJSON())(t)
	const grant = "urn:ietf:params:oauth:grant-type:jwt-bearer"
	now := time.Now()
	good := gcpemu.Claims{Iss: e.server.Email(), Aud: e.server.TokenURL() + "/token", Scope: scope, Iat: now.Unix(), Exp: now.Add(time.Hour).Unix()}
	changed := func(f func(*gcpemu.Claims)) gcpemu.Claims { c := good; f(&c); return c }
	if status, out := e.post("/token", "", form("grant_type", grant, "assertion", e.server.Sign(e.server.Email(), good))); status != 200 || out["token_type"] != "Bearer" {
		t.Errorf("%d %v", status, out)
	}
	for name, c := range map[string]gcpemu.Claims{
		"nobody":         changed(func(c *gcpemu.Claims) { c.Iss = "nobody" }),
		"without a key":  changed(func(c *gcpemu.Claims) { c.Iss = helper }),
		"other audience": changed(func(c *gcpemu.Claims) { c.Aud = "https://oauth2.example.org/token" }),
		"expired":        changed(func(c *gcpemu.Claims) { c.Iat, c.Exp = now.Add(-2*time.Hour).Unix(), now.Add(-time.Hour).Unix() }),
		"too long":       changed(func(c *gcpemu.Claims) { c.Exp = now.Add(2 * time.Hour).Unix() }),
		"of the future":  changed(func(c *gcpemu.Claims) { c.Iat, c.Exp = now.Add(time.Hour).Unix(), now.Add(2*time.Hour).Unix() }),
		"delegated":      changed(func(c *gcpemu.Claims) { c.Sub = helper }),
		"without scope":  changed(func(c *gcpemu.Claims) { c.Scope = "" }),
		"id token":       changed(func(c *gcpemu.Claims) { c.TargetAudience = "x" }),
	} {
		if status, out := e.post("/token", "", form("grant_type", grant, "assertion", e.server.Sign(e.server.Email(), c))); status != 400 || out["error"] == "" {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	forged := e.server.Sign(e.server.Email(), good)
	forged = forged[:len(forged)-4] + "AAAA"
	for name, body := range map[string]string{
		"forged":      form("grant_type", grant, "assertion", forged),
		"no JWT":      form("grant_type", grant, "assertion", "a.b"),
		"other grant": form("grant_type", "password"),
	} {
		if status, out := e.post("/token", "", body); status != 400 {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
}

func TestExchangeIsForTheProvidersTokensOnly(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	const grant, kind = "urn:ietf:params:oauth:grant-type:token-exchange", "urn:ietf:params:oauth:token-type:access_token"
	body := func(audience, subject, wanted string) string {
		return form("grant_type", grant, "requested_token_type", wanted, "audience", audience, "subject_token", subject, "scope", scope)
	}
	if status, _ := e.post("/v1/token", "", body(e.server.Audience(), "a.b.c", kind)); status != 400 {
		t.Errorf("%d before there was a provider's key", status)
	}
	token := must(e.server.SubjectToken())(t)
	if status, out := e.post("/v1/token", "", body(e.server.Audience(), token, kind)); status != 200 || out["issued_token_type"] != kind {
		t.Errorf("%d %v", status, out)
	}
	must(e.server.ServiceAccountJSON())(t)
	for name, b := range map[string]string{
		"other grant":    form("grant_type", "x"),
		"other audience": body("//iam.googleapis.com/x", token, kind),
		"other kind":     body(e.server.Audience(), token, "urn:ietf:params:oauth:token-type:id_token"),
		"other signer":   body(e.server.Audience(), e.server.Sign(e.server.Email(), gcpemu.Claims{Exp: time.Now().Add(time.Hour).Unix()}), kind),
	} {
		if status, out := e.post("/v1/token", "", b); status != 400 {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
}

func TestImpersonationNeedsPermission(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	path := "/v1/projects/-/serviceAccounts/" + helper + ":generateAccessToken"
	mine := e.server.AccessToken(e.server.Email())
	good := `{"scope":["` + scope + `"],"lifetime":"600s"}`
	if status, out := e.post(path, mine, good); status != 200 || out["accessToken"] == "" {
		t.Errorf("%d %v", status, out)
	}
	for name, tt := range map[string]struct {
		path, token, body string
		status            int
	}{
		"of itself without permission": {path, e.server.AccessToken(helper), good, 403},
		"unauthenticated":              {path, "", good, 401},
		"nobody":                       {strings.Replace(path, "helper", "nobody", 1), mine, good, 403},
		"too long":                     {path, mine, `{"scope":["x"],"lifetime":"7200s"}`, 400},
		"without scope":                {path, mine, `{}`, 400},
		"delegates":                    {path, mine, `{"scope":["x"],"delegates":["y"]}`, 501},
		"other method":                 {strings.Replace(path, "AccessToken", "IdToken", 1), mine, good, 501},
	} {
		if status, out := e.post(tt.path, tt.token, tt.body); status != tt.status {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
}

func TestBearersAreKnown(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	must(e.server.ServiceAccountJSON())(t)
	get := func(token string) error {
		_, err := clientWith(t, e.server, token).GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: ring})
		return err
	}
	now := time.Now()
	signed := func(c gcpemu.Claims) string {
		c.Iss, c.Sub, c.Iat, c.Exp = e.server.Email(), e.server.Email(), now.Unix(), now.Add(time.Hour).Unix()
		return e.server.Sign(e.server.Email(), c)
	}
	if err := get(signed(gcpemu.Claims{Aud: "https://cloudkms.googleapis.com/"})); err != nil {
		t.Error(err)
	}
	refused(t, get("unknown"), codes.Unauthenticated, "invalid authentication credentials")
	refused(t, get("a.b.c"), codes.Unauthenticated)
	refused(t, get(e.server.AccessToken("nobody")), codes.Unauthenticated)
	refused(t, get(signed(gcpemu.Claims{Aud: "https://pubsub.googleapis.com/"})), codes.PermissionDenied, "scopes")
	refused(t, get(signed(gcpemu.Claims{Scope: "email"})), codes.PermissionDenied, "scopes")
	refused(t, get(e.server.Issue(e.server.Email(), "email", time.Hour)), codes.PermissionDenied, "scopes")
	refused(t, get(e.server.Issue(e.server.Email(), scope, -time.Second)), codes.Unauthenticated)
	_, err := connect(t, e.server).GetKeyRing(t.Context(), &kmspb.GetKeyRingRequest{Name: ring})
	refused(t, err, codes.Unauthenticated, "missing required authentication")
}

// The token services' calls break as others do.
func TestTokensCanFail(t *testing.T) {
	t.Parallel()
	e := start(t, withHelper())
	e.fault("Token", faults.Rule{Kind: faults.Throttle, Match: faults.Match{Service: "oauth2"}})
	if status, _ := e.post("/token", "", ""); status != 429 {
		t.Errorf("status %d", status)
	}
	if status, _ := e.post("/token", "", ""); status != 400 {
		t.Errorf("status %d", status)
	}
	large := bytes.Repeat([]byte{'a'}, 1<<20)
	resp := must(e.web().Post(e.server.TokenURL()+"/token", "", bytes.NewReader(large)))(t)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("status %s", resp.Status)
	}
}
