package azureemu

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

var errUnknownPrincipal = errors.New("the emulator has no such principal")

// complete fills in the defaults and refuses what cannot be.
func (c Config) complete() (Config, error) {
	if c.Now == nil {
		return c, fmt.Errorf("%w: Now is required", errConfig)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	const free = "127.0.0.1:0"
	c.Addr, c.EntraAddr, c.AdminAddr = cmp.Or(c.Addr, free), cmp.Or(c.EntraAddr, free), cmp.Or(c.AdminAddr, free)
	c.Tenant = cmp.Or(c.Tenant, DefaultTenant)
	if c.Vaults == nil {
		c.Vaults = []Vault{{Name: DefaultStandard, Mode: Standard}, {Name: DefaultPremium, Mode: Premium}, {Name: DefaultPool, Mode: HSM}}
	}
	if c.CA != nil {
		return c, nil
	}
	var err error
	c.CA, err = emu.NewAuthority(c.Now())
	return c, err
}

// vaultName is what names of vaults and Managed HSMs are made of.
var vaultName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9-]{1,22}[a-zA-Z0-9]$`)

// check refuses a vault that cannot be.
func (v Vault) check() error {
	switch {
	case !vaultName.MatchString(v.Name):
		return fmt.Errorf("%w: vault name %q is not 3..24 letters, digits and hyphens", errConfig, v.Name)
	case v.Mode != Standard && v.Mode != Premium && v.Mode != HSM:
		return fmt.Errorf("%w: vault %s: mode %q is not standard, premium or hsm", errConfig, v.Name, v.Mode)
	case v.RetentionDays != 0 && (v.RetentionDays < shortestRetention || v.RetentionDays > longestRetention):
		return fmt.Errorf("%w: vault %s: retention of %d days is not within 7..90", errConfig, v.Name, v.RetentionDays)
	}
	return nil
}

// apply makes a change, all of it or nothing. It needs the lock once the server
// runs.
func (s *Server) apply(c Change) error {
	for _, v := range c.Vaults {
		if err := v.check(); err != nil {
			return err
		}
	}
	principals := make([]*principal, len(c.Principals))
	for i, p := range c.Principals {
		var err error
		if principals[i], err = s.newPrincipal(p); err != nil {
			return err
		}
	}
	for _, v := range c.Vaults {
		v.Tenant = cmp.Or(v.Tenant, s.tenant)
		if old := s.vaults[strings.ToLower(v.Name)]; old != nil {
			old.Vault = v
			continue
		}
		s.vaults[strings.ToLower(v.Name)] = newVault(v)
	}
	for _, p := range principals {
		s.principals[p.ClientID] = p
	}
	if c.Settings != nil {
		s.settings = *c.Settings
	}
	return nil
}

func (s *Server) newPrincipal(in Principal) (*principal, error) {
	if in.ClientID == "" {
		return nil, fmt.Errorf("%w: a principal needs a client id", errConfig)
	}
	p := &principal{Principal: in}
	if in.Certificate != "" {
		var err error
		if p.certificate, err = parseCertificate(in.Certificate); err != nil {
			return nil, err
		}
	}
	p.complete(s.principals[in.ClientID], s.tenant)
	return p, nil
}

// subjectOf is the emulator as the admin API sees it.
type subjectOf struct{ s *Server }

// Report is what the emulator holds.
func (a subjectOf) Report() faults.Report { return a.s.Report() }

// Configure applies a Change in JSON.
func (a subjectOf) Configure(text []byte) error { return faults.Configure(&a.s.mu, text, a.s.apply) }

// Configuration is the Change that would bring about what is, without secrets.
func (a subjectOf) Configuration() any {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	settings := a.s.settings
	c := Change{Settings: &settings}
	for _, name := range slices.Sorted(maps.Keys(a.s.vaults)) {
		c.Vaults = append(c.Vaults, a.s.vaults[name].Vault)
	}
	for _, id := range slices.Sorted(maps.Keys(a.s.principals)) {
		p := a.s.principals[id].Principal
		p.Secret = ""
		c.Principals = append(c.Principals, p)
	}
	return c
}

// Reset forgets all keys. Vaults, principals and settings stay.
func (a subjectOf) Reset() {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	for name, v := range a.s.vaults {
		a.s.vaults[name] = newVault(v.Vault)
	}
	a.s.backups = map[string]backup{}
}

// Health says where what is.
func (a subjectOf) Health() any {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	urls := map[string]string{}
	for name, v := range a.s.vaults {
		urls[name] = "https://" + a.s.hostOf(v.Vault)
	}
	return map[string]any{
		"service": "azure", "addr": a.s.addr, "vaults": urls, "authority_url": a.s.entraURL, "ca_pem": string(a.s.CAPEM()),
		"tenant": a.s.tenant, "client_id": a.s.main,
	}
}
