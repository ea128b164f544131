package gcpemu

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// keyBits is the size of service account keys.
const keyBits = 2048

// pool is the emulator's one workload identity pool, with one provider in it.
const pool = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/emulator"

// subjectName is the one workload that the provider knows.
const subjectName = "workload"

// Audience is what an external_account file calls the provider.
func (*Server) Audience() string { return pool + "/providers/emulator" }

// Federated is the principal that the workload is without impersonation: what a
// Change calls it.
func (*Server) Federated() string { return "principal:" + pool + "/subject/" + subjectName }

// ServiceAccountJSON is the default principal's credentials file. Its token_uri is
// the emulator's.
func (s *Server) ServiceAccountJSON() ([]byte, error) { return s.CredentialsOf(s.Email()) }

// CredentialsOf is a principal's credentials file. Its key is made when it is first
// asked for.
func (s *Server) CredentialsOf(email string) ([]byte, error) {
	file, err := s.serviceAccount(email)
	if err != nil {
		return nil, err
	}
	return json.Marshal(file)
}

func (s *Server) serviceAccount(email string) (map[string]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.principals[email]
	if p == nil {
		return nil, fmt.Errorf("%w: there is no principal %q", errConfig, email)
	}
	if p.key == nil {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return nil, fmt.Errorf("make a service account key: %w", err)
		}
		p.key = key
	}
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("encode a service account key: %w", err)
	}
	return map[string]string{
		"type": "service_account", "project_id": s.project, "client_email": email, "client_id": "100000000000000000000",
		"private_key_id": p.keyID(), "private_key": string(pemOf("PRIVATE KEY", der)),
		"auth_uri": s.TokenURL() + "/auth", "token_uri": s.TokenURL() + "/token", "universe_domain": domain,
	}, nil
}

// keyID is what the header of the principal's JWTs calls its key.
func (p *principal) keyID() string {
	return emu.HexSum(x509.MarshalPKCS1PublicKey(&p.key.PublicKey))[:40]
}

// ImpersonatedJSON is an impersonated_service_account file: the default principal as
// another one.
func (s *Server) ImpersonatedJSON(email string) ([]byte, error) {
	source, err := s.serviceAccount(s.Email())
	if err != nil {
		return nil, err
	}
	return json.Marshal(map[string]any{
		"type": "impersonated_service_account", "service_account_impersonation_url": s.impersonationURL(email), "source_credentials": source,
		"delegates": []string{},
	})
}

func (s *Server) impersonationURL(email string) string {
	return s.TokenURL() + "/v1/projects/-/serviceAccounts/" + email + ":generateAccessToken"
}

// ExternalAccountJSON is an external_account file of the workload, which reads its
// subject token from a file. With an email it impersonates that principal.
func (s *Server) ExternalAccountJSON(subjectTokenFile, email string) ([]byte, error) {
	file := map[string]any{ //nolint:gosec // it holds no secret
		"type": "external_account", "audience": s.Audience(), "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
		"token_url": s.TokenURL() + "/v1/token", "universe_domain": domain,
		"credential_source": map[string]any{"file": subjectTokenFile},
	}
	if email != "" {
		file["service_account_impersonation_url"] = s.impersonationURL(email)
	}
	return json.Marshal(file)
}

// SubjectToken is a token of the pool's provider for the workload, good for an hour of
// real time.
func (s *Server) SubjectToken() (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.federation == nil {
		key, err := rsa.GenerateKey(rand.Reader, keyBits)
		if err != nil {
			return "", fmt.Errorf("make the provider's key: %w", err)
		}
		s.federation = key
	}
	now := s.real()
	return signJWT(s.federation, "", claims{
		Iss: s.TokenURL(), Sub: subjectName, Aud: "https:" + s.Audience(), Iat: now.Unix(), Exp: now.Add(time.Hour).Unix(),
	})
}
