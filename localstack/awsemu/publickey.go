package awsemu

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/x509"
)

type getPublicKeyOutput struct {
	KeyID                 string   `json:"KeyId"`
	PublicKey             []byte   `json:"PublicKey"`
	CustomerMasterKeySpec string   `json:"CustomerMasterKeySpec"`
	KeySpec               string   `json:"KeySpec"`
	KeyUsage              string   `json:"KeyUsage"`
	EncryptionAlgorithms  []string `json:"EncryptionAlgorithms,omitempty"`
	SigningAlgorithms     []string `json:"SigningAlgorithms,omitempty"`
	KeyAgreementAlgs      []string `json:"KeyAgreementAlgorithms,omitempty"`
}

func getPublicKey(c *call, in keyInput) (any, error) {
	k, err := c.aliased(in.KeyID)
	if err != nil {
		return nil, err
	}
	if !k.spec.asymmetric() {
		return nil, refuse(codeUnsupported, "%s is not an asymmetric key", k.arn)
	}
	if err := k.usable(); err != nil {
		return nil, err
	}
	m := k.metadata()
	return getPublicKeyOutput{
		KeyID: k.arn, PublicKey: k.current().secret.pair.SPKI(), CustomerMasterKeySpec: m.KeySpec, KeySpec: m.KeySpec, KeyUsage: m.KeyUsage,
		EncryptionAlgorithms: m.EncryptionAlgorithms, SigningAlgorithms: m.SigningAlgorithms, KeyAgreementAlgs: m.KeyAgreementAlgs,
	}, nil
}

type deriveInput struct {
	KeyID                 string `json:"KeyId"`
	KeyAgreementAlgorithm string `json:"KeyAgreementAlgorithm"`
	PublicKey             []byte `json:"PublicKey"`
}

type deriveOutput struct {
	KeyID                 string `json:"KeyId"`
	SharedSecret          []byte `json:"SharedSecret"`
	KeyAgreementAlgorithm string `json:"KeyAgreementAlgorithm"`
	KeyOrigin             string `json:"KeyOrigin"`
}

// deriveSharedSecret answers the raw secret.
func deriveSharedSecret(c *call, in deriveInput) (any, error) {
	err := cmp.Or(checkEnum("KeyAgreementAlgorithm", in.KeyAgreementAlgorithm, "ECDH"), checkLength("PublicKey", len(in.PublicKey), 1, 8192))
	if err != nil {
		return nil, err
	}
	k, err := c.crypto(in.KeyID, useAgree)
	if err != nil {
		return nil, err
	}
	own := k.current().secret.pair
	parsed, err := x509.ParsePKIXPublicKey(in.PublicKey)
	public, ok := parsed.(*ecdsa.PublicKey)
	if err != nil || !ok || public.Curve != own.EC().Curve {
		return nil, refuse(codeValidation, "PublicKey is not a DER SubjectPublicKeyInfo on the curve of %s", k.arn)
	}
	peer, err := public.ECDH()
	if err != nil {
		return nil, refuse(codeValidation, "PublicKey is not on its curve")
	}
	secret, err := own.Agree(peer)
	if err != nil {
		return nil, err
	}
	c.used(k)
	return deriveOutput{k.arn, secret, "ECDH", k.origin}, nil
}
