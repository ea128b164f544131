package main

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	hsm "github.com/keyferry/keyferry/hsm/memory"
)

func TestOneKeyGoesToEveryTargetOfAPolicy(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	plan := asks[broker.Intended](w, args("import all signing/release --policy everywhere --dry-run")...)
	if len(plan.Targets) != 3 {
		t.Fatalf("planned is %+v", plan)
	}
	for i, want := range []broker.IntendedTarget{{Consumer: "alias/signing/release"}, {KeyName: "signing-release-"}, {KeyName: "signing-release-"}} {
		if got := plan.Targets[i]; got.Consumer != want.Consumer || !strings.HasPrefix(got.KeyName, want.KeyName) || want.KeyName == "" && got.KeyName != "" {
			t.Errorf("consumers of target %s use %q of key %q, want %+v", got.Target, got.Consumer, got.KeyName, want)
		}
	}
	w.must(args("import all signing/release --policy everywhere")...)
	rows := asks[[]placementRow](w, "inventory")
	if len(rows) != 3 {
		t.Fatalf("inventory is %+v", rows)
	}
	for i, want := range []struct{ provider, place, consumer string }{
		{"aws", "eu-central-1", "alias/signing/release"}, {"azure", "my-vault.vault.azure.net", ""}, {"gcp", "europe-west3/keyferry", ""},
	} {
		slices.SortFunc(rows, func(a, b placementRow) int { return strings.Compare(a.Provider, b.Provider) })
		got := rows[i]
		if got.Provider != want.provider || got.Place != want.place || !strings.HasPrefix(got.Consumer, want.consumer) || got.Consumer == "" ||
			got.Step != broker.PlacementActive || got.Proof != broker.ProofPublicKey || got.Strength != 150 || got.Provenance != broker.Generated {
			t.Errorf("placement %d is %+v", i, got)
		}
	}
	if s := w.must(args("import all signing/release --policy everywhere")...); !strings.Contains(s.stderr, "finished before") {
		t.Errorf("again: %s", s)
	}
	checks := asks[[]broker.Check](w, args("verify signing/release")...)
	if len(checks) != 3 || slices.ContainsFunc(checks, func(c broker.Check) bool { return !c.OK }) {
		t.Errorf("verified: %+v", checks)
	}
	table := w.must(args("verify signing/release")...).out
	for _, want := range []string{"gcp-test", "europe-west3/keyferry", "my-vault.vault.azure.net", "public-key"} {
		if !strings.Contains(table, want) {
			t.Errorf("%s is not in\n%s", want, table)
		}
	}
}

func TestPlacementsStandSideBySide(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import all signing/release --policy everywhere")...)
	table := w.must(args("key show signing/release")...).out
	var lines [][]string
	for line := range strings.Lines(table) {
		lines = append(lines, strings.Fields(line))
	}
	for _, want := range []string{
		"VERSION 1 AWS-TEST AZURE-TEST GCP-TEST", "provider aws azure gcp", "place eu-central-1 my-vault.vault.azure.net europe-west3/keyferry",
		"proof public-key public-key public-key", "provenance generated generated generated", "remote enabled enabled enabled",
		"transport strength 150 150 150",
	} {
		if !slices.ContainsFunc(lines, func(l []string) bool { return strings.Join(l, " ") == want }) {
			t.Errorf("no line %q in\n%s", want, table)
		}
	}
	if strings.Contains(table, "attestation") {
		t.Errorf("what nobody has is shown:\n%s", table)
	}
}

// The check value is what a person compares with what a cloud shows.
func TestCheckValueOfAPairIsShown(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import all signing/release --policy everywhere")...)
	w.must(args("import aws payments/db --policy payments")...)
	sum := sha256.Sum256(asks[broker.KeyView](w, args("key show signing/release")...).Versions[0].Material.PublicKey)
	want := hex.EncodeToString(sum[:])
	for _, command := range []string{"key show signing/release", "key versions signing/release"} {
		if table := w.must(args(command)...).out; !strings.Contains(table, want) || !strings.Contains(table, "CHECK VALUE") {
			t.Errorf("%s does not show %s:\n%s", command, want, table)
		}
	}
	if table := w.must(args("key show payments/db")...).out; strings.Contains(table, "CHECK VALUE") {
		t.Errorf("a secret has none:\n%s", table)
	}
}

