package gcpemu

import (
	"bytes"
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
)

// notGenuine is in every certificate and statement of an attestation.
const notGenuine = "KEYFERRY EMULATOR TEST ATTESTATION - NOT GENUINE"

// attester signs statements in the place of an HSM, under a root of its own that
// says what it is. It has the shape of Google's attestations, and not their contents:
// those are Marvell's.
type attester struct {
	key   *ecdsa.PrivateKey
	chain []string // leaf and root, PEM
}

func newAttester(now time.Time) (*attester, error) {
	root, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make attestation root: %w", err)
	}
	leaf, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make attestation key: %w", err)
	}
	above, below := certificate("root", now), certificate("card", now)
	above.IsCA, above.BasicConstraintsValid, above.KeyUsage = true, true, x509.KeyUsageCertSign
	rootDER, err := x509.CreateCertificate(rand.Reader, above, above, &root.PublicKey, root)
	if err != nil {
		return nil, fmt.Errorf("make attestation root: %w", err)
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, below, above, &leaf.PublicKey, root)
	if err != nil {
		return nil, fmt.Errorf("make attestation certificate: %w", err)
	}
	return &attester{key: leaf, chain: []string{string(pemOf("CERTIFICATE", leafDER)), string(pemOf("CERTIFICATE", rootDER))}}, nil
}

func certificate(name string, now time.Time) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails (crypto/rand)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{Organization: []string{notGenuine}, CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
	}
}

// attest is a statement that a resource holds a key with this public half.
func (a *attester) attest(name, publicSHA256 string) *kmspb.KeyOperationAttestation {
	text := fmt.Appendf(nil, "%s\nname: %s\npublic-key-sha256: %s\n", notGenuine, name, publicSHA256)
	sum := sha256.Sum256(text)
	signature, _ := ecdsa.SignASN1(rand.Reader, a.key, sum[:]) // never fails with a key of ours
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	_, _ = zip.Write(append(text, signature...)) // a buffer takes everything
	_ = zip.Close()
	return &kmspb.KeyOperationAttestation{
		Format: kmspb.KeyOperationAttestation_CAVIUM_V2_COMPRESSED, Content: packed.Bytes(),
		CertChains: &kmspb.KeyOperationAttestation_CertificateChains{
			CaviumCerts: a.chain, GoogleCardCerts: a.chain[:1], GooglePartitionCerts: a.chain[:1],
		},
	}
}
