package azurekv

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/internal/endpoint"
	"github.com/keyferry/keyferry/providers/internal/lazyregexp"
)

// kekBits are the sizes that a KEK can have (BYOK specification).
var kekBits = []int{2048, 3072, 4096}

// Limits of KEKValidFor: a new KEK is made a day before the old one ends.
const (
	shortestKEK = 2 * day
	longestKEK  = 730 * day
)

var tenantShape = lazyregexp.New(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// check refuses a configuration that cannot be meant; its errors are Misuse and name
// what is wrong.
func (c Config) check() error {
	for _, check := range []func() error{c.checkKind, c.checkKEK, c.checkEndpoints, c.checkCredentials} {
		if err := check(); err != nil {
			return misuse(c, err)
		}
	}
	return nil
}

func misuse(c Config, why error) error {
	return &broker.Error{Kind: broker.Misuse, Op: "open Azure target", Object: c.VaultURL, Cause: why}
}

func (c Config) checkKind() error {
	switch {
	case !tenantShape().MatchString(c.Tenant):
		return fmt.Errorf("tenant %q is not an id like 11111111-2222-3333-4444-555555555555", c.Tenant)
	case c.Kind != Vault && c.Kind != ManagedHSM:
		return fmt.Errorf("kind %q is neither %s nor %s", c.Kind, Vault, ManagedHSM)
	case c.Protection != HSM && c.Protection != Software:
		return fmt.Errorf("protection %q is neither %s nor %s", c.Protection, HSM, Software)
	case c.Kind == ManagedHSM && c.Protection == Software:
		return errors.New("a Managed HSM keeps nothing in software")
	case c.Now == nil:
		return errors.New("a clock is required")
	default:
		return nil
	}
}

func (c Config) checkKEK() error {
	switch {
	case !slices.Contains(kekBits, c.WrappingKeyBits):
		return fmt.Errorf("a KEK of %d bits is none of %v", c.WrappingKeyBits, kekBits)
	case c.KEKValidFor < shortestKEK || c.KEKValidFor > longestKEK || c.KEKValidFor%time.Second != 0:
		return fmt.Errorf("a KEK's life of %s is not whole seconds from %s to %s", c.KEKValidFor, shortestKEK, longestKEK)
	default:
		return nil
	}
}

// checkEndpoints demands plain URLs, and genuine ones in production.
func (c Config) checkEndpoints() error {
	if err := onlyHost("vault", c.VaultURL); err != nil {
		return err
	}
	if c.Authority != "" {
		if err := onlyHost("authority", c.Authority); err != nil {
			return err
		}
	}
	if _, err := endpoint.ParseProxy(c.Proxy); err != nil {
		return err
	}
	switch {
	case (c.CAFile != "" || len(c.CAPEM) > 0) && c.RootCAs != nil:
		return errors.New("a CA file and a pool exclude each other")
	case c.Production && !genuineHosts(c):
		return fmt.Errorf("production requires a vault of Azure's own, below one of %v for its kind, and its cloud's authority", hostSuffixes())
	default:
		return nil
	}
}

func onlyHost(what, raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "https" || !hostShape().MatchString(u.Host) || u.Path != "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("%s %q is not https:// and a host", what, plain(raw))
	}
	return nil
}

func (c Config) checkCredentials() error {
	if err := c.Credentials.check(); err != nil {
		return fmt.Errorf("credentials: %w", err)
	}
	if c.ProofCredentials == nil {
		return nil
	}
	if err := c.ProofCredentials.check(); err != nil {
		return fmt.Errorf("proof credentials: %w", err)
	}
	if c.Credentials.same(*c.ProofCredentials) {
		return errors.New("proof credentials: they are the importing ones, which parts nothing: leave them out")
	}
	return nil
}
