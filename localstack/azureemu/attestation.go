package azureemu

import (
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"encoding/pem"
)

// attestationOut is a key's attestation (KeyAttestation). The emulator's is not an
// HSM's, and says so.
type attestationOut struct {
	CertificatePEMFile    string `json:"certificatePemFile"`
	PrivateKeyAttestation string `json:"privateKeyAttestation"`
	PublicKeyAttestation  string `json:"publicKeyAttestation,omitempty"`
	Version               string `json:"version"`
}

// attestedBundle is a key bundle whose attributes carry the attestation.
type attestedBundle struct {
	keyBundle
	Attributes attestedAttributes `json:"attributes"`
}

type attestedAttributes struct {
	attributesOut
	Attestation attestationOut `json:"attestation"`
}

// notGenuine is in everything that the emulator attests.
const notGenuine = "NOT GENUINE: made by the Keyferry emulator, which is no HSM"

// getKeyAttestation answers a statement under the run CA. Managed HSM alone has the
// operation.
func getKeyAttestation(c *call) (any, error) {
	if c.vault.Mode != HSM {
		return nil, refuse(codeUnsupported, "Attestation is for keys of a Managed HSM")
	}
	k, v, err := c.findVersion()
	if err != nil {
		return nil, err
	}
	out := attestationOut{Version: "emulator-not-genuine"}
	if out.PrivateKeyAttestation, err = c.attest(k, v, "private"); err != nil {
		return nil, err
	}
	if v.secret.pair != nil {
		if out.PublicKeyAttestation, err = c.attest(k, v, "public"); err != nil {
			return nil, err
		}
	}
	chain := append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.s.leaf.Certificate[0]}), c.s.ca.PEM()...)
	out.CertificatePEMFile = base64url(chain)
	bundle := c.bundle(k, v)
	return attestedBundle{bundle, attestedAttributes{bundle.Attributes, out}}, nil
}

// attest is a statement, a zero byte, and its signature (ECDSA over SHA-256).
func (c *call) attest(k *key, v *version, half string) (string, error) {
	statement, err := json.Marshal(map[string]string{"warning": notGenuine, "kid": c.kid(k.name, v.id), "half": half, "public_sha256": v.publicSHA256()})
	if err != nil {
		return "", err
	}
	signer, ok := c.s.leaf.PrivateKey.(crypto.Signer)
	if !ok {
		return "", refuse(codeInternal, "the emulator's certificate has no key to sign with")
	}
	digest := sha256.Sum256(statement)
	signature, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	return base64url(append(append(statement, 0), signature...)), err
}
