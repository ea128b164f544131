package azurekv

import (
	"encoding/json"
	"fmt"

	"github.com/keyferry/keyferry/broker"
)

// need is one data action, in a vault's words and in a Managed HSM's ("Azure
// permissions for security", "Local RBAC built-in roles").
type need struct {
	vault, hsm string
	broker.Permission
}

var needs = []need{
	{"keys/read", "keys/read/action", broker.Permission{For: "look, fetch", Look: true}},
	{"", "keys/deletedKeys/read/action", broker.Permission{For: "look", Look: true}},
	{"keys/create/action", "keys/create", broker.Permission{For: "fetch: make a KEK"}},
	{"keys/import/action", "keys/import/action", broker.Permission{For: "import"}},
	{"keys/update/action", "keys/write/action", broker.Permission{For: "activate, withhold, renew: enable, disable and ends"}},
	{"keys/delete", "keys/delete", broker.Permission{For: "abort"}},
	{"keys/recover/action", "keys/deletedKeys/recover/action", broker.Permission{For: "cancel a deletion", Later: true}},
	{"keys/sign/action", "keys/sign/action", broker.Permission{For: "prove signing keys", Proof: true}},
	{"keys/decrypt/action", "keys/decrypt/action", broker.Permission{For: "prove decryption and AES keys", Proof: true}},
}

// actionFor are the calls that each data action of a vault is asked for.
var actionFor = map[string]string{
	"GetKey": "keys/read", "ListKeys": "keys/read", "ListKeyVersions": "keys/read", "CreateKey": "keys/create/action",
	"ImportKey": "keys/import/action", "UpdateKey": "keys/update/action", "DeleteKey": "keys/delete",
	"RecoverDeletedKey": "keys/recover/action", "Sign": "keys/sign/action", "Decrypt": "keys/decrypt/action",
	"GetDeletedKey": "keys/read",
}

func (c Config) action(n need) string {
	switch {
	case c.Kind == ManagedHSM:
		return "Microsoft.KeyVault/managedHsm/" + n.hsm
	case n.vault == "":
		return ""
	default:
		return "Microsoft.KeyVault/vaults/" + n.vault
	}
}

// actionOf a call, as this kind of vault calls it; "" for one that needs none.
func (c Config) actionOf(call string) string {
	for _, n := range needs {
		if n.vault == actionFor[call] && n.vault != "" {
			return c.action(n)
		}
	}
	return ""
}

func (c Config) permissions() []broker.Permission {
	var out []broker.Permission
	for _, n := range needs {
		if action := c.action(n); action != "" {
			n.Action = action
			out = append(out, n.Permission)
		}
	}
	return out
}

// role is a custom role, as az role definition create and az keyvault role definition
// create read it.
type role struct {
	Name             string   `json:"Name"`
	RoleName         string   `json:"roleName"`
	Description      string   `json:"Description"`
	Actions          []string `json:"Actions"`
	DataActions      []string `json:"DataActions"`
	AssignableScopes []string `json:"AssignableScopes"`
}

// LeastPolicy is the custom role of the identity that imports into the vault of c and
// does nothing else, as indented JSON. Where proofs are asked for by an identity of
// their own, it cannot use a key. {subscription} in its scope is the vault's.
func LeastPolicy(c Config) (string, error) {
	return c.role("Keyferry importer", "Makes KEKs, imports keys, and looks", func(p broker.Permission) bool {
		return !p.Later && (!p.Proof || c.ProofCredentials == nil)
	})
}

// ProofPolicy is the same for the identity that proofs are asked for as: it reads and
// uses keys, and cannot change anything.
func ProofPolicy(c Config) (string, error) {
	return c.role("Keyferry prover", "Uses keys to prove that they hold what was imported", func(p broker.Permission) bool {
		return p.Proof || p.Action == c.withDefaults().action(needs[0])
	})
}

func (c Config) role(name, description string, include func(broker.Permission) bool) (string, error) {
	c = c.withDefaults()
	out := role{Name: name, RoleName: name, Description: description, Actions: []string{}, AssignableScopes: []string{"/subscriptions/{subscription}"}}
	if c.Kind == ManagedHSM {
		out.AssignableScopes = []string{"/"}
	}
	for _, p := range c.permissions() {
		if include(p) {
			out.DataActions = append(out.DataActions, p.Action)
		}
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write role: %w", err)
	}
	return string(text), nil
}
