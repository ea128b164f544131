package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/broker/config"
	"github.com/keyferry/keyferry/providers/azurekv"
)

func azure() provider {
	return provider{
		name: config.Azure, title: "Azure Key Vault or Managed HSM", open: openAzure, policy: azurePolicy,
		flags: []cli.Flag{validToFlag("when Azure stops protecting anything new with it (exp): `TIME` (2027-01-31, 2027-01-31T12:00:00Z or 90d); the policy's, or never, if left out")},
	}
}

func openAzure(_ context.Context, a asked) (openTarget, error) {
	p, err := azurekv.Open(configAzure(a))
	if err != nil {
		return openTarget{}, err
	}
	return openTarget{provider: p, genuine: p.Genuine(), close: p.Close}, nil
}

func configAzure(a asked) azurekv.Config {
	c := azurekv.Config{
		Tenant: a.Tenant, VaultURL: a.Vault, Kind: a.Kind, Protection: a.Protection,
		KEKValidFor: a.KEKValidFor.Std(), WrappingKeyBits: wrappingBits(a.Target), Authority: a.Authority,
		CAFile: string(a.CAFile), CAPEM: a.files[caField], Proxy: a.Proxy, Production: a.Environment == broker.Production,
		Settle: a.Settle.Std(), Poll: a.Poll.Std(), Now: a.now, Quotas: quotasOf(a), Pace: a.pace.at(a.Target),
	}
	if a.Credentials != nil {
		c.Credentials = azureCredentials(*a.Credentials, a.files[certificateField])
	}
	if a.ProofCredentials != nil {
		proof := azureCredentials(*a.ProofCredentials, a.files[proofCertificate])
		c.ProofCredentials = &proof
	}
	return c
}

func azureCredentials(c config.AzureCredentials, certificate []byte) azurekv.Credentials {
	return azurekv.Credentials{
		Kind: c.Kind, ClientID: c.ClientID, CertificateFile: string(c.CertificateFile), CertificatePEM: certificate, TokenFile: string(c.TokenFile),
	}
}

// azurePolicy is a custom role as az role definition create reads it, or for a
// Managed HSM az keyvault role definition create.
func azurePolicy(a asked, proof bool) (any, error) {
	write := azurekv.LeastPolicy
	if proof {
		write = azurekv.ProofPolicy
	}
	text, err := write(configAzure(a))
	if err != nil {
		return nil, fmt.Errorf("write role: %w", err)
	}
	return json.RawMessage(text), nil
}
