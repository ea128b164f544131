package azurekv

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// Identify reads the first page of the vault's keys, so that challenge, token and
// permission are tried. The account is the tenant, which the token was held against;
// the principal is what the token says of its holder.
func (p *Provider) Identify(ctx context.Context) (broker.Identity, error) {
	c := call{name: "ListKeys", verb: "identify at", object: p.c.VaultURL}
	_, receipt, err := invoke(ctx, p, c, func(ctx context.Context, k *azkeys.Client) (azkeys.ListKeyPropertiesResponse, error) {
		return k.NewListKeyPropertiesPager(nil).NextPage(ctx)
	})
	if err != nil {
		return broker.Identity{}, err
	}
	return broker.Identity{Account: p.c.Tenant, Principal: p.who.principal(), Receipt: receipt}, nil
}
