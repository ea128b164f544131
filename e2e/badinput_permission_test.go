package e2e_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/e2e/internal/e2etest"
	"github.com/keyferry/keyferry/hsm/softtoken"
	"github.com/keyferry/keyferry/localstack/awsemu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// A permission that is missing is named, from whichever call of the line on it is
// missing; granted, the same command finishes.
func TestMissingPermission(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"aes-256", "hmac-256", "ec-p384"} {
		t.Run(spec, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, softtoken.SoftHSM)
			names, actions := []string{"undisturbed"}, []string{}
			for i, c := range s.providerCalls(t, spec) {
				name := fmt.Sprintf("denied-%d", i)
				rule := faults.Rule{Kind: faults.Deny, Match: faults.Match{Action: c.name}, Nth: c.nth, Count: -1}
				s.deniedFrom(t, rule, name, spec)
				names, actions = append(names, name), append(actions, c.name)
			}
			for _, action := range []string{"CreateKey", "GetParametersForImport", "ImportKeyMaterial", "CreateAlias", "DescribeKey", "GetCallerIdentity"} {
				if !slices.Contains(actions, action) {
					t.Errorf("%s is no call of the line: %v", action, actions)
				}
			}
			s.judge(t, names...)
			s.auditHolds(t)
		})
	}
}

func (s *site) deniedFrom(t *testing.T, rule faults.Rule, name, spec string) {
	t.Helper()
	id, err := s.admin.Add(t.Context(), rule)
	fatal(t, err)
	s.namesPermission(t, permission(rule.Match.Action), s.Run(t, s.imports(name, spec)...))
	fatal(t, s.admin.Remove(t.Context(), id))
	if out := s.Run(t, s.imports(name, spec)...); out.Code != 0 {
		t.Errorf("%s was denied from call %d on, and is granted: %s", rule.Match.Action, rule.Nth, out)
	}
}

func permission(action string) string {
	if action == "GetCallerIdentity" {
		return "sts:" + action
	}
	return "kms:" + action
}

// namesPermission: in the message, with how to get it; and what was changed is
// said exactly when something was.
func (s *site) namesPermission(t *testing.T, permission string, out e2etest.Outcome) {
	t.Helper()
	for _, words := range []string{"denied", "(permission " + permission + ")", "  changed: ", "  do:      grant " + permission} {
		if !contains(out.Stderr, words) {
			t.Errorf("%q is not said: %s", words, out)
		}
	}
	nothing := strings.Contains(out.Stderr, "  changed: nothing\n")
	if nothing && out.Code != 1 || !nothing && out.Code != 3 {
		t.Errorf("%s is missing, nothing changed: %v, and yet %s", permission, nothing, out)
	}
}

// A permission that another call needs besides its own, by the policy of the
// access key itself.
func TestMissingPermissionOfTheAccessKey(t *testing.T) {
	t.Parallel()
	s := newSite(t, softtoken.SoftHSM)
	key := s.AWS.Credentials()
	var names []string
	for i, denied := range []string{"kms:TagResource", "kms:CreateKey", "kms:ImportKeyMaterial"} {
		name := fmt.Sprintf("key-denied-%d", i)
		fatal(t, s.admin.Configure(t.Context(), awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: key.ID, Deny: []string{denied}}}}))
		s.namesPermission(t, denied, s.Run(t, s.imports(name, "aes-256")...))
		fatal(t, s.admin.Configure(t.Context(), awsemu.Change{AccessKeys: []awsemu.AccessKey{{ID: key.ID}}}))
		if out := s.Run(t, s.imports(name, "aes-256")...); out.Code != 0 {
			t.Errorf("%s was denied, and is granted: %s", denied, out)
		}
		names = append(names, name)
	}
	s.judge(t, names...)
}
