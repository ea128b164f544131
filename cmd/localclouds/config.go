package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The files that --out adds to CA and credentials.
const (
	exportsFile = "exports"      // what a shell can read
	configFile  = "targets.yaml" // the part of a keyferry.yaml that names these clouds
)

// write puts what a person needs to use the clouds beside their credentials.
func (p place) write(dir string) error {
	for name, text := range map[string]string{exportsFile: p.shell(), configFile: p.config()} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

// config is the part of a keyferry.yaml that names these clouds, and policies for
// them. What keyferry init writes has the rest.
func (p place) config() string {
	var b strings.Builder
	b.WriteString("\n# The emulators of localclouds, for as long as they run. The aws target needs AWS_ACCESS_KEY_ID and\n" +
		"# AWS_SECRET_ACCESS_KEY, which are in the file " + exportsFile + " beside this one.\ntargets:\n")
	target(&b, "aws", "aws", "account", p.Account, "region", p.Region, "endpoint", p.TLSURL, "ca_file", p.CAFile)
	if p.LocalStack != "" {
		target(&b, "localstack", "aws", "account", p.LocalStackAccount, "region", p.Region, "endpoint", p.LocalStack)
	}
	ring := strings.Split(p.Google.KeyRing, "/") // projects/P/locations/L/keyRings/R
	target(&b, "google", "gcp", "project", p.Google.Project, "location", ring[3], "ring", ring[5], "endpoint", p.Google.URL,
		"token_endpoint", p.Google.TokenURL, "credentials_file", p.Google.Credentials, "ca_file", p.CAFile)
	b.WriteString("    sole_writer: true\n")
	p.azure(&b, "vault", "vault", p.Azure.URL)
	p.azure(&b, "pool", "managed-hsm", p.Azure.HSMURL)
	b.WriteString("\npolicies:\n" +
		"  - {name: signing, spec: ec-p384, targets: [aws, google, vault, pool], owner: legal}\n" +
		"  - {name: data, spec: aes-256, targets: [aws, google, pool], owner: payments}\n" +
		"  - {name: authentication, spec: hmac-256, targets: [aws, google], owner: web}\n")
	return b.String()
}

func (p place) azure(b *strings.Builder, name, kind, vault string) {
	target(b, name, "azure", "tenant", p.Azure.Tenant, "vault", vault, "kind", kind, "authority", p.Azure.AuthorityURL, "ca_file", p.CAFile)
	fmt.Fprintf(b, "    credentials: {kind: certificate, client_id: %q, certificate_file: %q}\n", p.Azure.ClientID, p.Azure.Credentials)
}

// target writes one, with its fields as pairs of name and value. What an emulator
// does shows at once.
func target(b *strings.Builder, name, provider string, fields ...string) {
	fmt.Fprintf(b, "  - name: %s\n    provider: %s\n    environment: test\n", name, provider)
	for field := range slices.Chunk(fields, 2) {
		fmt.Fprintf(b, "    %s: %q\n", field[0], field[1])
	}
	b.WriteString("    settle: 5s\n    poll: 1s\n")
}
