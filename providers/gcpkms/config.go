package gcpkms

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"os"
	"time"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
	"github.com/keyferry/keyferry/providers/internal/prices"
	"github.com/keyferry/keyferry/providers/pace"
)

// Config is one enrolled target: a key ring. Project, Location, Ring and Now are
// required; the zero value of everything else works.
type Config struct {
	Project  string // id, not number
	Location string // "europe-west3", "eur4", "global"
	Ring     string // id of the key ring, which must be there

	// Protection is the level of every key: "hsm", which "" is too, or "software".
	Protection string

	// CredentialsFile, or its text CredentialsJSON, replaces the application default
	// credentials: a service account, an impersonated one, an external account
	// (workload identity), or a gcloud user. A file is read once, when the provider
	// is opened.
	CredentialsFile string
	CredentialsJSON []byte
	// Impersonate is a service account that everything is done as; ProofImpersonate
	// one that proofs are asked for as, "" the same as everything else.
	Impersonate, ProofImpersonate string
	QuotaProject                  string // billed for quota; "" the one in the credentials, if any
	// Tokens replaces all credentials.
	Tokens auth.TokenProvider

	// Endpoint is where KMS is: "" is Google's own, else a URL without a path: a
	// regional or private endpoint, an emulator. Plain http is for loopback only.
	Endpoint string
	// TokenEndpoint is where tokens are asked for instead of Google's services: a
	// URL without a path, of an emulator. An endpoint that is not Google's needs one,
	// and a credentials file made for it: what Google believes goes to Google alone.
	TokenEndpoint string
	// CAFile, its text CAPEM, or RootCAs replaces the system's roots, for both
	// endpoints. A file is read once, when the provider is opened.
	CAFile  string
	CAPEM   []byte
	RootCAs *x509.CertPool
	Proxy   string // URL of an HTTP proxy; "" none, whatever the environment says
	// Production refuses an endpoint that is not genuinely Google's.
	Production bool

	// SoleWriter is somebody's word that nobody else imports into this ring.
	SoleWriter      bool
	WrappingKeyBits int           // 3072 or 4096; 0 is 4096
	DeletionWindow  time.Duration // of keys that are made: 24 hours to 120 days, whole seconds; 0 is 30 days
	// Settle is how long a change may take to show, Poll how often to look; 0 is 2
	// minutes and 1 second.
	Settle, Poll time.Duration

	// Quotas are figures a second for the project's own, by the name of a quota, where
	// they are not Google's usual ones (broker.Quotas).
	Quotas map[string]float64
	// Pace is what has been called in the project and location: calls wait for its
	// quotas. nil lets them go at once.
	Pace *pace.Place

	Now func() time.Time

	prices prices.Prices // read when it is opened
}

// Protection levels of Config.
const (
	HSM      = "hsm"
	Software = "software"
)

// Bounds of a key's destroy_scheduled_duration ("Destroy and restore key versions").
const (
	day           = 24 * time.Hour
	minWindow     = day
	maxWindow     = 120 * day
	defaultWindow = 30 * day
)

// withDefaults fills in what was left out.
func (c Config) withDefaults() Config {
	c.Protection = cmp.Or(c.Protection, HSM)
	c.WrappingKeyBits = cmp.Or(c.WrappingKeyBits, 4096)
	c.DeletionWindow = cmp.Or(c.DeletionWindow, defaultWindow)
	c.Settle = cmp.Or(c.Settle, 2*time.Minute)
	c.Poll = cmp.Or(c.Poll, time.Second)
	return c
}

// Shapes of what Config names. A project is named by its id, because that is what
// Google's answers name.
var (
	projectShape  = lazyregexp.New(`^([a-z][a-z0-9.-]*:)?[a-z][a-z0-9-]{4,28}[a-z0-9]$`)
	locationShape = lazyregexp.New(`^[a-z][a-z0-9-]{1,62}$`)
	accountShape  = lazyregexp.New(`^[a-zA-Z0-9._-]+@[a-zA-Z0-9.-]+$`)
)