func TestSideBySideShowsWhatOneHas(t *testing.T) {
	t.Parallel()
	s := sideBySide("version 1", []placementRow{{Target: "a"}, {Target: "b", Attestation: "unchecked 00ff", Difference: "expired"}})
	var got []string
	for _, row := range s.rows {
		got = append(got, strings.Join(row, "|"))
	}
	if !slices.Contains(got, "attestation||unchecked 00ff") || !slices.Contains(got, "difference||expired") || slices.Contains(got, "place||") {
		t.Errorf("rows are %q", got)
	}
	if sheetOf([]placementRow{{}}).filled(0) {
		t.Error("an empty column is shown")
	}
}

func TestImportAllNeedsAPolicy(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.refuses(exitMisused, args("import all x/y --spec aes-256"), "import all: --policy NAME is missing")
	w.refuses(exitMisused, args("import all x/y --policy everywhere --target aws-test"), "has no flag --target")
	w.refuses(exitMisused, args("import aws x/y --policy everywhere"), "import aws: target gcp-test belongs to provider gcp", "keyferry import all")
	w.refuses(exitMisused, args("import gcp x/y --spec aes-256 --target azure-test"), "import gcp: target azure-test belongs to provider azure")
	w.refuses(exitMisused, args("import gcp x/y --policy gcp-keys --valid-to 90d"), "keyferry import gcp has no flag --valid-to")
	w.refuses(exitFailed, args("import gcp x/y --spec ec-p521 --target gcp-test"), "unsupported")
}

func TestRawEncryptIsAPurposeOfImport(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import gcp raw/key --spec aes-256 --purpose raw-encrypt --target gcp-test")...)
	rows := asks[[]placementRow](w, "inventory")
	if len(rows) != 1 || rows[0].Proof != broker.ProofCipher {
		t.Errorf("inventory is %+v", rows)
	}
	w.refuses(exitFailed, args("import aws raw/other --spec aes-256 --purpose raw-encrypt --target aws-test"), "not raw-encrypt")
}

func TestKeyThatLivesInTheTokenIsBrought(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	for _, id := range []broker.MaterialID{"theirs", "0x00ff", "readable"} {
		p := hsm.Planted{ID: id, Spec: broker.AES256, Usage: broker.Usage{Encrypt: true}, Open: id == "readable"}
		if err := w.token.Plant(p); err != nil {
			t.Fatal(err)
		}
	}
	for name, id := range map[string]string{"old/text": "theirs", "old/hex": "0x00ff"} {
		w.must(args("import azure " + name + " --policy azure-keys --object " + id)...)
		v := asks[[]versionRow](w, args("key versions "+name)...)
		if len(v) != 1 || v[0].Provenance != broker.Adopted || string(v[0].Material) != id {
			t.Errorf("%s is %+v", name, v)
		}
	}
	w.refuses(exitFailed, args("import azure old/again --policy azure-keys --object theirs"), "key old/text has it already")
	w.refuses(exitFailed, args("import azure old/none --policy azure-keys --object nobodys"), "not found")
	w.refuses(exitFailed, args("import azure old/clear --policy azure-keys --object readable"), "CKA_SENSITIVE")
	if s := w.must(args("import azure --help")...); !strings.Contains(s.out, "its birth was not ours to see") {
		t.Errorf("help does not say what adopted means:\n%s", s.out)
	}
}

func TestTargetShowsWhereItsWrappingKeysCameFrom(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import azure db/one --policy azure-keys")...)
	op := asks[[]operationRow](w, "operation", "list")[0]
	got := asks[targetShown](w, args("target show azure-test")...)
	if len(got.WrappingKeys) != 1 || got.WrappingKeys[0].Operation != op.ID || got.WrappingKeys[0].Target != "azure-test" {
		t.Errorf("wrapping keys are %+v", got.WrappingKeys)
	}
	if got.Enrolled != "yes" || got.Enrolment == nil || got.Account != got.Target.Tenant || got.Place != "my-vault.vault.azure.net" {
		t.Errorf("it is %+v", got)
	}
	table := w.must(args("target show azure-test")...).out
	for _, want := range []string{"tenant", op.ID, got.WrappingKeys[0].Ref, "enrolled"} {
		if !strings.Contains(table, want) {
			t.Errorf("%s is not in\n%s", want, table)
		}
	}
	if aws := asks[targetShown](w, args("target show aws-test")...); len(aws.WrappingKeys) != 0 || aws.WrappingKeys == nil {
		t.Errorf("aws: %+v", aws.WrappingKeys)
	}
	w.refuses(exitFailed, args("target show nowhere"), "the config does not have it")
}

