package azureemu

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"github.com/keyferry/keyferry/localstack/emu"
)

// token is a JSON Web Token in compact form (RFC 7519, RFC 7515 §7.1), its
// signature not looked at yet.
type token struct {
	header    tokenHeader
	claims    claims
	digest    []byte // SHA-256 of what is signed
	signature []byte
}

type tokenHeader struct {
	Alg     string `json:"alg"`
	Typ     string `json:"typ,omitempty"`
	KeyID   string `json:"kid,omitempty"`
	X5T     string `json:"x5t,omitempty"`
	X5TS256 string `json:"x5t#S256,omitempty"`
}

type claims struct {
	Issuer    string   `json:"iss"`
	Subject   string   `json:"sub,omitempty"`
	Audience  audience `json:"aud"`
	Expires   date     `json:"exp"`
	NotBefore date     `json:"nbf,omitempty"`
	IssuedAt  date     `json:"iat,omitempty"`
	ID        string   `json:"jti,omitempty"`
	Tenant    string   `json:"tid,omitempty"`
	ObjectID  string   `json:"oid,omitempty"`
	AppID     string   `json:"appid,omitempty"`
	Version   string   `json:"ver,omitempty"`
}

// date is a NumericDate, which may have a fraction (RFC 7519 §2): MSAL for Python
// sends one.
type date int64

// UnmarshalJSON drops the fraction.
func (d *date) UnmarshalJSON(text []byte) error {
	var seconds float64
	err := json.Unmarshal(text, &seconds)
	*d = date(seconds)
	return err
}

// audience is one, or a list (RFC 7519 §4.1.3).
type audience []string

// UnmarshalJSON reads both forms.
func (a *audience) UnmarshalJSON(text []byte) error {
	var many []string
	if json.Unmarshal(text, &many) == nil {
		*a = many
		return nil
	}
	var one string
	err := json.Unmarshal(text, &one)
	*a = audience{one}
	return err
}

var errToken = errors.New("not a JSON Web Token")

func parseToken(text string) (token, error) {
	part := strings.Split(text, ".")
	if len(part) != 3 {
		return token{}, errToken
	}
	var raw [3][]byte
	for i, p := range part {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil {
			return token{}, errToken
		}
		raw[i] = b
	}
	digest := sha256.Sum256([]byte(part[0] + "." + part[1]))
	t := token{digest: digest[:], signature: raw[2]}
	if errors.Join(json.Unmarshal(raw[0], &t.header), json.Unmarshal(raw[1], &t.claims)) != nil {
		return token{}, errToken
	}
	return t, nil
}

// signer makes tokens of one issuer (ES256, RFC 7518 §3.4).
type signer struct {
	key *ecdsa.PrivateKey
	id  string
}

func newSigner() (signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signer{}, fmt.Errorf("make a token key: %w", err)
	}
	return signer{key, emu.NewID()}, nil
}

func (s signer) sign(c claims) (string, error) {
	header, err := json.Marshal(tokenHeader{Alg: "ES256", Typ: "JWT", KeyID: s.id})
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	text := base64url(header) + "." + base64url(body)
	digest := sha256.Sum256([]byte(text))
	r, t, err := ecdsa.Sign(rand.Reader, s.key, digest[:])
	if err != nil {
		return "", fmt.Errorf("sign a token: %w", err)
	}
	return text + "." + base64url(append(r.FillBytes(make([]byte, 32)), t.FillBytes(make([]byte, 32))...)), nil
}

// verifies says whether the token is one of this signer's.
func (s signer) verifies(t token) bool {
	if t.header.Alg != "ES256" || t.header.KeyID != s.id || len(t.signature) != 64 {
		return false
	}
	r, u := new(big.Int).SetBytes(t.signature[:32]), new(big.Int).SetBytes(t.signature[32:])
	return ecdsa.Verify(&s.key.PublicKey, t.digest, r, u)
}

// verifiedBy says whether an RSA key made the token's signature.
func (t token) verifiedBy(public *rsa.PublicKey) bool {
	switch t.header.Alg {
	case "RS256":
		return rsa.VerifyPKCS1v15(public, crypto.SHA256, t.digest, t.signature) == nil
	case "PS256":
		options := &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}
		return rsa.VerifyPSS(public, crypto.SHA256, t.digest, t.signature, options) == nil
	default:
		return false
	}
}
