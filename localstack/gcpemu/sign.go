package gcpemu

import (
	"crypto"
	"crypto/rsa"

	"cloud.google.com/go/kms/apiv1/kmspb"
	"google.golang.org/grpc/codes"
)

// asymmetricSign takes either a digest of the algorithm's own hash or the data.
func asymmetricSign(c *call, in *kmspb.AsymmetricSignRequest) (*kmspb.AsymmetricSignResponse, error) {
	v, err := c.use(in.GetName(), kmspb.CryptoKey_ASYMMETRIC_SIGN)
	if err != nil {
		return nil, err
	}
	out := &kmspb.AsymmetricSignResponse{Name: v.name, ProtectionLevel: v.key.level}
	digest, err := givenDigest(in.GetDigest())
	if err != nil {
		return nil, err
	}
	if out.VerifiedDigestCrc32C, err = checksum("digest", digest.bytes, in.GetDigestCrc32C()); err != nil {
		return nil, err
	}
	if out.VerifiedDataCrc32C, err = checksum("data", in.GetData(), in.GetDataCrc32C()); err != nil {
		return nil, err
	}
	text, err := v.toSign(digest, in.GetData())
	if err != nil {
		return nil, err
	}
	if out.Signature, err = v.sign(text); err != nil {
		return nil, refuse(codes.InvalidArgument, "sign: %v", err)
	}
	out.SignatureCrc32C = crc(out.GetSignature())
	return out, nil
}

// digest is a Digest of the API.
type digest struct {
	hash  crypto.Hash // 0: none
	bytes []byte
}

func givenDigest(d *kmspb.Digest) (digest, error) {
	switch given := d.GetDigest().(type) {
	case nil:
		return digest{}, nil
	case *kmspb.Digest_Sha256:
		return digest{crypto.SHA256, given.Sha256}, nil
	case *kmspb.Digest_Sha384:
		return digest{crypto.SHA384, given.Sha384}, nil
	case *kmspb.Digest_Sha512:
		return digest{crypto.SHA512, given.Sha512}, nil
	}
	return digest{}, refuse(codes.Unimplemented, "the emulator does not model this kind of digest")
}

// toSign is what goes into the signature: a digest, or the data where the algorithm
// has no hash.
func (v *version) toSign(d digest, data []byte) ([]byte, error) {
	h := v.algorithm.hash
	switch {
	case d.hash != 0 && len(data) > 0:
		return nil, refuse(codes.InvalidArgument, "digest and data must not both be set")
	case h == 0 && d.hash != 0:
		return nil, refuse(codes.InvalidArgument, "%s signs data, not a digest", v.algorithm.id)
	case h == 0:
		return data, v.checkSize(mostHSM, data)
	case d.hash == 0 && len(data) == 0:
		return nil, refuse(codes.InvalidArgument, "digest or data is required")
	case d.hash == 0:
		sum := h.New()
		sum.Write(data)
		return sum.Sum(nil), v.checkSize(mostHSM, data)
	case d.hash != h, len(d.bytes) != h.Size():
		return nil, refuse(codes.InvalidArgument, "%s signs digests of %s, of %d bytes", v.algorithm.id, h, h.Size())
	}
	return d.bytes, nil
}

// sign: the salt of PSS is as long as the hash; RSA_SIGN_RAW takes at most eleven
// bytes less than the modulus (RFC 8017 §9.2, without DigestInfo).
func (v *version) sign(text []byte) ([]byte, error) {
	var opts crypto.SignerOpts = v.algorithm.hash
	if v.algorithm.scheme == pss {
		opts = &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: v.algorithm.hash}
	}
	return v.material.pair.Sign(text, opts)
}

func asymmetricDecrypt(c *call, in *kmspb.AsymmetricDecryptRequest) (*kmspb.AsymmetricDecryptResponse, error) {
	v, err := c.use(in.GetName(), kmspb.CryptoKey_ASYMMETRIC_DECRYPT)
	if err != nil {
		return nil, err
	}
	out := &kmspb.AsymmetricDecryptResponse{ProtectionLevel: v.key.level}
	if out.VerifiedCiphertextCrc32C, err = checksum("ciphertext", in.GetCiphertext(), in.GetCiphertextCrc32C()); err != nil {
		return nil, err
	}
	if out.Plaintext, err = v.material.pair.Decrypt(v.algorithm.hash, in.GetCiphertext()); err != nil {
		return nil, refuse(codes.InvalidArgument, "Decryption failed: the ciphertext is invalid.")
	}
	out.PlaintextCrc32C = crc(out.GetPlaintext())
	return out, nil
}
