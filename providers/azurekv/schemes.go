package azurekv

import (
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"math/big"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// signing is how each spec signs: Azure's algorithm, the digest it wants, and the
// broker's word for it.
var signing = map[broker.KeySpec]struct {
	algorithm azkeys.SignatureAlgorithm
	scheme    broker.Scheme
	digest    func([]byte) []byte
}{
	broker.RSA2048: {azkeys.SignatureAlgorithmPS256, broker.SchemePSS, sum256},
	broker.RSA3072: {azkeys.SignatureAlgorithmPS256, broker.SchemePSS, sum256},
	broker.RSA4096: {azkeys.SignatureAlgorithmPS256, broker.SchemePSS, sum256},
	broker.ECP256:  {azkeys.SignatureAlgorithmES256, broker.SchemeECDSA256, sum256},
	broker.ECP384:  {azkeys.SignatureAlgorithmES384, broker.SchemeECDSA384, sum384},
	broker.ECP521:  {azkeys.SignatureAlgorithmES512, broker.SchemeECDSA512, sum512},
}

func sum256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sum384(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
func sum512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

// derOf turns r ‖ s, as long as the field each (RFC 7518 §3.4), into a DER signature.
func derOf(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 || len(raw) > 132 {
		return nil, errors.New("it is not two numbers of one length")
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

// Lengths of what a token answers at level cipher (broker.SchemeGCM).
const (
	nonceBytes = 12
	tagBytes   = 16
)

// decryption is Azure's algorithm and parameters for what a challenge holds. The token
// encrypts by AES-GCM, which a Managed HSM decrypts with nonce and tag given.
func decryption(c broker.Challenge) (azkeys.KeyOperationParameters, error) {
	text := c.Ciphertext()
	if !c.Spec().Secret() {
		return azkeys.KeyOperationParameters{Algorithm: new(azkeys.EncryptionAlgorithmRSAOAEP256), Value: text}, nil
	}
	algorithm := azkeys.EncryptionAlgorithmA256GCM
	if c.Spec() == broker.AES128 {
		algorithm = azkeys.EncryptionAlgorithmA128GCM
	}
	end := len(text) - tagBytes
	if end <= nonceBytes {
		return azkeys.KeyOperationParameters{}, errors.New("the challenge has no ciphertext")
	}
	return azkeys.KeyOperationParameters{Algorithm: &algorithm, IV: text[:nonceBytes], Value: text[nonceBytes:end], AuthenticationTag: text[end:]}, nil
}
