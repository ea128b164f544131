package azurekv_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"github.com/keyferry/keyferry/providers/azurekv"
)

// TestBlob is byte for byte what the BYOK specification's example is.
func TestBlob(t *testing.T) {
	t.Parallel()
	const want = `{"schema_version":"1.0.0","header":{"kid":"https://payments.vault.azure.net/keys/keyferry-kek/` + kekVersion +
		`","alg":"dir","enc":"CKM_RSA_AES_KEY_WRAP"},"ciphertext":"-_-_AQ","generator":"keyferry"}`
	got, err := azurekv.NewBlob("https://payments.vault.azure.net/keys/keyferry-kek/"+kekVersion, []byte{0xfb, 0xff, 0xbf, 0x01})
	if err != nil || string(got) != want {
		t.Errorf("%s, %v", got, err)
	}
}

func FuzzBlob(f *testing.F) {
	f.Add("https://payments.vault.azure.net/keys/keyferry-kek/"+kekVersion, []byte("wrapped"))
	f.Add(`"},"enc":"none`, []byte{})
	f.Add("<&>\x00\u2028", []byte{0xff})
	f.Fuzz(func(t *testing.T, kid string, wrapped []byte) {
		text, err := azurekv.NewBlob(kid, wrapped)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := json.Unmarshal(text, &tree); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if names := slices.Sorted(maps.Keys(tree)); !slices.Equal(names, []string{"ciphertext", "generator", "header", "schema_version"}) {
			t.Errorf("members %v", names)
		}
		header, _ := tree["header"].(map[string]any)
		if len(header) != 3 || header["alg"] != "dir" || header["enc"] != "CKM_RSA_AES_KEY_WRAP" {
			t.Errorf("header %v", header)
		}
		ciphertext, _ := tree["ciphertext"].(string)
		back, err := base64.RawURLEncoding.Strict().DecodeString(ciphertext)
		if err != nil || !bytes.Equal(back, wrapped) {
			t.Errorf("%q is %x, not %x: %v", ciphertext, back, wrapped, err)
		}
	})
}
