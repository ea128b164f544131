package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/keyferry/keyferry/localstack/azureemu"
)

const region = "eu-central-1"

// configure writes the config, the credentials, and the environment of each run.
func (s *site) configure(w wish) error {
	azure, err := s.azure.Credentials()
	if err != nil {
		return fmt.Errorf("make credentials: %w", err)
	}
	google, err := s.gcp.ServiceAccountJSON()
	if err != nil {
		return fmt.Errorf("make credentials: %w", err)
	}
	for path, text := range map[string][]byte{
		"google.json": google, "azure.pem": azure.CertificatePEM, "keyferry.yaml": []byte(s.config(w, azure)),
	} {
		if err := os.WriteFile(filepath.Join(s.dir, path), text, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", path, err)
		}
	}
	key := s.aws.Credentials()
	s.env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + s.dir, "KEYFERRY_CONFIG=" + filepath.Join(s.dir, "keyferry.yaml"),
		"AWS_ACCESS_KEY_ID=" + key.ID, "AWS_SECRET_ACCESS_KEY=" + key.Secret, "AWS_EC2_METADATA_DISABLED=true",
	}, s.token.Env...)
	return nil
}

func (s *site) config(w wish, azure azureemu.Credentials) string {
	const common = "    environment: test\n    ca_file: ca.pem\n    settle: 1s\n    poll: 1s\n"
	retain := w.retain
	if retain == "" {
		retain = "token"
	}
	return fmt.Sprintf(`store: keyferry.db
token: {name: hsm, module: %s, label: bench, environment: test, pin: {file: %s}, cache: .}
policies:
  - {name: plain, retain: %s}
targets:
  - name: aws
    provider: aws
    account: "%s"
    region: %s
    endpoint: %s
    wrapping_key: rsa-%d
%s%s  - name: gcp
    provider: gcp
    project: %s
    location: europe-west3
    ring: keyferry
    endpoint: https://%s
    token_endpoint: %s
    credentials_file: google.json
    sole_writer: true
    quotas: {all: 100000}
%s  - name: pool
    provider: azure
    tenant: %s
    vault: %s
    kind: managed-hsm
    authority: %s
    credentials: {kind: certificate, client_id: %s, certificate_file: azure.pem}
    quotas: {all: 100000}
%s`, s.token.Module, s.token.PINFile, retain, s.aws.Account(), region, s.aws.TLSURL(), first(w.bits, 2048), common, quotas(w.quotas),
		s.gcp.Project(), s.gcp.Addr(), s.gcp.TokenURL(), common,
		azure.Tenant, s.azure.URL(azureemu.DefaultPool), s.azure.AuthorityURL(), azure.ClientID, common)
}

// quotas of a target, as the config has them; where none are named, none are felt.
func quotas(of map[string]float64) string {
	if len(of) == 0 {
		of = map[string]float64{"all": 100000}
	}
	var lines []string
	for call, perSecond := range of {
		lines = append(lines, fmt.Sprintf("      %s: %g\n", call, perSecond))
	}
	sort.Strings(lines)
	return "    quotas:\n" + strings.Join(lines, "")
}
