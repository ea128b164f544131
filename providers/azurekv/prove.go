package azurekv

import (
	"context"
	"errors"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// asked is what a proof is asked of: a version by its own id, or, as its consumers do,
// what the id leads to that they use.
type asked struct {
	p    *Provider
	ref  broker.VersionRef // of the call; without a version the newest
	name string
}

// Prove signs or decrypts the challenge, or answers the public key alone. It uses a
// key for nothing else.
func (p *Provider) Prove(ctx context.Context, v broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
	a, err := p.asking(v)
	if err != nil {
		return broker.Answer{}, err
	}
	switch c.Level() {
	case broker.ProofPublicKey:
		return a.publicKey(ctx, c)
	case broker.ProofCipher:
		return a.decrypt(ctx, c)
	default:
		return broker.Answer{}, refuse(broker.Unsupported, "prove", v.Key.ID, "Azure offers no proof of level %q", c.Level())
	}
}

func (p *Provider) asking(v broker.VersionRef) (asked, error) {
	ref := broker.VersionRef{Key: v.Key, ID: v.ID}
	if v.Via != "" {
		var err error
		if ref, err = p.parse(v.Via); err != nil {
			return asked{}, err
		}
	}
	name, err := p.nameOf(ref.Key)
	if err == nil && ref.ID != "" && !versionShape().MatchString(ref.ID) {
		err = refuse(broker.NotFound, "prove", versionID(ref), "no version has such an id")
	}
	return asked{p: p, ref: ref, name: name}, err
}

func (a asked) call(name, verb string) call {
	return call{name: name, verb: verb, object: versionID(a.ref), key: a.name, proof: true}
}

// publicKey is the public key and, unless it alone is asked for, the possession of the
// private one.
func (a asked) publicKey(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("GetKey", "get public key of")
	got, receipt, err := invoke(ctx, a.p, call, func(ctx context.Context, k *azkeys.Client) (azkeys.GetKeyResponse, error) {
		return k.GetKey(ctx, a.name, a.ref.ID, nil)
	})
	if err != nil {
		return broker.Answer{}, err
	}
	shown, err := a.p.expect(call, kidOf(got.Key), a.ref)
	if err != nil {
		return broker.Answer{}, err
	}
	spki, err := publicKey(got.Key)
	if err != nil {
		return broker.Answer{}, incomplete(call, "has no public key: %w", err)
	}
	answer := broker.Answer{Version: shown.ID, Receipt: receipt}
	if !c.PublicOnly() {
		a.ref = shown // what signs is what was shown, whatever came after it
		answer, err = a.possession(ctx, c)
	}
	answer.PublicKey = spki
	return answer, err
}

// possession is that of the private key, by the purpose.
func (a asked) possession(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	switch purpose := c.Purpose(); purpose {
	case broker.Sign:
		return a.sign(ctx, c)
	case broker.Decrypt:
		return a.decrypt(ctx, c)
	default:
		return broker.Answer{}, refuse(broker.Unsupported, "prove", versionID(a.ref), "Azure does not let a key %s", purpose)
	}
}

func (a asked) sign(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	how, ok := signing[c.Spec()]
	if !ok {
		return broker.Answer{}, refuse(broker.Unsupported, "prove", versionID(a.ref), "%s does not sign", c.Spec())
	}
	call := a.call("Sign", "sign challenge with")
	out, receipt, err := invoke(ctx, a.p, call, func(ctx context.Context, k *azkeys.Client) (azkeys.SignResponse, error) {
		return k.Sign(ctx, a.name, a.ref.ID, azkeys.SignParameters{Algorithm: &how.algorithm, Value: how.digest(c.Message())}, nil)
	})
	if err != nil {
		return broker.Answer{}, err
	}
	by, err := a.p.expect(call, out.KID, a.ref)
	if err != nil {
		return broker.Answer{}, err
	}
	value := out.Result
	if c.Spec().Class() == broker.ClassEC {
		if value, err = derOf(out.Result); err != nil {
			return broker.Answer{}, incomplete(call, "has no signature: %w", err)
		}
	}
	return broker.Answer{Scheme: how.scheme, Value: value, Version: by.ID, Receipt: receipt}, nil
}

func (a asked) decrypt(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	parameters, err := decryption(c)
	if err != nil {
		return broker.Answer{}, refuse(broker.Misuse, "prove", versionID(a.ref), "%w", err)
	}
	call := a.call("Decrypt", "decrypt challenge with")
	out, receipt, err := invoke(ctx, a.p, call, func(ctx context.Context, k *azkeys.Client) (azkeys.DecryptResponse, error) {
		return k.Decrypt(ctx, a.name, a.ref.ID, parameters, nil)
	})
	if err != nil {
		return broker.Answer{}, undecrypted(err)
	}
	by, err := a.p.expect(call, out.KID, a.ref)
	return broker.Answer{Scheme: broker.SchemeDecrypted, Value: out.Result, Version: by.ID, Receipt: receipt}, err
}

// undecrypted: what does not decrypt under the key was encrypted to another. Azure
// answers it as a bad parameter, and the parameters are ours.
func undecrypted(err error) error {
	e, ok := errors.AsType[*broker.Error](err)
	if said, answered := errors.AsType[*answer](err); ok && answered && e.Kind == broker.Rejected && said.code != "" {
		e.Kind = broker.Differs // a bare 400 is something else's on the way
	}
	return err
}
