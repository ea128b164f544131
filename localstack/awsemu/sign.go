package awsemu

import (
	"cmp"
	"crypto"
	"crypto/rsa"
	"strings"
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
	signature, err := k.current().secret.pair.Sign(digest, signingOptions(in.SigningAlgorithm))
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
	if !k.current().secret.pair.Verify(digest, in.Signature, signingOptions(in.SigningAlgorithm)) {
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
	err := cmp.Or(checkLength("Message", len(in.Message), 1, 4096), checkEnum("MessageType", in.MessageType, "RAW", "DIGEST", "EXTERNAL_MU"))
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

// signingOptions: PSS salts are as long as the hash (Developer Guide, Key spec
// reference).
func signingOptions(algorithm string) crypto.SignerOpts {
	h := signingHash(algorithm)
	if strings.HasPrefix(algorithm, "RSASSA_PSS_") {
		return &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: h}
	}
	return h
}
