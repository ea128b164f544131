package e2e_test

import (
	"crypto/rand"
	"path"
	"testing"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

const p384AtGoogle = kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384

// A version of his comes to our key under our own import job while our import is under
// way. Whether ours arrived before it, after it or never, and whether its answer came or
// not: ours is what holds the same material, once.
func TestSpoofedVersionAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.stranger(t)
	for _, one := range []struct {
		name    string
		when    faults.When
		killed  bool
		version string
	}{
		{"answered-after-his", faults.Before, false, "2"},
		{"lost-before-his", faults.After, true, "1"},
		{"never-sent", faults.Before, true, "2"},
	} {
		t.Run(one.name, func(t *testing.T) {
			run, held := c.heldAtGoogle(t, one.when, "ImportCryptoKeyVersion", one.name)
			spoofed := his.imports(held.KeyID, his.job(), p384AtGoogle, his.signingKey())
			c.goesOn(t, run, held, one.killed, importAt("gcp", one.name, "ec-p384"))
			p := c.placements(t, one.name)["gcp"]
			if p.Step != "active" || p.Version.ID != one.version || p.Version.ID == path.Base(spoofed) {
				t.Errorf("his is %s, on record is %+v", spoofed, p)
			}
			if n := len(c.atGoogle(t, one.name).Versions); n != 2 {
				t.Errorf("there are %d versions: ours was imported again, or never", n)
			}
			c.Must(t, "verify", one.name)
			c.lists(t, spoofed)
		})
	}
	c.auditHolds(t)
}

// goesOn lets what is held go on; killed, it is started again.
func (c *clouds) goesOn(t *testing.T, run *e2etest.Run, held e2etest.Held, killed bool, args []string) {
	t.Helper()
	if !killed {
		held.Release(t)
		if out := run.Wait(); out.Code != 0 {
			t.Fatal(out)
		}
		return
	}
	kill(t, run)
	held.Remove(t)
	c.Must(t, args...)
}

// atGoogle is what the emulator holds under a key's name.
func (c *clouds) atGoogle(t *testing.T, name string) faults.KeyReport {
	t.Helper()
	report, err := c.GCP.Admin().Report(t.Context())
	fatal(t, err)
	for _, k := range report.Keys {
		if k.Name == name {
			return k
		}
	}
	t.Fatalf("Google has no %s: %s", name, e2etest.Show(report.Keys))
	return faults.KeyReport{}
}

// Keys that prove nothing: his version beside a lost import is never taken where the
// target has other writers, and never where there are two to choose from.
func TestSpoofedSymmetricVersionAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.stranger(t)
	setsAtGoogle("sole_writer", "")(t, c)
	c.Must(t, "target", "enrol", "gcp", "--reason", "others import too")
	c.spoofedSecret(t, his, "alone", faults.Before, 1)
	setsAtGoogle("sole_writer", "true")(t, c)
	c.Must(t, "target", "enrol", "gcp", "--reason", "nobody else imports")
	c.spoofedSecret(t, his, "beside-ours", faults.After, 2)
	c.Must(t, importAt("gcp", "quiet", "aes-256")...)
	c.holdsOne(t, "gcp", "quiet")
	c.Must(t, "verify", "quiet")
	c.auditHolds(t)
}

// spoofedSecret: his version comes, our answer does not, and a person has to look. Taken
// back, nothing that is there can be used.
func (c *clouds) spoofedSecret(t *testing.T, his stranger, name string, when faults.When, versions int) {
	t.Helper()
	run, held := c.heldAtGoogle(t, when, "ImportCryptoKeyVersion", name, "--spec", "aes-256")
	material := make([]byte, 32)
	_, _ = rand.Read(material)
	spoofed := his.imports(held.KeyID, his.job(), kmspb.CryptoKeyVersion_GOOGLE_SYMMETRIC_ENCRYPTION, material)
	kill(t, run)
	held.Remove(t)
	for range 2 { // nothing goes on by itself
		out := c.Run(t, importAt("gcp", name, "aes-256")...)
		if out.Code == 0 || !contains(out.Stderr, "undecided") || !contains(out.Stderr, "nothing shows that it holds the same material") || !contains(out.Stderr, path.Base(spoofed)) {
			t.Fatal(out)
		}
	}
	there := c.atGoogle(t, name)
	if p := c.placements(t, name)["gcp"]; p.Version.ID != "" || p.Step != "intended" || len(there.Versions) != versions {
		t.Errorf("on record is %+v, there is %s", p, e2etest.Show(there))
	}
	c.Must(t, "operation", "abort", c.unfinished(t), "--reason", "somebody else imports here", "--yes")
	if held := c.atGoogle(t, name); !held.Pending {
		t.Errorf("taken back, there is %s", e2etest.Show(held))
	}
}
