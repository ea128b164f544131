package awsemu

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxPolicy is the most characters of a key policy.
const maxPolicy = 32768

// defaultPolicy is what a key has that was created without one.
func (c *call) defaultPolicy() string {
	return `{"Version":"2012-10-17","Id":"key-default-1","Statement":[{"Sid":"Enable IAM User Permissions","Effect":"Allow",` +
		`"Principal":{"AWS":"arn:aws:iam::` + c.place.account + `:root"},"Action":"kms:*","Resource":"*"}]}`
}

// keyPolicy checks a policy document and, unless that is bypassed, that the
// caller may still change it.
func (c *call) keyPolicy(document *string, bypass bool) (string, error) {
	if document == nil {
		return c.defaultPolicy(), nil
	}
	switch n := utf8.RuneCountInString(*document); {
	case n < 1:
		return "", checkLength("Policy", n, 1, maxPolicy)
	case n > maxPolicy:
		return "", refuse(codeLimit, "The policy has more than %d characters", maxPolicy)
	}
	var p policyDocument
	if err := json.Unmarshal([]byte(*document), &p); err != nil || len(p.Statement) == 0 {
		return "", refuse(codeMalformedPolicy, "The policy is not a policy document")
	}
	if !bypass && !p.allowsChange(c.who) {
		return "", refuse(codeMalformedPolicy, "The new key policy will not allow you to update the key policy in the future.")
	}
	return *document, nil
}

// policyDocument is as much of a key policy as the lockout check needs.
type policyDocument struct {
	Version   string
	Statement oneOrMore[statement]
}

type statement struct {
	Effect    string
	Principal principals
	Action    oneOrMore[string]
}

func (p policyDocument) allowsChange(who principal) bool {
	return slices.ContainsFunc(p.Statement, func(s statement) bool {
		return s.Effect == "Allow" && s.Principal.covers(who) && slices.ContainsFunc(s.Action, allowsPut)
	})
}

func allowsPut(action string) bool {
	prefix, wild := strings.CutSuffix(action, "*")
	return action == "kms:PutKeyPolicy" || wild && strings.HasPrefix("kms:PutKeyPolicy", prefix)
}

// principals are who a statement speaks of: "*" or {"AWS": …}.
type principals []string

// UnmarshalJSON reads both forms.
func (p *principals) UnmarshalJSON(text []byte) error {
	var all string
	if json.Unmarshal(text, &all) == nil {
		*p = principals{all}
		return nil
	}
	var some struct{ AWS oneOrMore[string] }
	err := json.Unmarshal(text, &some)
	*p = principals(some.AWS)
	return err
}

func (p principals) covers(who principal) bool {
	return slices.ContainsFunc(p, func(name string) bool {
		return name == "*" || name == who.account || name == "arn:aws:iam::"+who.account+":root" || name == who.arn || name == who.role
	})
}

// oneOrMore is a value, or a list of them.
type oneOrMore[T any] []T

// UnmarshalJSON reads both forms.
func (o *oneOrMore[T]) UnmarshalJSON(text []byte) error {
	var many []T
	if json.Unmarshal(text, &many) == nil {
		*o = many
		return nil
	}
	var one T
	err := json.Unmarshal(text, &one)
	*o = oneOrMore[T]{one}
	return err
}

type getKeyPolicyInput struct {
	KeyID      string `json:"KeyId"`
	PolicyName string `json:"PolicyName"`
}

type getKeyPolicyOutput struct {
	Policy     string `json:"Policy"`
	PolicyName string `json:"PolicyName"`
}

func getKeyPolicy(c *call, in getKeyPolicyInput) (any, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	k, err := c.key(in.KeyID)
	if err != nil {
		return nil, err
	}
	return getKeyPolicyOutput{k.policy, "default"}, nil
}

func checkPolicyName(name string) error {
	if name != "" && name != "default" {
		return refuse(codeNotFound, "No such policy exists")
	}
	return nil
}

type putKeyPolicyInput struct {
	KeyID                          string  `json:"KeyId"`
	PolicyName                     string  `json:"PolicyName"`
	Policy                         *string `json:"Policy"`
	BypassPolicyLockoutSafetyCheck bool    `json:"BypassPolicyLockoutSafetyCheck"`
}

func putKeyPolicy(c *call, in putKeyPolicyInput) (any, error) {
	if err := checkPolicyName(in.PolicyName); err != nil {
		return nil, err
	}
	if in.Policy == nil {
		return nil, refuse(codeValidation, "Value at 'policy' failed to satisfy constraint: it must not be null")
	}
	k, err := c.changeable(in.KeyID)
	if err != nil {
		return nil, err
	}
	policy, err := c.keyPolicy(in.Policy, in.BypassPolicyLockoutSafetyCheck)
	if err != nil {
		return nil, err
	}
	k.policy = policy
	return none{}, nil
}
