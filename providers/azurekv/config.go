package azurekv

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/keyferry/keyferry/providers/internal/prices"
	"github.com/keyferry/keyferry/providers/pace"
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

	// Quotas are figures a second for the vault's own, by the name of a quota or call,
	// where they are not Azure's usual ones (broker.Quotas).
	Quotas map[string]float64
	// Pace is what has been called at the vault: calls wait for its quotas. nil lets
	// them go at once.
	Pace *pace.Place

	Now func() time.Time

	prices prices.Prices // read when it is opened
}

func (c Config) withDefaults() Config {
	c.Kind, c.Protection = cmp.Or(c.Kind, Vault), cmp.Or(c.Protection, HSM)
	c.KEKValidFor, c.WrappingKeyBits = cmp.Or(c.KEKValidFor, 30*day), cmp.Or(c.WrappingKeyBits, 4096)
	c.Settle, c.Poll = cmp.Or(c.Settle, time.Minute), cmp.Or(c.Poll, time.Second)
	c.VaultURL, c.Authority = plainURL(c.VaultURL), plainURL(c.Authority)
	c.Tenant = strings.ToLower(c.Tenant)
	c.Credentials.Kind = cmp.Or(c.Credentials.Kind, DefaultChain)
	if c.ProofCredentials != nil {
		proof := *c.ProofCredentials
		proof.Kind = cmp.Or(proof.Kind, DefaultChain)
		c.ProofCredentials = &proof
	}
	return c
}

// plainURL is a URL as answers have it: in small letters, without the port of its
// scheme.
func plainURL(url string) string {
	return strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(url), "/"), ":443")
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
