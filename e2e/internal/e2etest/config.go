package e2etest

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/localstack/azureemu"
)

// Config is what a site's config says besides where its token and its clouds are.
type Config struct {
	Store    string   // "" is keyferry.db of the site
	Module   string   // "" is the shim
	Settle   string   // of each target; "" is a second
	Shared   bool     // others may import into Google's ring
	Policies []string // in YAML's short form
}

// Configure writes the config of what was started so far, with a target for each cloud
// and two for Azure, the credentials, and the environment of each run.
func (s *Site) Configure(t *testing.T, c Config) {
	t.Helper()
	text := fmt.Sprintf(`store: %s
token:
  name: hsm
  module: %s
  label: %s
  environment: test
  pin: {file: "%s"}
  cache: %s
targets:
`, cmp.Or(c.Store, filepath.Join(s.Dir, "keyferry.db")), cmp.Or(c.Module, s.Shim.Module()), Label, s.Token.PINFile, s.Dir)
	s.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.Dir, "KEYFERRY_CONFIG=" + s.Config}, s.Token.Env...)
	if s.AWS != nil {
		text += s.awsTarget(c)
	}
	if s.GCP != nil {
		text += s.googleTarget(t, c)
	}
	if s.Azure != nil {
		text += s.azureTargets(t, c)
	}
	text += "policies:\n  - {" + strings.Join(c.Policies, "}\n  - {") + "}\n"
	s.write(t, "keyferry.yaml", []byte(text))
}

func (s *Site) write(t *testing.T, name string, text []byte) {
	t.Helper()
	fatal(t, os.WriteFile(filepath.Join(s.Dir, name), text, 0o600))
}

// target is one of the config: own is what only its provider has.
func (s *Site) target(c Config, name, provider, own string) string {
	own = strings.ReplaceAll(strings.TrimSpace(own), "\n", "\n    ")
	return fmt.Sprintf(`  - name: %s
    provider: %s
    environment: test
    %s
    ca_file: %s
    settle: %s
    poll: 1s
    quotas: {all: 10000}
`, name, provider, own, filepath.Join(s.Dir, "ca.pem"), cmp.Or(c.Settle, "1s"))
}

func (s *Site) awsTarget(c Config) string {
	key := s.AWS.Credentials()
	s.Env = append(s.Env, "AWS_ACCESS_KEY_ID="+key.ID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "AWS_EC2_METADATA_DISABLED=true")
	return s.target(c, "aws", "aws", fmt.Sprintf(`
account: "%s"
region: eu-central-1
endpoint: %s`, s.AWS.Account(), s.AWS.TLSURL()))
}

func (s *Site) googleTarget(t *testing.T, c Config) string {
	t.Helper()
	key, err := s.GCP.ServiceAccountJSON()
	fatal(t, err)
	s.write(t, "google.json", key)
	return s.target(c, "gcp", "gcp", fmt.Sprintf(`
project: %s
location: europe-west3
ring: keyferry
endpoint: https://%s
token_endpoint: %s
credentials_file: google.json
sole_writer: %t`, s.GCP.Project(), s.GCP.Addr(), s.GCP.TokenURL(), !c.Shared))
}

func (s *Site) azureTargets(t *testing.T, c Config) (text string) {
	t.Helper()
	who, err := s.Azure.Credentials()
	fatal(t, err)
	s.write(t, "azure.pem", who.CertificatePEM)
	for _, at := range []struct{ name, kind, vault string }{
		{"vault", "vault", azureemu.DefaultPremium}, {"pool", "managed-hsm", azureemu.DefaultPool},
	} {
		text += s.target(c, at.name, "azure", fmt.Sprintf(`
tenant: %s
vault: %s
kind: %s
authority: %s
credentials: {kind: certificate, client_id: %s, certificate_file: azure.pem}`, who.Tenant, s.Azure.URL(at.vault), at.kind, s.Azure.AuthorityURL(), who.ClientID))
	}
	return text
}
