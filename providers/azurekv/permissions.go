package azurekv

import (
	"slices"

	"github.com/keyferry/keyferry/broker"
)

// need is one data action, in a vault's words and in a Managed HSM's ("Azure
// permissions for security", "Local RBAC built-in roles"), and the calls that ask for
// it.
type need struct {
	vault, hsm string // below Microsoft.KeyVault/vaults/ and …/managedHsm/; "" none
	calls      []string
	broker.Permission
}

// needs are the least that an importing role and one that proves need. What each is
// for begins with the steps that fail without it.
var needs = []need{
	{
		"keys/read", "keys/read/action",
		[]string{"GetKey", "ListKeys", "ListKeyVersions"},
		broker.Permission{For: "look, fetch, prove signing keys, prove decryption keys", Look: true},
	},
	{"keys/read", "keys/deletedKeys/read/action", []string{"GetDeletedKey", "ListDeletedKeys"}, broker.Permission{For: "look: what is deleted", Look: true}},
	{"keys/create/action", "keys/create", []string{"CreateKey"}, broker.Permission{For: "fetch: make a KEK"}},
	{"keys/import/action", "keys/import/action", []string{"ImportKey"}, broker.Permission{For: "import"}},
	{"keys/update/action", "keys/write/action", []string{"UpdateKey"}, broker.Permission{For: "withhold, activate, renew: disable, enable, move an end"}},
	{"keys/delete", "keys/delete", []string{"DeleteKey"}, broker.Permission{For: "abort"}},
	{"keys/recover/action", "keys/deletedKeys/recover/action", []string{"RecoverDeletedKey"}, broker.Permission{For: "cancel a deletion", Later: true}},
	{"keys/sign/action", "keys/sign/action", []string{"Sign"}, broker.Permission{For: "prove signing keys", Proof: true}},
	{"keys/decrypt/action", "keys/decrypt/action", []string{"Decrypt"}, broker.Permission{For: "prove decryption keys, prove AES keys", Proof: true}},
}

// action is a need in the words of this kind of vault.
func (c Config) action(n need) string {
	if c.Kind == ManagedHSM {
		return "Microsoft.KeyVault/managedHsm/" + n.hsm
	}
	return "Microsoft.KeyVault/vaults/" + n.vault
}

// actionOf a call, as this kind of vault calls it; "" for one that needs none.
func (c Config) actionOf(call string) string {
	for _, n := range needs {
		if slices.Contains(n.calls, call) {
			return c.action(n)
		}
	}
	return ""
}

// permissions are the needs, each action once: a vault has one where a Managed HSM has
// two.
func (c Config) permissions() []broker.Permission {
	var out []broker.Permission
	for _, n := range needs {
		n.Action = c.action(n)
		if !slices.ContainsFunc(out, func(p broker.Permission) bool { return p.Action == n.Action }) {
			out = append(out, n.Permission)
		}
	}
	return out
}

// proving are the actions of the role that proves: it reads keys, and uses them.
func (c Config) proving() []string {
	out := []string{c.actionOf("GetKey")}
	for _, p := range c.permissions() {
		if p.Proof {
			out = append(out, p.Action)
		}
	}
	return out
}

// importing are the actions of the role that imports. It uses no key where another
// proves.
func (c Config) importing() []string {
	var out []string
	for _, p := range c.permissions() {
		if !p.Later && (!p.Proof || c.ProofCredentials == nil) {
			out = append(out, p.Action)
		}
	}
	return out
}
