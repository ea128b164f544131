package awsemu

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"strings"

	kecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

type signInput struct {
	KeyID            string `json:"KeyId"`
	Message          []byte `json:"Message"`
	MessageType      string `json:"MessageType"`
	SigningAlgorithm string `json:"SigningAlgorithm"`
}

type signOutput struct {
	KeyID            string `json:"KeyId"`
	Signature        []byte `json:"Signature"`
	SigningAlgorithm string `json:"SigningAlgorithm"`
}

func sign(c *call, in signInput) (any, error) {
	k, digest, err := c.signer(in)
	if err != nil {
		return nil, err
	}
	signature, err := k.current().secret.pair.sign(in.SigningAlgorithm, digest)
	if err != nil {
		return nil, err
	}
	c.used(k)
	return signOutput{k.arn, signature, in.SigningAlgorithm}, nil
}

type verifyInput struct {
	KeyID            string `json:"KeyId"`
	Message          []byte `json:"Message"`
	MessageType      string `json:"MessageType"`
	SigningAlgorithm string `json:"SigningAlgorithm"`
	Signature        []byte `json:"Signature"`
}

type verifyOutput struct {
	KeyID            string `json:"KeyId"`
	SignatureValid   bool   `json:"SignatureValid"`
	SigningAlgorithm string `json:"SigningAlgorithm"`
}

// verify never answers false: a wrong signature is an exception.
func verify(c *call, in verifyInput) (any, error) {
	if err := checkLength("Signature", len(in.Signature), 1, 6144); err != nil {
		return nil, err
	}
	k, digest, err := c.signer(signInput{in.KeyID, in.Message, in.MessageType, in.SigningAlgorithm})
	if err != nil {
		return nil, err
	}
	if !k.current().secret.pair.verify(in.SigningAlgorithm, digest, in.Signature) {
		return nil, refuse(codeInvalidSignature, "The signature is not valid")
	}
	c.used(k)
	return verifyOutput{k.arn, true, in.SigningAlgorithm}, nil
}

// signer finds the key and what it signs: the message's digest, or for Ed25519
// the message itself.
func (c *call) signer(in signInput) (*key, []byte, error) {
	if in.MessageType == "" {
		in.MessageType = "RAW"
	}
	err := first(checkLength("Message", len(in.Message), 1, 4096), checkEnum("MessageType", in.MessageType, "RAW", "DIGEST", "EXTERNAL_MU"))
	if err != nil {
		return nil, nil, err
	}
	k, err := c.crypto(in.KeyID, useSign)
	if err != nil {
		return nil, nil, err
	}
	if err := k.takes(in.SigningAlgorithm); err != nil {
		return nil, nil, err
	}
	if in.MessageType == "EXTERNAL_MU" || k.spec.class == classEd && in.MessageType != "RAW" {
		return nil, nil, refuse(codeValidation, "MessageType %s is not compatible with %s", in.MessageType, in.SigningAlgorithm)
	}
	h := signingHash(in.SigningAlgorithm)
	switch {
	case k.spec.class == classEd:
		return k, in.Message, nil
	case in.MessageType == "DIGEST" && len(in.Message) != h.Size():
		return nil, nil, refuse(codeValidation, "Digest is invalid length for algorithm %s.", in.SigningAlgorithm)
	case in.MessageType == "DIGEST":
		return k, in.Message, nil
	}
	d := h.New()
	d.Write(in.Message)
	return k, d.Sum(nil), nil
}

func signingHash(algorithm string) crypto.Hash {
	switch {
	case strings.HasSuffix(algorithm, "_384"):
		return crypto.SHA384
	case strings.HasSuffix(algorithm, "_512"):
		return crypto.SHA512
	default:
		return crypto.SHA256
	}
}

// pssOptions: the salt is as long as the hash (Developer Guide, Key spec reference).
func pssOptions(algorithm string) *rsa.PSSOptions {
	return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: signingHash(algorithm)}
}

func (p *pair) sign(algorithm string, digest []byte) ([]byte, error) {
	switch {
	case p.ed != nil:
		return ed25519.Sign(p.ed, digest), nil
	case p.koblitz != nil:
		return kecdsa.Sign(p.koblitz, digest).Serialize(), nil
	case p.ec != nil:
		return ecdsa.SignASN1(rand.Reader, p.ec, digest)
	case strings.HasPrefix(algorithm, "RSASSA_PSS_"):
		return rsa.SignPSS(rand.Reader, p.rsa, signingHash(algorithm), digest, pssOptions(algorithm))
	default:
		return rsa.SignPKCS1v15(nil, p.rsa, signingHash(algorithm), digest)
	}
}

func (p *pair) verify(algorithm string, digest, signature []byte) bool {
	switch {
	case p.ed != nil:
		return ed25519.Verify(p.ed.Public().(ed25519.PublicKey), digest, signature)
	case p.koblitz != nil:
		s, err := kecdsa.ParseDERSignature(signature)
		return err == nil && s.Verify(digest, p.koblitz.PubKey())
	case p.ec != nil:
		return ecdsa.VerifyASN1(&p.ec.PublicKey, digest, signature)
	case strings.HasPrefix(algorithm, "RSASSA_PSS_"):
		return rsa.VerifyPSS(&p.rsa.PublicKey, signingHash(algorithm), digest, signature, pssOptions(algorithm)) == nil
	default:
		return rsa.VerifyPKCS1v15(&p.rsa.PublicKey, signingHash(algorithm), digest, signature) == nil
	}
}
