package gcpkms

import (
	"cmp"
	"context"
	"crypto"
	_ "crypto/sha256" // the digests that algorithms name
	_ "crypto/sha512"
	"errors"

	"cloud.google.com/go/kms/apiv1/kmspb"

	"github.com/keyferry/keyferry/broker"
)

// sign has the challenge signed: its digest, or the message itself where the
// algorithm takes that.
func (a asked) sign(ctx context.Context, c broker.Challenge, by algorithm) (broker.Answer, error) {
	call := a.call("AsymmetricSign", "sign challenge with")
	request := &kmspb.AsymmetricSignRequest{Name: a.name}
	if by.hash == 0 {
		request.Data, request.DataCrc32C = c.Message(), checksum(c.Message())
	} else {
		sum := digest(by.hash, c.Message())
		request.Digest, request.DigestCrc32C = digestWord(by.hash, sum), checksum(sum)
	}
	out, receipt, err := invoke(ctx, a.p, call, a.p.kms.AsymmetricSign, request)
	if err != nil {
		return broker.Answer{}, err
	}
	verified := out.GetVerifiedDigestCrc32C()
	if by.hash == 0 {
		verified = out.GetVerifiedDataCrc32C()
	}
	if err := cmp.Or(
		a.about(call, out.GetName()), intact(call, verified, out.GetSignature(), out.GetSignatureCrc32C()), a.fits(call, out.GetProtectionLevel()),
	); err != nil {
		return broker.Answer{}, err
	}
	return broker.Answer{Scheme: by.scheme, Value: out.GetSignature(), Receipt: receipt}, nil
}

func digest(h crypto.Hash, message []byte) []byte {
	hash := h.New()
	hash.Write(message)
	return hash.Sum(nil)
}

// digestWord is a digest as the API names it.
func digestWord(h crypto.Hash, sum []byte) *kmspb.Digest {
	switch h {
	case crypto.SHA384:
		return &kmspb.Digest{Digest: &kmspb.Digest_Sha384{Sha384: sum}}
	case crypto.SHA512:
		return &kmspb.Digest{Digest: &kmspb.Digest_Sha512{Sha512: sum}}
	default:
		return &kmspb.Digest{Digest: &kmspb.Digest_Sha256{Sha256: sum}}
	}
}

// decrypt has the challenge decrypted. The answer does not name the version: that of
// the public key did.
func (a asked) decrypt(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("AsymmetricDecrypt", "decrypt challenge with")
	out, receipt, err := invoke(ctx, a.p, call, a.p.kms.AsymmetricDecrypt, &kmspb.AsymmetricDecryptRequest{
		Name: a.name, Ciphertext: c.Ciphertext(), CiphertextCrc32C: checksum(c.Ciphertext()),
	})
	if err != nil {
		return broker.Answer{}, undecipherable(err)
	}
	if err := cmp.Or(
		intact(call, out.GetVerifiedCiphertextCrc32C(), out.GetPlaintext(), out.GetPlaintextCrc32C()), a.fits(call, out.GetProtectionLevel()),
	); err != nil {
		return broker.Answer{}, err
	}
	return broker.Answer{Scheme: broker.SchemeDecrypted, Value: out.GetPlaintext(), Receipt: receipt}, nil
}

func (a asked) mac(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("MacSign", "MAC challenge with")
	out, receipt, err := invoke(ctx, a.p, call, a.p.kms.MacSign, &kmspb.MacSignRequest{
		Name: a.name, Data: c.Message(), DataCrc32C: checksum(c.Message()),
	})
	if err != nil {
		return broker.Answer{}, err
	}
	if err := cmp.Or(
		a.about(call, out.GetName()), intact(call, out.GetVerifiedDataCrc32C(), out.GetMac(), out.GetMacCrc32C()), a.fits(call, out.GetProtectionLevel()),
	); err != nil {
		return broker.Answer{}, err
	}
	return broker.Answer{Scheme: broker.SchemeHMAC, Value: out.GetMac(), Receipt: receipt}, nil
}

// The parts of what a token encrypts by AES-GCM (SP 800-38D), in bytes.
const (
	gcmNonce = 12
	gcmTag   = 16
)

// cipher has KMS decrypt what the token encrypted, under the token's own nonce.
func (a asked) cipher(ctx context.Context, c broker.Challenge) (broker.Answer, error) {
	call := a.call("RawDecrypt", "decrypt challenge with")
	sealed := c.Ciphertext()
	if len(sealed) != gcmNonce+len(c.Message())+gcmTag {
		return broker.Answer{}, refuse(broker.Unsupported, call.verb, call.object, "the token does not encrypt by AES-GCM, which the key is for")
	}
	nonce, body := sealed[:gcmNonce], sealed[gcmNonce:]
	out, receipt, err := invoke(ctx, a.p, call, a.p.kms.RawDecrypt, &kmspb.RawDecryptRequest{
		Name: a.name, Ciphertext: body, CiphertextCrc32C: checksum(body),
		InitializationVector: nonce, InitializationVectorCrc32C: checksum(nonce), TagLength: gcmTag,
	})
	if err != nil {
		return broker.Answer{}, undecipherable(err)
	}
	if err := cmp.Or(
		a.about(call, a.name),
		intact(call, out.GetVerifiedCiphertextCrc32C() && out.GetVerifiedInitializationVectorCrc32C(), out.GetPlaintext(), out.GetPlaintextCrc32C()),
		a.fits(call, out.GetProtectionLevel()),
	); err != nil {
		return broker.Answer{}, err
	}
	return broker.Answer{Scheme: broker.SchemeGCM, Value: out.GetPlaintext(), Receipt: receipt}, nil
}

// undecipherable: nothing is wrong with a challenge, so a key that refuses to decrypt it
// holds other material.
func undecipherable(err error) error {
	if e, ok := errors.AsType[*broker.Error](err); ok && e.Kind == broker.Rejected {
		e.Kind = broker.Differs
	}
	return err
}
