package gcpkms

import (
	"context"
	"fmt"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/broker"
)

// Prove has KMS answer a challenge with the material that is there, asked as the
// principal of proofs.
func (p *Provider) Prove(ctx context.Context, v broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
	a, err := p.asked(ctx, v)
	if err != nil {
		return broker.Answer{}, err
	}
	switch c.Level() {
	case broker.ProofPublicKey:
		return a.publicKey(ctx, c)
	case broker.ProofMAC:
		return a.mac(ctx, c)
	case broker.ProofCipher:
		return a.cipher(ctx, c)
	case broker.ProofAccepted:
		return a.accepted(ctx)
	default:
		return broker.Answer{}, refuse(broker.Unsupported, "prove", versionName(v), "Google Cloud KMS has no proof by %s", c.Level())
	}
}

// asked is a version, and the name of the one that is asked.
type asked struct {
	p       *Provider
	version broker.VersionRef
	name    string
}

// asked finds the version that answers: the one that is named, the key's newest where
// none is, or what consumers get.
func (p *Provider) asked(ctx context.Context, v broker.VersionRef) (asked, error) {
	if err := p.check(v); err != nil {
		return asked{}, err
	}
	if v.Via != "" {
		return p.askedThrough(ctx, v)
	}
	v, err := p.one(ctx, "prove", v)
	return asked{p: p, version: v, name: versionName(v)}, err
}

// askedThrough is what consumers get by a name: a version is asked by it, of a key
// that is its primary.
func (p *Provider) askedThrough(ctx context.Context, v broker.VersionRef) (asked, error) {
	if _, err := p.parseVersion(v.Via); err == nil {
		return asked{p: p, version: v, name: v.Via}, nil
	}
	found, err := p.lookAtConsumer(ctx, v.Via)
	if err != nil {
		return asked{}, err
	}
	if len(found) == 0 {
		return asked{}, refuse(broker.NotFound, "prove through", plain(v.Via), "consumers get nothing by it")
	}
	return asked{p: p, version: v, name: versionName(found[0].Version)}, nil
}

func (a asked) call(name, verb string) call {
	return call{name: name, verb: verb, object: a.name, proof: true}
}

// about checks which version answered. Through a name of consumers it may be another
// of the target's, which was moved a moment ago or not yet: that is Differs.
func (a asked) about(c call, answered string) error {
	if err := a.p.same(c, a.name, answered); err != nil {
		return err
	}
	if a.version.Via != "" && a.version.ID != "" && a.name != versionName(a.version) {
		return refuse(broker.Differs, "prove through", a.version.Via, "%s answered, not %s", a.name, versionName(a.version))
	}
	return nil
}

// fits holds the protection level of an answer against the target's.
func (a asked) fits(c call, level kmspb.ProtectionLevel) error {
	if level != a.p.c.level() {
		return unusable(c, fmt.Errorf("the answer was computed at protection level %s, not %s", level, a.p.c.level()))
	}
	return nil
}

// publicKey is the public key and, unless that alone is asked for, the possession of
// the private one.
func (a asked) publicKey(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("GetPublicKey", "get public key of")
	out, receipt, err := invoke(ctx, a.p, call, a.p.kms.GetPublicKey, &kmspb.GetPublicKeyRequest{Name: a.name})
	if err != nil {
		return broker.Answer{}, err
	}
	spki, err := a.spki(call, out)
	if err != nil || c.PublicOnly() {
		return broker.Answer{PublicKey: spki, Receipt: receipt}, err
	}
	algorithm, ok := algorithmOf(out.GetAlgorithm())
	if !ok || algorithm.spec != c.Spec() || algorithm.purpose != c.Purpose() {
		return broker.Answer{}, refuse(broker.Differs, "prove", a.name, "it is a key for %s, not one of %s for %s", out.GetAlgorithm(), c.Spec(), c.Purpose())
	}
	var answer broker.Answer
	if c.Purpose() == broker.Sign {
		answer, err = a.sign(ctx, c, algorithm)
	} else {
		answer, err = a.decrypt(ctx, c)
	}
	answer.PublicKey = spki
	return answer, err
}

// spki is the public key of an answer, in canonical form.
func (a asked) spki(c call, out *kmspb.PublicKey) ([]byte, error) {
	if err := a.about(c, out.GetName()); err != nil {
		return nil, err
	}
	if err := intact(c, true, []byte(out.GetPem()), out.GetPemCrc32C()); err != nil {
		return nil, err
	}
	if err := a.fits(c, out.GetProtectionLevel()); err != nil {
		return nil, err
	}
	der, err := parsePEM(out.GetPem())
	if err != nil {
		return nil, unusable(c, err)
	}
	canonical, err := broker.CanonicalSPKI(der)
	if err != nil {
		return nil, refuse(broker.Rejected, c.verb, c.object, "%w", err)
	}
	return canonical, nil
}

// accepted says that the version is there and can be used; nothing is compared.
func (a asked) accepted(ctx context.Context) (broker.Answer, error) {
	v, err := a.p.parseVersion(a.name)
	if err != nil {
		return broker.Answer{}, err
	}
	held, receipt, err := a.p.getVersion(ctx, v)
	if err != nil {
		return broker.Answer{}, err
	}
	if held.GetState() != kmspb.CryptoKeyVersion_ENABLED {
		return broker.Answer{}, refuse(broker.Conflict, "prove", a.name, "it is %s", held.GetState())
	}
	return broker.Answer{
		Version: v.ID, Receipt: receipt,
		Reason: "Google Cloud KMS took the material; it offers nothing that could be compared, because its ciphertexts have a form of their own",
	}, a.about(a.call("GetCryptoKeyVersion", "read version"), held.GetName())
}
