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
	c := call{name: identityCall, verb: "identify", object: p.String()}
	rec := &record{receipt: broker.Receipt{Call: c.name}}
	out, err := p.sts.GetCallerIdentity(recording(ctx, rec), &sts.GetCallerIdentityInput{}, func(o *sts.Options) { o.Retryer = p.reads })
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
