package awskms

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"strconv"

	"github.com/keyferry/keyferry/broker"
)

// pins are what an enrolment holds the config against: everything that decides
// where material goes and who may use it there.
func (c Config) pins(policyHash string) (map[string]string, error) {
	ca, err := c.fingerprintCA()
	if err != nil {
		return nil, err
	}
	return map[string]string{
		"provider": "aws", broker.PinAccount: c.Account, "partition": c.Partition, "region": c.Region,
		"role": c.RoleARN, "external_id": c.ExternalID, "endpoint": c.Endpoint, "sts_endpoint": c.STSEndpoint,
		"ca": ca, "proxy": withoutPassword(c.Proxy), "key_policy": policyHash,
		"wrapping_key_bits": strconv.Itoa(c.WrappingKeyBits), "deletion_window": c.DeletionWindow.String(),
	}, nil
}

// fingerprintCA is the SHA-256 of the CA file; "system" where the system's roots
// count.
func (c Config) fingerprintCA() (string, error) {
	switch {
	case c.RootCAs != nil:
		return "pool", nil
	case c.CAFile == "":
		return "system", nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return "", fmt.Errorf("read CA file: %w", err)
	}
	sum := sha256.Sum256(pem)
	return hex.EncodeToString(sum[:]), nil
}

func withoutPassword(proxy string) string {
	u, err := url.Parse(proxy)
	if err != nil {
		return ""
	}
	return u.Redacted()
}
