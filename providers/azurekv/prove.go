package azurekv

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"errors"
	"math/big"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azkeys"

	"github.com/keyferry/keyferry/broker"
)

// asked is a version that a proof is asked of: by its own id, or, as its consumers do,
// by the key's, which is the newest version.
type asked struct {
	p       *Provider
	v       broker.VersionRef
	name    string
	version string // "" the newest
}

// Prove signs or decrypts the challenge, or answers the public key alone. It uses a
// key for nothing else.
func (p *Provider) Prove(ctx context.Context, v broker.VersionRef, c broker.Challenge) (broker.Answer, error) {
	name, err := p.nameOf(v.Key)
	if err != nil {
		return broker.Answer{}, err
	}
	a := asked{p: p, v: v, name: name, version: v.ID}
	if v.Via != "" {
		via, err := p.parse(v.Via)
		if err != nil || via.Key != v.Key {
			return broker.Answer{}, refuse(broker.Misuse, "prove through", v.Via, "it does not lead to %s", v.Key.ID)
		}
		a.version = via.ID
	}
	switch c.Level() {
	case broker.ProofPublicKey:
		return a.publicKey(ctx, c)
	case broker.ProofCipher:
		return a.decrypt(ctx, c)
	default:
		return broker.Answer{}, refuse(broker.Unsupported, "prove", v.Key.ID, "Azure offers no proof of level %s", c.Level())
	}
}

func (a asked) call(name, verb string) call {
	object := a.v.Key.ID
	if a.version != "" {
		object += "/" + a.version
	}
	return call{name: name, verb: verb, object: object, proof: true}
}

// about holds the id in an answer against what was asked.
func (a asked) about(c call, kid *azkeys.ID) error {
	if kid == nil {
		return incomplete(c, "names no version")
	}
	v, err := a.p.parse(string(*kid))
	if err != nil {
		return err
	}
	if v.Key != a.v.Key || a.version != "" && v.ID != a.version {
		return a.p.foreign(string(*kid), "asked was "+c.object)
	}
	return nil
}

// publicKey is the public key and, unless it alone is asked for, the possession of the
// private one.
func (a asked) publicKey(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("GetKey", "get public key of")
	got, receipt, err := invoke(ctx, a.p, call, func(ctx context.Context, k *azkeys.Client) (azkeys.GetKeyResponse, error) {
		return k.GetKey(ctx, a.name, a.version, nil)
	})
	if err != nil {
		return broker.Answer{}, err
	}
	if got.Key == nil {
		return broker.Answer{}, incomplete(call, "has no key")
	}
	if err := a.about(call, got.Key.KID); err != nil {
		return broker.Answer{}, err
	}
	spki, err := publicKey(got.Key)
	if err != nil || spki == nil {
		return broker.Answer{}, incomplete(call, "has no public key: %w", errors.Join(errNoKey, err))
	}
	answer := broker.Answer{Receipt: receipt}
	switch purpose := c.Purpose(); {
	case c.PublicOnly():
	case purpose == broker.Sign:
		answer, err = a.sign(ctx, c)
	case purpose == broker.Decrypt:
		answer, err = a.decrypt(ctx, c)
	default:
		err = refuse(broker.Unsupported, "prove", a.v.Key.ID, "Azure does not let a key %s", purpose)
	}
	answer.PublicKey = spki
	return answer, err
}

// signing is how each spec signs: Azure's algorithm, the digest it wants, and the
// broker's word for it.
var signing = map[broker.KeySpec]struct {
	algorithm azkeys.SignatureAlgorithm
	scheme    broker.Scheme
	digest    func([]byte) []byte
}{
	broker.RSA2048: {azkeys.SignatureAlgorithmPS256, broker.SchemePSS, sum256},
	broker.RSA3072: {azkeys.SignatureAlgorithmPS256, broker.SchemePSS, sum256},
	broker.RSA4096: {azkeys.SignatureAlgorithmPS256, broker.SchemePSS, sum256},
	broker.ECP256:  {azkeys.SignatureAlgorithmES256, broker.SchemeECDSA256, sum256},
	broker.ECP384:  {azkeys.SignatureAlgorithmES384, broker.SchemeECDSA384, sum384},
	broker.ECP521:  {azkeys.SignatureAlgorithmES512, broker.SchemeECDSA512, sum512},
}

