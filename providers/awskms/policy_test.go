package awskms_test

import (
	"encoding/json"
	"errors"
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

// TestLeastPolicy has every permission that the adapter says it needs, once, in a
// document that IAM would read.
func TestLeastPolicy(t *testing.T) {
	t.Parallel()
	text, err := awskms.LeastPolicy(awskms.Config{Account: account, Region: "cn-north-1"})
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Version   string
		Statement []struct {
			Sid, Effect      string
			Action, Resource []string
			Condition        map[string]map[string]string
		}
	}
	if err := json.Unmarshal([]byte(text), &policy); err != nil || policy.Version != "2012-10-17" {
		t.Fatalf("%s: %v", text, err)
	}
	var granted []string
	for _, s := range policy.Statement {
		granted = append(granted, s.Action...)
		if s.Sid == "" || s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 {
			t.Errorf("statement %+v", s)
		}
		if s.Resource[0] == "*" && len(s.Condition) == 0 {
			t.Errorf("%s is for everything, without a condition", s.Sid)
		}
		for _, r := range s.Resource {
			if r != "*" && !strings.HasPrefix(r, "arn:aws-cn:kms:cn-north-1:"+account+":") {
				t.Errorf("%s is for %s", s.Sid, r)
			}
		}
	}
	p, err := awskms.Open(t.Context(), base())
	if err != nil {
		t.Fatal(err)
	}
	var needed []string
	for _, permission := range p.Capabilities().Permissions {
		if !permission.Later {
			needed = append(needed, permission.Action)
		}
	}
	slices.Sort(granted)
	slices.Sort(needed)
	if !slices.Equal(granted, needed) {
		t.Errorf("granted %v, needed %v", granted, needed)
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
