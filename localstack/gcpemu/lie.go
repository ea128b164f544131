package gcpemu

import (
	"bytes"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/protobuf/proto"

	"github.com/keyferry/keyferry/localstack/emu"
	"github.com/keyferry/keyferry/localstack/faults"
)

// lie makes a false answer out of a true one, with checksums that fit it: another
// MAC, signature, plaintext, public key or wrapping key; a wrong MAC taken for right;
// a failed import taken for a good one.
func (c *call) lie(truth faults.Answer) faults.Answer {
	out := c.action.newAnswer()
	if truth.Code != "" || read(truth, out) != nil {
		return truth
	}
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	c.falsify(out)
	return success(out)
}

func (c *call) falsify(m proto.Message) {
	switch out := m.(type) {
	case *kmspb.MacSignResponse:
		out.Mac = flipped(out.GetMac())
		out.MacCrc32C = crc(out.GetMac())
	case *kmspb.AsymmetricSignResponse:
		out.Signature = flipped(out.GetSignature())
		out.SignatureCrc32C = crc(out.GetSignature())
	case *kmspb.AsymmetricDecryptResponse:
		out.Plaintext = flipped(out.GetPlaintext())
		out.PlaintextCrc32C = crc(out.GetPlaintext())
	case *kmspb.DecryptResponse:
		out.Plaintext = flipped(out.GetPlaintext())
		out.PlaintextCrc32C = crc(out.GetPlaintext())
	case *kmspb.RawDecryptResponse:
		out.Plaintext = flipped(out.GetPlaintext())
		out.PlaintextCrc32C = crc(out.GetPlaintext())
	case *kmspb.MacVerifyResponse:
		out.Success, out.VerifiedSuccessIntegrity = true, true
	case *kmspb.CryptoKeyVersion:
		out.State, out.ImportFailureReason = enabled, ""
	case *kmspb.PublicKey:
		c.otherPublicKey(out)
	case *kmspb.ImportJob:
		c.otherWrappingKey(out)
	}
}

// flipped changes the last bit.
func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	if len(b) > 0 {
		b[len(b)-1] ^= 1
	}
	return b
}

// otherPublicKey is one of the same shape that is not the version's.
func (c *call) otherPublicKey(out *kmspb.PublicKey) {
	v := c.key.find(out.GetName())
	if v == nil || v.material == nil {
		return
	}
	if other, err := v.material.pair.OtherSPKI(); err == nil {
		_ = show(out, other) // the format was shown before
	}
}

// otherWrappingKey swaps the wrapping key for another, which nobody can unwrap with.
func (c *call) otherWrappingKey(out *kmspb.ImportJob) {
	r := c.s.store.rings[parent(out.GetName())]
	if out.GetPublicKey() == nil || r == nil || r.jobs[out.GetName()] == nil {
		return
	}
	spki, err := otherRSA(r.jobs[out.GetName()])
	if err != nil {
		return
	}
	if k, err := wrappingKey(spki, out.GetPublicKeyFormat()); err == nil {
		out.PublicKey = k
	}
}

// otherRSA is a public key of the size of the job's that is not the job's.
func otherRSA(j *job) ([]byte, error) {
	pair, err := emu.NewRSA(j.private)
	if err != nil {
		return nil, err
	}
	return pair.OtherSPKI()
}
