package azurekv

import (
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// azureCloud is one of Azure's clouds: the hosts below which its vaults and Managed
// HSMs are, the authority that gives tokens for them, and other hosts of the authority
// that it leads on to ("Azure Key Vault basic concepts", "National clouds").
type azureCloud struct {
	vaults    string
	pools     string
	authority string
	aliases   []string
}

// azureClouds are all of them. The name of a vault behind a private link is the same.
var azureClouds = []azureCloud{
	{".vault.azure.net", ".managedhsm.azure.net", "https://login.microsoftonline.com", nil},
	{".vault.azure.cn", ".managedhsm.azure.cn", "https://login.chinacloudapi.cn", []string{"login.partner.microsoftonline.cn"}},
	{".vault.usgovcloudapi.net", ".managedhsm.usgovcloudapi.net", "https://login.microsoftonline.us", nil},
}

// cloudOf is the cloud that a vault's host is in; ok is false for a host that is not
// Azure's, or not of the kind.
func cloudOf(vaultURL, kind string) (azureCloud, bool) {
	u, err := url.Parse(vaultURL)
	if err != nil {
		return azureCloud{}, false
	}
	for _, c := range azureClouds {
		suffix := c.vaults
		if kind == ManagedHSM {
			suffix = c.pools
		}
		name, ok := strings.CutSuffix(u.Hostname(), suffix)
		if ok && name != "" && !strings.Contains(name, ".") && u.Port() == "" {
			return c, true
		}
	}
	return azureCloud{}, false
}

// genuineHosts reports whether vault and authority are Azure's own, of one cloud.
func genuineHosts(c Config) bool {
	in, ok := cloudOf(c.VaultURL, c.Kind)
	return ok && (c.Authority == "" || c.Authority == in.authority)
}

// genuine reports whether a target is Azure's own, so that what Azure documents may be
// relied on: its hosts, and no roots but the system's.
func genuine(c Config) bool {
	return genuineHosts(c) && len(c.CAPEM) == 0 && c.CAFile == "" && c.RootCAs == nil
}

func hostSuffixes() []string {
	var all []string
	for _, c := range azureClouds {
		all = append(all, c.vaults, c.pools)
	}
	return all
}

// authority is where tokens are asked for.
func (c Config) authority() string {
	if c.Authority != "" {
		return c.Authority
	}
	if in, ok := cloudOf(c.VaultURL, c.Kind); ok {
		return in.authority
	}
	return azureClouds[0].authority
}

// tokenHosts are where tokens are asked for, with their ports.
func (c Config) tokenHosts() []string {
	var all []string
	if u, err := url.Parse(c.authority()); err == nil {
		all = append(all, u.Host)
	}
	if in, ok := cloudOf(c.VaultURL, c.Kind); ok && c.authority() == in.authority {
		all = append(all, in.aliases...)
	}
	return all
}

// plainHost is a host as the config has it: the service writes the port of https into
// its lists' next links, and a Managed HSM into ids.
func plainHost(host string) string { return strings.TrimSuffix(strings.ToLower(host), ":443") }

// ofThisMachine reports whether a host is a metadata service of this machine, which
// gives a managed identity its tokens: a link-local address, or loopback.
func ofThisMachine(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && (ip.IsLoopback() || ip.IsLinkLocalUnicast())
}

// proxyFor a host: metadata services are reached without one ("Azure Instance Metadata
// Service": proxies must be bypassed).
func proxyFor(proxy *url.URL, host string) *url.URL {
	if ofThisMachine(host) {
		return nil
	}
	return proxy
}

// dialled is the address that a host's connections go to: names below .localhost are
// loopback (RFC 6761 §6.3), which not every resolver knows.
func dialled(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