func TestMatrixHasEveryTarget(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	d := asks[broker.Diagnosis](w, "doctor")
	cells, pairs := map[string]broker.Cell{}, map[string]bool{}
	for _, c := range d.Matrix {
		cell := string(c.Spec) + " " + c.Target
		if _, there := cells[cell]; there {
			cell += " " + string(c.Purpose) // a further purpose
		}
		cells[cell] = c
		pairs[string(c.Spec)+" "+c.Target] = true
	}
	if len(pairs) != 3*len(broker.KeySpecs()) || len(cells) != len(d.Matrix) {
		t.Errorf("the matrix has %d cells of %d specs at targets", len(d.Matrix), len(pairs))
	}
	for cell, proof := range map[string]broker.ProofLevel{
		"aes-256 aws-test": broker.ProofReimport, "aes-256 gcp-test": broker.ProofAccepted, "aes-256 azure-test": broker.ProofCipher,
		"aes-256 gcp-test raw-encrypt": broker.ProofCipher, "rsa-3072 aws-test decrypt": broker.ProofPublicKey,
	} {
		if cells[cell].Proof != proof || cells[cell].Mechanism == "" {
			t.Errorf("%s is %+v", cell, cells[cell])
		}
	}
	if c := cells["aes-128 gcp-test"]; c.Purpose != broker.RawEncrypt {
		t.Errorf("aes-128 goes to Google as %+v", c)
	}
	if c := cells["hmac-256 azure-test"]; c.Reason == "" || c.Mechanism != "" {
		t.Errorf("hmac-256 at Azure is %+v", c)
	}
}

func TestPolicyIsOfTheTargetThatIsNamed(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	for name, want := range map[string]string{
		"aws-test": "kms:ImportKeyMaterial", "aws": "kms:ImportKeyMaterial", "gcp-test": "cloudkms.importJobs.useToImport",
		"azure-test": "Microsoft.KeyVault/vaults/keys/import/action",
	} {
		if s := w.must("doctor", "--policy", name); !strings.Contains(s.out, want) || !strings.HasPrefix(s.out, "{") {
			t.Errorf("policy of %s is\n%s", name, s.out)
		}
	}
	for name, words := range map[string][2]string{"gcp-test": {"useToSign", "useToImport"}, "aws-test": {"kms:Sign", "kms:ImportKeyMaterial"}, "azure": {"keys/sign/action", "keys/import/action"}} {
		if s := w.must("doctor", "--policy", name, "--proof"); !strings.Contains(s.out, words[0]) || strings.Contains(s.out, words[1]) {
			t.Errorf("the proving role of %s is\n%s", name, s.out)
		}
	}
	w.refuses(exitMisused, args("doctor --policy gpc"), `there is no target or provider "gpc"`)
	w.refuses(exitMisused, args("doctor --proof"), "--proof goes with --policy")
	w.refuses(exitFailed, args("doctor --policy gcp --target aws-test"), "aws-test")
	w.configure(strings.ReplaceAll(worldConfig, "ENV", "test"))
	w.refuses(exitMisused, args("doctor --policy gcp"), "the config has no target of gcp")
}

// TestPolicyOfTheConfigIsTheBrokers: every field arrives.
func TestPolicyOfTheConfigIsTheBrokers(t *testing.T) {
	t.Parallel()
	no := false
	got := policies(&config.Config{Policies: []config.Policy{
		{Name: "a", AllowSoftware: true, Algorithms: map[string]string{"gcp": "X"}, DeletionWindow: 1, ValidAfter: 2, ValidFor: 3, Activate: &no},
		{Name: "b"},
	}})
	a := got[0]
	if !a.AllowSoftware || a.Algorithms["gcp"] != "X" || a.Window != 1 || a.ValidAfter != 2 || a.ValidFor != 3 || !a.NoActivate || got[1].NoActivate {
		t.Errorf("policies are %+v", got)
	}
}

