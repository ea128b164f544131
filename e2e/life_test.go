package e2e_test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/faults"
)

// owner is a client of the cloud that is not ours: the account's owner, who does
// as they like.
func (s *site) owner() *kms.Client {
	key := s.AWS.Credentials()
	return kms.New(kms.Options{
		Region: "eu-central-1", BaseEndpoint: aws.String(s.AWS.URL()),
		Credentials: credentials.NewStaticCredentialsProvider(key.ID, key.Secret, ""),
	})
}

// What has an end can be renewed, also after the cloud's copy is gone.
func TestRenewBringsBackWhatWasDeleted(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	for _, spec := range []string{"aes-256", "hmac-256", "ec-p384"} {
		name := "gone-" + spec
		if out := s.Run(t, append(s.imports(name, spec), "--valid-to", "30d")...); out.Code != 0 {
			t.Fatal(out)
		}
		alias := "alias/" + name
		key, err := s.owner().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &alias})
		fatal(t, err)
		_, err = s.owner().DeleteImportedKeyMaterial(t.Context(), &kms.DeleteImportedKeyMaterialInput{KeyId: key.KeyMetadata.Arn})
		fatal(t, err)
		if out := s.Run(t, "verify", name); out.Code == 0 || !contains(out.Stdout+out.Stderr, "keyferry renew "+name) {
			t.Errorf("the material is gone: %s", out)
		}
		if out := s.Run(t, "renew", name, "--valid-to", "60d", "--reason", "test"); out.Code != 0 {
			t.Errorf("renew: %s", out)
		}
		if out := s.Run(t, "verify", name); out.Code != 0 {
			t.Errorf("renewed: %s", out)
		}
		key, err = s.owner().DescribeKey(t.Context(), &kms.DescribeKeyInput{KeyId: &alias})
		fatal(t, err)
		if left := key.KeyMetadata.ValidTo.Sub(s.AWS.Now()); left < 59*24*time.Hour || left > 61*24*time.Hour {
			t.Errorf("it ends in %s", left)
		}
	}
	s.judge(t, "gone-aes-256", "gone-hmac-256", "gone-ec-p384")
	s.auditHolds(t)
}

// The commands that follow an import, killed at their calls as it is.
func TestLaterCommandsKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	staged := func(name string) []string { return append(s.imports(name, "hmac-256"), "--no-activate") }
	var names []string
	for _, when := range []faults.When{faults.Before, faults.After} {
		for _, c := range []struct {
			action string
			first  func(name string) []string
			then   func(name string) []string
		}{
			{"CreateAlias", staged, func(name string) []string { return []string{"activate", name, "--reason", "test"} }},
			{"GenerateMac", staged, func(name string) []string { return []string{"activate", name, "--reason", "test"} }},
			{"GetParametersForImport", s.hmac, func(name string) []string { return []string{"renew", name, "--valid-to", "60d", "--reason", "test"} }},
			{"ImportKeyMaterial", s.hmac, func(name string) []string { return []string{"renew", name, "--valid-to", "60d", "--reason", "test"} }},
		} {
			name := fmt.Sprintf("later-%s-%s", c.action, when)
			if out := s.Run(t, c.first(name)...); out.Code != 0 {
				t.Fatal(out)
			}
			s.killAt(t, call{name: c.action, nth: 1}, when, c.then(name))
			names = append(names, name)
		}
	}
	s.judge(t, names...)
	s.auditHolds(t)
}

func (s *site) hmac(name string) []string { return s.imports(name, "hmac-256") }

// Taken back, killed on the way, and taken back again: nobody is given the key,
// and it is on its way to deletion.
func TestAbortKilled(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	for _, when := range []faults.When{faults.Before, faults.After} {
		for _, action := range []string{"DeleteAlias", "ScheduleKeyDeletion"} {
			name := fmt.Sprintf("aborted-%s-%s", action, when)
			if out := s.Run(t, s.hmac(name)...); out.Code != 0 {
				t.Fatal(out)
			}
			s.killAt(t, call{name: action, nth: 1}, when, []string{"operation", "abort", s.operationOf(t, name), "--reason", "test"})
		}
	}
	s.judge(t) // what is pending deletion is not alive, and nothing else is there
	report, err := s.admin.Report(t.Context())
	fatal(t, err)
	for _, k := range report.Keys {
		if len(k.Aliases) > 0 {
			t.Errorf("%s is given to consumers as %v", k.Name, k.Aliases)
		}
	}
	s.auditHolds(t)
}

// operationOf is the id of a key's import.
func (s *site) operationOf(t *testing.T, name string) string {
	t.Helper()
	var rows []struct {
		ID string `json:"id"`
	}
	out := s.Run(t, "operation", "list", "--key", name, "--output", "json")
	fatal(t, json.Unmarshal([]byte(out.Stdout), &rows))
	if len(rows) != 1 {
		t.Fatal(out)
	}
	return rows[0].ID
}
