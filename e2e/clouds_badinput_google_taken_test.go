package e2e_test

import (
	"maps"
	"testing"
	"time"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// hisKey is a key of the name that ours would have, made by somebody else, and why it
// is not one that we made. Its labels are those of our call before it is changed.
type hisKey struct {
	name, why string
	change    func(*kmspb.CryptoKey)
	filled    bool   // with a version of his
	marked    string // why it is not ours to take back either, although it carries our mark
}

func hisKeys() []hisKey {
	return []hisKey{
		{name: "no-labels", why: "its label keyferry-effect differs", change: func(k *kmspb.CryptoKey) { k.Labels = nil }},
		{name: "of-another-key", why: "its label keyferry-key-id differs", change: func(k *kmspb.CryptoKey) { k.Labels["keyferry-key-id"] = "0" }},
		{name: "one-label-more", why: "its labels differ", change: func(k *kmspb.CryptoKey) { k.Labels["team"] = "his" }},
		{name: "decrypts", why: "its algorithm is RSA_DECRYPT_OAEP_3072_SHA256", change: func(k *kmspb.CryptoKey) {
			k.Purpose, k.VersionTemplate.Algorithm = kmspb.CryptoKey_ASYMMETRIC_DECRYPT, kmspb.CryptoKeyVersion_RSA_DECRYPT_OAEP_3072_SHA256
		}, marked: "its spec is rsa-3072"},
		{name: "in-software", why: "its protection level is SOFTWARE", change: func(k *kmspb.CryptoKey) { k.VersionTemplate.ProtectionLevel = kmspb.ProtectionLevel_SOFTWARE }, marked: "its key policy is not the one that was sent"},
		{name: "generates", why: "it is not for imported versions only", change: func(k *kmspb.CryptoKey) { k.ImportOnly = false }, marked: "its key policy is not the one that was sent"},
		{name: "gone-in-a-day", why: "its destroy_scheduled_duration is 24h0m0s", change: func(k *kmspb.CryptoKey) { k.DestroyScheduledDuration = durationpb.New(24 * time.Hour) }},
		{name: "filled", why: "it has versions", change: func(*kmspb.CryptoKey) {}, filled: true, marked: "it has material already"},
	}
}

// makesHis makes the key with these labels.
func (s stranger) makesHis(k hisKey, labels map[string]string) string {
	s.Helper()
	key := s.makes(k.name, func(key *kmspb.CryptoKey) {
		key.Labels = maps.Clone(labels)
		k.change(key)
	})
	if k.filled {
		s.imports(key, s.job(), kmspb.CryptoKeyVersion_EC_SIGN_P384_SHA384, s.signingKey())
	}
	return key
}

// It is there before anything began: nothing is begun, and it stays as it is.
func TestNameTakenAtGoogle(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.stranger(t)
	c.Must(t, importAt("gcp", "first", "ec-p384")...) // makes the import job
	for _, k := range hisKeys() {
		key := his.makesHis(k, map[string]string{"keyferry-effect": "kf-0", "keyferry-key-id": "1"})
		t.Run(k.name, func(t *testing.T) {
			held := c.holdings(t)
			out := c.Run(t, importAt("gcp", k.name, "ec-p384")...)
			bad{code: 1, says: []string{k.name + " already leads to " + key + " at target gcp", "import under another name"}}.explained(t, out)
			if now := c.holdings(t); now != held {
				t.Errorf("before %s\nnow %s", held, now)
			}
		})
	}
	c.Must(t, importAt("gcp", "free", "ec-p384")...)
	c.holdsOne(t, "gcp", "free")
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// He makes it while our own making is under way, with the very labels of our call: it is
// not taken for ours unless nothing about it differs, and stays as it is. Taken back,
// the material can go under another name.
func TestNameTakenAtGoogleMeanwhile(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.stranger(t)
	c.Must(t, importAt("gcp", "first", "ec-p384")...)
	for _, k := range hisKeys() {
		t.Run(k.name, func(t *testing.T) { c.takenMeanwhile(t, his, k) })
	}
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

func (c *clouds) takenMeanwhile(t *testing.T, his stranger, k hisKey) {
	t.Helper()
	run, held := c.heldAtGoogle(t, faults.Before, "CreateCryptoKey", k.name)
	key := his.makesHis(k, held.Tags)
	there := c.holdings(t)
	held.Release(t)
	out := run.Wait()
	bad{code: 3, changed: "material ", says: []string{key, "a key of that name is there, and it is not ours: " + k.why, "choose another name"}}.explained(t, out)
	if again := c.Run(t, importAt("gcp", k.name, "ec-p384")...); again.Code != 3 || !contains(again.Stderr, k.why) {
		t.Errorf("again: %s", again)
	}
	if now := c.holdings(t); now != there {
		t.Errorf("before %s\nnow %s", there, now)
	}
	c.takesBack(t, his, k, key)
	if now := c.holdings(t); now != there {
		t.Errorf("taking it back changed his key; before %s\nnow %s", there, now)
	}
	c.Must(t, importAt("gcp", "not-"+k.name, "ec-p384")...)
	c.holdsOne(t, "gcp", "not-"+k.name)
}

// takesBack gives the operation up. A key with its mark that is not ours is for a person:
// here its owner takes the mark off it.
func (c *clouds) takesBack(t *testing.T, his stranger, k hisKey, key string) {
	t.Helper()
	abort := []string{"operation", "abort", c.unfinished(t), "--reason", "the name is taken", "--yes"}
	if k.marked != "" {
		out := c.Run(t, abort...)
		if out.Code == 0 || !contains(out.Stderr, "1 keys carry this operation's mark: "+key+" ("+k.marked+")") || !contains(out.Stderr, "take the mark off") {
			t.Errorf("taken back: %s", out)
		}
		_, err := his.UpdateCryptoKey(t.Context(), &kmspb.UpdateCryptoKeyRequest{
			CryptoKey: &kmspb.CryptoKey{Name: key}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"labels"}},
		})
		fatal(t, err)
	}
	c.Must(t, abort...)
}

// heldAtGoogle starts an import of which a call is held, and says what that call was.
func (c *clouds) heldAtGoogle(t *testing.T, when faults.When, action, name string, flags ...string) (*e2etest.Run, e2etest.Held) {
	t.Helper()
	rule := faults.Rule{When: when, Match: faults.Match{Action: action, Key: name}}
	return c.held(t, c.GCP.Admin(), rule, importAt("gcp", name, "ec-p384", flags...)...)
}
