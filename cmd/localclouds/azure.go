package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/localstack/azureemu"
)

// azurePlace is where the Azure emulator is, and how to get in.
type azurePlace struct {
	URL          string `json:"url"` // of its vault, of the Premium SKU
	HSMURL       string `json:"hsm_url"`
	Addr         string `json:"addr"` // what to dial in place of their names
	AuthorityURL string `json:"authority_url"`
	AdminURL     string `json:"admin_url"`
	Tenant       string `json:"tenant"`
	ClientID     string `json:"client_id"`
	Credentials  string `json:"credentials_file"` // PEM: certificate and private key, made anew at each start
}

func azureFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "listen-azure", Value: "127.0.0.1:0", Usage: "HTTPS `ADDR` of all vaults of the Azure emulator"},
		&cli.StringFlag{Name: "listen-azure-entra", Value: "127.0.0.1:0", Usage: "HTTPS `ADDR` of its token endpoint"},
		&cli.StringFlag{Name: "admin-azure", Value: "127.0.0.1:0", Usage: "its admin `ADDR`"},
	}
}

func azureConfig(c *cli.Context) *azureemu.Config {
	return &azureemu.Config{
		Addr: c.String("listen-azure"), EntraAddr: c.String("listen-azure-entra"), AdminAddr: c.String("admin-azure"),
		PoolDir: c.String("wrapping-keys"), PoolSize: ahead, ReuseWrappingKeys: c.Bool("reuse-wrapping-keys"),
		Settings: azureemu.Settings{Quotas: c.Bool("quotas")},
	}
}

// whereAzure writes the credentials of the principal that may do everything.
func whereAzure(s *azureemu.Server, dir string) (*azurePlace, error) {
	credentials, err := s.Credentials()
	if err != nil {
		return nil, fmt.Errorf("make Azure credentials: %w", err)
	}
	file := filepath.Join(dir, "azure.pem")
	if err := os.WriteFile(file, credentials.CertificatePEM, 0o600); err != nil {
		return nil, fmt.Errorf("write Azure credentials: %w", err)
	}
	return &azurePlace{
		URL: s.URL(azureemu.DefaultPremium), HSMURL: s.URL(azureemu.DefaultPool), Addr: s.Addr(), AuthorityURL: s.AuthorityURL(),
		AdminURL: s.AdminURL(), Tenant: credentials.Tenant, ClientID: credentials.ClientID, Credentials: file,
	}, nil
}

// shell are the variables of the SDKs, and a comment.
func (p *azurePlace) shell(b *strings.Builder) {
	fmt.Fprintf(b, "# Azure Key Vault emulator: %s and %s, both at %s; its admin port is %s\n", p.URL, p.HSMURL, p.Addr, p.AdminURL)
	export(b, []string{
		"AZURE_AUTHORITY_HOST=" + p.AuthorityURL, "AZURE_TENANT_ID=" + p.Tenant, "AZURE_CLIENT_ID=" + p.ClientID,
		"AZURE_CLIENT_CERTIFICATE_PATH=" + p.Credentials,
	})
}

func (p *azurePlace) environment() []string {
	return []string{
		"LOCALCLOUDS_AZURE_URL=" + p.URL, "LOCALCLOUDS_AZURE_HSM_URL=" + p.HSMURL, "LOCALCLOUDS_AZURE_ADDR=" + p.Addr,
		"LOCALCLOUDS_AZURE_AUTHORITY_URL=" + p.AuthorityURL, "LOCALCLOUDS_AZURE_ADMIN_URL=" + p.AdminURL,
		"LOCALCLOUDS_AZURE_TENANT=" + p.Tenant, "LOCALCLOUDS_AZURE_CLIENT_ID=" + p.ClientID, "LOCALCLOUDS_AZURE_CREDENTIALS=" + p.Credentials,
	}
}
