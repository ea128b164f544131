package azurekv_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"maps"
	"math/big"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func base64url(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// object is JSON under construction.
type object map[string]any

func (o object) String() string {
	text, err := json.Marshal(o)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// with is a copy with other members.
func (o object) with(more object) object {
	out := maps.Clone(o)
	maps.Copy(out, more)
	return out
}

// pairs are made once: a KEK's and a signing key's public half.
var pairs = sync.OnceValues(func() (*rsa.PrivateKey, *ecdsa.PrivateKey) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	curved, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return private, curved
})

func attributes() object {
	return object{"enabled": true, "created": time.Now().Unix(), "updated": time.Now().Unix(), "exp": time.Now().Add(48 * time.Hour).Unix(), "recoverableDays": 90}
}

// kekBundle is a KEK as a vault answers it.
func kekBundle(kid string) object {
	private, _ := pairs()
	return object{
		"key": object{
			"kid": kid, "kty": "RSA-HSM", "key_ops": []string{"import"}, "n": base64url(private.N.Bytes()), "e": base64url(big.NewInt(int64(private.E)).Bytes()),
		},
		"attributes": attributes(),
	}
}

// ecBundle is a signing key as a vault answers it.
func ecBundle(kid string) object {
	_, curved := pairs()
	return object{
		"key": object{
			"kid": kid, "kty": "EC-HSM", "crv": "P-256", "key_ops": []string{"sign", "verify"},
			"x": base64url(curved.X.FillBytes(make([]byte, 32))), "y": base64url(curved.Y.FillBytes(make([]byte, 32))),
		},
		"attributes": attributes(),
		"tags":       object{"keyferry-effect": "kf-1", "keyferry-key": "payments/db", "keyferry-key-id": "0123456789abcdef", "keyferry-spec": "ec-p256", "team": "payments"},
	}
}

// list is a page of ids.
func list(kids ...string) string {
	values := []object{}
	for _, kid := range kids {
		values = append(values, object{"kid": kid, "attributes": attributes(), "tags": object{"keyferry-effect": "kf-1"}})
	}
	return object{"value": values, "nextLink": nil}.String()
}

// about answers every operation with what is about one key and version.
func about(key, version string) map[string]string {
	kid := key
	if version != "" {
		kid += "/" + version
	}
	bundle := ecBundle(kid)
	deleted := bundle.with(object{"recoveryId": "x", "deletedDate": 1, "scheduledPurgeDate": 2}).String()
	return map[string]string{
		"GetKey": bundle.String(), "CreateKey": kekBundle(kid).String(), "ImportKey": bundle.String(), "UpdateKey": bundle.String(),
		"DeleteKey": deleted, "GetDeletedKey": deleted, "RecoverDeletedKey": bundle.String(), "ListKeys": list(key), "ListKeyVersions": list(kid),
		"ListDeletedKeys": list(), "Sign": object{"kid": kid, "value": base64url(make([]byte, 64))}.String(),
		"Decrypt": object{"kid": kid, "value": "AA"}.String(),
	}
}

// port of the vault.
func (s *script) port(t *testing.T) string {
	t.Helper()
	port := s.URL[strings.LastIndexByte(s.URL, ':')+1:]
	if _, err := strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	return port
}
