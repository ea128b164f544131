package e2e_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/hsm/softtoken/shim"
)

// trustingClouds has a token that wraps in one step, and a policy whose keys it wraps
// under marked keys alone.
func trustingClouds(t *testing.T) *clouds {
	t.Helper()
	if softtoken.SoftHSM.Skipped() {
		t.Skipf("%s names %s", softtoken.SkipVariable, softtoken.SoftHSM)
	}
	c := bareClouds(t, softtoken.SoftHSM)
	c.Shim.Set(shim.Condition{OneStep: shim.OneStepRight})
	text, err := os.ReadFile(c.Config)
	fatal(t, err)
	changed := strings.Replace(string(text), "  pin: {file:", "  so_pin: {file: "+c.Token.SOPINFile+"}\n  pin: {file:", 1) +
		"  - {name: guarded, targets: [gcp], wrap_with_trusted: true}\n  - {name: guarded-pool, targets: [pool], wrap_with_trusted: true}\n  - {name: guarded-aws, spec: aes-256, targets: [aws], wrap_with_trusted: true}\n"
	fatal(t, os.WriteFile(c.Config, []byte(changed), 0o600))
	c.Must(t, "init")
	c.Must(t, "token", "enrol", "--environment", "test")
	for _, target := range e2etest.Targets() {
		c.Must(t, "target", "enrol", target)
	}
	return c
}

// wrappingKey is the import job's, fetched by somebody with access of his own, with its
// fingerprint.
func (s stranger) wrappingKey(file string) (path, fingerprint string) {
	s.Helper()
	held, err := s.GetImportJob(s.Context(), &kmspb.GetImportJobRequest{Name: s.job()})
	fatal(s.T, err)
	text := held.GetPublicKey().GetPem()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		s.Fatalf("no public key: %q", text)
	}
	fatal(s.T, os.WriteFile(file, []byte(text), 0o600))
	sum := sha256.Sum256(block.Bytes)
	return file, hex.EncodeToString(sum[:])
}

// Two people: who runs the imports has the user PIN, and gets nothing wrapped until the
// security officer marked what he fetched himself.
func TestNothingIsWrappedThatTheOfficerDidNotMark(t *testing.T) {
	t.Parallel()
	c := trustingClouds(t)
	his := c.stranger(t)
	wraps := len(c.Shim.Calls("C_WrapKey"))
	db, signing := importsAll("guarded/db", "aes-256", "guarded"), importsAll("guarded/signing", "ec-p384", "guarded")
	first := c.Run(t, db...)
	path, fingerprint := his.wrappingKey(filepath.Join(c.Dir, "job.pem"))
	for _, out := range []e2etest.Outcome{first, c.Run(t, db...), c.Run(t, signing...)} {
		if out.Code != 3 || !strings.Contains(out.Stderr, "keyferry token trust --public-key FILE --fingerprint "+fingerprint) {
			t.Errorf("before the mark: %s", out)
		}
	}
	if n := len(c.Shim.Calls("C_WrapKey")) - wraps; n != 0 {
		t.Errorf("the token was asked %d times to wrap", n)
	}
	if out := c.Run(t, "token", "trust", "--public-key", path, "--fingerprint", strings.Repeat("0", 64)); out.Code != 1 {
		t.Errorf("another key than was meant: %s", out)
	}
	c.Must(t, "token", "trust", "--public-key", path, "--fingerprint", fingerprint)
	if out := c.Must(t, "token", "trust", "--public-key", path, "--fingerprint", fingerprint); !strings.Contains(out.Stdout, "marked before") {
		t.Errorf("marked again: %s", out)
	}
	for _, args := range [][]string{db, signing} {
		c.Must(t, args...)
	}
	c.judgeAll(t, []string{"gcp"}, "guarded/db", "guarded/signing")
	c.auditHolds(t)
	for _, want := range []string{"one-step", `"wrap_with_trusted": true`} {
		if out := c.Must(t, "key", "show", "guarded/signing", "--output", "json"); !strings.Contains(out.Stdout, want) {
			t.Errorf("key show does not say %s: %s", want, out)
		}
	}
	if out := c.Run(t, "doctor"); out.Code != 1 || !strings.Contains(out.Stdout, "new at each import") {
		t.Errorf("doctor does not say that it does not go to AWS: %s", out)
	}
	if out := c.Run(t, importsAll("guarded/aws", "aes-256", "guarded-aws")...); out.Code != 1 || !strings.Contains(out.Stderr, "new at each import") {
		t.Errorf("to AWS: %s", out)
	}
}
