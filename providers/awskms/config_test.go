package awskms_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/awskms"
)

func base() awskms.Config {
	return awskms.Config{Account: account, Region: region, Now: time.Now}
}

// TestConfigNamesTheField: each mistake is Misuse, and says which field is wrong.
func TestConfigNamesTheField(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*awskms.Config){
		"account":            func(c *awskms.Config) { c.Account = "12" },
		"region":             func(c *awskms.Config) { c.Region = "mars" },
		"now":                func(c *awskms.Config) { c.Now = nil },
		"wrapping key bits":  func(c *awskms.Config) { c.WrappingKeyBits = 1024 },
		"deletion window":    func(c *awskms.Config) { c.DeletionWindow = 6 * 24 * time.Hour },
		"whole days":         func(c *awskms.Config) { c.DeletionWindow = 8*24*time.Hour + time.Hour },
		"not in account":     func(c *awskms.Config) { c.RoleARN = "arn:aws:iam::" + other + ":role/x" },
		"role":               func(c *awskms.Config) { c.RoleARN = "x" },
		`parse "y"`:          func(c *awskms.Config) { c.RoleARN, c.ProofRoleARN = "arn:aws:iam::"+account+":role/x", "y" },
		"role/prover is not": func(c *awskms.Config) { c.ProofRoleARN = "arn:aws:iam::" + other + ":role/prover" },
		"parts nothing": func(c *awskms.Config) {
			c.RoleARN, c.ProofRoleARN = "arn:aws:iam::"+account+":role/x", "arn:aws:iam::"+account+":role/x"
		},
		"primary region":    func(c *awskms.Config) { c.PrimaryRegion = "mars" },
		"both are":          func(c *awskms.Config) { c.PrimaryRegion = region },
		"another partition": func(c *awskms.Config) { c.PrimaryRegion = "cn-north-1" },
		"no replicas":       func(c *awskms.Config) { c.PrimaryRegion, c.Replicated = there, true },
		"and no region":     func(c *awskms.Config) { c.PrimaryEndpoint = "https://kms.us-east-1.amazonaws.com" },
		"endpoint for us-": func(c *awskms.Config) {
			c.PrimaryRegion, c.PrimaryEndpoint, c.Production = there, "https://kms.example.org", true
		},
		"proxy":               func(c *awskms.Config) { c.Proxy = "proxy" },
		"more than scheme":    func(c *awskms.Config) { c.Endpoint = "https://host/path" },
		"not a URL like":      func(c *awskms.Config) { c.Endpoint = "ftp://host" },
		"production requires": func(c *awskms.Config) { c.Endpoint, c.Production = "https://kms.example.org", true },
		"which production":    func(c *awskms.Config) { c.STSEndpoint, c.Production = "http://sts.eu-west-1.amazonaws.com", true },
		"no certificate":      func(c *awskms.Config) { c.CAFile = empty },
		"read CA file":        func(c *awskms.Config) { c.CAFile = empty + "x" },
		"parse JSON":          func(c *awskms.Config) { c.KeyPolicy = "{" },
		"something follows":   func(c *awskms.Config) { c.KeyPolicy = "{} {}" },
	} {
		c := base()
		change(&c)
		_, err := awskms.Open(t.Context(), c)
		if !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestGenuine: production needs one of AWS's hosts for KMS in the region, by TLS
// under the system's roots.
func TestGenuine(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]bool{
		"":                                     true,
		"https://kms.eu-west-1.amazonaws.com":  true,
		"https://KMS.eu-west-1.amazonaws.com.": true,
		"https://kms-fips.eu-west-1.amazonaws.com":                true,
		"https://kms.eu-west-1.api.aws":                           true,
		"https://vpce-0a1b-2c3d.kms.eu-west-1.vpce.amazonaws.com": true,
		"http://kms.eu-west-1.amazonaws.com":                      false,
		"https://kms.us-east-1.amazonaws.com":                     false,
		"https://kms.eu-west-1.amazonaws.com.evil.example":        false,
		"https://evilkms.eu-west-1.amazonaws.com":                 false,
		"https://abc.execute-api.eu-west-1.amazonaws.com":         false,
		"https://bucket.s3.eu-west-1.amazonaws.com":               false,
		"https://kms.cn-north-1.amazonaws.com.cn":                 false,
		"https://127.0.0.1:4566":                                  false,
	} {
		c := base()
		c.Endpoint = endpoint
		p, err := awskms.Open(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", endpoint, err)
			continue
		}
		if p.Genuine() != want {
			t.Errorf("%q is genuine: %v", endpoint, p.Genuine())
		}
		c.Production = true
		if _, err := awskms.Open(t.Context(), c); (err == nil) != want {
			t.Errorf("%q in production: %v", endpoint, err)
		}
	}
}

// TestGenuineInBothRegions: a chosen endpoint for the primary's region is one too.
func TestGenuineInBothRegions(t *testing.T) {
	t.Parallel()
	for endpoint, want := range map[string]bool{"": true, "https://kms.us-east-1.amazonaws.com": true, "https://kms.example.org": false} {
		c := base()
		c.PrimaryRegion, c.PrimaryEndpoint = there, endpoint
		p, err := awskms.Open(t.Context(), c)
		if err != nil || p.Genuine() != want {
			t.Errorf("%q: %v", endpoint, err)
		}
	}
}

