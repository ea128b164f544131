package azurekv

import (
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
	"github.com/keyferry/keyferry/providers/pace"
)

// Provider is the keys of one vault. It is safe for concurrent use.
type Provider struct {
	c           Config
	caps        func() broker.Capabilities
	wire        *wire
	pace        *pace.Pacer
	who, prover *pinned
	keys        *azkeys.Client
	proof       *azkeys.Client // uses keys
}

var _ interface {
	broker.Provider
	broker.Identifier
	broker.ProofIdentifier
} = (*Provider)(nil)

// Open checks the configuration and prepares the clients. It calls no service: tokens
// are asked for with the first call. Errors are Misuse and name what is wrong in the
// configuration.
func Open(c Config) (*Provider, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	c, err := c.withPrices()
	if err != nil {
		return nil, err
	}
	c, err = c.withCA()
	if err != nil {
		return nil, misuse(c, err)
	}
	wire, err := newWire(c)
	if err != nil {
		return nil, misuse(c, err)
	}
	p := &Provider{c: c, caps: sync.OnceValue(c.capabilities), wire: wire, pace: c.Pace.Pacer(c.quotas())}
	if p.keys, p.who, err = p.client(c.Credentials); err != nil {
		return nil, misuse(c, err)
	}
	p.proof = p.keys
	if c.ProofCredentials != nil {
		if p.proof, p.prover, err = p.client(*c.ProofCredentials); err != nil {
			return nil, misuse(c, err)
		}
	}
	return p, nil
}

// client of the vault for one identity. It repeats nothing.
func (p *Provider) client(as Credentials) (*azkeys.Client, *pinned, error) {
	tokens, err := as.Tokens, error(nil)
	if tokens == nil {
		tokens, err = as.open(p.c, p.wire)
	}
	if err != nil {
		return nil, nil, err
	}
	who := &pinned{tenant: p.c.Tenant, TokenCredential: tokens}
	client, err := azkeys.NewClient(p.c.VaultURL, who, &azkeys.ClientOptions{ClientOptions: azcore.ClientOptions{
		Transport: p.wire, Retry: policy.RetryOptions{MaxRetries: -1}, PerRetryPolicies: []policy.Policy{guard{tenant: p.c.Tenant, vault: p.wire.vault}},
		Telemetry: policy.TelemetryOptions{Disabled: true},
	}})
	return client, who, err
}

// Close gives idle connections back.
func (p *Provider) Close() { p.wire.transport.CloseIdleConnections() }

// Genuine reports whether the vault is Azure's own, so that what Azure documents may
// be relied on.
func (p *Provider) Genuine() bool { return genuine(p.c) }

// String names the target.
func (p *Provider) String() string { return p.c.VaultURL }
