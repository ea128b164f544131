package emu

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// Authority is a CA that lives as long as a run. Several emulators may share it; it
// may be used by many goroutines.
type Authority struct {
	now time.Time
	pem []byte
	ca  *x509.Certificate
	key *ecdsa.PrivateKey
}

// NewAuthority makes a CA. What it signs is valid for thirty days from now, which is
// real time, since that is what clients check.
func NewAuthority(now time.Time) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make CA key: %w", err)
	}
	ca := template("Keyferry emulator run CA", now)
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, ca, ca, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("make CA certificate: %w", err)
	}
	ca, err = x509.ParseCertificate(der) // with the key identifier that leaves refer to
	if err != nil {
		return nil, fmt.Errorf("read CA certificate: %w", err)
	}
	return &Authority{now: now, pem: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), ca: ca, key: key}, nil
}

// PEM is the CA's certificate.
func (a *Authority) PEM() []byte { return a.pem }

// WriteFile writes the CA's certificate as PEM; to nowhere if path is empty.
func (a *Authority) WriteFile(path string) error {
	if path == "" {
		return nil
	}
	if err := os.WriteFile(path, a.pem, 0o600); err != nil {
		return fmt.Errorf("write run CA: %w", err)
	}
	return nil
}

// Leaf makes a server's certificate for localhost, both loopback addresses and
// hosts: names, names that begin with "*.", or addresses.
func (a *Authority) Leaf(hosts ...string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS key: %w", err)
	}
	leaf := template("localhost", a.now)
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, host := range append([]string{"localhost", "127.0.0.1", "::1"}, hosts...) {
		if ip := net.ParseIP(host); ip != nil {
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		} else {
			leaf.DNSNames = append(leaf.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, a.ca, &key.PublicKey, a.key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("make TLS certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der, a.ca.Raw}, PrivateKey: key}, nil
}

func template(name string, now time.Time) *x509.Certificate {
	serial := make([]byte, 16)
	_, _ = rand.Read(serial) // never fails (crypto/rand)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(30 * 24 * time.Hour),
	}
}
