package emu_test

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/emu/emutest"
)

func TestLeavesAreOfOneAuthority(t *testing.T) {
	t.Parallel()
	now := time.Now()
	ca := emutest.Must(emu.NewAuthority(now))(t)
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca.PEM()) {
		t.Fatal("no certificate in the PEM")
	}
	for name, hosts := range map[string][]string{"plain": nil, "named": {"*.vault.example", "10.0.0.1"}} {
		leaf := emutest.Must(x509.ParseCertificate(emutest.Must(ca.Leaf(hosts...))(t).Certificate[0]))(t)
		for host, want := range map[string]bool{
			"localhost": true, "127.0.0.1": true, "::1": true, "example": false,
			"a.vault.example": hosts != nil, "10.0.0.1": hosts != nil, "a.b.vault.example": false,
		} {
			_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host, CurrentTime: now})
			if (err == nil) != want {
				t.Errorf("%s leaf for %s: %v", name, host, err)
			}
		}
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: now.Add(31 * 24 * time.Hour)}); err == nil {
			t.Error("valid for more than thirty days")
		}
		if len(leaf.AuthorityKeyId) == 0 {
			t.Error("a leaf names no key of its CA") // strict clients refuse that (RFC 5280 §4.2.1.1)
		}
	}
}

func TestAuthorityIsWritten(t *testing.T) {
	t.Parallel()
	ca := emutest.Must(emu.NewAuthority(time.Now()))(t)
	if err := ca.WriteFile(""); err != nil {
		t.Error(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := ca.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if got := emutest.Must(os.ReadFile(path))(t); string(got) != string(ca.PEM()) {
		t.Errorf("wrote %q", got)
	}
	if ca.WriteFile(filepath.Join(path, "x")) == nil {
		t.Error("wrote below a file")
	}
}
