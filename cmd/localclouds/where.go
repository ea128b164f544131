package main

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/localstack"
)

// place is where the clouds are and how to get in. The secret is that of a test
// key, made anew at each start.
type place struct {
	URL               string  `json:"url"`
	TLSURL            string  `json:"tls_url"`
	AdminURL          string  `json:"admin_url"`
	CAFile            string  `json:"ca_file"`
	Account           string  `json:"account"`
	Region            string  `json:"region"` // any region will do; this one is for exports
	AccessKeyID       string  `json:"access_key_id"`
	SecretAccessKey   string  `json:"secret_access_key"`
	ReadyMilliseconds float64 `json:"ready_ms"` // what the emulators took

	Azure  *azurePlace  `json:"azure"`
	Google *googlePlace `json:"google"`

	LocalStack        string `json:"localstack,omitempty"`
	LocalStackVersion string `json:"localstack_version,omitempty"`
	LocalStackAccount string `json:"localstack_account,omitempty"`
}

// files are those that others read: where they go.
type files struct{ ca, credentials string }

// where writes the credentials and says where everything is.
func where(c *localstack.Clouds, into files) (place, error) {
	for _, path := range []*string{&into.ca, &into.credentials} {
		if abs, err := filepath.Abs(*path); err == nil {
			*path = abs
		}
	}
	key := c.AWS.Credentials()
	p := place{
		URL: c.AWS.URL(), TLSURL: c.AWS.TLSURL(), AdminURL: c.AWS.AdminURL(), CAFile: into.ca, Account: c.AWS.Account(), Region: "eu-central-1",
		AccessKeyID: key.ID, SecretAccessKey: key.Secret, ReadyMilliseconds: float64(c.Ready.Microseconds()) / 1e3,
	}
	if c.LocalStack != nil {
		p.LocalStack, p.LocalStackVersion, p.LocalStackAccount = c.LocalStack.Endpoint, c.LocalStack.Version, localstack.Account
	}
	var err error
	if p.Google, err = whereGoogle(c.Google, into.credentials); err != nil {
		return p, err
	}
	p.Azure, err = whereAzure(c.Azure, into.credentials)
	return p, err
}

// print writes p as one line of JSON, or as what a shell can read.
func (p place) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return json.NewEncoder(w).Encode(p)
	}
	_, err := io.WriteString(w, p.shell())
	return err
}

func (p place) shell() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# AWS KMS emulator, ready in %.1f ms. Account %s, any region; its admin port is %s\n", p.ReadyMilliseconds, p.Account, p.AdminURL)
	export(&b, []string{
		"AWS_ENDPOINT_URL_KMS=" + p.URL, "AWS_ENDPOINT_URL_STS=" + p.URL, "AWS_REGION=" + p.Region, "AWS_DEFAULT_REGION=" + p.Region,
		"AWS_ACCESS_KEY_ID=" + p.AccessKeyID, "AWS_SECRET_ACCESS_KEY=" + p.SecretAccessKey,
	})
	p.Google.shell(&b)
	p.Azure.shell(&b)
	if p.LocalStack != "" {
		fmt.Fprintf(&b, "# LocalStack %s, account %s, any region, any credentials\n", p.LocalStackVersion, p.LocalStackAccount)
	}
	export(&b, p.environment())
	b.WriteString("# ^C stops everything\n")
	return b.String()
}

// environment is what a command gets. The SDKs' own variables are not in it: they
// would lead tests astray that look at how those are handled.
func (p place) environment() []string {
	env := []string{
		"LOCALCLOUDS_AWS_URL=" + p.URL, "LOCALCLOUDS_AWS_TLS_URL=" + p.TLSURL, "LOCALCLOUDS_AWS_ADMIN_URL=" + p.AdminURL,
		"LOCALCLOUDS_CA_FILE=" + p.CAFile,
	}
	env = slices.Concat(env, p.Google.environment(), p.Azure.environment())
	if p.LocalStack != "" {
		env = append(env, localstack.EndpointVariable+"="+p.LocalStack)
	}
	return env
}

// export writes variables for a shell, quoted where they need it.
func export(b *strings.Builder, variables []string) {
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		if strings.ContainsAny(value, " \t\n'\"\\$`&|;()<>*?[]#~!") {
			value = "'" + strings.ReplaceAll(value, "'", `'\''`) + "'"
		}
		fmt.Fprintf(b, "export %s=%s\n", name, value)
	}
}
