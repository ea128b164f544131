package azurekv_test

import (
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/providers/azurekv"
)

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func authorityPEM(t *testing.T) []byte {
	t.Helper()
	ca, err := emu.NewAuthority(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return ca.PEM()
}

const client = "22222222-3333-4444-5555-666666666666"

// TestConfigNamesTheField: each mistake is Misuse, and says which field is wrong.
func TestConfigNamesTheField(t *testing.T) {
	t.Parallel()
	empty := write(t, "empty.pem", nil)
	certificate := func(c *azurekv.Config) *azurekv.Credentials {
		c.Credentials = azurekv.Credentials{Kind: azurekv.Certificate, ClientID: client, CertificateFile: empty}
		return &c.Credentials
	}
	for want, change := range map[string]func(*azurekv.Config){
		`tenant "12"`:            func(c *azurekv.Config) { c.Tenant = "12" },
		`tenant "contoso`:        func(c *azurekv.Config) { c.Tenant = "contoso.onmicrosoft.com" },
		"kind":                   func(c *azurekv.Config) { c.Kind = "premium" },
		"protection":             func(c *azurekv.Config) { c.Protection = "none" },
		"nothing in software":    func(c *azurekv.Config) { c.Kind, c.Protection = azurekv.ManagedHSM, azurekv.Software },
		"clock":                  func(c *azurekv.Config) { c.Now = nil },
		"1024 bits":              func(c *azurekv.Config) { c.WrappingKeyBits = 1024 },
		"life of 47h":            func(c *azurekv.Config) { c.KEKValidFor = 47 * time.Hour },
		"life of 17544h":         func(c *azurekv.Config) { c.KEKValidFor = 731 * 24 * time.Hour },
		"life of 72h0m0.5s":      func(c *azurekv.Config) { c.KEKValidFor = 72*time.Hour + time.Second/2 },
		`vault ""`:               func(c *azurekv.Config) { c.VaultURL = "" },
		`vault "http:`:           func(c *azurekv.Config) { c.VaultURL = "http://payments.vault.azure.net" },
		`net/keys" is not`:       func(c *azurekv.Config) { c.VaultURL = "https://payments.vault.azure.net/keys" },
		`net?x" is not`:          func(c *azurekv.Config) { c.VaultURL = "https://payments.vault.azure.net?x" },
		`vault "https://a:b@`:    func(c *azurekv.Config) { c.VaultURL = "https://a:b@payments.vault.azure.net" },
		"authority":              func(c *azurekv.Config) { c.Authority = "https://login.microsoftonline.com/common" },
		"proxy":                  func(c *azurekv.Config) { c.Proxy = "proxy" },
		"a CA file and a pool":   func(c *azurekv.Config) { c.CAPEM, c.RootCAs = []byte("x"), x509.NewCertPool() },
		"no certificate":         func(c *azurekv.Config) { c.CAFile = empty },
		"read CA file":           func(c *azurekv.Config) { c.CAFile = empty + "x" },
		"credentials: kind":      func(c *azurekv.Config) { c.Credentials = azurekv.Credentials{Kind: "password"} },
		"takes nothing else":     func(c *azurekv.Config) { c.Credentials = azurekv.Credentials{ClientID: client} },
		"certificate needs a cl": func(c *azurekv.Config) { certificate(c).ClientID = "" },
		"needs a certificate":    func(c *azurekv.Config) { certificate(c).CertificateFile = "" },
		"read certificate: open": func(c *azurekv.Config) { certificate(c).CertificateFile += "x" },
		"read certificate: ":     func(c *azurekv.Config) { certificate(c) },
		"identity needs a cl":    func(c *azurekv.Config) { c.Credentials = azurekv.Credentials{Kind: azurekv.WorkloadIdentity} },
		"proof credentials: ":    func(c *azurekv.Config) { c.ProofCredentials = &azurekv.Credentials{Kind: "password"} },
		"parts nothing": func(c *azurekv.Config) {
			c.ProofCredentials = &azurekv.Credentials{Kind: azurekv.ManagedIdentity, ClientID: client}
			c.Credentials = *c.ProofCredentials
		},
		"production requires": func(c *azurekv.Config) { c.VaultURL, c.Production = "https://vault.example.org", true },
		"cloud's authority":   func(c *azurekv.Config) { c.Authority, c.Production = "https://login.example.org", true },
		"for its kind":        func(c *azurekv.Config) { c.Kind, c.Production = azurekv.ManagedHSM, true },
	} {
		c := base()
		change(&c)
		p, err := azurekv.Open(c)
		if err == nil {
			p.Close()
		}
		if !errors.Is(err, broker.Misuse) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

// TestGenuine: Azure's own hosts, of the kind, with their cloud's authority and the
// system's roots.
func TestGenuine(t *testing.T) {
	t.Parallel()
	for _, x := range []struct {
		vault, kind, authority string
		want                   bool
	}{
		{"https://payments.vault.azure.net", azurekv.Vault, "", true},
		{"https://PAYMENTS.Vault.azure.net:443/", azurekv.Vault, "", true},
		{"https://payments.vault.azure.cn", azurekv.Vault, "", true},
		{"https://payments.vault.usgovcloudapi.net", azurekv.Vault, "https://login.microsoftonline.us", true},
		{"https://payments.managedhsm.azure.net", azurekv.ManagedHSM, "https://login.microsoftonline.com/", true},
		{"https://payments.managedhsm.azure.cn", azurekv.ManagedHSM, "", true},
		{"https://payments.managedhsm.usgovcloudapi.net", azurekv.ManagedHSM, "", true},
		{"https://payments.managedhsm.azure.net", azurekv.Vault, "", false},
		{"https://payments.vault.azure.net", azurekv.ManagedHSM, "", false},
		{"https://payments.vault.azure.net", azurekv.Vault, "https://login.microsoftonline.us", false},
		{"https://payments.vault.azure.net", azurekv.Vault, "https://localhost:8443", false},
		{"https://payments.vault.azure.net:8443", azurekv.Vault, "", false},
		{"https://vault.azure.net", azurekv.Vault, "", false},
		{"https://a.payments.vault.azure.net", azurekv.Vault, "", false},
		{"https://payments.vault.azure.net.evil.example", azurekv.Vault, "", false},
		{"https://payments-vault.azure.net", azurekv.Vault, "", false},
		{"https://premium.vault.localhost:8443", azurekv.Vault, "", false},
	} {
		c := base()
		c.VaultURL, c.Kind, c.Authority = x.vault, x.kind, x.authority
		if p := open(t, c); p.Genuine() != x.want {
			t.Errorf("%+v is genuine: %v", x, p.Genuine())
		}
		c.Production = true
		if p, err := azurekv.Open(c); (err == nil) != x.want {
			t.Errorf("%+v in production: %v", x, err)
		} else if err == nil {
			p.Close()
		}
	}
	c := base()
	c.CAPEM = authorityPEM(t)
	if open(t, c).Genuine() {
		t.Error("under a CA of one's own it is genuine")
	}
}

// TestCapabilities are those of the kind.
func TestCapabilities(t *testing.T) {
	t.Parallel()
	for kind, x := range map[string]struct {
		service string
		aes     bool
	}{azurekv.Vault: {"Azure Key Vault", false}, azurekv.ManagedHSM: {"Azure Managed HSM", true}} {
		c := base()
		c.Kind = kind
		caps := open(t, c).Capabilities()
		if caps.Service != x.service || caps.SoftwareProtected || caps.Tags.Max != 9 || caps.Consumer != "{name}" {
			t.Errorf("%s: %+v", kind, caps)
		}
		for _, s := range []broker.KeySpec{broker.AES128, broker.AES256} {
			if caps.Takes(s, broker.Encrypt) != x.aes || caps.Takes(s, broker.RawEncrypt) {
				t.Errorf("%s takes %s: %v", kind, s, caps.Specs[s])
			}
			if why := caps.Specs[s].Unsupported; !x.aes && (!strings.Contains(why, "Managed HSM") || !strings.Contains(why, "RSA")) {
				t.Errorf("%s does not say what to do instead: %q", kind, why)
			}
		}
		for _, s := range []broker.KeySpec{broker.HMAC256, broker.Ed25519, broker.Secp256k1} {
			if caps.Specs[s].Unsupported == "" || len(caps.Specs[s].Mechanisms) > 0 {
				t.Errorf("%s: %s: %+v", kind, s, caps.Specs[s])
			}
		}
		for _, s := range []broker.KeySpec{broker.RSA2048, broker.RSA3072, broker.RSA4096, broker.ECP256, broker.ECP384, broker.ECP521} {
			if !caps.Takes(s, broker.Sign) || caps.Takes(s, broker.Agree) || !slices.Equal(caps.Specs[s].Mechanisms, []broker.Mechanism{broker.KWPSHA1}) {
				t.Errorf("%s: %s: %+v", kind, s, caps.Specs[s])
			}
		}
	}
	c := base()
	c.Protection = azurekv.Software
	if !open(t, c).Capabilities().SoftwareProtected {
		t.Error("it does not say that keys are kept in software")
	}
}
