package gcpkms

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// credentials is the text of the credentials file: the configured one, or the
// application default; nil where the machine's metadata service has to be asked.
func (c Config) credentials() ([]byte, error) {
	if len(c.CredentialsJSON) > 0 {
		return c.CredentialsJSON, nil
	}
	if name := os.Getenv("GOOGLE_APPLICATION_CREDENTIALS"); name != "" {
		text, err := os.ReadFile(name) //nolint:gosec // who starts the program says which file
		if err != nil {
			return nil, fmt.Errorf("read application default credentials: %w", err)
		}
		return text, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return nil, nil //nolint:nilerr // without a home there is no file in it
	}
	text, err := os.ReadFile(filepath.Join(home, ".config", "gcloud", "application_default_credentials.json")) //nolint:gosec // gcloud's own place
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return text, err
}

// file is what of a credentials file says where tokens come from, and for whom.
type file struct {
	Type             string          `json:"type"`
	ClientEmail      string          `json:"client_email"`
	Account          string          `json:"account"`
	Audience         string          `json:"audience"`
	TokenURI         string          `json:"token_uri"`
	TokenURL         string          `json:"token_url"`
	TokenInfoURL     string          `json:"token_info_url"`
	ImpersonationURL string          `json:"service_account_impersonation_url"`
	Universe         string          `json:"universe_domain"`
	QuotaProject     string          `json:"quota_project_id"`
	Source           json.RawMessage `json:"source_credentials"`
	CredentialSource struct {
		URL         string           `json:"url"`
		RegionURL   string           `json:"region_url"`
		IMDSv2      string           `json:"imdsv2_session_token_url"`
		Executable  *json.RawMessage `json:"executable"`
		Certificate *json.RawMessage `json:"certificate"`
	} `json:"credential_source"`
}

// types of credentials files that are taken.
var types = map[string]credentials.CredType{
	"service_account":              credentials.ServiceAccount,
	"authorized_user":              credentials.AuthorizedUser,
	"external_account":             credentials.ExternalAccount,
	"impersonated_service_account": credentials.ImpersonatedServiceAccount,
}

// parseFile reads a credentials file and refuses one that would have something sent
// to others than Google or the configured token endpoint.
func parseFile(text []byte, c Config) (file, error) {
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return file{}, fmt.Errorf("parse credentials: %w", errors.Join(broker.Misuse, err))
	}
	if types[f.Type] == "" {
		return file{}, fmt.Errorf("credentials of type %q are not taken, but service_account, impersonated_service_account, external_account and authorized_user: %w",
			plain(f.Type), broker.Misuse)
	}
	switch {
	case f.Universe != "" && f.Universe != googleDomain:
		return file{}, fmt.Errorf("credentials are for the universe %q: %w", plain(f.Universe), broker.Misuse)
	case f.CredentialSource.Executable != nil, f.CredentialSource.Certificate != nil:
		return file{}, fmt.Errorf("credentials that come from a program or a client certificate are not taken: %w", broker.Misuse)
	case f.Type == "service_account" && c.TokenEndpoint != "" && !c.atTokenEndpoint(f.TokenURI):
		return file{}, fmt.Errorf("the service account is of %q, and what it signs is not sent to another token endpoint: %w", plain(f.TokenURI), broker.Misuse)
	}
	for _, raw := range []string{f.TokenURI, f.TokenURL, f.TokenInfoURL, f.ImpersonationURL} {
		if raw != "" && !c.issues(raw) {
			return file{}, fmt.Errorf("credentials name %q as a token service, which is not Google's: %w", plain(raw), broker.Misuse)
		}
	}
	if f.Source != nil {
		if _, err := parseFile(f.Source, c); err != nil {
			return file{}, fmt.Errorf("source of the credentials: %w", err)
		}
	}
	return f, nil
}

// fromFile is the principal of a credentials file. Service accounts sign their own
// tokens, so that nothing is sent to get one.
func fromFile(text []byte, c Config, client *http.Client) (principal, error) {
	f, err := parseFile(text, c)
	if err != nil {
		return principal{}, err
	}
	creds, err := credentials.NewCredentialsFromJSON(types[f.Type], text, &credentials.DetectOptions{
		Scopes: []string{scopeAll}, UseSelfSignedJWT: true, Client: client, DisableAsyncRefresh: true,
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return principal{}, fmt.Errorf("read credentials: %w: %w", broker.Misuse, err)
	}
	return principal{tokens: creds.TokenProvider, name: named(f.principal()), quotaProject: f.QuotaProject}, nil
}

// impersonated finds whom a URL of IAM Credentials is about.
var impersonated = lazyregexp.New(`/serviceAccounts/([^/:]+@[^/:]+):generateAccessToken$`)

// principal is who the file's tokens are of, as far as it tells.
func (f file) principal() string {
	if m := impersonated().FindStringSubmatch(f.ImpersonationURL); m != nil {
		return m[1]
	}
	return cmp.Or(f.ClientEmail, f.Account, f.Audience, "a user of gcloud")
}

// asTokenError sorts an error of the libraries that ask for tokens: a service that
// refused, or one that was not reached.
func asTokenError(err error) error {
	if already, ok := errors.AsType[*tokenError](err); ok {
		return already
	}
	kind := broker.Unavailable
	if answer, ok := errors.AsType[*auth.Error](err); ok && answer.Response != nil &&
		answer.Response.StatusCode >= 400 && answer.Response.StatusCode < 500 && answer.Response.StatusCode != http.StatusTooManyRequests {
		kind = broker.Denied
	}
	return &tokenError{kind: kind, err: err}
}
