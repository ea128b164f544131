package e2e_test

import (
	"strconv"
	"testing"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/azureemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

const atVault = "  - name: vault\n"

const otherTenant = "11111111-2222-4333-8444-555555555555"

// What is wrong at Azure, or with what its targets say.
func TestBadAzure(t *testing.T) {
	t.Parallel()
	c := newClouds(t, softtoken.SoftHSM)
	otherCA(t, c.site)
	gone, back := without("azure.pem")
	standard := func(t *testing.T, c *clouds) {
		t.Helper()
		rewritesAfter(atVault, c.Azure.URL(azureemu.DefaultPremium), c.Azure.URL(azureemu.DefaultStandard))(t, c)
	}
	c.refusesEach(t, []wrong{
		{target: "vault", bad: bad{name: "no certificate file", code: 2, says: []string{"azure.pem"}}, spoils: gone, heals: back, same: true},
		{target: "vault", bad: bad{name: "another tenant than enrolled", code: 1, says: []string{`account is "` + otherTenant + `" in the config`, "was enrolled"}}, spoils: rewritesAfter(atVault, azureemu.DefaultTenant, otherTenant)},
		{target: "vault", bad: bad{name: "another tenant at enrolment", code: 1, asked: looks, says: []string{"tenant"}}, spoils: rewritesAfter(atVault, azureemu.DefaultTenant, otherTenant), asks: says("target", "enrol", "vault")},
		{target: "vault", bad: bad{name: "the vault of another tenant", code: 1, asked: looks, says: []string{otherTenant}}, spoils: vaultOf(otherTenant), same: true},
		{target: "vault", bad: bad{name: "another vault than enrolled", code: 1, says: []string{"vault is ", "was enrolled"}}, spoils: standard},
		{target: "vault", bad: bad{name: "another kind than enrolled", code: 1, says: []string{"kind", "managed-hsm"}}, spoils: rewritesAfter(atVault, "kind: vault", "kind: managed-hsm")},
		{target: "vault", bad: bad{name: "another CA than enrolled", code: 1, says: []string{"ca", "was enrolled"}}, spoils: rewritesAfter(atVault, "ca.pem", "other.pem")},
		{target: "vault", bad: bad{name: "unknown CA", code: 1, says: []string{"certificate", "nothing was sent"}}, spoils: rewritesAfter(atVault, "ca.pem", "other.pem"), asks: says("target", "enrol", "vault")},
		{target: "vault", bad: bad{name: "AES to a vault", code: 1, asked: looks, says: []string{"aes-256", "a vault takes no AES key from outside: use a Managed HSM"}}, asks: asksFor("vault", "aes-256")},
		{target: "pool", bad: bad{name: "HMAC to a pool", code: 1, asked: looks, says: []string{"hmac-256", "no HMAC keys"}}, asks: asksFor("pool", "hmac-256")},
		{target: "vault", bad: bad{name: "one tag too many", code: 2, says: []string{"tags", "9"}}, asks: asksFor("vault", "ec-p384", tags(10)...)},
		{target: "vault", bad: bad{name: "denied to look", code: 1, asked: looks, says: []string{"denied", "Microsoft.KeyVault/vaults/keys/read", "grant"}}, spoils: faulty("vault", faults.Rule{Kind: faults.Deny, Match: faults.Match{Action: "ListKeys"}, Count: -1}), same: true},
	})
}

// vaultOf makes the vault another tenant's.
func vaultOf(tenant string) func(*testing.T, *clouds) {
	return func(t *testing.T, c *clouds) {
		t.Helper()
		fatal(t, c.Azure.Admin().Configure(t.Context(), azureemu.Change{Vaults: []azureemu.Vault{{Name: azureemu.DefaultPremium, Mode: azureemu.Premium, Tenant: tenant}}}))
	}
}

func tags(n int) []string {
	var out []string
	for i := range n {
		out = append(out, "--tag", "t"+strconv.Itoa(i)+"=v")
	}
	return out
}
