package awskms

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws/arn"

	"github.com/keyferry/keyferry/broker"
)

// ours checks that an ARN names a key in the enrolled partition, account and
// region; else it is Tampered.
func (p *Provider) ours(keyARN string) error { return p.ourIn(p.c.Region, keyARN) }

// ourIn is the same for another region.
func (p *Provider) ourIn(region, keyARN string) error {
	parsed, err := arn.Parse(keyARN)
	if err != nil {
		return p.foreign(keyARN, fmt.Errorf("parse ARN: %w", err))
	}
	id, isKey := strings.CutPrefix(parsed.Resource, "key/")
	want := arn.ARN{Partition: p.c.Partition, Service: "kms", Region: region, AccountID: p.c.Account, Resource: "key/" + id}
	if !isKey || id == "" || strings.ContainsAny(id, "/:* \t\r\n") || parsed != want {
		return p.foreign(keyARN, fmt.Errorf("not a key of account %s in %s", p.c.Account, region))
	}
	return nil
}

// same checks that the answer to a call is about the key that was asked for. AWS
// answers with the ARN; an imitation may with the key id alone, or with nothing.
func (p *Provider) same(c call, asked string, answered *string) error {
	switch got := deref(answered); {
	case got == "" && p.Genuine():
		return incomplete(c, "key id")
	case got == "":
		return p.ours(asked)
	case got != asked && !strings.HasSuffix(asked, ":key/"+got):
		return p.foreign(got, fmt.Errorf("the answer is about another key than %s", asked))
	default:
		return p.ours(asked)
	}
}

func (p *Provider) foreign(object string, cause error) error {
	return &broker.Error{
		Kind: broker.Tampered, Op: "check answer about", Object: object, Cause: cause,
		Hint: "the endpoint or the credentials are not those of the enrolled target; nothing was wrapped for it",
	}
}

// deref is a pointer's value; "" of nil.
func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// keyID is the part of a key's ARN by which aliases lead to it.
func keyID(keyARN string) *string {
	_, id, _ := strings.Cut(keyARN, ":key/")
	return &id
}