// check names the field that is wrong; its errors are Misuse.
func (c Config) check() error {
	refuse := func(field, format string, args ...any) error {
		return c.misuse(fmt.Errorf(field+": "+format, args...))
	}
	switch {
	case !projectShape().MatchString(c.Project):
		return refuse("project", "%q is not the id of a project", c.Project)
	case !locationShape().MatchString(c.Location):
		return refuse("location", "%q is not the name of a location", c.Location)
	case !idShape().MatchString(c.Ring):
		return refuse("ring", "%q is not the id of a key ring", c.Ring)
	case c.Now == nil:
		return refuse("now", "a clock is required")
	case c.Protection != HSM && c.Protection != Software:
		return refuse("protection", "%q is neither %s nor %s", c.Protection, HSM, Software)
	case c.WrappingKeyBits != 3072 && c.WrappingKeyBits != 4096:
		return refuse("wrapping key bits", "%d is neither 3072 nor 4096", c.WrappingKeyBits)
	case (c.CAFile != "" || len(c.CAPEM) > 0) && c.RootCAs != nil:
		return refuse("ca", "a file and a pool exclude each other")
	case checkWindow(c.DeletionWindow) != nil:
		return refuse("deletion window", "%w", checkWindow(c.DeletionWindow))
	}
	if u, err := endpoint.ParseProxy(c.Proxy); err != nil {
		return refuse("proxy", "%w", err)
	} else if u != nil && u.Scheme != "http" {
		return refuse("proxy", "it is not a URL like http://host:port")
	}
	if err := c.checkEndpoints(); err != nil {
		return refuse("endpoint", "%w", err)
	}
	if err := c.checkPrincipals(); err != nil {
		return refuse("credentials", "%w", err)
	}
	return nil
}

func (c Config) misuse(cause error) error {
	return &broker.Error{Kind: broker.Misuse, Op: "open Google target", Object: c.ring(), Cause: cause}
}

// checkWindow refuses a waiting period that no key can have.
func checkWindow(d time.Duration) error {
	if d < minWindow || d > maxWindow || d%time.Second != 0 {
		return fmt.Errorf("%s is not whole seconds from 24 hours to 120 days", d)
	}
	return nil
}

func (c Config) checkPrincipals() error {
	for _, account := range []string{c.Impersonate, c.ProofImpersonate} {
		if account != "" && !accountShape().MatchString(account) {
			return fmt.Errorf("impersonate: %q is not the address of a service account", account)
		}
	}
	file := c.CredentialsFile != "" || len(c.CredentialsJSON) > 0
	switch {
	case c.Tokens != nil && (file || c.Impersonate != "" || c.ProofImpersonate != ""):
		return fmt.Errorf("a source of tokens, and a file or impersonation, exclude each other")
	case c.Tokens != nil:
		return nil
	case c.TokenEndpoint == "" && !genuine(c.Endpoint, c.Location):
		return fmt.Errorf("the endpoint is not Google's, and no token of Google's is sent to anybody else: name its token endpoint")
	case c.TokenEndpoint != "" && !file:
		return fmt.Errorf("application default credentials are for Google, and are not sent to another token endpoint: name a credentials file for it")
	}
	return nil
}

// withFiles is the config with the texts of its files.
func (c Config) withFiles() (Config, error) {
	for _, f := range []struct {
		what, name string
		text       *[]byte
	}{
		{"CA file", c.CAFile, &c.CAPEM},
		{"credentials file", c.CredentialsFile, &c.CredentialsJSON},
	} {
		if f.name == "" || len(*f.text) > 0 {
			continue
		}
		var err error
		if *f.text, err = os.ReadFile(f.name); err != nil {
			return c, fmt.Errorf("read %s: %w", f.what, err)
		}
	}
	return c, nil
}

// level is the protection in Google's words.
func (c Config) level() kmspb.ProtectionLevel {
	if c.Protection == Software {
		return kmspb.ProtectionLevel_SOFTWARE
	}
	return kmspb.ProtectionLevel_HSM
}
