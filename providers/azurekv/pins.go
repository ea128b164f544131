package azurekv

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"

	"github.com/keyferry/keyferry/broker"
)

// pins are what an enrolment holds the config against: everything that decides where
// material goes, how it is kept there, and as whom.
func (c Config) pins() map[string]string {
	pins := map[string]string{
		"provider": "azure", broker.PinAccount: c.Tenant, "vault": c.VaultURL, "kind": c.Kind, "protection": c.Protection,
		"authority": c.authority(), "ca": c.fingerprintCA(), "proxy": withoutPassword(c.Proxy),
		"kek_valid_for": c.KEKValidFor.String(), "wrapping_key_bits": strconv.Itoa(c.WrappingKeyBits),
		"credentials": c.Credentials.Kind, "client_id": c.Credentials.ClientID,
	}
	if c.ProofCredentials != nil {
		pins["proof_credentials"], pins["proof_client_id"] = c.ProofCredentials.Kind, c.ProofCredentials.ClientID
	}
	return pins
}

// fingerprintCA is the SHA-256 of the CA file; "system" where the system's roots
// count.
func (c Config) fingerprintCA() string {
	switch {
	case c.RootCAs != nil:
		return "pool"
	case len(c.CAPEM) == 0:
		return "system"
	}
	sum := sha256.Sum256(c.CAPEM)
	return hex.EncodeToString(sum[:])
}

func withoutPassword(proxy string) string {
	u, err := url.Parse(proxy)
	if err != nil {
		return ""
	}
	return u.Redacted()
}
