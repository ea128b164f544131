package gcpemu

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// errJWT is what all refusals of a JWT wrap.
var errJWT = errors.New("bad JWT")

// jwtHeader and claims are as much of RFC 7515 and 7519 as service accounts use.
type jwtHeader struct {
	Alg string `json:"alg"`
	Kid string `json:"kid,omitempty"`
	Typ string `json:"typ,omitempty"`
}

type claims struct {
	Iss            string `json:"iss"`
	Sub            string `json:"sub,omitempty"`
	Aud            string `json:"aud,omitempty"`
	Scope          string `json:"scope,omitempty"`
	TargetAudience string `json:"target_audience,omitempty"`
	Iat            int64  `json:"iat"`
	Exp            int64  `json:"exp"`
}

// jwt is one that was taken apart, not yet believed.
type jwt struct {
	header    jwtHeader
	claims    claims
	signed    string
	signature []byte
}

func parseJWT(text string) (jwt, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 {
		return jwt{}, errors.Join(errJWT, errors.New("not three parts"))
	}
	var out jwt
	for i, v := range []any{&out.header, &out.claims} {
		plain, err := base64.RawURLEncoding.Strict().DecodeString(parts[i])
		if err == nil {
			err = json.Unmarshal(plain, v)
		}
		if err != nil {
			return jwt{}, errors.Join(errJWT, err)
		}
	}
	signature, err := base64.RawURLEncoding.Strict().DecodeString(parts[2])
	if err != nil {
		return jwt{}, errors.Join(errJWT, err)
	}
	out.signed, out.signature = parts[0]+"."+parts[1], signature
	return out, nil
}

// longest is how long a JWT may be valid, skew how far clocks may differ (Google,
// Using OAuth 2.0 for server to server applications).
const (
	longest = time.Hour
	skew    = 5 * time.Minute
)

// verify checks signature and times.
func (j jwt) verify(public *rsa.PublicKey, now time.Time) error {
	sum := sha256.Sum256([]byte(j.signed))
	from, to := time.Unix(j.claims.Iat, 0), time.Unix(j.claims.Exp, 0)
	switch {
	case j.header.Alg != "RS256":
		return errors.Join(errJWT, errors.New("the algorithm is not RS256"))
	case rsa.VerifyPKCS1v15(public, crypto.SHA256, sum[:], j.signature) != nil:
		return errors.Join(errJWT, errors.New("Invalid JWT Signature.")) //nolint:revive,staticcheck // Google's words
	case from.After(now.Add(skew)), !to.After(now.Add(-skew)), to.Sub(from) > longest+skew:
		return errors.Join(errJWT, errors.New("token must be a short-lived token (60 minutes) and in a reasonable timeframe"))
	}
	return nil
}

// signJWT makes one.
func signJWT(key *rsa.PrivateKey, kid string, c claims) (string, error) {
	header, err := json.Marshal(jwtHeader{Alg: "RS256", Typ: "JWT", Kid: kid})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		return "", err
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
