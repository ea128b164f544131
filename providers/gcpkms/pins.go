package gcpkms

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"

	"github.com/keyferry/keyferry/broker"
)

// pins are what an enrolment holds the config against: everything that decides
// where material goes, how it is kept there, and as whom.
func (c Config) pins() map[string]string {
	return map[string]string{
		"provider": "gcp", broker.PinAccount: c.Project, "location": c.Location, "ring": c.Ring, "protection": c.Protection,
		"endpoint": c.Endpoint, "endpoint_class": class(c.Endpoint, c.Location), "token_endpoint": c.TokenEndpoint,
		"ca": c.fingerprintCA(), "proxy": withoutPassword(c.Proxy),
		"impersonate": c.Impersonate, "proof_impersonate": c.ProofImpersonate,
		"sole_writer": strconv.FormatBool(c.SoleWriter), "wrapping_key_bits": strconv.Itoa(c.WrappingKeyBits),
		"deletion_window": c.DeletionWindow.String(),
	}
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
