package azurekv

import (
	"context"
	"errors"
	"net/http"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
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
	var out O
	err := p.pace.Wait(ctx, c.name) // before there is a request, and a token for it
	if err == nil {
		out, err = op(recording(ctx, rec), client)
		p.tell(c.name, rec, err)
	}
	if err != nil {
		var none O
		return none, rec.receipt, p.translate(c, rec, err)
	}
	return out, rec.receipt, nil
}

// tell the pace what became of a call that the vault answered.
func (p *Provider) tell(name string, rec *record, err error) {
	refused, ok := errors.AsType[*azcore.ResponseError](err)
	switch {
	case !rec.answered:
	case ok && refused.StatusCode == http.StatusTooManyRequests:
		p.pace.Throttled(name, whenAgain(rec, err))
	default:
		p.pace.Answered(name)
	}
}
