package config_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/keyferry/keyferry/broker/config"
)

func TestQuotas(t *testing.T) {
	t.Parallel()
	got, err := parse(t, strings.NewReplacer(
		"    region: eu-central-1", "    region: eu-central-1\n    quotas: {GetParametersForImport: 0.25, Sign: 20, all: 1000}",
		"    ring: keyferry", "    ring: keyferry\n    quotas: {write: 5}",
	).Replace(clouds))
	if err != nil {
		t.Fatal(err)
	}
	want := []config.Quotas{{"GetParametersForImport": 0.25, "Sign": 20, "all": 1000}, nil, {"write": 5}, nil}
	for i, w := range want {
		if diff := cmp.Diff(w, got.Targets[i].Quotas); diff != "" {
			t.Error(diff)
		}
	}
}

func TestBadQuotas(t *testing.T) {
	t.Parallel()
	const region, ring, azure = "    region: eu-central-1", "    ring: keyferry", "    kek_valid_for: 30d"
	for name, c := range map[string]struct{ old, add, want string }{
		"unknown": {
			region, "quotas: {GetParametersForImports: 5}",
			":14:14: targets[0].quotas.GetParametersForImports: aws has no quota or call of that name; did you mean GetParametersForImport? allowed: CancelKeyDeletion, CreateAlias,",
		},
		"another provider's": {ring, "quotas: {ImportKeyMaterial: 5}", ":25:14: targets[2].quotas.ImportKeyMaterial: gcp has no quota"},
		"another kind's":     {azure, "quotas: {delete: 5}", ":34:14: targets[3].quotas.delete: azure has no quota"},
		"nothing":            {region, "quotas: {CreateKey: 0}", `:14:25: targets[0].quotas.CreateKey: "0" is not a number of calls a second, more than 0`},
		"negative":           {region, "quotas: {CreateKey: -1}", `"-1" is not a number of calls`},
		"endless":            {region, "quotas: {CreateKey: .inf}", `".inf" is not a number of calls`},
		"no number":          {region, "quotas: {CreateKey: .nan}", `".nan" is not a number of calls`},
		"too many":           {region, "quotas: {CreateKey: 1e9}", `"1e9" is not a number of calls`},
		"a word":             {region, "quotas: {CreateKey: many}", `"many" is not a number of calls`},
		"with a unit":        {region, "quotas: {CreateKey: 5/s}", `"5/s" is not a number of calls`},
		"a list":             {region, "quotas: {CreateKey: [5]}", `targets[0].quotas.CreateKey: "" is not a number of calls`},
		"no mapping":         {region, "quotas: 5", "targets[0].quotas must be a mapping of names of quotas to calls a second"},
		"twice":              {region, "quotas: {CreateKey: 5, CreateKey: 6}", "targets[0].quotas.CreateKey is there twice"},
		"one quota twice":    {ring, "quotas: {write: 5, CreateImportJob: 5}", ":25:14: targets[2].quotas.write: it is the same quota as CreateImportJob; give one of them"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(t, strings.Replace(clouds, c.old, c.old+"\n    "+c.add, 1))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("it says %v, want %s", err, c.want)
			}
		})
	}
}

// TestTargetsOfOnePlace have its quotas once, whatever else they differ in.
func TestTargetsOfOnePlaceHaveItsQuotasOnce(t *testing.T) {
	t.Parallel()
	with := func(first, second string) error {
		const other = "  - {name: other, provider: gcp, environment: test, project: my-project, location: europe-west3, ring: another, quotas: {%s}}\npolicies:"
		_, err := parse(t, strings.NewReplacer(
			"    ring: keyferry", "    ring: keyferry\n    quotas: {"+first+"}", "policies:", fmt.Sprintf(other, second),
		).Replace(clouds))
		return err
	}
	for _, same := range [][2]string{{"", "write: 5"}, {"write: 5", "write: 5"}, {"write: 5", "read: 5"}, {"write: 5", "CreateImportJob: 5"}} {
		if err := with(same[0], same[1]); err != nil {
			t.Errorf("%q: %v", same, err)
		}
	}
	for _, differ := range [][2]string{{"write: 5", "write: 6"}, {"write: 5", "CreateImportJob: 6"}, {"all: 5", "all: 6"}} {
		if err := with(differ[0], differ[1]); err == nil || !strings.Contains(err.Error(), "target google is at the same account and place, which has it once, and says 5") {
			t.Errorf("%q: %v", differ, err)
		}
	}
}
