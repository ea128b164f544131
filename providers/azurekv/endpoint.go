package azurekv

import (
	"net"
	"net/url"
	"strings"
)

// azureCloud is one of Azure's clouds: the hosts below which its vaults are, and the
// authority that gives tokens for them ("Azure Key Vault basic concepts", "National
// clouds").
type azureCloud struct {
	vaults    []string
	pools     []string
	authority string
}

// azureClouds are all of them. The suffix of a vault behind a private link is the same.
var azureClouds = []azureCloud{
	{[]string{".vault.azure.net"}, []string{".managedhsm.azure.net"}, "https://login.microsoftonline.com"},
	{[]string{".vault.azure.cn"}, []string{".managedhsm.azure.cn"}, "https://login.chinacloudapi.cn"},
	{[]string{".vault.usgovcloudapi.net"}, []string{".managedhsm.usgovcloudapi.net"}, "https://login.microsoftonline.us"},
}

// cloudOf is the cloud that a vault's host is in; ok is false for a host that is not
// Azure's, or not of the kind.
func cloudOf(vaultURL, kind string) (azureCloud, bool) {
	u, err := url.Parse(vaultURL)
	if err != nil {
		return azureCloud{}, false
	}
	for _, c := range azureClouds {
		suffixes := c.vaults
		if kind == ManagedHSM {
			suffixes = c.pools
		}
		for _, suffix := range suffixes {
			name, ok := strings.CutSuffix(u.Hostname(), suffix)
			if ok && name != "" && !strings.Contains(name, ".") && (u.Port() == "" || u.Port() == "443") {
				return c, true
			}
		}
	}
	return azureCloud{}, false
}

// genuine reports whether a target is Azure's own, so that what Azure documents may be
// relied on: a host of Azure's, its cloud's authority, and no roots but the system's.
func genuine(c Config) bool {
	in, ok := cloudOf(c.VaultURL, c.Kind)
	return ok && (c.Authority == "" || c.Authority == in.authority) && len(c.CAPEM) == 0 && c.CAFile == "" && c.RootCAs == nil
}

func hostSuffixes() []string {
	var all []string
	for _, c := range azureClouds {
		all = append(append(all, c.vaults...), c.pools...)
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

// dialled is the address that a host's connections go to: names below .localhost are
// loopback (RFC 6761 §6.3), which not every resolver knows.
func dialled(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err == nil && (host == "localhost" || strings.HasSuffix(host, ".localhost")) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return address
}
