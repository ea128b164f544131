package awskms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/keyferry/keyferry/broker"
)

// call is one operation of the API: its name, which is also its permission; what
// it does to what, for people; and whether it changes something.
type call struct {
	name    string
	verb    string
	object  string
	changes bool
}

// operation is a method of the SDK's client.
type operation[I, O any] = func(context.Context, *I, ...func(*kms.Options)) (*O, error)

// invoke performs a call and translates its error. A changing call is sent once,
// a read as often as Provider.reads allows.
func invoke[I, O any](ctx context.Context, p *Provider, c call, op operation[I, O], in *I) (*O, broker.Receipt, error) {
	rec := &record{receipt: broker.Receipt{Call: c.name}}
	var options []func(*kms.Options)
	if !c.changes {
		options = append(options, func(o *kms.Options) { o.Retryer = p.reads })
	}
	out, err := op(recording(ctx, rec), in, options...)
	if err != nil {
		return nil, rec.receipt, translate(c, rec, err)
	}
	return out, rec.receipt, nil
}