// What is disabled between proof and activation is as it should be.
func TestWithheldIsNoDifference(t *testing.T) {
	t.Parallel()
	w := cloudsWorld(t)
	w.must(args("import all signing/release --policy everywhere --no-activate")...)
	for _, r := range asks[[]placementRow](w, "inventory") {
		if withheld := r.Provider != "aws"; withheld != (r.Remote == broker.RemoteDisabled) || r.Difference != "" {
			t.Errorf("staged: %+v", r)
		}
	}
	w.must(args("activate signing/release")...)
	for _, r := range asks[[]placementRow](w, "inventory") {
		if r.Remote != broker.RemoteEnabled || r.Step != broker.PlacementActive || r.Difference != "" {
			t.Errorf("active: %+v", r)
		}
	}
	w.differs(t)
}

// differs: what is seen of a placement is held against how it is to wait, there.
func (w *world) differs(t *testing.T) {
	t.Helper()
	for _, c := range []struct {
		step     broker.PlacementStep
		remote   broker.RemoteState
		withheld bool
		want     string
	}{
		{broker.PlacementActive, broker.RemoteDisabled, true, "disabled, not enabled"},
		{broker.PlacementActive, broker.RemoteEnabled, true, ""},
		{broker.PlacementProven, broker.RemoteDisabled, true, ""},
		{broker.PlacementProven, broker.RemoteEnabled, true, "enabled, not disabled"},
		{broker.PlacementProven, broker.RemoteDisabled, false, "disabled, not enabled"},
		{broker.PlacementProven, broker.RemoteEnabled, false, ""},
	} {
		if got := difference(broker.Placement{Step: c.step, Remote: c.remote, Terms: broker.Terms{Withheld: c.withheld}}, w.now()); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// A failure before activation changes nothing that a consumer gets, at any target;
// the report names what stays behind, and both ways go on from there.
func TestImportAllThatStopsGoesOnOrIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, way := range []string{"resume", "abort"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			w := cloudsWorld(t)
			w.failing("import", 2, broker.Denied)
			s := w.refuses(exitPartly, args("import all signing/release --policy everywhere"), "changed: ", "is in the token", "keyferry operation resume", "keyferry operation abort")
			w.fault = nil
			for _, r := range asks[[]placementRow](w, "inventory") {
				if r.Step == broker.PlacementActive || r.State != broker.PreActivation {
					t.Errorf("before activation: %+v", r)
				}
			}
			op := asks[[]operationRow](w, "operation", "list", "--unfinished")
			if len(op) != 1 || !strings.Contains(s.stderr, op[0].ID) {
				t.Fatalf("unfinished are %+v", op)
			}
			w.must("operation", way, op[0].ID, "--reason", "test")
			rows := asks[[]placementRow](w, "inventory")
			active := slices.ContainsFunc(rows, func(r placementRow) bool { return r.Step == broker.PlacementActive })
			if len(rows) != 3 || active != (way == "resume") {
				t.Errorf("after %s: %+v", way, rows)
			}
		})
	}
}

// TestExamplesOfANewConfigAreRight: without its comment signs, what init offers for
// each cloud can be read.
func TestExamplesOfANewConfigAreRight(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "test")
	fresh := w.dir + "/start.yaml"
	w.must("init", "--config", fresh)
	text, err := os.ReadFile(fresh)
	if err != nil {
		t.Fatal(err)
	}
	_, offered, _ := strings.Cut(string(text), "# targets:")
	offered = strings.ReplaceAll(strings.ReplaceAll("\n# targets:"+offered, "\n# ", "\n"), "    # ", "    ")
	head, _, _ := strings.Cut(string(text), "# targets:")
	c, err := config.Parse(fresh, []byte(head+offered))
	if err != nil {
		t.Fatalf("%v in\n%s", err, head+offered)
	}
	var providers []string
	for _, target := range c.Targets {
		providers = append(providers, target.Provider)
	}
	if !slices.Equal(providers, []string{config.AWS, config.GCP, config.Azure}) || len(c.Policies) != 2 || c.Targets[2].Credentials == nil {
		t.Errorf("offered are %v and %+v", providers, c.Policies)
	}
}
