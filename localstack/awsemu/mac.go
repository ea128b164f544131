package awsemu

import (
	"cmp"
	"crypto/hmac"
)

type macInput struct {
	KeyID        string `json:"KeyId"`
	Message      []byte `json:"Message"`
	MacAlgorithm string `json:"MacAlgorithm"`
	Mac          []byte `json:"Mac"` // VerifyMac only
}

type generateMacInput struct {
	KeyID        string `json:"KeyId"`
	Message      []byte `json:"Message"`
	MacAlgorithm string `json:"MacAlgorithm"`
}

type generateMacOutput struct {
	KeyID        string `json:"KeyId"`
	Mac          []byte `json:"Mac"`
	MacAlgorithm string `json:"MacAlgorithm"`
}

// generateMac is the HMAC of RFC 2104 over the message itself.
func generateMac(c *call, in generateMacInput) (any, error) {
	k, mac, err := c.mac(macInput{KeyID: in.KeyID, Message: in.Message, MacAlgorithm: in.MacAlgorithm})
	if err != nil {
		return nil, err
	}
	return generateMacOutput{k.arn, mac, in.MacAlgorithm}, nil
}

type verifyMacOutput struct {
	KeyID        string `json:"KeyId"`
	MacAlgorithm string `json:"MacAlgorithm"`
	MacValid     bool   `json:"MacValid"`
}

// verifyMac never answers false: a wrong MAC is an exception.
func verifyMac(c *call, in macInput) (any, error) {
	if err := checkLength("Mac", len(in.Mac), 1, 6144); err != nil {
		return nil, err
	}
	k, mac, err := c.mac(in)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(mac, in.Mac) {
		return nil, refuse(codeInvalidMac, "The MAC is not valid")
	}
	return verifyMacOutput{k.arn, in.MacAlgorithm, true}, nil
}

func (c *call) mac(in macInput) (*key, []byte, error) {
	err := cmp.Or(
		checkLength("Message", len(in.Message), 1, 4096),
		checkEnum("MacAlgorithm", in.MacAlgorithm, "HMAC_SHA_224", "HMAC_SHA_256", "HMAC_SHA_384", "HMAC_SHA_512"),
	)
	if err != nil {
		return nil, nil, err
	}
	k, err := c.crypto(in.KeyID, useMAC)
	if err != nil {
		return nil, nil, err
	}
	if err := k.takes(in.MacAlgorithm); err != nil {
		return nil, nil, err
	}
	h := hmac.New(k.spec.hash.New, k.current().secret.raw)
	h.Write(in.Message)
	c.used(k)
	return k, h.Sum(nil), nil
}