// TestPartitions have hosts and key specs of their own.
func TestPartitions(t *testing.T) {
	t.Parallel()
	for where, host := range map[string]string{
		"eu-west-1": "kms.eu-west-1.amazonaws.com", "cn-north-1": "kms.cn-north-1.amazonaws.com.cn",
		"us-gov-west-1": "kms-fips.us-gov-west-1.amazonaws.com", "eusc-de-east-1": "kms.eusc-de-east-1.amazonaws.eu",
		"us-iso-east-1": "kms.us-iso-east-1.c2s.ic.gov", "us-isob-east-1": "kms.us-isob-east-1.sc2s.sgov.gov",
	} {
		c := base()
		c.Region, c.Endpoint, c.Production = where, "https://"+host, true
		p, err := awskms.Open(t.Context(), c)
		if err != nil {
			t.Errorf("%s: %v", where, err)
			continue
		}
		caps := p.Capabilities()
		chinese := where == "cn-north-1"
		if caps.Takes(broker.AES256, broker.Encrypt) == chinese || caps.Takes(broker.RSA3072, broker.Sign) == chinese {
			t.Errorf("%s takes AES-256 or RSA wrongly", where)
		}
		if !caps.Takes(broker.ECP256, broker.Sign) || chinese && !caps.Specs[broker.ECP256].Mechanisms[0].Direct() {
			t.Errorf("%s: EC by %v", where, caps.Specs[broker.ECP256].Mechanisms)
		}
	}
}

func TestSmallWrappingKeysLeaveP521OutOfOAEP(t *testing.T) {
	t.Parallel()
	c := base()
	c.WrappingKeyBits = 2048
	p, err := awskms.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range p.Capabilities().Specs[broker.ECP521].Mechanisms {
		if m.Direct() {
			t.Errorf("P-521 by %s under RSA-2048", m)
		}
	}
}

// TestEnvironmentDoesNotCount: what the SDK would take from its environment and
// files leads nowhere; credentials from there do count.
func TestEnvironmentDoesNotCount(t *testing.T) {
	trap := newScript(t, failing(http.StatusBadRequest, "AccessDeniedException", "trapped"))
	e := emulate(t, nil)
	key := e.server.Credentials()
	file := filepath.Join(t.TempDir(), "config")
	content := "[default]\nregion = us-east-1\nendpoint_url = " + trap.URL + "\nca_bundle = /does/not/exist\nservices = s\n" +
		"[services s]\nkms =\n  endpoint_url = " + trap.URL + "\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": trap.URL, "AWS_ENDPOINT_URL_KMS": trap.URL, "AWS_ENDPOINT_URL_STS": trap.URL,
		"AWS_CA_BUNDLE": "/does/not/exist", "HTTP_PROXY": trap.URL, "HTTPS_PROXY": trap.URL, "AWS_REGION": "us-east-1",
		"AWS_CONFIG_FILE": file, "AWS_ACCESS_KEY_ID": key.ID, "AWS_SECRET_ACCESS_KEY": key.Secret, "AWS_SESSION_TOKEN": key.Session,
		"AWS_USE_FIPS_ENDPOINT": "true", "AWS_MAX_ATTEMPTS": "9",
	} {
		t.Setenv(name, value)
	}
	p := adapter(t, e.server.URL(), func(c *awskms.Config) { c.Credentials = nil })
	if err := prepare(t, p); err != nil {
		t.Errorf("prepare: %v", err)
	}
	id, err := p.Identify(t.Context())
	if err != nil || id.Account != account {
		t.Errorf("identify: %v, %v", id, err)
	}
	if asked := trap.asked(); len(asked) > 0 {
		t.Errorf("the environment was followed: %v", asked)
	}
}

// TestChainReachesOnlyAWS: an endpoint in the environment cannot draw the token of
// a workload to it.
func TestChainReachesOnlyAWS(t *testing.T) {
	trap := newScript(t, failing(http.StatusBadRequest, "AccessDenied", "trapped"))
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("a.b.c"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_STS": strings.Replace(trap.URL, "127.0.0.1", "keyferry.test", 1), "AWS_WEB_IDENTITY_TOKEN_FILE": token,
		"AWS_ROLE_ARN": "arn:aws:iam::" + account + ":role/x", "AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "",
		"AWS_CONFIG_FILE": "/does/not/exist", "AWS_SHARED_CREDENTIALS_FILE": "/does/not/exist",
	} {
		t.Setenv(name, value)
	}
	p := adapter(t, emulate(t, nil).server.URL(), func(c *awskms.Config) { c.Credentials = nil })
	err := prepare(t, p)
	if err == nil || !strings.Contains(err.Error(), "not AWS's") {
		t.Errorf("prepare: %v", err)
	}
	if asked := trap.asked(); len(asked) > 0 {
		t.Errorf("the token went to %v", asked)
	}
}
