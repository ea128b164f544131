package awskms

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/keyferry/keyferry/broker"
)

// Prove has KMS answer a challenge with the material that is there. Keys are used as
// the proof role where there is one; what is only looked at is not.
func (p *Provider) Prove(ctx context.Context, v broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
	if err := p.ours(v.Key.ID); err != nil {
		return broker.Answer{}, err
	}
	a := asked{p: p, version: v, id: v.Key.ID}
	if v.Via != "" {
		if err := p.checkAlias("prove through", v.Via); err != nil {
			return broker.Answer{}, err
		}
		a.id = v.Via
	}
	switch c.Level() {
	case broker.ProofPublicKey:
		return a.publicKey(ctx, c)
	case broker.ProofMAC:
		return a.mac(ctx, c)
	case broker.ProofReimport:
		return a.current(ctx)
	case broker.ProofAccepted:
		answer, err := a.current(ctx)
		answer.Reason = "AWS KMS took the material; nothing was compared"
		return answer, err
	default:
		return broker.Answer{}, refuse(broker.Unsupported, "prove", v.Key.ID, "AWS KMS has no proof by %s", c.Level())
	}
}

// asked is a version, and the name by which it is asked.
type asked struct {
	p       *Provider
	version broker.VersionRef
	id      string
}

func (a asked) call(name, verb string) call { return call{name: name, verb: verb, object: a.id} }

// about checks which key answered. An alias that leads to another key of the target
// may just have moved, or not yet: that is Differs, not Tampered.
func (a asked) about(c call, answered *string) error {
	err := a.p.same(c, a.version.Key.ID, answered)
	if a.version.Via == "" || err == nil || deref(answered) == "" {
		return err
	}
	if err := a.p.ours(*answered); err != nil {
		return err
	}
	return refuse(broker.Differs, "prove through", a.id, "%s answered, not %s", *answered, a.version.Key.ID)
}

// publicKey is the public key and, unless it alone is asked for, the possession of the
// private one.
func (a asked) publicKey(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("GetPublicKey", "get public key of")
	out, receipt, err := invoke(ctx, a.p, call, a.p.proof.GetPublicKey, &kms.GetPublicKeyInput{KeyId: &a.id})
	if err != nil {
		return broker.Answer{}, err
	}
	if err := a.about(call, out.KeyId); err != nil {
		return broker.Answer{}, err
	}
	spki, err := broker.CanonicalSPKI(out.PublicKey)
	if err != nil {
		return broker.Answer{}, err
	}
	var answer broker.Answer
	switch purpose := c.Purpose(); {
	case c.PublicOnly():
		answer.Receipt = receipt
	case purpose == broker.Sign:
		answer, err = a.sign(ctx, c)
	case purpose == broker.Decrypt:
		answer, err = a.decrypt(ctx, c)
	case purpose == broker.Agree:
		answer, err = a.agree(ctx, c)
	default:
		err = refuse(broker.Unsupported, "prove", a.id, "a key pair is not for %s", purpose)
	}
	answer.PublicKey = spki
	return answer, err
}

// signing is how each spec signs: AWS's algorithm and the broker's word for it.
var signing = map[broker.KeySpec]struct {
	algorithm types.SigningAlgorithmSpec
	scheme    broker.Scheme
}{
	broker.RSA2048:   {types.SigningAlgorithmSpecRsassaPssSha256, broker.SchemePSS},
	broker.RSA3072:   {types.SigningAlgorithmSpecRsassaPssSha256, broker.SchemePSS},
	broker.RSA4096:   {types.SigningAlgorithmSpecRsassaPssSha256, broker.SchemePSS},
	broker.ECP256:    {types.SigningAlgorithmSpecEcdsaSha256, broker.SchemeECDSA256},
	broker.Secp256k1: {types.SigningAlgorithmSpecEcdsaSha256, broker.SchemeECDSA256},
	broker.ECP384:    {types.SigningAlgorithmSpecEcdsaSha384, broker.SchemeECDSA384},
	broker.ECP521:    {types.SigningAlgorithmSpecEcdsaSha512, broker.SchemeECDSA512},
	broker.Ed25519:   {types.SigningAlgorithmSpecEd25519Sha512, broker.SchemeEd25519},
}

