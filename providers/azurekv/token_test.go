package azurekv_test

import "encoding/base64"

// tokenOf is a JSON Web Token with such claims, signed by nobody.
func tokenOf(claims string) string {
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".c2ln"
}
