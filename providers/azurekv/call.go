package azurekv

import (
	"context"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// call is one operation of the API: its name in the SDK; what it does to what, for
// people; and whether it changes something.
type call struct {
	name    string
	verb    string
	object  string
	key     string // name of the key it is about; "" all
	changes bool
	proof   bool // asked with the credentials of proofs
}

// invoke performs a call, once, and translates its error.
func invoke[O any](ctx context.Context, p *Provider, c call, op func(context.Context, *azkeys.Client) (O, error)) (O, broker.Receipt, error) {
	rec := &record{receipt: broker.Receipt{Call: c.name, Endpoint: p.wire.vault}}
	client := p.keys
	if c.proof {
		client = p.proof
	}
	out, err := op(recording(ctx, rec), client)
	if err != nil {
		var none O
		return none, rec.receipt, p.translate(c, rec, err)
	}
	return out, rec.receipt, nil
}
