package azurekv

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// Identify reads the first keys of the vault, so that challenge, token and permission
// are tried. The account is the tenant, which challenge and token were held against;
// the principal is what the token says of its holder.
func (p *Provider) Identify(ctx context.Context) (broker.Identity, error) {
	return p.identify(ctx, call{verb: "identify at"}, p.keys, p.who)
}

// IdentifyProof does the same with the credentials of proofs, which may read keys too.
func (p *Provider) IdentifyProof(ctx context.Context) (broker.Identity, error) {
	if p.prover == nil {
		return broker.Identity{}, nil
	}
	return p.identify(ctx, call{verb: "identify with the credentials of proofs at", proof: true}, p.proof, p.prover)
}

func (p *Provider) identify(ctx context.Context, c call, as *azkeys.Client, who *pinned) (broker.Identity, error) {
	c.name, c.object = "ListKeys", p.c.VaultURL
	var receipt broker.Receipt
	pager := as.NewListKeyPropertiesPager(nil)
	for n := 0; pager.More() && n < maxEmptyPages; n++ {
		page, r, err := invoke(ctx, p, c, func(ctx context.Context, _ *azkeys.Client) (azkeys.ListKeyPropertiesResponse, error) {
			return pager.NextPage(ctx)
		})
		if err != nil {
			return broker.Identity{}, err
		}
		if page.Value == nil {
			return broker.Identity{}, incomplete(c, "has no list")
		}
		receipt = r
		for _, e := range page.Value {
			if e == nil {
				continue
			}
			if _, err := p.listed(c, e.KID); err != nil {
				return broker.Identity{}, err
			}
		}
		if len(page.Value) > 0 {
			break
		}
	}
	return broker.Identity{Account: p.c.Tenant, Principal: who.principal(), Receipt: receipt}, nil
}
