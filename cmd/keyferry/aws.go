package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

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

func openAWS(ctx context.Context, t config.Target, files targetFiles, now func() time.Time) (openTarget, error) {
	p, err := awskms.Open(ctx, awskms.Config{
		Account: t.Account, Region: t.Region, RoleARN: t.RoleARN, ExternalID: t.ExternalID, Profile: t.Profile,
		Endpoint: t.Endpoint, STSEndpoint: t.STSEndpoint, CAFile: string(t.CAFile), CAPEM: files[caField], Proxy: t.Proxy,
		Production: t.Environment == broker.Production, KeyPolicy: keyPolicy(t, files), Ed25519: t.Ed25519,
		WrappingKeyBits: wrappingBits(t), DeletionWindow: t.DeletionWindow.Std(),
		Settle: t.Settle.Std(), Poll: t.Poll.Std(), Now: now,
	})
	if err != nil {
		return openTarget{}, err
	}
	return openTarget{provider: p, genuine: p.Genuine(), close: p.Close}, nil
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

// awsPolicy is the IAM policy of a role that does what keyferry needs at a target
// and nothing else.
func awsPolicy(t config.Target, _ bool) (any, error) {
	text, err := awskms.LeastPolicy(awskms.Config{Account: t.Account, Region: t.Region})
	if err != nil {
		return nil, fmt.Errorf("write policy: %w", err)
	}
	return json.RawMessage(text), nil
}
