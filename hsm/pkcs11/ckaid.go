package pkcs11

import (
	"encoding/hex"
	"strings"

	"github.com/keyferry/keyferry/broker"
)

// ckaID is the CKA_ID of which broker.ObjectID makes an id: the bytes of a hex form
// that no printable CKA_ID has, else the text itself. A CKA_ID that is itself the text
// of such a form ("0x01") is not reached.
func ckaID(id broker.MaterialID) []byte {
	digits, ok := strings.CutPrefix(string(id), "0x")
	if !ok {
		return []byte(id)
	}
	b, err := hex.DecodeString(digits)
	if err != nil || broker.ObjectID(b) != id {
		return []byte(id)
	}
	return b
}
