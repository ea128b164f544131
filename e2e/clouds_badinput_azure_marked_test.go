package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// plantsKey imports a P-384 key of his own, whose private half he knows, with these
// tags; and returns the version's id.
func plantsKey(t *testing.T, his *azkeys.Client, name string, tags map[string]string) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	fatal(t, err)
	public, err := key.PublicKey.Bytes()
	fatal(t, err)
	private, err := key.Bytes()
	fatal(t, err)
	in := azkeys.ImportKeyParameters{
		HSM: new(true), Tags: map[string]*string{},
		Key: &azkeys.JSONWebKey{
			Kty: new(azkeys.KeyTypeECHSM), Crv: new(azkeys.CurveNameP384), X: public[1:49], Y: public[49:], D: private,
			KeyOps: []*azkeys.KeyOperation{new(azkeys.KeyOperationSign), new(azkeys.KeyOperationVerify)},
		},
	}
	for name, value := range tags {
		in.Tags[name] = &value
	}
	made, err := his.ImportKey(t.Context(), name, in, nil)
	fatal(t, err)
	return made.Key.KID.Version()
}

// heldImport starts an import whose call to the vault is held. That says with which tags.
func (c *clouds) heldImport(t *testing.T, when faults.When, name string) (*e2etest.Run, e2etest.Held) {
	t.Helper()
	rule := faults.Rule{When: when, Match: faults.Match{Action: "ImportKey", Key: name}}
	run, held := c.held(t, c.Azure.Admin(), rule, importAt("vault", name, "ec-p384")...)
	if held.Tags["keyferry-effect"] == "" {
		t.Fatalf("the import is marked %v", held.Tags)
	}
	return run, held
}

// unfinished is the operation that waits for a person.
func (c *clouds) unfinished(t *testing.T) string {
	t.Helper()
	var list []struct{ ID, State string }
	text := c.Must(t, "operation", "list", "--unfinished", "--output", "json").Stdout
	fatal(t, json.Unmarshal([]byte(text), &list))
	if len(list) != 1 || list[0].ID == "" {
		t.Fatalf("unfinished are %s", text)
	}
	return list[0].ID
}

// Somebody plants a version with our very marks while our import is under way, and the
// answer comes: it is the answer that counts.
func TestMarkedKeyBesideOurs(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	run, held := c.heldImport(t, faults.Before, "answered")
	planted := plantsKey(t, his, "answered", held.Tags)
	held.Release(t)
	if out := run.Wait(); out.Code != 0 {
		t.Fatal(out)
	}
	ours := c.placements(t, "answered")["vault"]
	if ours.Step != "active" || ours.Version.ID == planted || ours.Version.ID != newestOf(t, his, "answered") {
		t.Errorf("planted was %s, on record is %+v", planted, ours)
	}
	c.Must(t, "verify", "answered")
	c.lists(t, planted)
	c.auditHolds(t)
}

// The import never arrived, and what carries its marks is his: it is not taken. Once
// that is gone, the operation goes on.
func TestMarkedKeyInPlaceOfOurs(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	run, held := c.heldImport(t, faults.Before, "never-sent")
	planted := plantsKey(t, his, "never-sent", held.Tags)
	kill(t, run)
	held.Remove(t)
	args := importAt("vault", "never-sent", "ec-p384")
	for range 2 { // nothing goes on by itself
		out := c.Run(t, args...)
		if out.Code == 0 || !contains(out.Stderr, "undecided") || !contains(out.Stderr, "version "+planted+" carries this import's mark and holds other material") {
			t.Fatal(out)
		}
	}
	if p := c.placements(t, "never-sent")["vault"]; p.Version.ID != "" || p.Step != "intended" {
		t.Errorf("on record is %+v", p)
	}
	removes(t, his, "never-sent")
	c.Must(t, "operation", "resume", c.unfinished(t))
	c.holdsOne(t, "vault", "never-sent")
	c.Must(t, "verify", "--all")
	c.auditHolds(t)
}

// The import arrived, its answer is lost, and his version with its marks is the newest:
// ours is found by what it holds. Consumers would get his, so ours is never activated.
func TestMarkedKeyAfterOurs(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	run, held := c.heldImport(t, faults.After, "answer-lost")
	arrived := newestOf(t, his, "answer-lost")
	planted := plantsKey(t, his, "answer-lost", held.Tags)
	kill(t, run)
	held.Remove(t)
	args := importAt("vault", "answer-lost", "ec-p384")
	out := c.Run(t, args...)
	if out.Code == 0 || !contains(out.Stderr, "public key differs") || !contains(out.Stderr, "the version is suspended and will never be activated") {
		t.Fatal(out)
	}
	if p := c.placements(t, "answer-lost")["vault"]; p.Version.ID != arrived || p.Step == "active" {
		t.Errorf("planted was %s, on record is %+v", planted, p)
	}
	if out := c.Run(t, "verify", "answer-lost"); out.Code == 0 {
		t.Errorf("it verifies: %s", out)
	}
	c.lists(t, planted)
	c.Must(t, "operation", "abort", c.unfinished(t), "--reason", "somebody planted a version", "--yes")
	if _, err := his.GetDeletedKey(t.Context(), "answer-lost", nil); err != nil {
		t.Errorf("what was taken back can no longer be recovered: %v", err)
	}
	c.Must(t, importAt("vault", "another-name", "ec-p384")...)
	c.holdsOne(t, "vault", "another-name")
	c.Must(t, "verify", "another-name")
	c.auditHolds(t)
}

// A key that is there before the first import is somebody else's.
func TestNameThatIsTaken(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	his := c.contributor(t, azureemu.DefaultPremium)
	plants := func(name string) func(*testing.T, *clouds) {
		return func(t *testing.T, _ *clouds) { t.Helper(); plantsKey(t, his, name, nil) }
	}
	c.refusesEach(t, []wrong{
		{target: "vault", bad: bad{name: "at once", code: 1, asked: looks, says: []string{"wrong-0 already leads to", "/keys/wrong-0 at target vault", "import under another name, or remove that name at the target first"}}, spoils: plants("wrong-0"), heals: func(t *testing.T, _ *clouds) { t.Helper(); removes(t, his, "wrong-0") }, same: true},
	})
}

// lists: inventory shows a version that is not on record.
func (c *clouds) lists(t *testing.T, version string) {
	t.Helper()
	if out := c.Must(t, "inventory", "--orphans", "--output", "json"); !contains(out.Stdout, version) {
		t.Errorf("version %s is not listed: %s", version, out)
	}
}

func newestOf(t *testing.T, his *azkeys.Client, name string) string {
	t.Helper()
	got, err := his.GetKey(t.Context(), name, "", nil)
	fatal(t, err)
	return got.Key.KID.Version()
}

// removes deletes a key for good.
func removes(t *testing.T, his *azkeys.Client, name string) {
	t.Helper()
	_, err := his.DeleteKey(t.Context(), name, nil)
	fatal(t, err)
	_, err = his.PurgeDeletedKey(t.Context(), name, nil)
	fatal(t, err)
}
