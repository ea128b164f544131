package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/localstack/gcpemu"
)

// googlePlace is where the Google emulator is, and how to get in.
type googlePlace struct {
	URL         string `json:"url"`        // gRPC over TLS
	PlainAddr   string `json:"plain_addr"` // gRPC without
	TokenURL    string `json:"token_url"`
	AdminURL    string `json:"admin_url"`
	Project     string `json:"project"`
	KeyRing     string `json:"key_ring"` // that exists from the start
	Email       string `json:"email"`
	Credentials string `json:"credentials_file"` // key of the service account that may do everything, made anew at each start
}

func googleFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "listen-gcp", Value: "127.0.0.1:0", Usage: "`ADDR` of the Google emulator, gRPC over TLS"},
		&cli.StringFlag{Name: "listen-gcp-plain", Value: "127.0.0.1:0", Usage: "the same without TLS at `ADDR`"},
		&cli.StringFlag{Name: "listen-gcp-token", Value: "127.0.0.1:0", Usage: "HTTPS `ADDR` of its token services"},
		&cli.StringFlag{Name: "admin-gcp", Value: "127.0.0.1:0", Usage: "its admin `ADDR`"},
	}
}

func googleConfig(c *cli.Context) *gcpemu.Config {
	return &gcpemu.Config{
		Addr: c.String("listen-gcp"), PlainAddr: c.String("listen-gcp-plain"), TokenAddr: c.String("listen-gcp-token"), AdminAddr: c.String("admin-gcp"),
		PoolDir: c.String("wrapping-keys"), PoolSize: ahead, ReuseWrappingKeys: c.Bool("reuse-wrapping-keys"),
		Settings: gcpemu.Settings{Quotas: c.Bool("quotas")},
	}
}

// whereGoogle writes the credentials of the service account that may do everything.
func whereGoogle(s *gcpemu.Server, dir string) (*googlePlace, error) {
	credentials, err := s.ServiceAccountJSON()
	if err != nil {
		return nil, fmt.Errorf("make Google credentials: %w", err)
	}
	file := filepath.Join(dir, "gcp.json")
	if err := os.WriteFile(file, credentials, 0o600); err != nil {
		return nil, fmt.Errorf("write Google credentials: %w", err)
	}
	return &googlePlace{
		URL: "https://" + s.Addr(), PlainAddr: s.PlainAddr(), TokenURL: s.TokenURL(), AdminURL: s.AdminURL(),
		Project: s.Project(), KeyRing: gcpemu.DefaultKeyRing, Email: s.Email(), Credentials: file,
	}, nil
}

// shell are the variables of the SDKs, and a comment. They have none for an endpoint.
func (p *googlePlace) shell(b *strings.Builder) {
	fmt.Fprintf(b, "# Google Cloud KMS emulator: gRPC at %s, key ring %s; its admin port is %s\n", p.URL, p.KeyRing, p.AdminURL)
	export(b, []string{"GOOGLE_APPLICATION_CREDENTIALS=" + p.Credentials, "GOOGLE_CLOUD_PROJECT=" + p.Project})
}

func (p *googlePlace) environment() []string {
	return []string{
		"LOCALCLOUDS_GCP_URL=" + p.URL, "LOCALCLOUDS_GCP_PLAIN_ADDR=" + p.PlainAddr, "LOCALCLOUDS_GCP_TOKEN_URL=" + p.TokenURL,
		"LOCALCLOUDS_GCP_ADMIN_URL=" + p.AdminURL, "LOCALCLOUDS_GCP_KEY_RING=" + p.KeyRing, "LOCALCLOUDS_GCP_EMAIL=" + p.Email,
		"LOCALCLOUDS_GCP_CREDENTIALS=" + p.Credentials,
	}
}
