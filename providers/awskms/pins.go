package awskms

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"

	"github.com/keyferry/keyferry/broker"
)

// pins are what an enrolment holds the config against: everything that decides
// where material goes and who may use it there.
func (c Config) pins(policyHash string) map[string]string {
	pins := map[string]string{
		"provider": "aws", broker.PinAccount: c.Account, "partition": c.Partition, "region": c.Region,
		"role": c.RoleARN, "external_id": c.ExternalID, "endpoint": c.Endpoint, "sts_endpoint": c.STSEndpoint,
		"ca": c.fingerprintCA(), "proxy": withoutPassword(c.Proxy), "key_policy": policyHash,
		"wrapping_key_bits": strconv.Itoa(c.WrappingKeyBits), "deletion_window": c.DeletionWindow.String(),
	}
	for name, value := range map[string]string{
		"proof_role": c.ProofRoleARN, "proof_external_id": c.ProofExternalID,
		"primary_region": c.PrimaryRegion, "primary_endpoint": c.PrimaryEndpoint,
	} {
		if value != "" { // an enrolment from before there were such holds
			pins[name] = value
		}
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
