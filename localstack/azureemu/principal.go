package azureemu

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
)

// principal is a service principal as the emulator keeps it.
type principal struct {
	Principal
	certificate *x509.Certificate // nil: none was asked for yet
	key         *rsa.PrivateKey   // nil where the certificate came with the configuration
}

// Credentials are how a principal proves itself.
type Credentials struct {
	Tenant         string
	ClientID       string
	ObjectID       string
	Secret         string
	CertificatePEM []byte // certificate and PKCS#8 private key; nil where the emulator did not make them
	FederatedToken string // of an identity provider that the principal trusts, valid for an hour
}

// defaultLifetime is how long an access token is valid.
const defaultLifetime = time.Hour

func (p *principal) lifetime() time.Duration {
	if p.TokenLifetime > 0 {
		return p.TokenLifetime.Duration()
	}
	return defaultLifetime
}

// complete gives a principal what its configuration leaves out; old is what it was
// before, nil for nothing.
func (p *principal) complete(old *principal, tenant string) {
	if p.Tenant == "" {
		p.Tenant = tenant
	}
	if old != nil {
		if p.Secret == "" {
			p.Secret = old.Secret
		}
		if p.certificate == nil {
			p.certificate, p.key = old.certificate, old.key
		}
	}
	if p.Secret == "" {
		p.Secret = hex.EncodeToString(randomBytes(20))
	}
	if p.ObjectID == "" {
		p.ObjectID = objectID(p.ClientID)
	}
}

// objectID is made from a client id, so that it stays.
func objectID(clientID string) string {
	b := sha256.Sum256([]byte("object id\x00" + clientID))
	return fmt.Sprintf("%x-%x-4%x-8%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16])[:36]
}

// certify makes a certificate and its key for a principal that has none.
func (p *principal) certify(pool *emu.Pool, now time.Time) error {
	key, err := pool.Take(2048)
	if err != nil {
		return fmt.Errorf("make a principal's key: %w", err)
	}
	subject := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(randomBytes(16)), Subject: pkix.Name{CommonName: p.ClientID},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour), KeyUsage: x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, subject, subject, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("make a principal's certificate: %w", err)
	}
	p.key = key
	p.certificate, err = x509.ParseCertificate(der)
	return err
}

// public is the certificate's key; nil if there is no certificate.
func (p *principal) public() *rsa.PublicKey {
	if p.certificate == nil {
		return nil
	}
	public, _ := p.certificate.PublicKey.(*rsa.PublicKey) // parseCertificate takes no other
	return public
}

// pem is the principal's certificate and key in one file, as azidentity reads it.
func (p *principal) pem() ([]byte, error) {
	if p.key == nil {
		return nil, nil
	}
	key, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return nil, fmt.Errorf("encode a principal's key: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.certificate.Raw})
	return append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...), nil
}

// parseCertificate reads the certificate of a configuration.
func parseCertificate(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%w: a principal's certificate is not PEM", errConfig)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errConfig, err)
	}
	if _, ok := certificate.PublicKey.(*rsa.PublicKey); !ok {
		return nil, fmt.Errorf("%w: a principal's certificate is not RSA", errConfig)
	}
	return certificate, nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}
