package e2e_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
)

// pinnedAtAzure is one field of the vault's target that its enrolment pins.
type pinnedAtAzure struct {
	name, old, now string                // words of the config, changed after the enrolment
	field          string                // what of it is named
	asks           func(string) []string // where an import is refused for another reason first
	instead        string                // what is said where the config alone is refused
	anew           bool                  // enrolled anew, imports go on with it
}

// Every field of a target that [TestBadAzure] does not change: changed after it was
// enrolled, nothing is sent; enrolled anew on purpose, it is accepted. Each that is
// enrolled anew stays so for those after it.
func TestPinnedAtAzure(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	c.anotherIdentity(t)
	var table []wrong
	for _, f := range c.pinnedAtAzure(t) {
		table = append(table, f.changed())
	}
	c.refusesEach(t, table)
}

const hisClientID = "c0117e86-9999-4333-8444-555555555555"

// anotherIdentity may do at the vault what ours may, by a certificate in his.pem; in
// same.pem is ours once more.
func (c *clouds) anotherIdentity(t *testing.T) {
	t.Helper()
	fatal(t, c.Azure.Admin().Configure(t.Context(), azureemu.Change{Principals: []azureemu.Principal{{ClientID: hisClientID}}}))
	his, err := c.Azure.CredentialsOf(hisClientID)
	fatal(t, err)
	fatal(t, os.WriteFile(filepath.Join(c.Dir, "his.pem"), his.CertificatePEM, 0o600))
	ours, err := c.Azure.Credentials()
	fatal(t, err)
	fatal(t, os.WriteFile(filepath.Join(c.Dir, "same.pem"), ours.CertificatePEM, 0o600))
}

func (c *clouds) pinnedAtAzure(t *testing.T) []pinnedAtAzure {
	t.Helper()
	ours, err := c.Azure.Credentials()
	fatal(t, err)
	const settle = "    settle: 1s\n"
	adds := func(line string) string { return "    " + line + "\n" + settle }
	certificate := "{kind: certificate, client_id: " + ours.ClientID + ", certificate_file: azure.pem}"
	his := "{kind: certificate, client_id: " + hisClientID + ", certificate_file: his.pem}"
	return []pinnedAtAzure{
		{name: "environment", old: "environment: test", now: "environment: production", instead: "production requires a vault of Azure's own"},
		{name: "authority", old: c.Azure.AuthorityURL(), now: "https://127.0.0.1:1", field: "authority"},
		{name: "authority left out", old: "    authority: " + c.Azure.AuthorityURL() + "\n", field: "authority"},
		{name: "proxy", old: settle, now: adds("proxy: http://127.0.0.1:1"), field: "proxy"},
		{name: "credentials' kind", old: certificate, now: "{kind: default}", field: "credentials"},
		{name: "managed identity", old: certificate, now: "{kind: managed-identity}", field: "credentials"},
		{name: "credentials left out", old: "    credentials: " + certificate + "\n", field: "credentials"},
		{name: "protection", old: settle, now: adds("protection: software"), field: "protection", asks: says("verify", "wrong-0")},
		{name: "certificate file", old: "azure.pem", now: "same.pem", field: "credentials", anew: true},
		{name: "client id", old: "{kind: certificate, client_id: " + ours.ClientID + ", certificate_file: same.pem}", now: his, field: "credentials", anew: true},
		{name: "proof credentials", old: settle, now: adds("proof_credentials: " + certificate), field: "proof_credentials", anew: true},
		{name: "KEKs' life", old: settle, now: adds("kek_valid_for: 3d"), field: "kek_valid_for", anew: true},
		{name: "wrapping key", old: settle, now: adds("wrapping_key: rsa-3072"), field: "wrapping_key", anew: true},
		{name: "key name", old: settle, now: adds("key_name: broker-{name}"), field: "key_name", anew: true},
		{name: "settle", old: settle, now: "    settle: 2s\n", field: "settle", anew: true},
		{name: "poll", old: "    poll: 1s\n", now: "    poll: 2s\n", field: "poll", anew: true},
	}
}

// changed is a change of the field after it was enrolled.
func (f pinnedAtAzure) changed() wrong {
	w := wrong{target: "vault", spoils: rewritesAfter(atVault, f.old, f.now), asks: f.asks, same: f.asks == nil, bad: bad{name: f.name, code: 1}}
	w.says = []string{"tampered: " + f.field + " is \"", " in the config, ", " was enrolled", "undo the change, or enrol again on purpose: keyferry target enrol"}
	if f.instead != "" {
		w.code, w.says = 2, []string{f.instead}
	}
	if f.anew {
		w.heals = func(t *testing.T, c *clouds) {
			t.Helper()
			w.spoils(t, c)
			c.Must(t, "target", "enrol", "vault", "--reason", "changed on purpose")
		}
	}
	return w
}
