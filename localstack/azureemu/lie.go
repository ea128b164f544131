package azureemu

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"maps"

	"github.com/keyferry/keyferry/localstack/faults"
)

// lie makes a false answer out of a true one: another public key, signature,
// ciphertext or plaintext; a wrong signature taken for right, and the other way.
func (c *call) lie(truth faults.Answer) faults.Answer {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	var members map[string]any
	if truth.Code != "" || json.Unmarshal(truth.Body, &members) != nil {
		return truth
	}
	switch value := members["value"].(type) {
	case string:
		members["value"] = flipped(value)
	case bool:
		members["value"] = !value
	}
	if key, ok := members["key"].(map[string]any); ok {
		c.lieOfKey(key)
	}
	return jsonAnswer(truth.Status, "", members)
}

// lieOfKey puts another public key of the same kind in place of the true one.
func (c *call) lieOfKey(key map[string]any) {
	if c.used == nil || c.used.secret.pair == nil {
		return
	}
	other, err := c.used.other()
	if err != nil {
		return
	}
	maps.Copy(key, other)
}

// flipped changes the last bit of bytes in base64url.
func flipped(text string) string {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) == 0 {
		return text
	}
	b[len(b)-1] ^= 1
	return base64url(b)
}

// other are the public values of a key of the same shape.
func (v *version) other() (map[string]any, error) {
	spki, err := v.secret.pair.OtherSPKI()
	if err != nil {
		return nil, err
	}
	if private := v.secret.pair.RSA(); private != nil {
		public, err := x509.ParsePKIXPublicKey(spki)
		if public, ok := public.(*rsa.PublicKey); ok {
			return map[string]any{"n": base64url(public.N.Bytes())}, nil
		}
		return nil, err
	}
	x, y := pointOf(spki, v.crv())
	return map[string]any{"x": base64url(x), "y": base64url(y)}, nil
}
