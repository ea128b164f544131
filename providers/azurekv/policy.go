package azurekv

import (
	"encoding/json"
	"fmt"
)

// vaultRole is a custom role of Azure RBAC, as az role definition create reads it
// ("Azure custom roles": JSON format).
type vaultRole struct {
	Name             string   `json:"Name"`
	IsCustom         bool     `json:"IsCustom"`
	Description      string   `json:"Description"`
	Actions          []string `json:"Actions"`
	NotActions       []string `json:"NotActions"`
	DataActions      []string `json:"DataActions"`
	NotDataActions   []string `json:"NotDataActions"`
	AssignableScopes []string `json:"AssignableScopes"`
}

// hsmRole is a custom role of a Managed HSM's local RBAC, as az keyvault role
// definition create reads it.
type hsmRole struct {
	RoleName       string   `json:"roleName"`
	Description    string   `json:"description"`
	Actions        []string `json:"actions"`
	NotActions     []string `json:"notActions"`
	DataActions    []string `json:"dataActions"`
	NotDataActions []string `json:"notDataActions"`
}

// LeastPolicy is the custom role of the identity that imports into the vault of c and
// does nothing else, as indented JSON. Where proofs are asked for by an identity of
// their own, it cannot use a key: ProofPolicy is that one's. {subscription} in the
// scope of a vault's role is that of the vault; a Managed HSM's has no scope.
func LeastPolicy(c Config) (string, error) {
	c = c.withDefaults()
	return c.role("Keyferry importer", "Makes KEKs, imports keys, and looks", c.importing())
}

// ProofPolicy is the same for the identity that proofs are asked for as: it reads and
// uses keys, and cannot change anything.
func ProofPolicy(c Config) (string, error) {
	c = c.withDefaults()
	return c.role("Keyferry prover", "Uses keys to prove that they hold what was imported", c.proving())
}

func (c Config) role(name, description string, actions []string) (string, error) {
	none := []string{}
	var role any = vaultRole{
		Name: name, IsCustom: true, Description: description, Actions: none, NotActions: none, DataActions: actions, NotDataActions: none,
		AssignableScopes: []string{"/subscriptions/{subscription}"},
	}
	if c.Kind == ManagedHSM {
		role = hsmRole{RoleName: name, Description: description, Actions: none, NotActions: none, DataActions: actions, NotDataActions: none}
	}
	text, err := json.MarshalIndent(role, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write role: %w", err)
	}
	return string(text), nil
}
