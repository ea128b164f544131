package e2etest

import (
	"encoding/json"
	"strings"

	"github.com/keyferry/keyferry/localstack/faults"
)

// Show is a value in a failure.
func Show(v any) string {
	text, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// Identity tells materials apart: a pair's public key, however the private one was
// encoded, or a secret's bytes.
func Identity(v faults.VersionReport) string {
	if v.PublicSHA256 != "" {
		return v.PublicSHA256
	}
	return v.SHA256
}

// AcrossVaults reports whether a twin is what was asked for: the same material in a vault
// and in a pool.
func AcrossVaults(twin faults.Twin) bool {
	return len(twin.Keys) == 2 && len(twin.Names) == 1 &&
		strings.Contains(twin.Keys[0]+twin.Keys[1], ".vault.") && strings.Contains(twin.Keys[0]+twin.Keys[1], ".managedhsm.")
}
