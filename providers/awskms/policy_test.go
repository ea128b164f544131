package awskms_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/awskms"
)

func TestCanonicalPolicy(t *testing.T) {
	t.Parallel()
	for document, want := range map[string]string{
		`{}`: `{}`,
		"{ \"b\" : 1.50 , \n \"a\" : [ true , \"<&>\" ] }": `{"a":[true,"<&>"],"b":1.50}`,
		`{"n":12345678901234567890}`:                       `{"n":12345678901234567890}`,
	} {
		got, err := awskms.CanonicalPolicy(document)
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", document, got, err, want)
		}
	}
	for _, document := range []string{``, `[]`, `null x`, `{`, `{}{}`, `{} trailing`, `"text"`} {
		if _, err := awskms.CanonicalPolicy(document); !errors.Is(err, broker.Misuse) {
			t.Errorf("%q: %v", document, err)
		}
	}
}

func FuzzCanonicalPolicy(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow"}]}`)
	f.Add(`{"a":{"b":[1,2.0,"\u00e9",null]}}`)
	f.Fuzz(func(t *testing.T, document string) {
		once, err := awskms.CanonicalPolicy(document)
		if err != nil {
			return
		}
		if twice, err := awskms.CanonicalPolicy(once); err != nil || twice != once {
			t.Errorf("%q becomes %q, then %q, %v", document, once, twice, err)
		}
	})
}

// iamStatement is as much of IAM's grammar as the policies use.
type iamStatement struct {
	Sid, Effect      string
	Action, Resource []string
	Condition        map[string]map[string]string
}

func statements(t *testing.T, write func(awskms.Config) (string, error), c awskms.Config) []iamStatement {
	t.Helper()
	text, err := write(c)
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Version   string
		Statement []iamStatement
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil || policy.Version != "2012-10-17" {
		t.Fatalf("%s: %v", text, err)
	}
	return policy.Statement
}

// TestLeastPolicy: importing and proving policies have every permission that the
// adapter says it needs, once, in documents that IAM would read.
func TestLeastPolicy(t *testing.T) {
	t.Parallel()
	for kind, change := range kinds {
		c := base()
		change(&c)
		p, err := awskms.Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool][]string{}
		for _, permission := range p.Capabilities().Permissions {
			apart := permission.Proof && c.ProofRoleARN != ""
			if !permission.Later {
				want[apart] = append(want[apart], permission.Action)
			}
		}
		got := map[bool][]string{false: allowedBy(t, kind, c, awskms.LeastPolicy)}
		if c.ProofRoleARN != "" {
			got[true] = allowedBy(t, kind, c, awskms.ProofPolicy)
		}
		for apart := range want {
			slices.Sort(want[apart])
			if !slices.Equal(got[apart], want[apart]) {
				t.Errorf("%s, proof role %v: allowed %v, needed %v", kind, apart, got[apart], want[apart])
			}
		}
	}
}

// allowedBy checks each statement, and gives what they allow, sorted.
func allowedBy(t *testing.T, kind string, c awskms.Config, write func(awskms.Config) (string, error)) []string {
	t.Helper()
	var out []string
	for _, s := range statements(t, write, c) {
		out = append(out, s.Action...)
		if s.Sid == "" || s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
			t.Errorf("%s: statement %+v", kind, s)
		}
		for _, r := range s.Resource {
			if r == "*" && s.Condition["StringEquals"]["aws:RequestedRegion"] != c.Region {
				t.Errorf("%s: %s is for everything everywhere", kind, s.Sid)
			}
			mine := strings.HasPrefix(r, "arn:aws:kms:"+c.Region+":"+account+":") || strings.HasPrefix(r, "arn:aws:iam::"+account+":role/")
			primaries := c.PrimaryRegion != "" && r == "arn:aws:kms:"+c.PrimaryRegion+":"+account+":key/mrk-*"
			if r != "*" && !mine && !primaries {
				t.Errorf("%s: %s is for %s", kind, s.Sid, r)
			}
		}
	}
	slices.Sort(out)
	return out
}

// TestConditionsOfPolicies confine what has no resource of its own.
func TestConditionsOfPolicies(t *testing.T) {
	t.Parallel()
	conditions := map[string]map[string]map[string]string{}
	for kind, change := range kinds {
		c := base()
		change(&c)
		for _, s := range statements(t, awskms.LeastPolicy, c) {
			for _, action := range s.Action {
				conditions[kind+" "+action] = s.Condition
			}
		}
	}
	for where, want := range map[string]map[string]map[string]string{
		"one role kms:CreateKey":                {"StringEquals": {"kms:KeyOrigin": "EXTERNAL", "aws:RequestedRegion": region}},
		"replicas kms:CreateKey":                {"StringEquals": {"aws:RequestedRegion": there}, "StringEqualsIfExists": {"kms:KeyOrigin": "EXTERNAL"}},
		"replicas kms:ReplicateKey":             {"StringEquals": {"kms:ReplicaRegion": there}},
		"a proof role kms:ListKeys":             {"StringEquals": {"aws:RequestedRegion": region}},
		"primaries iam:CreateServiceLinkedRole": {"StringEquals": {"iam:AWSServiceName": "mrk.kms.amazonaws.com"}},
	} {
		if got := conditions[where]; !reflect.DeepEqual(got, want) {
			t.Errorf("%s only if %v, want %v", where, got, want)
		}
	}
	for where := range conditions {
		kind, action, _ := strings.Cut(where, " kms:")
		if kind != "one role" && (action == "Sign" || action == "Decrypt" || action == "GenerateMac") {
			t.Errorf("beside a proof role: %s", where)
		}
	}
}

// TestPoliciesOfPartitions name what the partition has.
func TestPoliciesOfPartitions(t *testing.T) {
	t.Parallel()
	for _, s := range statements(t, awskms.LeastPolicy, awskms.Config{Account: account, Region: "cn-north-1"}) {
		for _, r := range s.Resource {
			if r != "*" && !strings.HasPrefix(r, "arn:aws-cn:kms:cn-north-1:"+account+":") {
				t.Errorf("%s is for %s", s.Sid, r)
			}
		}
	}
}

// TestNameRule lets every alias through but AWS's own.
func TestNameRule(t *testing.T) {
	t.Parallel()
	p, err := awskms.Open(t.Context(), base())
	if err != nil {
		t.Fatal(err)
	}
	rule := p.Capabilities().Names
	for name, want := range map[string]bool{
		"alias/a": true, "alias/aw": true, "alias/aws": true, "alias/awsx/y": true, "alias/axs/y": true, "alias/b": true,
		"alias/payments/db": true, "alias/AWS/x": true, "alias/" + strings.Repeat("x", 250): true,
		"alias/aws/": false, "alias/aws/s3": false, "alias/": false, "payments": false, "alias/a b": false, "alias/a.b": false,
		"alias/" + strings.Repeat("x", 251): false, "alias/x\n": false,
	} {
		if got := rule.Allows(name); got != want {
			t.Errorf("%q is allowed: %v", name, got)
		}
	}
}
