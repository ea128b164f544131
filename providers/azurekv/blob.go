package azurekv

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// transferBlob is the key transfer blob (.byok file) of the BYOK specification.
type transferBlob struct {
	SchemaVersion string     `json:"schema_version"`
	Header        blobHeader `json:"header"`
	Ciphertext    string     `json:"ciphertext"` // base64url without padding
	Generator     string     `json:"generator"`
}

type blobHeader struct {
	KID string `json:"kid"` // of the KEK, with its version
	Alg string `json:"alg"`
	Enc string `json:"enc"`
}

// generator says what made the blob; for people.
const generator = "keyferry"

// newBlob is wrapped material as Azure takes it: RSA-OAEP-SHA-1 of an ephemeral AES
// key, then AES-KWP of the material under that (CKM_RSA_AES_KEY_WRAP).
func newBlob(kek string, wrapped []byte) ([]byte, error) {
	text, err := json.Marshal(transferBlob{
		SchemaVersion: "1.0.0", Header: blobHeader{KID: kek, Alg: "dir", Enc: "CKM_RSA_AES_KEY_WRAP"},
		Ciphertext: base64.RawURLEncoding.EncodeToString(wrapped), Generator: generator,
	})
	if err != nil {
		return nil, fmt.Errorf("write transfer blob: %w", err)
	}
	return text, nil
}
