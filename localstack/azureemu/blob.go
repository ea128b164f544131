package azureemu

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

// blob is a key transfer blob (Bring your own key specification, version 1.0.0).
type blob struct {
	kid        *url.URL // of the KEK
	ciphertext []byte
}

type blobJSON struct {
	SchemaVersion string     `json:"schema_version"`
	Header        blobHeader `json:"header"`
	Ciphertext    string     `json:"ciphertext"`
	Generator     *string    `json:"generator"`
}

type blobHeader struct {
	KID string `json:"kid"`
	Alg string `json:"alg"`
	Enc string `json:"enc"`
}

// badBlob are our words: what Azure answers to a bad blob is not documented.
func badBlob(format string, args ...any) error {
	return refuse(codeBadParameter, "The property \"key_hsm\" is not a valid key transfer blob: %s", fmt.Sprintf(format, args...))
}

// parseBlob reads the JSON of a blob and everything that the specification fixes.
// Members that it does not name are refused, and so is padding of the ciphertext,
// unless lenient.
func parseBlob(text []byte, lenient bool) (blob, error) {
	var in blobJSON
	if err := json.Unmarshal(text, &in); err != nil {
		return blob{}, badBlob("%v", err)
	}
	if name := unknown(text, reflect.TypeOf(in)); name != "" && !lenient {
		return blob{}, badBlob("it has a member %s", name)
	}
	switch {
	case in.SchemaVersion != "1.0.0":
		return blob{}, badBlob("schema_version is %q, not 1.0.0", in.SchemaVersion)
	case in.Header.Alg != "dir":
		return blob{}, badBlob("header.alg is %q, not dir", in.Header.Alg)
	case in.Header.Enc != "CKM_RSA_AES_KEY_WRAP":
		return blob{}, badBlob("header.enc is %q, not CKM_RSA_AES_KEY_WRAP", in.Header.Enc)
	}
	kid, err := url.Parse(in.Header.KID)
	if err != nil || kid.Scheme != "https" || kid.RawQuery != "" || kid.Fragment != "" || kid.User != nil {
		return blob{}, badBlob("header.kid is not a key identifier")
	}
	if lenient {
		in.Ciphertext = strings.TrimRight(in.Ciphertext, "=")
	}
	ciphertext, err := base64.RawURLEncoding.Strict().DecodeString(in.Ciphertext)
	if err != nil || len(ciphertext) == 0 {
		return blob{}, badBlob("ciphertext is not base64url")
	}
	return blob{kid, ciphertext}, nil
}

// decodeEither reads what the specification calls base64 and SDKs send as base64url
// without padding. One text is in one alphabet.
func decodeEither(text string) ([]byte, bool) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if b, err := encoding.Strict().DecodeString(text); err == nil {
			return b, true
		}
	}
	return nil, false
}

// kek is the Key Exchange Key that a blob names: of this vault, by name and
// version, RSA-HSM, with no operation but import, enabled and within its dates.
func (c *call) kek(b blob) (*version, error) {
	if !strings.EqualFold(b.kid.Host, c.s.hostOf(c.vault.Vault)) {
		return nil, badBlob("header.kid is not a key of this vault")
	}
	part := strings.Split(strings.TrimPrefix(b.kid.Path, "/"), "/")
	if len(part) != 3 || part[0] != "keys" || !nameForm.MatchString(part[1]) || !versionForm.MatchString(part[2]) {
		return nil, badBlob("header.kid does not name a key and its version")
	}
	k := c.vault.key(part[1])
	if k == nil || k.stage != active || k.find(part[2]) == nil {
		return nil, badBlob("there is no key %s of version %s", part[1], part[2])
	}
	v := k.find(part[2])
	if v.kty != ktyRSAHSM || !v.isKEK() {
		return nil, badBlob("the key %s is not an RSA-HSM key with the operation import alone", part[1])
	}
	if c.lenient() {
		return v, nil
	}
	return v, v.usable(c.now, opImport)
}
