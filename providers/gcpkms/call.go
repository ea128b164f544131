package gcpkms

import (
	"context"
	"net/url"
	"runtime"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"

	"github.com/keyferry/keyferry/broker"
)

// call is one RPC: its name; what it does to what, for people; and whether it
// changes something.
type call struct {
	name    string
	verb    string
	object  string
	changes bool
	proof   bool   // asked as the principal of proofs
	reason  string // what the provider's audit log shall say of it: the effect's id
}

// operation is a method of the API's stub.
type operation[I, O any] = func(context.Context, *I, ...grpc.CallOption) (*O, error)

// invoke performs a call, once, and translates its error.
func invoke[I, O any](ctx context.Context, p *Provider, c call, op operation[I, O], in *I) (*O, broker.Receipt, error) {
	rec := &record{receipt: broker.Receipt{Call: c.name, Endpoint: p.wire.host}}
	if err := p.pace.Wait(ctx, c.name); err != nil { // before the call has a time to end by, and a token
		return nil, rec.receipt, p.translate(ctx, c, rec, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if err := ctx.Err(); err != nil {
		return nil, rec.receipt, p.translate(ctx, c, rec, err)
	}
	addressed, err := p.address(ctx, c, in)
	if err != nil {
		return nil, rec.receipt, p.translate(ctx, c, rec, err)
	}
	var header metadata.MD
	var from peer.Peer
	addressed = recording(addressed, rec)
	out, err := op(addressed, in, grpc.Header(&header), grpc.Peer(&from))
	settle(addressed)
	rec.note(header, from, p.c.Now())
	p.tell(c.name, rec, err)
	if err != nil {
		return nil, rec.receipt, p.translate(ctx, c, rec, err)
	}
	return out, rec.receipt, nil
}

// tell the pace what became of a call that was answered.
func (p *Provider) tell(name string, rec *record, err error) {
	switch {
	case !rec.answered:
	case err != nil && p.kindOf(rec, err) == broker.Throttled:
		p.pace.Throttled(name, detailsOf(err).retryAfter)
	default:
		p.pace.Answered(name)
	}
}

// address puts on a request what every client of Google's sends: who asks, which
// resource it is for (AIP-4222), whose quota it takes; and a reason for the audit log
// ("System parameters").
func (p *Provider) address(ctx context.Context, c call, in any) (context.Context, error) {
	who := p.who
	if c.proof {
		who = p.prover
	}
	token, err := who.token(ctx)
	if err != nil {
		return nil, err
	}
	pairs := []string{
		"authorization", "Bearer " + token, "x-goog-request-params", route(in),
		"x-goog-api-client", "gl-go/" + runtime.Version() + " grpc/" + grpc.Version,
	}
	if quota := who.quotaProject; quota != "" {
		pairs = append(pairs, "x-goog-user-project", quota)
	}
	if c.reason != "" {
		pairs = append(pairs, "x-goog-request-reason", c.reason)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...), nil
}

// route is the field that names what a request is about, and its value.
func route(in any) string {
	switch m := in.(type) {
	case *kmspb.UpdateCryptoKeyVersionRequest:
		return "crypto_key_version.name=" + url.QueryEscape(m.GetCryptoKeyVersion().GetName())
	case interface{ GetParent() string }:
		return "parent=" + url.QueryEscape(m.GetParent())
	case interface{ GetName() string }:
		return "name=" + url.QueryEscape(m.GetName())
	default:
		return ""
	}
}
