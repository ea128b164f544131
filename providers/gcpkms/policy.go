package gcpkms

import (
	"encoding/json"
	"fmt"
)

// role is a custom role as gcloud iam roles create --file reads it.
type role struct {
	Title               string   `json:"title"`
	Description         string   `json:"description"`
	Stage               string   `json:"stage"`
	IncludedPermissions []string `json:"includedPermissions"`
}

// LeastPolicy is the custom role of the account that imports into the ring of c and
// does nothing else, as indented JSON for gcloud iam roles create --file. Where
// proofs are asked for by an account of their own, it cannot use a key. The role is
// granted on the key ring; cloudkms.locations.get, which only doctor and enrolment
// ask for, is checked at the project.
func LeastPolicy(c Config) (string, error) {
	return c.role("Keyferry importer", "Makes empty keys, imports versions into them, and looks", func(proof bool) bool {
		return !proof || c.ProofImpersonate == ""
	})
}

// ProofPolicy is the same for the account that proofs are asked for as: it uses keys
// and cannot change anything.
func ProofPolicy(c Config) (string, error) {
	return c.role("Keyferry prover", "Uses keys to prove that they hold what was imported", func(proof bool) bool { return proof })
}

func (c Config) role(title, description string, include func(proof bool) bool) (string, error) {
	out := role{Title: title, Description: description + " (" + c.ring() + ")", Stage: "GA"}
	for _, p := range permissions {
		if !p.Later && include(p.Proof) {
			out.IncludedPermissions = append(out.IncludedPermissions, p.Action)
		}
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return "", fmt.Errorf("write role: %w", err)
	}
	return string(text), nil
}
