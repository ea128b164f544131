package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

func gcp() provider {
	return provider{name: config.GCP, title: "Google Cloud KMS", open: openGCP, policy: gcpPolicy}
}

func openGCP(ctx context.Context, a asked) (openTarget, error) {
	p, err := gcpkms.Open(ctx, configGCP(a))
	if err != nil {
		return openTarget{}, err
	}
	return openTarget{provider: p, genuine: p.Genuine(), close: p.Close}, nil
}

func configGCP(a asked) gcpkms.Config {
	return gcpkms.Config{
		Project: a.Project, Location: a.Location, Ring: a.Ring, Protection: a.Protection,
		CredentialsFile: string(a.CredentialsFile), CredentialsJSON: a.files[credentialsField],
		Impersonate: a.Impersonate, ProofImpersonate: a.ProofImpersonate, QuotaProject: a.QuotaProject,
		Endpoint: a.Endpoint, TokenEndpoint: a.TokenEndpoint, CAFile: string(a.CAFile), CAPEM: a.files[caField], Proxy: a.Proxy,
		Production: a.Environment == broker.Production, SoleWriter: a.SoleWriter, WrappingKeyBits: wrappingBits(a.Target),
		DeletionWindow: a.DeletionWindow.Std(), Settle: a.Settle.Std(), Poll: a.Poll.Std(), Now: a.now,
		Quotas: quotasOf(a), Pace: a.pace.at(a.Target),
	}
}

// gcpPolicy is a custom role as gcloud iam roles create --file reads it.
func gcpPolicy(a asked, proof bool) (any, error) {
	write := gcpkms.LeastPolicy
	if proof {
		write = gcpkms.ProofPolicy
	}
	text, err := write(configGCP(a))
	if err != nil {
		return nil, fmt.Errorf("write role: %w", err)
	}
	return json.RawMessage(text), nil
}
