package awskms

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws/arn"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/keyferry/keyferry/broker"
)

// identityCall is the one call that goes to STS.
const identityCall = "GetCallerIdentity"

// Identify asks STS who the credentials are. The account is as answered: the
// broker holds it against the enrolment.
func (p *Provider) Identify(ctx context.Context) (broker.Identity, error) {
	return p.identify(ctx, "identify", p.sts)
}

// IdentifyProof does the same as the proof role.
func (p *Provider) IdentifyProof(ctx context.Context) (broker.Identity, error) {
	if p.c.ProofRoleARN == "" {
		return broker.Identity{}, nil
	}
	return p.identify(ctx, "identify as "+p.c.ProofRoleARN+" at", newSTS(p.c, p.wire, p.as.proving))
}

func (p *Provider) identify(ctx context.Context, verb string, as *sts.Client) (broker.Identity, error) {
	c := call{name: identityCall, verb: verb, object: p.String()}
	rec := &record{receipt: broker.Receipt{Call: c.name}}
	out, err := as.GetCallerIdentity(recording(ctx, rec), &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Retryer = p.reads })
	if err != nil {
		return broker.Identity{}, translate(c, rec, err)
	}
	principal, err := arn.Parse(deref(out.Arn))
	if err != nil || deref(out.Account) == "" {
		return broker.Identity{}, incomplete(c, "principal")
	}
	if principal.AccountID != deref(out.Account) || principal.Partition != p.c.Partition {
		return broker.Identity{}, p.foreign(deref(out.Arn), fmt.Errorf("it is not of account %s in partition %s", deref(out.Account), p.c.Partition))
	}
	return broker.Identity{Account: deref(out.Account), Principal: deref(out.Arn), Receipt: rec.receipt}, nil
}