func (a asked) sign(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	how, ok := signing[c.Spec()]
	if !ok {
		return broker.Answer{}, refuse(broker.Unsupported, "prove", a.id, "%s does not sign", c.Spec())
	}
	call := a.call("Sign", "sign challenge with")
	out, receipt, err := invoke(ctx, a.p, call, a.p.proof.Sign, &kms.SignInput{
		KeyId: &a.id, Message: c.Message(), MessageType: types.MessageTypeRaw, SigningAlgorithm: how.algorithm,
	})
	if err != nil {
		return broker.Answer{}, err
	}
	return broker.Answer{Scheme: how.scheme, Value: out.Signature, Receipt: receipt}, a.about(call, out.KeyId)
}

func (a asked) decrypt(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("Decrypt", "decrypt challenge with")
	out, receipt, err := invoke(ctx, a.p, call, a.p.proof.Decrypt, &kms.DecryptInput{
		KeyId: &a.id, CiphertextBlob: c.Ciphertext(), EncryptionAlgorithm: types.EncryptionAlgorithmSpecRsaesOaepSha256,
	})
	if err != nil {
		return broker.Answer{}, undecrypted(err)
	}
	return broker.Answer{Scheme: broker.SchemeDecrypted, Value: out.Plaintext, Receipt: receipt}, a.about(call, out.KeyId)
}

// undecrypted: what does not decrypt under the key was encrypted to another.
func undecrypted(err error) error {
	e, ok := errors.AsType[*broker.Error](err)
	if _, undecrypted := errors.AsType[*types.InvalidCiphertextException](err); ok && undecrypted {
		e.Kind = broker.Differs
	}
	return err
}

func (a asked) agree(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("DeriveSharedSecret", "agree with")
	out, receipt, err := invoke(ctx, a.p, call, a.p.proof.DeriveSharedSecret, &kms.DeriveSharedSecretInput{
		KeyId: &a.id, KeyAgreementAlgorithm: types.KeyAgreementAlgorithmSpecEcdh, PublicKey: c.Peer(),
	})
	if err != nil {
		return broker.Answer{}, err
	}
	return broker.Answer{Scheme: broker.SchemeShared, Value: out.SharedSecret, Receipt: receipt}, a.about(call, out.KeyId)
}

// macs are the MAC algorithms by spec.
var macs = map[broker.KeySpec]types.MacAlgorithmSpec{
	broker.HMAC224: types.MacAlgorithmSpecHmacSha224,
	broker.HMAC256: types.MacAlgorithmSpecHmacSha256,
	broker.HMAC384: types.MacAlgorithmSpecHmacSha384,
	broker.HMAC512: types.MacAlgorithmSpecHmacSha512,
}

func (a asked) mac(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	algorithm, ok := macs[c.Spec()]
	if !ok {
		return broker.Answer{}, refuse(broker.Unsupported, "prove", a.id, "%s makes no MAC", c.Spec())
	}
	call := a.call("GenerateMac", "MAC challenge with")
	out, receipt, err := invoke(ctx, a.p, call, a.p.proof.GenerateMac, &kms.GenerateMacInput{
		KeyId: &a.id, Message: c.Message(), MacAlgorithm: algorithm,
	})
	if err != nil {
		return broker.Answer{}, err
	}
	return broker.Answer{Scheme: broker.SchemeHMAC, Value: out.Mac, Receipt: receipt}, a.about(call, out.KeyId)
}

// current says which material is in use: after a proof by reimport, that it is
// still the proven one.
func (a asked) current(ctx context.Context) (broker.Answer, error) {
	meta, receipt, err := a.p.describe(ctx, a.id)
	switch {
	case err != nil:
		return broker.Answer{}, err
	case meta == nil:
		return broker.Answer{}, refuse(broker.NotFound, "describe", a.id, "there is no such key")
	case meta.KeyState != types.KeyStateEnabled:
		return broker.Answer{}, refuse(broker.Conflict, "prove", a.id, "it is %s", meta.KeyState)
	}
	return broker.Answer{Version: deref(meta.CurrentKeyMaterialId), Receipt: receipt}, a.about(a.call("DescribeKey", "describe"), meta.Arn)
}
