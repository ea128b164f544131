package faults

import "time"

// Report is what an emulator holds, counted from the material it unwrapped: the
// judge of a crash test, which compares it with the test's own list.
type Report struct {
	At        time.Time                 `json:"at"` // by the emulator's clock
	Keys      []KeyReport               `json:"keys"`
	Names     map[string]NameReport     `json:"names"`     // by key name; "" are keys without one
	Materials map[string]MaterialReport `json:"materials"` // by SHA-256 of the unwrapped material, hex
	Orphans   []string                  `json:"orphans"`   // refs of keys without material that are not to be deleted
	Twins     []Twin                    `json:"twins"`
}

// KeyReport is one key at one account and region.
type KeyReport struct {
	Ref      string            `json:"ref"` // ARN or resource name
	Name     string            `json:"name,omitempty"`
	Account  string            `json:"account"`
	Region   string            `json:"region"`
	Spec     string            `json:"spec"`
	Usage    string            `json:"usage"`
	Origin   string            `json:"origin"`
	State    string            `json:"state"`
	Versions []VersionReport   `json:"versions"` // in the order of import
	Aliases  []string          `json:"aliases,omitempty"`
	Tags     map[string]string `json:"tags,omitempty"`
	Commits  map[string]int    `json:"commits"` // by action
}

// VersionReport is one set of material of a key.
type VersionReport struct {
	ID           string    `json:"id,omitempty"`            // the cloud's id of it
	SHA256       string    `json:"sha256"`                  // of the bytes as they were unwrapped
	PublicSHA256 string    `json:"public_sha256,omitempty"` // pairs: of the DER SubjectPublicKeyInfo
	State        string    `json:"state"`
	Present      bool      `json:"present"` // false: deleted or expired
	Description  string    `json:"description,omitempty"`
	ValidTo      time.Time `json:"valid_to,omitzero"`
	Imports      int       `json:"imports"` // how many times the same material came
}

// NameReport counts what goes under one key name.
type NameReport struct {
	Keys     int `json:"keys"` // all that still exist
	Pending  int `json:"pending_deletion"`
	Versions int `json:"versions"`
	Orphans  int `json:"orphans"`
	Twins    int `json:"twins"` // twins with a key of this name
}

// MaterialReport is where one set of material is.
type MaterialReport struct {
	Imports  int      `json:"imports"`  // how many times it came
	Versions int      `json:"versions"` // of how many key versions it is
	Keys     []string `json:"keys"`     // refs
}

// Twin is material that came into more than one version.
type Twin struct {
	SHA256 string   `json:"sha256"` // of the first one's bytes
	Keys   []string `json:"keys"`   // refs, one for each version
}
