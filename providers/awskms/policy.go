package awskms

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// accountPolicy is AWS's default key policy: the account's IAM policies decide.
const accountPolicy = `{"Version":"2012-10-17","Id":"keyferry","Statement":[{"Sid":"AccountDecides","Effect":"Allow",` +
	`"Principal":{"AWS":"arn:{partition}:iam::{account}:root"},"Action":"kms:*","Resource":"*"}]}`

// policy is the key policy the adapter sends, and its identity.
type policy struct {
	document string // canonical
	hash     string
}

func newPolicy(c Config) (policy, error) {
	filled := strings.NewReplacer("{account}", c.Account, "{partition}", c.Partition, "{region}", c.Region).Replace(c.KeyPolicy)
	document, err := CanonicalPolicy(filled)
	if err != nil {
		return policy{}, &broker.Error{Kind: broker.Misuse, Op: "read", Object: "key policy", Cause: err}
	}
	return policy{document, hashPolicy(document)}, nil
}

// CanonicalPolicy is a JSON document with its members sorted and no white space
// outside strings, so that documents which mean the same have the same hash.
// Errors are Misuse.
func CanonicalPolicy(document string) (string, error) {
	decoder := json.NewDecoder(strings.NewReader(document))
	decoder.UseNumber()
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return "", fmt.Errorf("parse JSON: %w: %w", broker.Misuse, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("parse JSON: something follows the document: %w", broker.Misuse)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(tree); err != nil {
		return "", fmt.Errorf("write JSON: %w", err)
	}
	return strings.TrimSuffix(out.String(), "\n"), nil
}

func hashPolicy(canonical string) string {
	sum := sha256.Sum256([]byte(canonical))
	return hex.EncodeToString(sum[:])
}
