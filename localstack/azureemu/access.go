package azureemu

import (
	"strings"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// Addr is the address of all vaults, on loopback: what clients dial in place of a
// vault's name.
func (s *Server) Addr() string { return s.addr }

// URL is the URL of a vault or a Managed HSM by its name; "" for none of that name.
func (s *Server) URL(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := s.vaults[strings.ToLower(name)]
	if v == nil {
		return ""
	}
	return "https://" + s.hostOf(v.Vault)
}

// AuthorityURL is the authority host of the token endpoint, without a tenant.
func (s *Server) AuthorityURL() string { return s.entraURL }

// AdminURL is where faults.Client speaks to.
func (s *Server) AdminURL() string { return s.adminURL }

// Admin is a client of the admin API.
func (s *Server) Admin() faults.Client { return faults.Client{URL: s.adminURL} }

// CAPEM is the run CA's certificate.
func (s *Server) CAPEM() []byte { return s.ca.PEM() }

// Tenant is the default tenant.
func (s *Server) Tenant() string { return s.tenant }

// Now is the emulator's time.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Credentials are those of the default principal, which may do everything.
func (s *Server) Credentials() (Credentials, error) { return s.CredentialsOf(s.main) }

// CredentialsOf are those of a configured principal. An unknown one is an error.
func (s *Server) CredentialsOf(clientID string) (Credentials, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.principals[clientID]
	if p == nil {
		return Credentials{}, errUnknownPrincipal
	}
	if p.certificate == nil {
		if err := p.certify(s.pool, s.now()); err != nil {
			return Credentials{}, err
		}
	}
	text, err := p.pem()
	if err != nil {
		return Credentials{}, err
	}
	now := s.tokenTime()
	federated, err := s.federation.sign(claims{
		Issuer: s.federatedIssuer(), Subject: federatedSubject(clientID), Audience: audience{federatedAudience}, ID: emu.NewID(),
		IssuedAt: date(now.Unix()), NotBefore: date(now.Add(-time.Minute).Unix()), Expires: date(now.Add(time.Hour).Unix()),
	})
	return Credentials{
		Tenant: p.Tenant, ClientID: p.ClientID, ObjectID: p.ObjectID, Secret: p.Secret, CertificatePEM: text, FederatedToken: federated,
	}, err
}

// Bearer is an access token of a principal for all vaults and pools of its tenant;
// "" is the default principal.
func (s *Server) Bearer(clientID string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if clientID == "" {
		clientID = s.main
	}
	p := s.principals[clientID]
	if p == nil {
		return "", errUnknownPrincipal
	}
	return s.accessToken(p, audience{s.resourceOf(Vault{Mode: Premium}), s.resourceOf(Vault{Mode: HSM})})
}
