package awsemu

import (
	"encoding/base64"
	"encoding/json"
	"net/http"

	"github.com/keyferry/keyferry/localstack/faults"
)

// lie makes a false answer out of a true one: another MAC, public key, plaintext,
// signature, shared secret; a wrong MAC or signature taken for right; other
// material taken for the same.
func (c *call) lie(truth faults.Answer) faults.Answer {
	c.s.mu.Lock()
	defer c.s.mu.Unlock()
	if truth.Code != "" {
		return c.acceptFalsely(truth)
	}
	var members map[string]any
	if json.Unmarshal(truth.Body, &members) != nil {
		return truth
	}
	for _, name := range []string{"Mac", "Plaintext", "Signature", "SharedSecret"} {
		if text, ok := members[name].(string); ok {
			members[name] = flipped(text)
		}
	}
	if members["PublicKey"] != nil && c.action == "GetPublicKey" {
		members["PublicKey"] = c.otherPublicKey()
	}
	return jsonAnswer(truth.Status, "", members)
}

// flipped changes the last bit of the base64 of a blob.
func flipped(text string) string {
	blob, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(blob) == 0 {
		return text
	}
	blob[len(blob)-1] ^= 1
	return base64.StdEncoding.EncodeToString(blob)
}

// otherPublicKey is one of the same spec that is not the key's.
func (c *call) otherPublicKey() []byte {
	own := c.subject.current()
	if own == nil || own.secret == nil {
		return nil
	}
	other, err := own.secret.pair.OtherSPKI()
	if err != nil {
		return nil
	}
	return other
}

// acceptFalsely turns a refusal of proof into its success.
func (c *call) acceptFalsely(truth faults.Answer) faults.Answer {
	k := c.subject
	var out any
	switch {
	case k == nil:
		return truth
	case truth.Code == codeInvalidMac:
		out = verifyMacOutput{k.arn, k.metadata().MacAlgorithms[0], true}
	case truth.Code == codeInvalidSignature:
		out = verifyOutput{k.arn, true, k.metadata().SigningAlgorithms[0]}
	case truth.Code == codeIncorrectMat:
		out = importOutput{k.arn, k.visibleID(k.current())}
	default:
		return truth
	}
	return jsonAnswer(http.StatusOK, "", out)
}
