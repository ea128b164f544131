package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/providers/awskms"
)

func aws() provider {
	return provider{
		name: "aws", title: "AWS KMS", open: openAWS, policy: awsPolicy,
		flags: []cli.Flag{validToFlag("when AWS forgets the material: `TIME` (2027-01-31, 2027-01-31T12:00:00Z or 90d), at most 365d ahead; the policy's, or never, if left out")},
	}
}

func openAWS(ctx context.Context, a asked) (openTarget, error) {
	p, err := awskms.Open(ctx, configAWS(a))
	if err != nil {
		return openTarget{}, err
	}
	return openTarget{provider: p, genuine: p.Genuine(), close: p.Close}, nil
}

// configAWS says also what other targets of the config make of this one: a region
// with primary keys, or one with their replicas.
func configAWS(a asked) awskms.Config {
	primary, _ := a.config.Target(a.ReplicaOf)
	return awskms.Config{
		Account: a.Account, Region: a.Region, RoleARN: a.RoleARN, ExternalID: a.ExternalID, Profile: a.Profile,
		ProofRoleARN: a.ProofRoleARN, ProofExternalID: a.ProofExternalID,
		Endpoint: a.Endpoint, STSEndpoint: a.STSEndpoint, CAFile: string(a.CAFile), CAPEM: a.files[caField], Proxy: a.Proxy,
		Production: a.Environment == broker.Production, KeyPolicy: keyPolicy(a.Target, a.files), Ed25519: a.Ed25519,
		PrimaryRegion: primary.Region, PrimaryEndpoint: primary.Endpoint,
		Replicated:      slices.ContainsFunc(a.config.Targets, func(t config.Target) bool { return t.ReplicaOf == a.Name }),
		WrappingKeyBits: wrappingBits(a.Target), DeletionWindow: a.DeletionWindow.Std(),
		Settle: a.Settle.Std(), Poll: a.Poll.Std(), Now: a.now,
		Quotas: quotasOf(a), Pace: a.pace.at(a.Target), PrimaryPace: a.pace.at(primary),
	}
}

// keyPolicy is the text of the key policy; "" where the config has none.
func keyPolicy(t config.Target, files targetFiles) string {
	switch {
	case t.KeyPolicy == nil:
		return ""
	case t.KeyPolicy.File == "":
		return t.KeyPolicy.Inline
	default:
		return string(files[policyField])
	}
}

// awsPolicy is an IAM policy.
func awsPolicy(a asked, proof bool) (any, error) {
	write := awskms.LeastPolicy
	if proof {
		write = awskms.ProofPolicy
	}
	text, err := write(configAWS(a))
	if err != nil {
		return nil, fmt.Errorf("write policy: %w", err)
	}
	return json.RawMessage(text), nil
}
