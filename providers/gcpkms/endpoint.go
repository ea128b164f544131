package gcpkms

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// defaultEndpoint is Google's own.
const defaultEndpoint = "https://cloudkms.googleapis.com"

// kmsHosts are the hosts of KMS for a location: the global, the mutual-TLS and the
// regional one, and those of virtual IPs ("Private Google Access"). Whole hosts and
// not googleapis.com: what customers store has hosts under that one too.
func kmsHosts(location string) []string {
	return []string{
		"cloudkms.googleapis.com", "cloudkms.mtls.googleapis.com", "cloudkms." + location + ".rep.googleapis.com",
		location + "-cloudkms.googleapis.com", "private.googleapis.com", "restricted.googleapis.com",
	}
}

// privateHosts are endpoints of Private Service Connect: a name of the customer's own
// in front, and Google's certificate.
const privateHosts = "p.googleapis.com"

// Classes of endpoints.
const (
	classGoogle   = "google"           // the global one, or that of a virtual IP
	classRegional = "google-regional"  //
	classPrivate  = "google-private"   // Private Service Connect
	classOther    = "not-google"       // TLS, whoever it is
	classPlain    = "loopback-without" // no TLS
)

// class says whose an endpoint is, and of which kind.
func class(endpoint, location string) string {
	u, err := url.Parse(endpointOf(endpoint))
	if err != nil || u.Scheme != "https" {
		return classPlain
	}
	host := canonicalHost(u)
	name, isPrivate := strings.CutSuffix(host, "."+privateHosts)
	switch {
	case isPrivate && (name == "cloudkms" || strings.HasPrefix(name, "cloudkms-")) && !strings.Contains(name, "."):
		return classPrivate
	case host == "cloudkms."+location+".rep.googleapis.com", host == location+"-cloudkms.googleapis.com":
		return classRegional
	case slices.Contains(kmsHosts(location), host):
		return classGoogle
	default:
		return classOther
	}
}

// genuine reports whether an endpoint is Google's own: TLS to one of its hosts of KMS
// for the location.
func genuine(endpoint, location string) bool {
	switch class(endpoint, location) {
	case classGoogle, classRegional, classPrivate:
		return true
	default:
		return false
	}
}

func endpointOf(configured string) string {
	if configured == "" {
		return defaultEndpoint
	}
	return configured
}

func canonicalHost(u *url.URL) string {
	return strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
}

// checkEndpoints demands plain URLs, TLS beyond this machine, and genuine ones in
// production.
func (c Config) checkEndpoints() error {
	for _, raw := range []string{c.Endpoint, c.TokenEndpoint} {
		if raw == "" {
			continue
		}
		u, err := url.Parse(raw)
		switch {
		case err != nil:
			return fmt.Errorf("parse %q: %w", raw, err)
		case u.Scheme != "http" && u.Scheme != "https", u.Hostname() == "":
			return fmt.Errorf("%q is not a URL like https://host", raw)
		case u.User != nil, u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/":
			return fmt.Errorf("%q says more than scheme, host and port", raw)
		case u.Scheme == "http" && !loopback(u.Hostname()):
			return fmt.Errorf("%q is not on this machine, so it must be https", raw)
		}
	}
	switch {
	case c.Production && !genuine(c.Endpoint, c.Location):
		return fmt.Errorf("%q is not a Google endpoint for %s, which production requires: https and one of %v, or a host cloudkms-….%s",
			c.Endpoint, c.Location, kmsHosts(c.Location), privateHosts)
	case c.Production && c.TokenEndpoint != "":
		return fmt.Errorf("token endpoint %q is not Google's, which production requires", c.TokenEndpoint)
	}
	return nil
}

// loopback reports whether a host is this machine, by its address or as localhost.
func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.IsLoopback() || host == "localhost"
}

// address is host:port of an endpoint.
func address(endpoint string) string {
	u, err := url.Parse(endpointOf(endpoint))
	if err != nil {
		return ""
	}
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "http":
		port = "80"
	default:
		port = "443"
	}
	return net.JoinHostPort(u.Hostname(), port)
}
