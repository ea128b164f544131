package gcpemu

import (
	"fmt"
	"log/slog"
	"net"
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
	for _, addr := range []*string{&c.Addr, &c.PlainAddr, &c.TokenAddr, &c.AdminAddr} {
		if *addr == "" {
			*addr = "127.0.0.1:0"
		}
	}
	if host, _, err := net.SplitHostPort(c.PlainAddr); err != nil || !net.ParseIP(host).IsLoopback() {
		return c, fmt.Errorf("%w: PlainAddr %q is not on loopback", errConfig, c.PlainAddr)
	}
	if c.Project == "" {
		c.Project = DefaultProject
	}
	if c.KeyRings == nil {
		c.KeyRings = []string{DefaultKeyRing}
	}
	if c.Locations == nil {
		c.Locations = DefaultLocations()
	}
	for _, name := range c.KeyRings {
		if err := checkRing(name, c.Locations); err != nil {
			return c, err
		}
	}
	if c.CA == nil {
		ca, err := emu.NewAuthority(c.Now())
		if err != nil {
			return c, err
		}
		c.CA = ca
	}
	return c, c.CA.WriteFile(c.CAFile)
}

func checkRing(name string, at []Location) error {
	id, ok := match(ringShape, name)
	if !ok || !slices.ContainsFunc(at, func(l Location) bool { return l.ID == id.location() }) {
		return fmt.Errorf("%w: %q is not the name of a key ring at a known location", errConfig, name)
	}
	return nil
}

// apply makes a change. It needs the lock once the server runs.
func (s *Server) apply(c Change) error {
	for _, p := range c.Principals {
		if p.Email == "" {
			return fmt.Errorf("%w: a principal without an email", errConfig)
		}
	}
	for _, name := range c.KeyRings {
		if err := checkRing(name, s.locations); err != nil {
			return err
		}
	}
	if n := c.Settings; n != nil && !slices.Contains([]ImportErrors{ImportFails, LengthRefused, ImportRefused}, n.ImportErrors) {
		return fmt.Errorf("%w: import_errors is %q", errConfig, n.ImportErrors)
	}
	for _, p := range c.Principals {
		s.introduce(p)
	}
	for _, name := range c.KeyRings {
		s.store.make(name, s.clock.Now())
		if !slices.Contains(s.rings, name) {
			s.rings = append(slices.Clone(s.rings), name)
		}
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

// Configuration is the Change that would bring about what is.
func (a subjectOf) Configuration() any {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	settings := a.s.settings
	c := Change{Settings: &settings, KeyRings: a.s.rings}
	for _, email := range sorted(a.s.principals) {
		c.Principals = append(c.Principals, a.s.principals[email].Principal)
	}
	return c
}

// Reset forgets all keys and jobs. Principals, tokens and settings stay, and the key
// rings that there were at start.
func (a subjectOf) Reset() {
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	a.s.empty()
}

// Health says where what is.
func (a subjectOf) Health() any {
	return map[string]string{
		"service": "google", "addr": a.s.Addr(), "plain_addr": a.s.PlainAddr(), "token_url": a.s.TokenURL(),
		"ca_pem": string(a.s.CAPEM()), "project": a.s.project, "email": a.s.Email(),
	}
}