func sum256(b []byte) []byte { s := sha256.Sum256(b); return s[:] }
func sum384(b []byte) []byte { s := sha512.Sum384(b); return s[:] }
func sum512(b []byte) []byte { s := sha512.Sum512(b); return s[:] }

func (a asked) sign(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	how, ok := signing[c.Spec()]
	if !ok {
		return broker.Answer{}, refuse(broker.Unsupported, "prove", a.v.Key.ID, "%s does not sign", c.Spec())
	}
	call := a.call("Sign", "sign challenge with")
	out, receipt, err := invoke(ctx, a.p, call, func(ctx context.Context, k *azkeys.Client) (azkeys.SignResponse, error) {
		return k.Sign(ctx, a.name, a.version, azkeys.SignParameters{Algorithm: &how.algorithm, Value: how.digest(c.Message())}, nil)
	})
	if err != nil {
		return broker.Answer{}, err
	}
	if err := a.about(call, out.KID); err != nil {
		return broker.Answer{}, err
	}
	value := out.Result
	if c.Spec().Class() == broker.ClassEC {
		if value, err = derOf(out.Result); err != nil {
			return broker.Answer{}, incomplete(call, "has no signature: %w", err)
		}
	}
	return broker.Answer{Scheme: how.scheme, Value: value, Receipt: receipt}, nil
}

// derOf turns r ‖ s, as long as the field each (RFC 7518 §3.4), into a DER signature.
func derOf(raw []byte) ([]byte, error) {
	if len(raw) == 0 || len(raw)%2 != 0 || len(raw) > 132 {
		return nil, errors.New("it is not two numbers of one length")
	}
	half := len(raw) / 2
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:])})
}

// Lengths of what a token answers at level cipher (broker.SchemeGCM).
const (
	nonceBytes = 12
	tagBytes   = 16
)

// decryption is Azure's algorithm and parameters for what a challenge holds.
func (a asked) decryption(c broker.Challenge) (azkeys.KeyOperationParameters, error) {
	if !c.Spec().Secret() {
		algorithm := azkeys.EncryptionAlgorithmRSAOAEP256
		return azkeys.KeyOperationParameters{Algorithm: &algorithm, Value: c.Ciphertext()}, nil
	}
	algorithm, text := azkeys.EncryptionAlgorithmA256GCM, c.Ciphertext()
	if c.Spec() == broker.AES128 {
		algorithm = azkeys.EncryptionAlgorithmA128GCM
	}
	if len(text) <= nonceBytes+tagBytes {
		return azkeys.KeyOperationParameters{}, refuse(broker.Misuse, "prove", a.v.Key.ID, "the challenge has no ciphertext")
	}
	end := len(text) - tagBytes
	return azkeys.KeyOperationParameters{Algorithm: &algorithm, IV: text[:nonceBytes], Value: text[nonceBytes:end], AuthenticationTag: text[end:]}, nil
}

func (a asked) decrypt(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	parameters, err := a.decryption(c)
	if err != nil {
		return broker.Answer{}, err
	}
	call := a.call("Decrypt", "decrypt challenge with")
	out, receipt, err := invoke(ctx, a.p, call, func(ctx context.Context, k *azkeys.Client) (azkeys.DecryptResponse, error) {
		return k.Decrypt(ctx, a.name, a.version, parameters, nil)
	})
	if err != nil {
		return broker.Answer{}, undecrypted(err)
	}
	return broker.Answer{Scheme: broker.SchemeDecrypted, Value: out.Result, Receipt: receipt}, a.about(call, out.KID)
}

// undecrypted: what does not decrypt under the key was encrypted to another. Azure
// answers it as a bad parameter, and the parameters are ours.
func undecrypted(err error) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && e.Kind == broker.Rejected {
		e.Kind = broker.Differs
	}
	return err
}
