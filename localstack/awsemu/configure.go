package awsemu

import (
	"cmp"
	"fmt"
	"log/slog"
	"maps"
	"regexp"
	"slices"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// complete fills in the defaults and refuses what cannot be.
func (c Config) complete() (Config, error) {
	if c.Now == nil {
		return c, fmt.Errorf("%w: Now is required", errConfig)
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	for _, f := range []struct {
		field    *string
		standard string
	}{
		{&c.Addr, "127.0.0.1:0"},
		{&c.TLSAddr, "127.0.0.1:0"},
		{&c.AdminAddr, "127.0.0.1:0"},
		{&c.AccountID, DefaultAccount},
		{&c.KeyNameTag, DefaultKeyNameTag},
	} {
		if *f.field == "" {
			*f.field = f.standard
		}
	}
	if c.CA != nil {
		return c, nil
	}
	var err error
	c.CA, err = emu.NewAuthority(c.Now())
	return c, err
}

// accountForm is that of account ids.
var accountForm = regexp.MustCompile(`^\d{12}$`)

// check refuses what cannot be.
func (c Change) check(account string) error {
	for _, k := range c.AccessKeys {
		if of := cmp.Or(k.Account, account); k.ID == "" || !accountForm.MatchString(of) {
			return fmt.Errorf("%w: access key %q of account %q needs an id, and an account of 12 digits", errConfig, k.ID, of)
		}
	}
	for _, r := range c.Roles {
		if !roleForm.MatchString(r.ARN) {
			return fmt.Errorf("%w: %q is not the ARN of a role", errConfig, r.ARN)
		}
	}
	return nil
}

// apply makes a change, all of it or nothing. It needs the lock once the server runs.
func (s *Server) apply(c Change) error {
	if err := c.check(s.account); err != nil {
		return err
	}
	for _, k := range c.AccessKeys {
		if old := s.credentials[k.ID]; old != nil && k.Secret == "" {
			k.Secret, k.Session = old.Secret, old.Session
		}
		s.credentials[k.ID] = newCredential(k, s.account)
	}
	for _, r := range c.Roles {
		s.roles[r.ARN] = r
	}
	if c.Settings != nil {
		s.settings = *c.Settings
	}
	return nil
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
	for _, id := range slices.Sorted(maps.Keys(a.s.credentials)) {
		k := a.s.credentials[id].AccessKey
		k.Secret, k.Session = "", ""
		c.AccessKeys = append(c.AccessKeys, k)
	}
	for _, arn := range slices.Sorted(maps.Keys(a.s.roles)) {
		r := a.s.roles[arn]
		r.ExternalID = ""
		c.Roles = append(c.Roles, r)
	}
	return c
}

// Reset forgets all keys. Credentials and settings stay.
func (a subjectOf) Reset() {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.s.store, a.s.revealed = newStore(), nil
}

// Health says where what is.
func (a subjectOf) Health() any {
	return map[string]string{
		"service": "aws", "url": a.s.URL(), "tls_url": a.s.TLSURL(), "ca_pem": string(a.s.CAPEM()),
		"account": a.s.account, "access_key_id": a.s.main.ID,
	}
}
