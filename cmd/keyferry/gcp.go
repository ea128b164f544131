package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/providers/gcpkms"
)

func gcp() provider {
	return provider{name: config.GCP, title: "Google Cloud KMS", open: openGCP, policy: gcpPolicy}
}

func configGCP(t config.Target) gcpkms.Config {
	return gcpkms.Config{
		Project: t.Project, Location: t.Location, Ring: t.Ring, Protection: t.Protection,
		CredentialsFile: string(t.CredentialsFile), Impersonate: t.Impersonate, ProofImpersonate: t.ProofImpersonate, QuotaProject: t.QuotaProject,
		Endpoint: t.Endpoint, TokenEndpoint: t.TokenEndpoint, CAFile: string(t.CAFile), Proxy: t.Proxy,
		Production: t.Environment == broker.Production, SoleWriter: t.SoleWriter, WrappingKeyBits: wrappingBits(t),
		DeletionWindow: t.DeletionWindow.Std(), Settle: t.Settle.Std(), Poll: t.Poll.Std(),
	}
}

func openGCP(ctx context.Context, t config.Target, files targetFiles, now func() time.Time) (openTarget, error) {
	c := configGCP(t)
	c.CAPEM, c.CredentialsJSON, c.Now = files[caField], files[credentialsField], now
	p, err := gcpkms.Open(ctx, c)
	if err != nil {
		return openTarget{}, err
	}
	return openTarget{provider: p, genuine: p.Genuine(), close: p.Close}, nil
}

// gcpPolicy is a custom role as gcloud iam roles create --file reads it.
func gcpPolicy(t config.Target, proof bool) (any, error) {
	write := gcpkms.LeastPolicy
	if proof {
		write = gcpkms.ProofPolicy
	}
	text, err := write(configGCP(t))
	if err != nil {
		return nil, fmt.Errorf("write role: %w", err)
	}
	return json.RawMessage(text), nil
}
