package main

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/providers/awskms"
	"github.com/keyferry/keyferry/providers/azurekv"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

// adapters of every kind of target, with what the config makes of it.
func adapters(t *testing.T) map[string]struct {
	target config.Target
	broker.Provider
} {
	t.Helper()
	type one = struct {
		target config.Target
		broker.Provider
	}
	const tenant, vault = "11111111-2222-3333-4444-555555555555", "https://v.vault.azure.net"
	out := map[string]one{}
	add := func(name string, target config.Target, p broker.Provider, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out[name] = one{target, p}
	}
	aws, err := awskms.Open(t.Context(), awskms.Config{Account: "111122223333", Region: "eu-west-1", Now: time.Now})
	add("aws", config.Target{Provider: config.AWS}, aws, err)
	gcp, err := gcpkms.Open(t.Context(), gcpkms.Config{Project: "my-project", Location: "eur4", Ring: "r", CredentialsJSON: []byte(`{"type":"authorized_user","client_id":"c","client_secret":"s","refresh_token":"r"}`), Now: time.Now})
	add("gcp", config.Target{Provider: config.GCP}, gcp, err)
	t.Cleanup(gcp.Close)
	for name, c := range map[string]azurekv.Config{
		"azure":          {VaultURL: vault},
		"azure software": {VaultURL: vault, Protection: azurekv.Software},
		"azure pool":     {VaultURL: "https://p.managedhsm.azure.net", Kind: azurekv.ManagedHSM},
	} {
		c.Tenant, c.Now = tenant, time.Now
		azure, err := azurekv.Open(c)
		add(name, config.Target{Provider: config.Azure, Kind: c.Kind, Protection: c.Protection}, azure, err)
	}
	return out
}

// TestTheConfigKnowsTheAdaptersQuotas by all their names, and no others.
func TestTheConfigKnowsTheAdaptersQuotas(t *testing.T) {
	t.Parallel()
	for name, a := range adapters(t) {
		words := map[string]bool{broker.EveryQuota: true}
		for _, q := range a.Capabilities().Quotas {
			words[q.Name] = true
			for _, call := range q.Calls {
				words[call] = true
			}
			if q.PerSecond <= 0 || q.Burst < 1 || len(q.Calls) == 0 || q.Config {
				t.Errorf("%s: quota %+v", name, q)
			}
		}
		got := config.QuotaNames(a.target)
		slices.Sort(got)
		want := []string{}
		for word := range words {
			want = append(want, word)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, slices.Compact(got)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// TestTargetsOfOnePlaceWaitTogether: those of one account and region, of one project
// and location, of one vault.
func TestTargetsOfOnePlaceWaitTogether(t *testing.T) {
	t.Parallel()
	const text = pinnedHead + `  - {name: a1, provider: aws, environment: test, account: "111122223333", region: eu-central-1, quotas: {CreateKey: 7}}
  - {name: a2, provider: aws, environment: test, account: "111122223333", region: eu-central-1, role_arn: "arn:aws:iam::111122223333:role/b"}
  - {name: a3, provider: aws, environment: test, account: "111122223333", region: eu-west-1, replica_of: a1}
  - {name: a4, provider: aws, environment: test, account: "222222222222", region: eu-central-1}
  - {name: g1, provider: gcp, environment: test, project: my-project, location: eur4, ring: r}
  - {name: g2, provider: gcp, environment: test, project: my-project, location: eur4, ring: s}
  - {name: g3, provider: gcp, environment: test, project: my-project, location: eur5, ring: r}
  - {name: z1, provider: azure, environment: test, tenant: 11111111-2222-3333-4444-555555555555, vault: "https://v.vault.azure.net"}
  - {name: z2, provider: azure, environment: test, tenant: 11111111-2222-3333-4444-555555555555, vault: "https://V.vault.azure.net:443/", protection: software}
  - {name: z3, provider: azure, environment: test, tenant: 11111111-2222-3333-4444-555555555555, vault: "https://w.vault.azure.net"}
`
	c, err := config.Parse("/etc/keyferry.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	all := (&program{now: time.Now}).newPaces(c)
	of := func(name string) asked {
		target, _ := c.Target(name)
		return asked{Target: target, config: c, pace: all, now: time.Now}
	}
	at := func(name string) any { return all.at(of(name).Target) }
	for _, same := range [][2]string{{"a1", "a2"}, {"g1", "g2"}, {"z1", "z2"}} {
		if at(same[0]) == nil || at(same[0]) != at(same[1]) {
			t.Errorf("%s do not wait together", same)
		}
	}
	for _, apart := range [][2]string{{"a1", "a3"}, {"a1", "a4"}, {"g1", "g3"}, {"z1", "z3"}} {
		if at(apart[0]) == at(apart[1]) {
			t.Errorf("%s wait together", apart)
		}
	}
	if r := configAWS(of("a3")); r.Pace != all.at(of("a3").Target) || r.PrimaryPace != all.at(of("a1").Target) {
		t.Error("a replica's calls to the region of its primary wait elsewhere")
	}
	if r := configAWS(of("a2")); r.Quotas["CreateKey"] != 7 {
		t.Errorf("what was said of the account holds for one target alone: %v", r.Quotas)
	}
	if r := configAWS(of("a4")); r.PrimaryPace != nil || len(r.Quotas) > 0 {
		t.Errorf("%+v", r)
	}
}

// TestQuotasAreNotEnrolled: how fast says nothing of where keys go.
func TestQuotasAreNotEnrolled(t *testing.T) {
	t.Parallel()
	target := config.Target{Name: "a", Provider: config.AWS, Account: "111122223333", Region: "eu-west-1"}
	without, err := targetPins(target, nil)
	if err != nil {
		t.Fatal(err)
	}
	target.Quotas = config.Quotas{"CreateKey": 3}
	with, err := targetPins(target, nil)
	if diff := cmp.Diff(without, with); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}
