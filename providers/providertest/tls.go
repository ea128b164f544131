package providertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/keyferry/keyferry/broker"
)

// TLS is how an adapter is brought to a server of the checks' own.
type TLS struct {
	// Host is a name of which the adapter dials loopback; it is in the certificate.
	Host string
	// Ask opens the adapter with an endpoint at host:port that the CA vouches for, makes
	// one call there, and returns its error.
	Ask func(t *testing.T, hostPort string, caPEM []byte) error
}

// RunTLS holds that an adapter speaks TLS 1.2 or later to who a CA of its config
// vouches for, and says not one byte to anybody else.
func RunTLS(t *testing.T, with TLS) {
	t.Helper()
	year := time.Hour * 24 * 365
	for _, c := range []struct {
		name   string
		sure   bool // the adapter may speak to it
		change func(*impostor)
	}{
		{"TLS 1.3", true, func(*impostor) {}},
		{"TLS 1.2", true, func(i *impostor) { i.version = tls.VersionTLS12 }},
		{"TLS 1.1", false, func(i *impostor) { i.version = tls.VersionTLS11 }},
		{"TLS 1.0", false, func(i *impostor) { i.version = tls.VersionTLS10 }},
		{"another CA", false, func(i *impostor) { i.shown = newAuthority(t) }},
		{"another name", false, func(i *impostor) { i.names = []string{"another." + with.Host} }},
		{"no name", false, func(i *impostor) { i.names = nil }},
		{"ended", false, func(i *impostor) { i.from, i.to = time.Now().Add(-year), time.Now().Add(-time.Hour) }},
		{"not begun", false, func(i *impostor) { i.from, i.to = time.Now().Add(time.Hour), time.Now().Add(year) }},
		{"for clients", false, func(i *impostor) { i.use = x509.ExtKeyUsageClientAuth }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			i := &impostor{ca: newAuthority(t), names: []string{with.Host}, from: time.Now().Add(-time.Hour), to: time.Now().Add(year), use: x509.ExtKeyUsageServerAuth}
			c.change(i)
			port := i.listen(t)
			err := with.Ask(t, net.JoinHostPort(with.Host, port), i.trusted())
			switch heard := i.heard.Load(); {
			case err == nil:
				t.Error("the call went well, at a server that answers nothing")
			case c.sure && heard == 0:
				t.Errorf("not a byte arrived at a server that is to be trusted: %v", err)
			case !c.sure && heard != 0:
				t.Errorf("%d bytes were sent to a server that is not to be trusted: %v", heard, err)
			case !c.sure && i.met.Load() == 0:
				t.Errorf("it was not even dialled: %v", err)
			case !c.sure && broker.KindOf(err) != broker.Denied && broker.KindOf(err) != broker.Unavailable:
				t.Errorf("nothing was sent, and the error is %s: %v", broker.KindOf(err), err)
			}
		})
	}
}

// impostor is a TLS server that listens to what it is sent, and answers nothing.
type impostor struct {
	ca       *authority // that the adapter is told of
	shown    *authority // that signed the certificate, where it is another one
	names    []string
	from, to time.Time
	use      x509.ExtKeyUsage
	version  uint16 // 0: any
	met      atomic.Int64
	heard    atomic.Int64 // bytes after the handshake
}

func (i *impostor) trusted() []byte { return i.ca.pem }

func (i *impostor) listen(t *testing.T) (port string) {
	t.Helper()
	by := i.shown
	if by == nil {
		by = i.ca
	}
	config := &tls.Config{ //nolint:gosec // what a client must not agree to
		Certificates: []tls.Certificate{by.leaf(t, i)}, NextProtos: []string{"h2", "http/1.1"},
		MinVersion: tls.VersionTLS10, MaxVersion: i.version,
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { i.hear(conn) })
		}
	})
	t.Cleanup(func() { _ = l.Close(); serving.Wait() })
	_, port, err = net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}

// hear counts what comes first, and hangs up.
func (i *impostor) hear(conn net.Conn) {
	i.met.Add(1)
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	n, _ := conn.Read(make([]byte, 1<<10)) // it shakes hands first
	i.heard.Add(int64(n))
}

// authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a CA of a test"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *authority) leaf(t *testing.T, i *impostor) tls.Certificate {
	t.Helper()
	key := newKey(t)
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "a server of a test"}, NotBefore: i.from, NotAfter: i.to,
		DNSNames: i.names, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{i.use},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
