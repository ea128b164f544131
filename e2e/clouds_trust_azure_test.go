package e2e_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/localstack/azureemu"
)

// A KEK is marked once, and serves later imports without the officer.
func TestAKEKIsMarkedOnce(t *testing.T) {
	t.Parallel()
	c := trustingClouds(t)
	his := c.contributor(t, azureemu.DefaultPool)
	db := importsAll("guarded/db", "aes-256", "guarded-pool")
	first := c.Run(t, db...)
	got, err := his.GetKey(t.Context(), kekName, "", nil)
	fatal(t, err)
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(got.Key.N), E: int(new(big.Int).SetBytes(got.Key.E).Int64())})
	fatal(t, err)
	sum := sha256.Sum256(der)
	fingerprint, path := hex.EncodeToString(sum[:]), filepath.Join(c.Dir, "kek.pem")
	fatal(t, os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), 0o600))
	if first.Code != 3 || !strings.Contains(first.Stderr, "--fingerprint "+fingerprint) {
		t.Errorf("before the mark: %s", first)
	}
	c.Must(t, "token", "trust", "--public-key", path, "--fingerprint", fingerprint)
	c.Must(t, db...)
	c.Must(t, importsAll("guarded/signing", "ec-p384", "guarded-pool")...)
	c.judgeAll(t, []string{"pool"}, "guarded/db", "guarded/signing")
	c.auditHolds(t)
}
