package awskms_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/awskms"
)

const family = "mrk-0123456789abcdef0123456789abcdef"

func keyIn(account, region, id string) string {
	return "arn:aws:kms:" + region + ":" + account + ":key/" + id
}

// replicaAnswer is AWS's to ReplicateKey, and to DescribeKey of what it made, with
// something replaced.
func replicaAnswer(replace ...string) func(string, http.ResponseWriter) {
	meta := `{"KeyId":"` + family + `","Arn":"` + keyIn(account, there, family) + `","KeySpec":"HMAC_256","KeyUsage":"GENERATE_VERIFY_MAC",` +
		`"Origin":"EXTERNAL","KeyState":"PendingImport","MultiRegion":true,"MultiRegionConfiguration":{"MultiRegionKeyType":"REPLICA",` +
		`"PrimaryKey":{"Arn":"` + keyIn(account, region, family) + `","Region":"` + region + `"},` +
		`"ReplicaKeys":[{"Arn":"` + keyIn(account, there, family) + `","Region":"` + there + `"}]}}`
	meta = strings.NewReplacer(replace...).Replace(meta)
	return saying(`{"ReplicaKeyMetadata":` + meta + `,"KeyMetadata":` + meta + `}`)
}

func replicating(t *testing.T, answer func(string, http.ResponseWriter)) (*awskms.Provider, *script) {
	t.Helper()
	s := newScript(t, answer)
	return adapter(t, s.URL, func(c *awskms.Config) { c.Region = there }), s
}

func aReplica() broker.PrepareIn {
	in := hmacKey()
	in.Replica = &broker.KeyRef{ID: keyIn(account, region, family)}
	return in
}

// TestReplicaAnswers: the answer must be the same key of the account in this region,
// a replica of the primary that was named; and it is never asked for twice.
func TestReplicaAnswers(t *testing.T) {
	t.Parallel()
	const mine = `"Arn":"arn:aws:kms:` + there + `:` + account + `:key/` + family + `","KeySpec"`
	for name, c := range map[string]struct {
		replace []string
		kind    broker.Kind // "" it is taken
	}{
		"right":                  {nil, ""},
		"another account's":      {[]string{account, other}, broker.Tampered},
		"of the primary's place": {[]string{mine, strings.Replace(mine, there, region, 1)}, broker.Tampered},
		"another key":            {[]string{mine, strings.Replace(mine, family, "mrk-1", 1)}, broker.Tampered},
		"no multi-Region key":    {[]string{family, noKey}, broker.Tampered},
		"another one's replica":  {[]string{`:` + region + `:`, `:` + another + `:`}, broker.Tampered},
		"a primary":              {[]string{`"REPLICA"`, `"PRIMARY"`}, broker.Tampered},
		"of other spec":          {[]string{"HMAC_256", "HMAC_512"}, broker.Conflict},
		"with AWS's material":    {[]string{"EXTERNAL", "AWS_KMS"}, broker.Conflict},
		"of one region":          {[]string{`"MultiRegion":true`, `"MultiRegion":false`}, broker.Conflict},
		"without relatives":      {[]string{"MultiRegionConfiguration", "Something"}, broker.Unclear},
		"without metadata":       {[]string{`"Arn"`, `"Something"`}, broker.Unclear},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p, s := replicating(t, replicaAnswer(c.replace...))
			made, err := p.Prepare(t.Context(), effect(broker.StepPrepare), aReplica())
			switch {
			case c.kind == "" && (err != nil || made.Key.ID != keyIn(account, there, family)):
				t.Errorf("made %s, %v", made.Key.ID, err)
			case c.kind != "" && broker.KindOf(err) != c.kind:
				t.Errorf("%v", err)
			}
			if n := len(slices.DeleteFunc(s.asked(), func(a string) bool { return a != "ReplicateKey" })); n != 1 {
				t.Errorf("sent %d times", n)
			}
		})
	}
}

// TestRelatives: whatever is said to be the same key elsewhere must be ours.
func TestRelatives(t *testing.T) {
	t.Parallel()
	for name, replace := range map[string][]string{
		"another account's": {keyIn(account, region, family), keyIn(other, region, family)},
		"another key":       {keyIn(account, region, family), keyIn(account, region, "mrk-1")},
		"of another region": {`"Region":"` + region, `"Region":"` + another},
		"no name":           {keyIn(account, region, family), ""},
	} {
		p, _ := replicating(t, replicaAnswer(replace...))
		key := broker.KeyRef{ID: keyIn(account, there, family)}
		if _, err := look(t, p, broker.Query{Key: &key}); broker.KindOf(err) != broker.Tampered {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestPrimaryAnswers: what a replica shall hold is asked of the primary first, and a
// replica that then answers with something else is a failed proof.
func TestPrimaryAnswers(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("a", 64)
	described := func(arn, material string) string {
		return `{"KeyMetadata":{"KeyId":"x","Arn":"` + arn + `","CurrentKeyMaterialId":"` + material + `"}}`
	}
	imported := `{"KeyId":"` + keyIn(account, there, family) + `","KeyMaterialId":"` + strings.Repeat("b", 64) + `"}`
	for name, c := range map[string]struct {
		described string
		kind      broker.Kind
		imports   bool
	}{
		"other material": {described(keyIn(account, region, family), id), broker.Differs, true},
		"none":           {described(keyIn(account, region, family), ""), broker.Conflict, false},
		"another key":    {described(keyIn(account, region, "mrk-1"), id), broker.Tampered, false},
		"nothing":        {`{}`, broker.Unavailable, false},
	} {
		p, s := replicating(t, func(action string, w http.ResponseWriter) {
			if action == "DescribeKey" {
				saying(c.described)(action, w)
				return
			}
			saying(imported)(action, w)
		})
		_, err := p.Import(t.Context(), effect(broker.StepImport), broker.ImportIn{
			Key: broker.KeyRef{ID: keyIn(account, there, family)}, Kind: broker.ImportNew, Spec: broker.AES256,
			Wrapped: []byte("x"), Token: []byte("x"), Of: aReplica(),
		})
		if broker.KindOf(err) != c.kind || slices.Contains(s.asked(), "ImportKeyMaterial") != c.imports {
			t.Errorf("%s: %v, after %v", name, err, s.asked())
		}
	}
}
