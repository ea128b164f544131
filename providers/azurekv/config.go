package azurekv

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// Kinds of Config.
const (
	Vault      = "vault"
	ManagedHSM = "managed-hsm"
)

// Protection levels of Config.
const (
	HSM      = "hsm"
	Software = "software"
)

const day = 24 * time.Hour

// Config is one enrolled target: a vault. Tenant, VaultURL and Now are required; the
// zero value of everything else works.
type Config struct {
	Tenant   string // id of the tenant that vault and credentials belong to
	VaultURL string // https://NAME.vault.azure.net or https://NAME.managedhsm.azure.net
	Kind     string // Vault, which "" is too, or ManagedHSM

	// Protection is where keys are kept: HSM, which "" is too, or Software.
	Protection string

	// KEKValidFor is the life of the KEKs that are made; 0 is 30 days.
	KEKValidFor     time.Duration
	WrappingKeyBits int // of those: 2048, 3072 or 4096; 0 is 4096

	Credentials Credentials
	// ProofCredentials ask for proofs; nil are the same.
	ProofCredentials *Credentials

	// Authority is where tokens are asked for, without a tenant; "" is that of the
	// vault's cloud. Another one is never genuine.
	Authority string
	// CAFile, its text CAPEM, or RootCAs replaces the system's roots.
	CAFile  string
	CAPEM   []byte
	RootCAs *x509.CertPool
	Proxy   string // URL of an HTTP proxy; "" none, whatever the environment says
	// Production refuses a vault that is not genuinely Azure's.
	Production bool

	// Settle is how long a change may take to show, Poll how often to look; 0 is 1
	// minute and 1 second.
	Settle, Poll time.Duration

	Now func() time.Time
}

func (c Config) withDefaults() Config {
	c.Kind, c.Protection = first(c.Kind, Vault), first(c.Protection, HSM)
	c.KEKValidFor, c.WrappingKeyBits = first(c.KEKValidFor, 30*day), first(c.WrappingKeyBits, 4096)
	c.Settle, c.Poll = first(c.Settle, time.Minute), first(c.Poll, time.Second)
	c.VaultURL = strings.ToLower(strings.TrimSuffix(c.VaultURL, "/"))
	c.Authority = strings.TrimSuffix(c.Authority, "/")
	c.Tenant = strings.ToLower(c.Tenant)
	return c
}

func first[T comparable](a, b T) T {
	var zero T
	if a != zero {
		return a
	}
	return b
}

// kekBits are the sizes that a KEK can have (BYOK specification).
var kekBits = []int{2048, 3072, 4096}

var tenantShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// check refuses a configuration that cannot be meant, as Misuse.
func (c Config) check() error {
	vault, err := url.Parse(c.VaultURL)
	var why error
	switch {
	case err != nil || vault.Scheme != "https" || vault.Host == "" || vault.Path != "" || vault.User != nil || vault.RawQuery != "":
		why = fmt.Errorf("vault %q is not https:// and a host", c.VaultURL)
	case !tenantShape.MatchString(c.Tenant):
		why = fmt.Errorf("tenant %q is not an id like 11111111-2222-3333-4444-555555555555", c.Tenant)
	case c.Kind != Vault && c.Kind != ManagedHSM:
		why = fmt.Errorf("kind %q is neither %s nor %s", c.Kind, Vault, ManagedHSM)
	case c.Protection != HSM && c.Protection != Software:
		why = fmt.Errorf("protection %q is neither %s nor %s", c.Protection, HSM, Software)
	case c.Kind == ManagedHSM && c.Protection == Software:
		why = errors.New("a Managed HSM keeps nothing in software")
	case !slices.Contains(kekBits, c.WrappingKeyBits):
		why = fmt.Errorf("a KEK of %d bits is not 2048, 3072 or 4096", c.WrappingKeyBits)
	case c.KEKValidFor < 2*day || c.KEKValidFor > 730*day:
		why = fmt.Errorf("a KEK's life of %s is not from 2 to 730 days", c.KEKValidFor)
	case c.Now == nil:
		why = errors.New("a clock is required")
	case c.Production && !genuine(c):
		why = errors.New("production demands a vault of Azure's own, over TLS with the system's roots")
	}
	if why == nil {
		why = c.checkAuthority()
	}
	if why == nil {
		return nil
	}
	return misuse(c, why)
}

func (c Config) checkAuthority() error {
	if c.Authority == "" {
		return nil
	}
	u, err := url.Parse(c.Authority)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" {
		return fmt.Errorf("authority %q is not https:// and a host", c.Authority)
	}
	return nil
}

func misuse(c Config, why error) error {
	return &broker.Error{Kind: broker.Misuse, Op: "open Azure target", Object: c.VaultURL, Cause: why}
}

// withCA reads the CA file, once.
func (c Config) withCA() (Config, error) {
	if c.CAFile == "" || len(c.CAPEM) > 0 {
		return c, nil
	}
	text, err := os.ReadFile(c.CAFile)
	if err != nil {
		return c, fmt.Errorf("read CA file: %w", err)
	}
	c.CAPEM = text
	return c, nil
}

// roots that are trusted; nil are the system's.
func (c Config) roots() (*x509.CertPool, error) {
	if c.RootCAs != nil || len(c.CAPEM) == 0 {
		return c.RootCAs, nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(c.CAPEM) {
		return nil, errors.New("the CA file has no certificate")
	}
	return pool, nil
}
